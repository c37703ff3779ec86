"""Stages on disk: parts of a training whose result several rows share, each sealed once as named arrays and a card.

A stage lies in `stages/<digest>` of the data folder: `arrays.safetensors`, the card, and the measured seconds and memory.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Index
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import build_once, check_sealed
from benchmark.system.locations import data_folder

Arrays = Mapping[str, NDArray[Any]]
ARRAYS, CARD, MEASURED = "arrays.safetensors", "card.json", "measured.json"
MEND = "`clean --stages --yes`"


@dataclass(frozen=True)
class StoredStage:
    """What is known of a stage on this machine: whose it is, the cases that it saw, and the seconds that it took.

    sees : the parts of a split that it saw.
    """

    digest: str
    owner: str
    stage: str
    dataset: str
    cases_seen: tuple[str, ...]
    seconds: float
    sees: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.stage} of {self.owner}"


@dataclass(frozen=True)
class StageKey:
    """Which stage: its owner (a method or an encoder, spelled), its name, the dataset, and all that its result depends on."""

    owner: str
    name: str
    dataset: str
    ingredients: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Digest of owner, name and ingredients."""
        return provenance.digest([self.owner, self.name, self.dataset, self.ingredients])[:32]

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return stages_folder() / self.digest

    @property
    def is_built(self) -> bool:
        """Whether it is there."""
        return self.folder.is_dir()

    @property
    def seconds(self) -> float | None:
        """How long it took to make, by the machine that made it; None where it is not here."""
        try:
            return float(json.loads((self.folder / MEASURED).read_text("utf-8"))["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def sees(self) -> str:
        """The parts of a split that it sees."""
        return " and ".join(sorted(self.ingredients.get("seen", ())))

    def __str__(self) -> str:
        return f"stage {self.name} of {self.owner}"

    def build(self, make: Callable[[], Arrays], cases_seen: Sequence[str]) -> None:
        """Keep what `make` gives, unless it is there: under a lock, sealed, never half-written. Raises what `make` raises."""
        from safetensors.numpy import save

        def write(aside: Path) -> None:
            started = time.perf_counter()
            # in one order of names: safetensors keeps the order in which arrays of one type are given
            arrays = {name: np.ascontiguousarray(array) for name, array in sorted(make().items())}
            content = save(arrays)
            card = {
                "owner": self.owner,
                "stage": self.name,
                "dataset": self.dataset,
                "cases_seen": [str(case) for case in cases_seen],
                "sha256": hashlib.sha256(content).hexdigest(),
                "ingredients": self.ingredients,
            }
            measured = {"seconds": round(time.perf_counter() - started, 3)}
            try:
                (aside / ARRAYS).write_bytes(content)
                (aside / CARD).write_text(json.dumps(card, indent=1, default=str), encoding="utf-8")
                (aside / MEASURED).write_text(json.dumps(measured), encoding="utf-8")
            except OSError as error:
                raise BenchmarkError(f"{self} cannot be kept in {stages_folder()}: {error.strerror or error}") from error

        build_once(self.folder, write)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was kept. Raises `BenchmarkError` where a file is missing, cut or changed."""
        from safetensors.numpy import load

        check_sealed(self.folder, MEND)
        content = (self.folder / ARRAYS).read_bytes()
        if hashlib.sha256(content).hexdigest() != json.loads((self.folder / CARD).read_text("utf-8"))["sha256"]:
            raise BenchmarkError(f"{self.folder / ARRAYS} is damaged: {MEND}, then run again")
        arrays: dict[str, NDArray[Any]] = load(content)
        return arrays


def rows_digest(rows: Index) -> str:
    """Digest of positions in a cohort or its pool."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


def stages_folder() -> Path:
    """Where the stages of this machine lie."""
    return data_folder() / "stages"


def stored_stages() -> Iterator[StoredStage]:
    """The stages on this machine, by owner, name and dataset; one that is damaged is left out."""
    found = []
    for card in sorted(stages_folder().glob(f"[!.]*/{CARD}")):
        try:
            content = json.loads(card.read_text("utf-8"))
            seconds = json.loads(card.with_name(MEASURED).read_text("utf-8"))["seconds"]
            owner, name, dataset = (str(content[item]) for item in ("owner", "stage", "dataset"))
            cases, sees = tuple(content["cases_seen"]), tuple(sorted(content["ingredients"].get("seen", ())))
            found.append(StoredStage(card.parent.name, owner, name, dataset, cases, float(seconds), sees))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return iter(sorted(found, key=lambda stage: (stage.owner, stage.stage, stage.dataset, stage.digest)))
