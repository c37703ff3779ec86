"""What cells wait for: features of encoders, weights that encoders learn on a pool, stages of methods."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.cells.compute import Built, Encoding, build
from benchmark.cells.executors import CellExecutor, Folders, OwnLimits
from benchmark.cells.forecast import ENCODING, Forecast
from benchmark.cells.planning import Cell
from benchmark.cells.schedule import Need
from benchmark.cells.stages import PlannedStage
from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool, features_of, is_pretrained_on_pool
from benchmark.data.modalities.text import TEXT, WORDING
from benchmark.data.stages import StageKey, rows_digest
from benchmark.data.written import set_folder
from benchmark.learning.stages import TRAINING
from benchmark.registry.catalogue import Catalogue
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import check_sealed
from benchmark.system.locations import data_folder

PRETRAINING_SECONDS = 3600.0
"""The limit of an encoder's training on a pool whose class does not say `pretraining_seconds`."""


def learned(cell: Cell, cohort: Cohort, catalogue: Catalogue) -> list[StageKey]:
    """The stages in which a cell's encoders are trained on the pool."""
    stages = []
    for modality, encoder in cell.row.encoders.items():
        with suppress(Exception):  # an encoder is somebody's code: building its features says what is wrong
            source = features_of(bound_to_pool(cohort, cell.split.pool)).reading(cell.row.reports)
            stages.append(source.stage(modality, encoder))
    return [stage for stage in stages if stage is not None]


class Needs:
    """What some cells wait for, so far as it is not there yet.

    by_key : every need, each with the keys of those before it.
    """

    def __init__(
        self, cells: Iterable[Cell], cohorts: Mapping[str, Cohort], catalogue: Catalogue, expected: Forecast, *, debug: bool
    ) -> None:
        self._cohorts, self._catalogue, self._forecast, self._debug = cohorts, catalogue, expected, debug
        self._learned: dict[Hashable, StageKey] = {}
        self._known: set[Hashable] = set()
        self.by_key: dict[Hashable, Need] = {}
        self._of: dict[Cell, tuple[Hashable, ...]] = {}
        self._digests: dict[Cell, list[str]] = {}
        self._places: dict[Hashable, Path] = {}
        """Where the features, or the stage, of a key lie or will lie."""
        self._folders: dict[Cell, Folders] = {}
        for cell in cells:
            features = [self._features(cell, *each) for each in cell.row.encoders.items()]
            for stage in cell.stages:
                self._stage(cell, stage, features)
            keys = (*features, *(stage.key.digest for stage in cell.stages))
            self._of[cell] = tuple(key for key in keys if key in self.by_key)
            self._folders[cell] = Folders(self._at(cell, keys))
            trained = [self._learned[key].digest for key in features if key in self._learned]
            self._digests[cell] = [*trained, *(stage.key.digest for stage in cell.stages)]

    def of(self, cell: Cell) -> tuple[Hashable, ...]:
        """The keys of what a cell waits for."""
        return self._of[cell]

    def folders(self, cell: Cell) -> Folders:
        """What a cell reads of the data folder."""
        return self._folders[cell]

    def _at(self, cell: Cell, keys: Iterable[Hashable]) -> tuple[Path, ...]:
        """The folders of a cell's cohort, of its reports where these were written for it, and of these needs."""
        written = set_folder(self._cohorts[cell.row.dataset], cell.row.reports)
        needs = (self._places[key] for key in keys if key in self._places)
        return (Path(cell.row.folder), *([written] if written.is_dir() else []), *needs)

    def check(self) -> None:
        """Raise `BenchmarkError` for a folder that cells read and whose files are not those of its list."""
        for folder in {path for folders in self._folders.values() for path in folders.needs if path.is_dir()}:
            above = folder.relative_to(data_folder()).parts[0]
            kind = above if above in ("features", "stages", "written") else "prepared"
            check_sealed(folder, f"`clean --{kind} --yes`", whole=True)

    def marks(self, cell: Cell) -> dict[str, Any]:
        """What a cell that builds on stages says of them, after it has been computed; nothing of one without.

        `stages`: the digests of all of them, those of its encoders included. `training_seconds`: how long its trainings took
        that it shares with other rows; None where that is not known.
        """
        if not self._digests[cell]:
            return {}
        taken = [stage.key.seconds for stage in cell.stages if stage.name == TRAINING]
        known = None if None in taken else sum(each for each in taken if each is not None)
        return {"stages": self._digests[cell], "training_seconds": known}

    def seconds(self, cell: Cell) -> float:
        """About how long that takes for which a cell waits."""
        return sum(self.by_key[key].seconds for key in self._of[cell])

    def _features(self, cell: Cell, modality: str, encoder: str) -> Hashable:
        """The key of an encoder's features; one that is trained on the pool runs for each part of it that a split allows."""
        cohort, pool = self._cohorts[cell.row.dataset], None
        with suppress(BenchmarkError):  # of an encoder that there is not, as building its features will say
            pool = cell.split.pool if is_pretrained_on_pool(encoder, self._catalogue) else None
        reports = cell.row.reports if modality == TEXT else WORDING
        key = ("features", cell.row.dataset, modality, encoder, reports, "" if pool is None else rows_digest(pool))
        if key in self._known:
            return key
        self._known.add(key)
        stage = None
        with suppress(Exception):  # an encoder is somebody's code, and its weights may be missing: building says so
            source = features_of(cohort if pool is None else bound_to_pool(cohort, pool)).reading(reports)
            stage = source.stage(modality, encoder)
            if stage is not None:
                self._learned[key] = stage
            self._places[key] = source.place(modality, encoder)
            if self._places[key].is_dir():
                return key
        known = (cell.ingredients["encoders"][encoder], cell.row.plugins)
        seconds = ENCODING * len(cohort)
        before: tuple[Hashable, ...] = ()
        if stage is not None and not stage.is_built:
            most = float(self._catalogue.encoder(encoder).entry.constants.get("pretraining_seconds", PRETRAINING_SECONDS))
            folders = Folders(self._at(cell, ()), (stage.folder,))
            work = partial(self._build, cell, Encoding(modality, encoder, pool, stage, reports, *known), (most, None), folders)
            self.by_key[stage.digest] = Need(stage.digest, str(stage), work, (), seconds)
            before = (stage.digest,)
        learned = () if stage is None else (stage.folder,)
        folders = Folders((*self._at(cell, ()), *learned), (self._places[key],) if key in self._places else ())
        work = partial(self._build, cell, Encoding(modality, encoder, pool, None, reports, *known), (None, None), folders)
        self.by_key[key] = Need(key, f"encoder {encoder} on {cell.row.dataset}", work, before, seconds)
        return key

    def _stage(self, cell: Cell, stage: PlannedStage, features: Iterable[Hashable]) -> None:
        self._places[stage.key.digest] = stage.key.folder
        if stage.key.digest not in self._known and not stage.key.is_built:
            after = (*features, *(each.key.digest for each in stage.after))
            before = tuple(key for key in after if key in self.by_key)
            folders = Folders(self._at(cell, after), (stage.key.folder,))
            work = partial(self._build, cell, stage, (stage.declared.seconds, stage.declared.memory_gib), folders)
            name, seconds = f"{stage.key} on {stage.key.dataset}", self._forecast.of_training(cell.address.row)
            at_once = bool(stage.declared.corpora)
            self.by_key[stage.key.digest] = Need(stage.key.digest, name, work, before, seconds, at_once)
        self._known.add(stage.key.digest)

    def _build(
        self, cell: Cell, need: PlannedStage | Encoding, limits: OwnLimits, folders: Folders, executor: CellExecutor
    ) -> Future[Built]:
        fits = None if isinstance(need, Encoding) else 1
        work = partial(build, debug=self._debug)
        return executor.submit(work, need, cell.row.folder, self._catalogue.plugins, fits=fits, limits=limits, folders=folders)
