"""From a dataset's name to its cohort: built once from the source files, kept on disk, memory-mapped afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmark.data.cohort import Cohort, every_part
from benchmark.data.contracts import Dataset, ReadsFiles
from benchmark.data.features import FeatureCache, Pool, data_key
from benchmark.data.fetching import needs_files, open_sources
from benchmark.data.modalities import known_parts
from benchmark.data.parts import lengths
from benchmark.data.sources import Sources
from benchmark.registry.cards import DatasetCard
from benchmark.registry.catalogue import Catalogue, Configured
from benchmark.registry.discovery import discover
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, DataError
from benchmark.system.files import build_once, check_sealed, safe
from benchmark.system.locations import data_folder

LAYOUT = 7
"""Version of the files in a prepared folder."""


def load_cohort(spelled: str, catalogue: Catalogue | None = None) -> Cohort:
    """The cohort of a dataset, with its encoders at hand; built first where that was not done on this machine.

    Raises `NotFetchedError` where source files are missing, `DataError` where they are not as expected.
    """
    catalogue = catalogue or discover()
    return load_prepared(prepare(spelled, catalogue), catalogue)


def load_prepared(folder: Path, catalogue: Catalogue) -> Cohort:
    """The cohort of a prepared folder, with its encoders at hand."""
    check_sealed(folder, "`clean --prepared --yes`")
    cohort = _read(folder)
    if _task_digest(cohort) != cohort.task_digest:
        raise BenchmarkError(f"{folder} was edited: `clean --prepared --yes`, then run again")
    if cohort.pool is None:
        return replace(cohort, feature_source=FeatureCache(cohort, catalogue, lambda: _read(folder)))
    pool = Pool(data_key(cohort.pool), lambda: _read(folder / "pool"))
    return replace(
        cohort,
        feature_source=FeatureCache(cohort, catalogue, lambda: _read(folder), pool),
        pool=replace(cohort.pool, feature_source=FeatureCache(cohort.pool, catalogue, pool.load, pool)),
    )


def prepared_folder(spelled: str, catalogue: Catalogue) -> Path:
    """Where a dataset's prepared cohort lies, or will lie.

    The folder's name is a digest over the source files, the dataset's code and parameters, and the libraries it uses.
    Raises `NotFetchedError` where source files are missing.
    """
    dataset = catalogue.dataset(spelled)
    name, path = dataset.spelled, dataset.entry.path
    inputs = [LAYOUT, name, _sources(dataset).digest, provenance.code_digest(path), provenance.library_versions(path)]
    return data_folder() / "prepared" / safe(name) / provenance.digest(inputs)[:16]


def _sources(dataset: Configured[DatasetCard]) -> Sources:
    """The files that `sources.toml` lists for the dataset, or those that it names itself.

    Raises `NotFetchedError` where a listed file is missing, `DataError` where one of its own is.
    """
    entry = dataset.entry
    if needs_files(entry.name) and not entry.error:
        return open_sources(entry.name)
    made = dataset.make()
    if not isinstance(made, ReadsFiles):
        return open_sources(entry.name)
    try:
        named = made.files()
        if not isinstance(named, list | tuple):
            raise TypeError(f"it must return a list of paths, not {named!r}")
        paths = [Path(path).expanduser().resolve() for path in named]
        digests = {path.as_posix().lstrip("/"): provenance.file_digest(path) for path in paths}
    except BenchmarkError:
        raise
    except OSError as error:
        raise DataError(f"{entry.name}: {error.filename}, which the dataset reads: {error.strerror}") from error
    except Exception as error:  # files() is somebody's code
        raise DataError(f"{entry.name}: files() in {entry.path.name}: {type(error).__name__}: {error}") from error
    return Sources(Path("/"), digests, provenance.digest([[path.name for path in paths], list(digests.values())]))


def prepare(spelled: str, catalogue: Catalogue) -> Path:
    """Build a dataset's cohort unless its prepared folder is there; returns that folder."""
    dataset = catalogue.dataset(spelled)

    def write(folder: Path) -> None:
        sources, made = _sources(dataset), cast(Dataset, dataset.make())
        built = made.build(sources)
        digest = built.source_digest or sources.digest
        _write(_checked(replace(built, name=dataset.spelled, source_digest=digest)), folder)

    return build_once(prepared_folder(spelled, catalogue), write)


def _checked(cohort: Cohort) -> Cohort:
    """The cohort with its cases sorted by id, after the checks that every dataset must pass."""
    if cohort.labels is None:
        raise DataError(f"{cohort.name}: the dataset gives no labels")
    if not len(cohort):
        raise DataError(f"{cohort.name}: no case is left after the dataset's own exclusions")
    if not np.isin(cohort.labels, (0, 1)).all():
        raise DataError(f"{cohort.name}: labels must be 0 or 1, found {sorted(set(cohort.labels.tolist()))[:5]}")
    for name, column in cohort.strata.items() if cohort.strata is not None else ():
        kinds = {type(value).__name__ for value in column.dropna()}
        if len(kinds) > 1:
            raise DataError(
                f"{cohort.name}: strata column '{name}' mixes {' and '.join(sorted(kinds))}: make it numbers or words"
            )
    checked = _sorted(replace(cohort, labels=np.asarray(cohort.labels).astype(np.int8)))
    if cohort.pool is None:
        return checked
    pool = _sorted(replace(cohort.pool, name=f"{cohort.name} (pool)"))
    both = np.intersect1d(checked.case_ids, pool.case_ids)
    if len(both):
        raise DataError(f"{cohort.name}: case '{both[0]}' is both labelled and in the pool")
    shared: dict[str, Any] = {name: cohort.parts.get(name) for name, part in known_parts().items() if not part.of_cases}
    return replace(checked, pool=replace(pool, encoders=cohort.encoders, **shared))


def _sorted(cohort: Cohort) -> Cohort:
    """The cases by id. Raises `DataError` for ids that are not unique and for parts of another length."""
    ids = np.asarray(cohort.case_ids, dtype=np.str_)
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise DataError(f"{cohort.name}: case id '{unique[counts > 1][0]}' occurs more than once: ids must be unique")
    for part, value in cohort.of_cases():
        for name, length in lengths(part.name, value):
            if length != len(ids):
                raise DataError(f"{cohort.name}: {name} has {length} rows for {len(ids)} cases")
    return replace(replace(cohort, case_ids=ids).take(np.argsort(ids, kind="stable")), rows=None)


def _write(cohort: Cohort, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if cohort.pool is not None:
        _write(cohort.pool, folder / "pool")
    described = {
        "parts": {part.name: part.write(value, folder) for part, value in cohort.contents()},
        "name": cohort.name,
        "encoders": dict(cohort.encoders),
        "facts": dict(cohort.facts),
        "source_digest": cohort.source_digest,
        "task_digest": _task_digest(cohort),
        "content_digest": _content_digest(cohort),
    }
    (folder / "cohort.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def _read(folder: Path) -> Cohort:
    described = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))
    parts = {name: every_part()[name].read(folder, written) for name, written in described.pop("parts").items()}
    pool = _read(folder / "pool") if (folder / "pool").is_dir() else None
    return Cohort(**described, **parts, pool=pool, folder=str(folder))


def _task_digest(cohort: Cohort) -> str:
    columns: Mapping[str, Any] = {"labels": cohort.labels, "sites": cohort.sites}
    told = {name: None if part is None else [str(item) for item in part] for name, part in columns.items()}
    return provenance.digest([cohort.name, [str(case) for case in cohort.case_ids], told, cohort.source_digest])


def _content_digest(cohort: Cohort) -> str:
    """Digest of every array of a cohort, its pool included."""
    total = hashlib.sha256(_task_digest(cohort).encode())

    def add(name: str, value: object) -> None:
        total.update(name.encode())
        if isinstance(value, np.ndarray):
            total.update(f"{value.dtype.str}{value.shape}".encode())
            total.update(np.ascontiguousarray(value).tobytes())
        else:
            total.update(provenance.digest(value).encode())

    held = {part.name: value for part, value in cohort.contents()}
    placed = [(part.place, part) for part in every_part().values() if part.place is not None]
    for _, part in sorted(placed, key=itemgetter(0)):
        for name, value in part.digested(held.get(part.name)):
            add(name, value)
    add("encoders", dict(cohort.encoders))
    if cohort.pool is not None:
        add("pool", _content_digest(cohort.pool))
    return total.hexdigest()
