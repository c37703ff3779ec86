"""From a dataset's name to its cohort: built once from the source files, kept on disk, memory-mapped afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from benchmark.data.cohort import Cohort, every_part
from benchmark.data.contracts import Dataset, ReadsFiles
from benchmark.data.features import FeatureCache, Pool, data_key, report_digests
from benchmark.data.fetching import needs_files, open_sources
from benchmark.data.findings import queries_file
from benchmark.data.intake import take_in, write_remarks
from benchmark.data.modalities.text import ALTERED
from benchmark.data.parts import Stored
from benchmark.data.reading import opened_files
from benchmark.data.remarks import Remarks, quoted
from benchmark.data.sources import Sources
from benchmark.data.written import with_written
from benchmark.registry.catalogue import Catalogue, Configured, ConfiguredDataset
from benchmark.registry.discovery import discover
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, DataError
from benchmark.system.file_digests import digests_of
from benchmark.system.files import build_once, check_sealed, safe
from benchmark.system.locations import data_folder

LAYOUT = 8
"""Version of the files in a prepared folder, and of what the intake accepts and makes."""


def load_cohort(spelled: str, catalogue: Catalogue | None = None) -> Cohort:
    """The cohort of a dataset, with its encoders at hand; built first where that was not done on this machine.

    Raises `NotFetchedError` where source files are missing, `DataError` where they are not as expected.
    """
    catalogue = catalogue or discover()
    return load_prepared(prepare(spelled, catalogue), catalogue)


def load_prepared(folder: Path, catalogue: Catalogue) -> Cohort:
    """The cohort of a prepared folder, with its encoders at hand, and the reports that were written for it."""
    check_sealed(folder, "`clean --prepared --yes`")
    cohort = _read(folder)
    if _task_digest(cohort) != cohort.task_digest:
        raise BenchmarkError(f"{folder} was edited: `clean --prepared --yes`, then run again")
    cohort = with_written(cohort)

    def load() -> Cohort:
        return with_written(_read(folder))

    if cohort.pool is None:
        return replace(cohort, feature_source=FeatureCache(cohort, catalogue, load))
    pool = Pool(cohort.name, data_key(cohort.pool), lambda: _read(folder / "pool"), report_digests(cohort.pool))
    return replace(
        cohort,
        feature_source=FeatureCache(cohort, catalogue, load, pool),
        pool=replace(cohort.pool, feature_source=FeatureCache(cohort.pool, catalogue, pool.load, pool)),
    )


def prepared_folder(spelled: str, catalogue: Catalogue) -> Path:
    """Where a dataset's prepared cohort lies, or will lie.

    The folder's name is a digest over the source files, the dataset's code, parameters and queries, and the libraries it uses.
    Raises `NotFetchedError` where source files are missing.
    """
    dataset = catalogue.dataset(spelled)
    name, path = dataset.spelled, dataset.entry.path
    inputs = [LAYOUT, name, sources_of(dataset).digest, provenance.code_digest(path), provenance.library_versions(path)]
    if (queries := queries_file(dataset.entry.name)).is_file():
        inputs.append(provenance.file_digest(queries))
    return data_folder() / "prepared" / safe(name) / provenance.digest(inputs)[:16]


def sources_of(component: Configured[Any]) -> Sources:
    """The files that `sources.toml` lists for a dataset or corpus, or those that it names itself.

    Raises `NotFetchedError` where a listed file is missing, `DataError` where one of its own is.
    """
    entry = component.entry
    if needs_files(entry.name) and not entry.error:
        return open_sources(entry.name)
    made = component.make()
    if not isinstance(made, ReadsFiles):
        return open_sources(entry.name)
    try:
        named = made.files()
        if not isinstance(named, list | tuple):
            raise TypeError(f"it must return a list of paths, not {named!r}")
        paths = [Path(path).expanduser().resolve() for path in named]
        names = [path.as_posix().lstrip("/") for path in paths]
        digests = dict(zip(names, digests_of(paths), strict=True))
    except BenchmarkError:
        raise
    except OSError as error:
        raise DataError(f"{entry.name}: {error.filename}, which the {entry.kind} reads: {error.strerror}") from error
    except Exception as error:  # files() is somebody's code
        raise DataError(f"{entry.name}: files() in {entry.path.name}: {type(error).__name__}: {error}") from error
    return Sources(Path("/"), digests, provenance.digest([[path.name for path in paths], list(digests.values())]))


def prepare(spelled: str, catalogue: Catalogue) -> Path:
    """Build a dataset's cohort unless its prepared folder is there; returns that folder."""
    dataset = catalogue.dataset(spelled)

    def write(folder: Path) -> None:
        cohort, remarks = build(dataset)
        _write(cohort, folder)
        write_remarks(remarks, folder)

    return build_once(prepared_folder(spelled, catalogue), write)


def build(dataset: ConfiguredDataset) -> tuple[Cohort, Remarks]:
    """The cohort as the dataset's code makes it now and the intake takes it, in memory, and what was remarked.

    Raises `NotFetchedError` where source files are missing, `DataError` for a cohort that is refused.
    """
    sources, made = sources_of(dataset), cast(Dataset, dataset.make())
    with opened_files() as read:
        built = made.build(sources)
    if not isinstance(built, Cohort):
        raise DataError(f"{dataset.spelled}: build() gives a {type(built).__name__}: return a Cohort")
    check_named(dataset, sources, read)
    digest = built.source_digest or sources.digest
    cohort, remarks = take_in(replace(built, name=dataset.spelled, source_digest=digest), dataset.card.barred)
    names_label = "label_only" in dataset.entry.constants
    whole = replace(
        cohort,
        task_digest=_task_digest(cohort),
        content_digest=_content_digest(cohort),
        unlabelled_digest=_unlabelled_digest(cohort, dataset.without_label) if names_label else "",
    )
    return whole, remarks


def check_named(component: Configured[Any], sources: Sources, read: Sequence[Path]) -> None:
    """Refuse a file that was read and enters no digest: an edit of it would go unseen."""
    named = {sources.folder / name for name in sources.files}
    hidden = [str(path) for path in read if path.resolve() not in named and path not in named]
    if hidden:
        maker = "documents" if component.entry.kind == "corpus" else "build"
        mend = "let files() of the class return every file that it reads, so that an edit has the cohort prepared anew"
        raise DataError(f"{component.spelled}: {maker}() reads {quoted(hidden)}, which files() does not name: {mend}")


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
        "task_digest": cohort.task_digest or _task_digest(cohort),
        "content_digest": cohort.content_digest or _content_digest(cohort),
        "unlabelled_digest": cohort.unlabelled_digest,
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
    asked = [] if cohort.findings is None else [_asked(cohort, cohort.findings)]
    return provenance.digest([cohort.name, [str(case) for case in cohort.case_ids], told, cohort.source_digest, *asked])


def _asked(cohort: Cohort, findings: pd.DataFrame) -> dict[str, Any]:
    """What task retrieval asks of a cohort: findings, queries, and reports that are wrong on purpose."""
    wrong = {kind: drafts for kind, drafts in cohort.report_sets.items() if kind in ALTERED}
    return {"findings": findings.to_dict("list"), "queries": dict(cohort.queries), "altered": wrong}


def _content_digest(cohort: Cohort) -> str:
    """Digest of every array of a cohort, its pool included."""
    total = hashlib.sha256(_task_digest(cohort).encode())

    def add(name: str, value: object) -> None:
        total.update(name.encode())
        if isinstance(value, Stored):
            value.add_to(total)
        elif isinstance(value, np.ndarray):
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


def _unlabelled_digest(cohort: Cohort, name: str) -> str:
    """The content digest of a cohort, its pool included, under another name and without its labels."""
    pool = None if cohort.pool is None else replace(cohort.pool, name=f"{name} (pool)")
    return _content_digest(replace(cohort, name=name, labels=None, pool=pool))
