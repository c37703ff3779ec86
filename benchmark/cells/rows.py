"""Stored predictions as rows of tables: this machine's cells where they are complete, else the committed reference."""

import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmark.cells.audited import AuditFinding, read_audited
from benchmark.cells.scored import as_columns
from benchmark.cells.store import THRESHOLD, CellRecord, Store, seconds_of
from benchmark.cells.task import Task, TaskSplit, read_task, write_task
from benchmark.data.findings import FINDING
from benchmark.registry.cards import DatasetCard, Inference
from benchmark.registry.catalogue import Catalogue, ConfiguredDataset, ConfiguredMethod
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Kind
from benchmark.suites.members import Members, members
from benchmark.suites.suite import DEFAULT, HALF, Suite, joined, load_suite, validated
from benchmark.system import provenance
from benchmark.system.errors import StoreError
from benchmark.system.files import safe, with_digest, without_digest, write_if_changed
from benchmark.system.locations import ROOT, results_folder

Source = Literal["local", "reference"]
SECONDS = "seconds.json"
"""Beside a table's published rows: mean seconds per cell of each."""
MEMBERS: tuple[Kind, ...] = ("dataset", "protocol", "method")
"""The kinds of components that join a suite."""
PREDICTION = ["dataset", "protocol", "method", "source", "split", "seed", "site", "case", "label", "probability", "threshold"]
"""What is known of each prediction, by `load_predictions`."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""What a suite asks of its cells besides probabilities, unless it says so."""
PER_SPLIT = ("split", "seed", "stages")
"""The ingredients in which the cells of one row differ."""


@dataclass(frozen=True, eq=False)
class Row:
    """A method's stored cells on one task.

    `probabilities` and `thresholds` by split name, of the cells that are ok; `outcomes` counts all stored cells;
    `failures` are (split, outcome, reason); `cells` is the number that a complete row has; `changed` counts cells that gave
    other predictions when the same key was computed again; `chosen` by split name is what the method stored with its cell;
    `seconds` is the mean time of a cell, None where it was not measured; `content` the content digest of the cohort.
    `columns` by split name is what a cell of task retrieval says of its test cases by column, NaN where it says nothing.
    `ingredients` is what its cells depend on and share, `keys` by split name the hash of all that a cell depends on.
    """

    method: str
    source: Source
    cells: int
    probabilities: Mapping[str, NDArray[np.float64]]
    thresholds: Mapping[str, float]
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: tuple[tuple[str, str, str], ...] = ()
    changed: int = 0
    chosen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: float | None = None
    content: str = ""
    columns: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    ingredients: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def cells_ok(self) -> int:
        """How many cells gave predictions."""
        return len(self.probabilities)

    @cached_property
    def spreads(self) -> tuple[float, ...]:
        """The SD of each cell's probabilities."""
        parts = list(self.probabilities.values())
        alike = len({len(part) for part in parts}) == 1
        return tuple(np.std(parts, axis=1).tolist() if alike else (float(part.std()) for part in parts))

    @property
    def complete(self) -> bool:
        """Whether every cell is ok."""
        return self.cells_ok == self.cells

    @property
    def in_progress(self) -> bool:
        """Whether cells were neither computed nor tried yet."""
        return self.outcomes.total() < self.cells


@dataclass(frozen=True, eq=False)
class TableRows:
    """All rows of a suite on one task: complete ones, incomplete ones, and methods that do not apply.

    `inference` is what the protocol declares (`ProtocolCard.inference`; "" where it is descriptive). `left_out` are methods
    whose published row belongs to another version of the task, `to_come` those without any cell. `audited` is what an audit on
    this machine found of a content on which some row rests. `own` are the rows that the user of this machine added.
    `threshold` says whose thresholds count, as the suite does.
    `descriptive` says why the table is shown and never tested: it ranks no row then. `finding` names the one that is the label
    here, of a table of task retrieval (`of_finding`).
    """

    task: Task
    dataset: ConfiguredDataset
    inference: Inference
    complete: tuple[Row, ...]
    incomplete: tuple[Row, ...]
    not_applicable: tuple[tuple[str, str], ...]
    ranked: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    to_come: tuple[str, ...] = ()
    audited: tuple[AuditFinding, ...] = ()
    own: tuple[str, ...] = ()
    threshold: str = HALF
    descriptive: str = ""
    finding: str = ""

    @property
    def card(self) -> DatasetCard:
        """The dataset's card, with what the label means here."""
        card = self.dataset.card
        return replace(card, positive=self.finding, negative=f"no {self.finding}") if self.finding else card


def of_findings(table: TableRows) -> list[TableRows]:
    """A table for each finding, from the same cells: the finding is the label, its score the probability, at a threshold of .5.

    None of a table whose rows say nothing of findings.
    """
    names = table.task.findings or {}
    rows = (*table.complete, *table.incomplete)
    asked = any(row.columns for row in rows)
    return [_of_finding(table, name, labels) for name, labels in names.items() if asked]


def _of_finding(table: TableRows, name: str, labels: NDArray[np.int8]) -> TableRows:
    def row(of: Row) -> Row:
        scores = {split: columns[f"{FINDING}{name}"] for split, columns in of.columns.items()}
        return replace(of, probabilities=scores, thresholds=dict.fromkeys(scores, 0.5), chosen={}, columns={})

    dataset = replace(table.dataset, parameters={**table.dataset.parameters, "finding": name})
    fewest = (table.task.fewest_of or {}).get(name)
    task = replace(table.task, dataset=dataset.spelled, labels=labels, facts={}, fewest=fewest, findings=None, fewest_of=None)
    complete, incomplete = (tuple(map(row, rows)) for rows in (table.complete, table.incomplete))
    return replace(table, task=task, dataset=dataset, complete=complete, incomplete=incomplete, threshold=HALF, finding=name)


def current_suite(name: str, catalogue: Catalogue, *, local: bool = True) -> Suite:
    """A suite as it stands: validated, with this machine's members (those that are still registered) if `local`."""
    suite = validated(load_suite(name), catalogue)
    return joined(suite, registered(members(suite.name), catalogue)) if local else suite


def registered(extra: Members, catalogue: Catalogue) -> Members:
    """The members that are still registered."""
    names: dict[str, Any] = {
        f"{kind}s": tuple(name for name in getattr(extra, f"{kind}s") if is_registered(kind, name, catalogue))
        for kind in MEMBERS
    }
    return replace(extra, **names)


def is_registered(kind: Kind, spelled: str, catalogue: Catalogue) -> bool:
    """Whether a configuration can be had: its file is there, be it broken, and it has the parameters."""
    try:
        return bool(catalogue.configured(kind, spelled))
    except Exception:  # its file is gone, or its parameter; it is somebody's code, so whatever it raises stops no other row
        return False


def catalogue_of(name: str, plugins: Sequence[str] = (), *, local: bool = True) -> Catalogue:
    """All that is registered, with the plug-ins that joined the suite on this machine and still exist."""
    remembered = [path for path in members(Path(name).stem).plugins if Path(path).is_file()] if local else []
    return discover(tuple(dict.fromkeys([*(str(Path(p).expanduser().resolve()) for p in plugins), *remembered])))


def gather(suite: Suite, catalogue: Catalogue, *, local: bool = True) -> list[TableRows]:
    """The stored rows of a suite, table by table, in the order of `pairings`; a table without any row is left out."""
    tables = [gathered(suite, catalogue, *names, local=local) for names in pairings(suite, catalogue)]
    return [table for table in tables if table is not None]


def pairings(suite: Suite, catalogue: Catalogue) -> list[tuple[str, str]]:
    """The dataset and the protocol of each table of a suite, those of real patients first."""
    return sorted(suite.pairings, key=lambda names: is_synthetic(names[0], catalogue))


def family(suite: Suite, catalogue: Catalogue, task: Task) -> list[str]:
    """The ranked rows of a task's table that apply to it, computed or not; one that the suite skips counts once it was run."""
    table = suite.at(task.dataset, task.protocol)
    return [
        name
        for name in table.ranked
        if not _why_not_applicable(catalogue.method(name), catalogue, task)
        and not (table.why_skipped(task.dataset, name) and not _was_run(task, name))
    ]


def _was_run(task: Task, method: str) -> bool:
    """Whether any cell of a row is stored here or published."""
    folders = reference_folders(task.dataset, task.protocol)
    there = any((folder / f"{safe(method)}.parquet").is_file() for folder in folders)
    return there or any(Store().row_folder(task.dataset, task.protocol, method).glob("*.json"))


def _why_not_applicable(method: ConfiguredMethod, catalogue: Catalogue, task: Task) -> str:
    """Why a method does not apply to a task; empty where it does, or is broken."""
    if method.entry.error is not None:
        return ""
    entry = catalogue.dataset(task.dataset).entry
    modalities = frozenset() if entry.error else entry.card.modalities
    reason = method.why_not_applicable(task.dataset, modalities, task.absent, len(task.case_ids), task.columns)
    return reason or (_why_refused(method, modalities, task.refused) if task.refused else "")


def _why_refused(method: ConfiguredMethod, modalities: Iterable[str], refused: Mapping[str, str]) -> str:
    """Why what a method sees of images is not to be had."""
    from benchmark.cells.planning import encoders_of, seen_of_images

    configuration = {**method.entry.defaults(), **method.fixed}
    encoders = encoders_of(method, configuration, method.entry.make(method.fixed), modalities, {})
    return next((refused[name] for name in seen_of_images(method, encoders, configuration) if name in refused), "")


def is_synthetic(dataset: str, catalogue: Catalogue) -> bool:
    """Whether a dataset's patients are made."""
    entry = catalogue.dataset(dataset).entry
    return entry.error is None and entry.card.synthetic


def published_rows(suite: Suite) -> int:
    """How many rows of a suite have published predictions, with thresholds chosen as the suite does."""

    def is_published(path: Path) -> bool:
        if not path.is_file():
            return False
        try:
            return _asked(read_meta(path)["ingredients"]) == suite.asks
        except StoreError:  # reading the row says what is wrong with it
            return True

    return sum(
        any(is_published(folder / f"{safe(method)}.parquet") for folder in reference_folders(*table.datasets, *table.protocols))
        for table in suite.tables
        for method in table.methods
    )


def read_meta(path: Path) -> dict[str, Any]:
    """What a published row says of itself: `method`, `ingredients`, `splits`. Raises `StoreError` for a file that is none."""
    try:
        meta: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"strokebench"])
        keys = [split["key"] for split in meta["splits"].values()]
        if not isinstance(meta["ingredients"], dict) or not all(isinstance(key, str) for key in keys):
            raise TypeError("it says not what its cells rest on")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is not a published row ({error}): restore it with git, or publish the method again"
        ) from error
    return meta


def _asked(ingredients: Mapping[str, Any]) -> dict[str, Any]:
    """What a suite asked of a stored cell, as `Suite.asks` has it."""
    return {name: ingredients[name] for name in ("task", THRESHOLD) if name in ingredients}


def load_predictions(suite: str = DEFAULT, *, local: bool = True) -> pd.DataFrame:
    """Every stored prediction of a suite's complete rows.

    Returns a frame of one row per prediction: dataset, protocol, method, source, split, seed, site, case, label,
    probability (of label 1), threshold.
    """
    catalogue = catalogue_of(suite, local=local)
    tables = gather(current_suite(suite, catalogue, local=local), catalogue, local=local)
    frames = [predictions_of(table.task, row) for table in tables for row in table.complete]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=PREDICTION)


def predictions_of(task: Task, row: Row) -> pd.DataFrame:
    """A row's predictions as `load_predictions` gives them."""
    parts = [row.probabilities.get(split.name, np.full(len(split.test), np.nan)) for split in task.splits]
    thresholds = [np.full(len(split.test), row.thresholds.get(split.name, np.nan)) for split in task.splits]
    keys = {"dataset": task.dataset, "protocol": task.protocol, "method": row.method, "source": row.source}
    cases = {"probability": np.concatenate(parts), "threshold": np.concatenate(thresholds)}
    frame = pd.DataFrame({**keys, **task.frame(), **cases})
    return frame[frame["split"].isin(list(row.probabilities))]


def gathered(suite: Suite, catalogue: Catalogue, dataset: str, protocol: str, *, local: bool = True) -> TableRows | None:
    """The stored rows of one table of a suite; None where it has no row."""
    suite, store = suite.at(dataset, protocol), Store() if local else None
    local_task = (
        None if store is None or not store.has_cells(dataset, protocol) else read_task(store.task_path(dataset, protocol))
    )
    published = {folder: read_task(folder / "task.json") for folder in reference_folders(dataset, protocol)}
    task = next((item for item in (local_task, *published.values()) if item is not None), None)
    if task is None:
        return None
    usable = [folder for folder, item in published.items() if item is not None and item.comparable == task.comparable]
    seconds = published_seconds(dataset, protocol)
    of_dataset, inference = catalogue.dataset(dataset), catalogue.protocol(protocol).inference
    descriptive = "" if of_dataset.entry.error else of_dataset.card.descriptive
    complete, incomplete, not_applicable, left_out, to_come = [], [], [], [], []
    for method in suite.methods:
        configured = catalogue.method(method)
        asked = suite.why_not_asked(dataset, has_findings=task.findings is not None)
        if reason := asked or _why_not_applicable(configured, catalogue, task):
            not_applicable.append((method, reason))
            continue
        # of a broken method it is not known whether its seed matters
        kinds = (configured.stochastic,) if configured.entry.error is None else (True, False)
        expected = [task.expected(stochastic=stochastic) for stochastic in kinds]
        own = _fullest(_local_row(store, task, method, splits, suite.asks) for splits in expected if store and local_task)
        time = seconds.get(method)
        reference = _fullest(
            read_reference(folder, method, splits, time, suite.asks) for folder in usable for splits in expected
        )
        if own is None and reference is None and (reason := suite.why_skipped(dataset, method)):
            not_applicable.append((method, reason))
            continue
        best = own if own is not None and own.complete else reference
        if best is not None:
            complete.append(best)
        elif any((folder / f"{safe(method)}.parquet").is_file() for folder in published):
            left_out.append(method)
        elif own is None:
            to_come.append(method)
        if own is not None and own is not best:
            incomplete.append(own)
    if not complete and not incomplete:
        return None
    return TableRows(
        task,
        of_dataset,
        inference,
        tuple(complete),
        tuple(incomplete),
        tuple(not_applicable),
        () if descriptive else suite.ranked,
        tuple(left_out),
        tuple(to_come),
        () if store is None else _audited(dataset, protocol, {row.content for row in (*complete, *incomplete)}),
        tuple(suite.places),
        suite.threshold,
        descriptive,
    )


def _audited(dataset: str, protocol: str, contents: Collection[str]) -> tuple[AuditFinding, ...]:
    """What was found of the dataset, and of its splits under the protocol, if that was of one of these contents."""
    audited = read_audited(dataset)
    if audited is None or audited.content not in contents:
        return ()
    return tuple(finding for finding in audited.findings if finding.protocol in ("", protocol))


def _fullest(rows: Iterable[Row | None]) -> Row | None:
    """The first complete row, or else the first."""
    found = [row for row in rows if row is not None]
    return next((row for row in found if row.complete), found[0] if found else None)


def _local_records(
    store: Store, task: Task, method: str, expected: Sequence[TaskSplit], asks: Mapping[str, str]
) -> list[CellRecord]:
    """Cells of this machine, of one configuration, one code and one content, on the task's own splits, in their order.

    They were asked what `asks` says (`Suite.asks`).
    """
    stored = store.row(task.dataset, task.protocol, method)
    sound = [
        record
        for split in expected
        if (record := stored.get(split.name)) is not None
        and record.ingredients.get("split") == split.digest
        and _asked(record.ingredients) == asks
    ]
    shared = [_shared(record) for record in sound]
    usual = shared[0] if shared else {}
    if shared.count(usual) < len(shared):
        usual = max(shared, key=lambda each: (shared.count(each), provenance.digest(each)))
    return [record for record, each in zip(sound, shared, strict=True) if each == usual]


def _local_row(
    store: Store, task: Task, method: str, expected: Sequence[TaskSplit], asks: Mapping[str, str] = NOTHING
) -> Row | None:
    """The row of this machine's cells, None where there is none."""
    records = _local_records(store, task, method, expected, asks)
    if not records:
        return None
    good = [record for record in records if record.outcome == "ok"]
    return Row(
        method=method,
        source="local",
        cells=len(expected),
        probabilities={record.address.split: np.array(record.probabilities) for record in good},
        thresholds={record.address.split: record.threshold for record in good},
        outcomes=Counter(record.outcome for record in records),
        failures=tuple((record.address.split, record.outcome, record.reason) for record in records if record.outcome != "ok"),
        changed=sum(bool(record.measured.get("changed_on_recomputation")) for record in good),
        chosen={record.address.split: record.chosen for record in good},
        seconds=mean_seconds(good),
        content=str(records[0].ingredients.get("data", "")),
        columns={record.address.split: as_columns(record.columns) for record in good},
        ingredients=_shared(records[0]),
        keys={record.address.split: record.key for record in records},
    )


def _shared(record: CellRecord) -> dict[str, Any]:
    """Equal for cells that may stand in one row: everything that they depend on but the split and its seed."""
    return {name: value for name, value in record.ingredients.items() if name not in PER_SPLIT}


def reference_folders(dataset: str, protocol: str) -> list[Path]:
    """Where published predictions of a table may lie, the output folder's own before the checkout's.

    Each holds `task.json` and one Parquet file per method.
    """
    below = Path("reference") / safe(dataset) / safe(protocol)
    return list(dict.fromkeys([results_folder() / below, ROOT / "results" / below]))


def read_reference(
    folder: Path, method: str, expected: Sequence[TaskSplit], seconds: float | None, asks: Mapping[str, str] = NOTHING
) -> Row | None:
    """A published row, whose cells took `seconds`; None where there is none, or it is another method's or has other splits.

    Nor is it one that was asked something else than `asks` says (`Suite.asks`).
    """
    path = folder / f"{safe(method)}.parquet"
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        text, told = table.schema.metadata[b"strokebench"], table.schema.metadata.get(b"sha256")
        meta = json.loads(text)
        whole = _arrays(table)
        if told is not None and told != _row_digest(whole, text):
            raise ValueError("its predictions are not those of its digest")
        splits = [(name, item["split"], item["cases"]) for name, item in meta["splits"].items()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is not a published row ({error}): restore it with git, or publish the method again"
        ) from error
    if _asked(meta.get("ingredients", {})) != asks:
        return None
    if meta["method"] != method or splits != [(split.name, split.digest, len(split.test)) for split in expected]:
        return None
    ends = np.cumsum([len(split.test) for split in expected])
    parts = {name: np.split(values, ends[:-1]) for name, values in whole.items()}
    probabilities = parts.pop("probability")
    return Row(
        method=method,
        source="reference",
        cells=len(expected),
        probabilities={split.name: part for split, part in zip(expected, probabilities, strict=True)},
        thresholds={name: item["threshold"] for name, item in meta["splits"].items()},
        outcomes=Counter(ok=len(expected)),
        chosen={name: item["chosen"] for name, item in meta["splits"].items()},
        seconds=seconds,
        content=str(meta.get("ingredients", {}).get("data", "")),
        columns={split.name: {name: values[i] for name, values in parts.items()} for i, split in enumerate(expected)},
        ingredients=meta.get("ingredients", {}),
        keys={name: item.get("key", "") for name, item in meta["splits"].items()},
    )


def stored_figures(row: Row) -> dict[str, tuple[float, float]]:
    """Mean and SD over cells of each number that the method stored with every cell."""
    cells = list(row.chosen.values())
    names = [name for name in (cells[0] if cells else {}) if all(type(cell.get(name)) in (int, float) for cell in cells)]
    values = {name: np.array([cell[name] for cell in cells], dtype=np.float64) for name in names}
    return {name: (float(each.mean()), float(each.std(ddof=1)) if len(each) > 1 else 0.0) for name, each in values.items()}


def mean_seconds(records: Sequence[CellRecord]) -> float | None:
    """How long the cells took on average, as `seconds_of` says, by those that came so far."""
    taken = [seconds for record in records if (seconds := seconds_of(record.measured)) is not None]
    return sum(taken) / len(taken) if taken else None


def published_seconds(dataset: str, protocol: str) -> dict[str, float]:
    """Method -> mean seconds per cell of its published row, on the machine that computed it."""
    folders = reversed(reference_folders(dataset, protocol))
    return {method: mean for folder in folders for method, mean in _read_seconds(folder / SECONDS).items()}


def _read_seconds(path: Path) -> dict[str, float]:
    try:
        content = json.loads(without_digest(path.read_bytes())) if path.is_file() else {}
        return {str(method): float(seconds) for method, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} holds no times ({error}): restore it with git, or delete it") from error


def publish_seconds(task: Task, rows: Mapping[str, Sequence[CellRecord]]) -> None:
    """Note how long the cells of published rows took; measured, so apart from the rows, whose bytes a re-run repeats."""
    if rows:
        path = reference_folders(task.dataset, task.protocol)[0] / SECONDS
        means = {method: mean_seconds(records) for method, records in rows.items()}
        known = _read_seconds(path) | {method: round(mean, 3) for method, mean in means.items() if mean is not None}
        write_if_changed(path, with_digest((json.dumps(known, indent=1, sort_keys=True) + "\n").encode()))


def publish_row(task: Task, method: str, records: Sequence[CellRecord]) -> Path:
    """Write a complete row (its records in split order) and its task below `results/reference/`; equal files are left."""
    folder = reference_folders(task.dataset, task.protocol)[0]
    write_task(task, folder / "task.json")
    meta = {
        "method": method,
        "ingredients": _shared(records[0]),
        "splits": {
            record.address.split: {
                "split": record.ingredients["split"],
                "cases": len(record.probabilities),
                "threshold": record.threshold,
                "chosen": record.chosen,
                "key": record.key,
                **{name: record.ingredients[name] for name in PER_SPLIT[1:] if name in record.ingredients},
            }
            for record in records
        },
    }
    columns = {name: [value for record in records for value in record.columns[name]] for name in records[0].columns}
    values = pa.table({"probability": np.concatenate([record.probabilities for record in records]), **columns})
    text, buffer = json.dumps(meta).encode(), io.BytesIO()
    # metadata of the schema would be stored twice, the second time in base 64; hardly a probability occurs twice
    with pq.ParquetWriter(buffer, values.schema, compression="zstd", store_schema=False, use_dictionary=False) as writer:
        writer.write_table(values)
        writer.add_key_value_metadata({b"strokebench": text, b"sha256": _row_digest(_arrays(values), text)})
    path = folder / f"{safe(method)}.parquet"
    write_if_changed(path, buffer.getvalue())
    return path


def _arrays(table: pa.Table) -> dict[str, NDArray[np.float64]]:
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _row_digest(columns: Mapping[str, NDArray[np.float64]], meta: bytes) -> bytes:
    """The sha256 of a published row: of its metadata, and of the name and the float64 values of each column."""
    found = sha256(meta)
    for name, values in columns.items():
        found.update(name.encode())
        found.update(values.astype("<f8").tobytes())
    return found.hexdigest().encode()


def complete_records(
    store: Store, task: Task, method: str, *, stochastic: bool, asks: Mapping[str, str] = NOTHING
) -> list[CellRecord] | None:
    """The records of a complete local row in split order, or None where the row is not complete."""
    expected = task.expected(stochastic=stochastic)
    records = [each for each in _local_records(store, task, method, expected, asks) if each.outcome == "ok"]
    return records if len(records) == len(expected) else None
