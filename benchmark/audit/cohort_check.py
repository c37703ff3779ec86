"""Does a dataset keep its contract? Its card against its cohort, what the intake remarks, and what the protocols can cut."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.audit.findings import Finding, State
from benchmark.cells.planning import splits_of
from benchmark.data.cohort import Cohort
from benchmark.data.contracts import Inspected
from benchmark.data.intake import columns, read_remarks
from benchmark.data.preparation import build, load_cohort
from benchmark.data.remarks import State as Reading
from benchmark.data.remarks import quoted
from benchmark.registry.cards import DatasetCard
from benchmark.registry.catalogue import Catalogue, Configured
from benchmark.system.errors import BenchmarkError, DataError, place_of

STATES: dict[Reading, State] = {"refused": "error", "noted": "warning", "read alike": "good"}


def check_dataset(spelled: str, catalogue: Catalogue) -> Iterator[Finding]:
    """The findings on a dataset; one that is broken, or whose cohort is refused, ends the checks.

    The cohort is built a second time, to see whether it is the same. Raises `UnknownNameError` for an unknown dataset.
    """
    dataset = catalogue.dataset(spelled)
    made = None if dataset.entry.error else dataset.make()
    if isinstance(made, Inspected):
        found = made.inspect()
        yield from (Finding("files", STATES[line.state], str(line)) for line in found.lines)
        if found.refused():
            return
    try:
        cohort = load_cohort(spelled, catalogue)
        remarks = read_remarks(Path(cohort.folder))
    except DataError as error:
        lines = str(error).splitlines()
        yield from (Finding("intake", "error", line.removeprefix(f"{spelled}: ")) for line in lines)
        return
    except Exception as error:  # a dataset is somebody's code
        message = str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}{place_of(error)}"
        yield Finding("build", "error", message)
        return
    yield Finding("build", "good", f"{len(cohort)} cases, {int(np.asarray(cohort.labels).sum())} with label 1")
    rows = columns(cohort, remarks)
    yield Finding("columns", "good", f"{len(rows)} columns: `show dataset {spelled} --columns` tells how each was read")
    yield from (Finding("intake", STATES[line.state], str(line)) for line in remarks.lines)
    yield from _card(dataset, cohort)
    yield from _splits(cohort, catalogue)
    again, _ = build(dataset)
    if again.content_digest == cohort.content_digest:
        yield Finding("determinism", "good", "built twice, the cohort is the same to the byte")
    else:
        mend = "take all randomness from a seed, and sort what is listed"
        yield Finding("determinism", "error", f"built twice, the cohort differs: {mend}")


def _card(dataset: Configured[DatasetCard], cohort: Cohort) -> Iterator[Finding]:
    """What the card says of the cohort."""
    card, wrong = dataset.card, False
    missing = sorted(set(card.modalities) - cohort.modalities)
    further = sorted(cohort.modalities - set(card.modalities))
    if missing:
        yield Finding("card", "error", f"it names {quoted(missing)}, which the cohort lacks: rows would wait for ever")
        wrong = True
    if further:
        yield Finding("card", "error", f"the cohort holds {quoted(further)}, which the card does not name")
        wrong = True
    sites = 0 if cohort.sites is None else len(np.unique(cohort.sites))
    for name, stated, counted in (("cases", card.cases, len(cohort)), ("sites", card.sites, sites)):
        if stated is not None and stated != counted and not dataset.parameters:
            yield Finding("card", "warning", f"it says {stated} {name}, and the cohort has {counted}")
            wrong = True
    if not wrong:
        yield Finding("card", "good", f"modalities {', '.join(sorted(cohort.modalities))}")


def _splits(cohort: Cohort, catalogue: Catalogue) -> Iterator[Finding]:
    """What each protocol makes of the cohort."""
    for entry in catalogue.protocols:
        try:
            splits = splits_of(catalogue.protocol(entry.name), cohort)
        except BenchmarkError as error:  # some need a parameter
            yield Finding("protocol", "skipped", str(error))
        else:
            least = min(int((np.asarray(cohort.labels)[split.test] == label).sum()) for split in splits for label in (0, 1))
            yield Finding("protocol", "good", f"{entry.name}: {len(splits)} splits, at least {least} test cases of each class")
