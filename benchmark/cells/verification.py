"""Verification: published cells computed again on this machine, and how far what they give is from what is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from benchmark.cells.compute import compute
from benchmark.cells.planning import Cell
from benchmark.cells.row_fits import NotBuiltError, computed, row_cells
from benchmark.cells.rows import PER_SPLIT, Row, published_seconds, read_meta, read_reference, reference_folders
from benchmark.cells.scored import as_columns
from benchmark.cells.store import CellAddress, CellRecord
from benchmark.cells.task import read_task
from benchmark.data.preparation import load_cohort
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import safe
from benchmark.system.locations import results_folder

Verdict = Literal["equal", "different", "not computed"]
SAME = "same code, data, libraries and seed: another processor, another build of a library, or an edited file"


@dataclass(frozen=True, eq=False)
class Published:
    """A published cell.

    row : the published row that it stands in. key, ingredients : what it depended on, as published with it.
    seconds : what a cell of its row took there, None where that is not known.
    """

    address: CellAddress
    row: Row
    key: str
    ingredients: Mapping[str, Any]
    seconds: float | None
    file: Path


@dataclass(frozen=True, eq=False)
class Verified:
    """What became of a published cell here.

    difference : the largest of two probabilities of one case, NaN where there are none. cases : how many differ.
    causes : what differs between there and here, or why it was not computed.
    """

    published: Published
    verdict: Verdict
    difference: float = float("nan")
    cases: int = 0
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line."""
        what = f"largest difference {self.difference:.3g}, {self.cases} cases" if self.verdict == "different" else ""
        return ": ".join(filter(None, [str(self.published.address), self.verdict, what, "; ".join(self.causes)]))


def published_cells(suite: Suite, catalogue: Catalogue) -> tuple[list[Published], list[CellAddress]]:
    """Every published cell of a suite, in the order of its tables, and the rows (addresses without a split) that are left out.

    Such a row was published for other splits, or for a suite that asks something else. Raises `StoreError` for a row that
    cannot be read.
    """
    found: list[Published] = []
    left_out: list[CellAddress] = []
    for dataset, protocol in suite.pairings:
        folders = [folder for folder in reference_folders(dataset, protocol) if (folder / "task.json").is_file()]
        times = published_seconds(dataset, protocol)
        for method in suite.at(dataset, protocol).methods:
            file = next((path for folder in folders if (path := folder / f"{safe(method)}.parquet").is_file()), None)
            if file is None:
                continue
            meta = read_meta(file)
            task = read_task(file.with_name("task.json"))
            splits = [] if task is None else [split for split in task.splits if split.name in meta["splits"]]
            row = read_reference(file.parent, method, splits, None, suite.asks)
            if row is None:
                left_out.append(CellAddress(dataset, protocol, method, ""))
                continue
            for split in splits:
                told = meta["splits"][split.name]
                ingredients = {**meta["ingredients"], **{name: told[name] for name in PER_SPLIT if name in told}}
                address = CellAddress(dataset, protocol, method, split.name)
                found.append(Published(address, row, told["key"], ingredients, times.get(method), file))
    return found, left_out


def drawn(cells: Sequence[Published], count: int, seed: int, seconds: float | None = None) -> list[Published]:
    """So many cells at random, without replacement; with `seconds` of those alone whose rows took no longer per cell.

    Raises `BenchmarkError` where there is none.
    """
    among = [cell for cell in cells if seconds is None or (cell.seconds is not None and cell.seconds <= seconds)]
    if not among:
        raise BenchmarkError("no such cell is published" if not cells else f"no published cell took at most {seconds:g} s")
    return sorted(Random(seed).sample(among, min(count, len(among))), key=lambda cell: str(cell.address))


def verified(
    suite: Suite, cells: Iterable[Published], catalogue: Catalogue, say: Callable[[str], None] = lambda line: None
) -> Iterator[Verified]:
    """Compute published cells here, each in a worker under the limits of the suite, and compare what they give.

    Nothing is read of this machine's cells and searches, and nothing written there; stages and features that are here are used.
    """
    datasets: dict[str, list[Published]] = {}
    for published in cells:
        datasets.setdefault(published.address.dataset, []).append(published)
    for dataset, there in datasets.items():
        left: list[tuple[Published, Cell]] = []
        for published in there:
            try:
                cohort = load_cohort(dataset, catalogue)
                address = published.address
                left.append(
                    (published, row_cells(suite, address.method, dataset, cohort, catalogue, address.protocol)[address.split])
                )
            except BenchmarkError as error:
                yield Verified(published, "not computed", causes=(str(error),))
            except KeyError:
                yield Verified(published, "not computed", causes=("there is no such split here",))
        with TemporaryDirectory() as folder:
            variables = {"STROKEBENCH_OUTPUT": folder}
            alone = len(left) == 1
            while left:
                chosen = [cell for _, cell in left[: 1 if alone else None]]
                try:
                    for record in computed(suite, chosen, cohort, catalogue, compute, say=say, variables=variables):
                        yield compared(*left.pop(0), record)
                except NotBuiltError as error:  # of any of the cells: from now on each by itself
                    if alone:
                        yield Verified(left.pop(0)[0], "not computed", causes=(str(error),))
                    alone = True
                except BenchmarkError as error:  # of the first that is left: a limit, or the death of its worker
                    yield Verified(left.pop(0)[0], "not computed", causes=(str(error),))


def compared(published: Published, cell: Cell, record: CellRecord) -> Verified:
    """A published cell beside the same cell as computed here.

    Where code or libraries differ, they are named as the cause; the processor may be one as well, which no published row names.
    """
    causes = tuple(differences(published.ingredients, cell.ingredients))
    if record.outcome != "ok":
        return Verified(published, "not computed", causes=(f"{record.outcome}: {record.reason}", *causes))
    split = published.address.split
    there, here = published.row.probabilities[split], np.array(record.probabilities)
    if there.shape != here.shape:
        return Verified(published, "different", cases=max(len(there), len(here)), causes=("other test cases", *causes))
    told, own = published.row.columns.get(split, {}), as_columns(record.columns)
    same = {name for name in told.keys() & own.keys() if told[name].tobytes() == own[name].tobytes()}
    also = [
        *(["another threshold"] if published.row.thresholds[split] != record.threshold else []),
        *(f"another {name}" for name in sorted((told.keys() | own.keys()) - same)),
    ]
    if there.tobytes() == here.tobytes() and not also:
        return Verified(published, "equal", 0.0)
    apart = np.abs(there - here)
    why = (SAME,) if published.key == cell.key or not causes else tuple(causes)
    return Verified(published, "different", float(apart.max()), int((apart > 0).sum()), (*also, *why))


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the ingredients of a published cell and here, in words; what was not published is not said."""
    for name, published in sorted(there.items()):
        if published == here.get(name):
            continue
        if name == "libraries":
            own = here.get(name, {})
            for library in sorted({*published, *own}):
                if published.get(library) != own.get(library):
                    yield f"published with {library} {published.get(library) or 'unused'}, {own.get(library) or 'unused'} here"
        else:
            yield f"published with other {name}"


def report(
    suite: str, seed: int, drawn_of: int, results: Sequence[Verified], signed_by: str, remarks: Sequence[str] = ()
) -> tuple[Path, str]:
    """The report of a verification, and where it belongs; its last line is the digest of the lines before.

    `drawn_of` is how many cells there were to draw from, `remarks` what else is to be known of these.
    """
    now, where = datetime.now(UTC), provenance.environment()
    counts = {verdict: sum(each.verdict == verdict for each in results) for verdict in ("equal", "different", "not computed")}
    names = sorted({library for each in results for library in each.published.ingredients.get("libraries", {})} - {"python"})
    files = sorted({each.published.file for each in results})
    lines = [
        f"# Verification of {suite}, {now:%Y-%m-%d %H:%M} UTC",
        "",
        f"{len(results)} of {drawn_of} published cells, drawn with seed {seed}: "
        + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        + ". Equal means the same bytes.",
        *remarks,
        "",
        *(f"- {each} (published key {each.published.key[:16]})" for each in results),
        "",
        f"- checkout: {where['git'] or 'no git checkout'}",
        f"- processor: {where['processor']}; {where['platform']}; published rows do not say theirs",
        f"- Python {where['python']}; " + ", ".join(f"{name} {provenance.version(name)}" for name in names),
        *(
            f"- sha256 of {path.parent.parent.name}/{path.parent.name}/{path.name}: {provenance.file_digest(path)}"
            for path in files
        ),
        "",
        f"Signed-off-by: {signed_by}" if signed_by else "Not signed off.",
    ]
    text = "\n".join(lines) + "\n"
    return (
        results_folder() / "verified" / f"{safe(suite)}-{now:%Y%m%dT%H%M%S}.md",
        f"{text}sha256 of the lines above: {sha256(text.encode()).hexdigest()}\n",
    )
