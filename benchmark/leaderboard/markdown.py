"""The leaderboard as Markdown that any forge renders."""

from collections.abc import Sequence

import pandas as pd

from benchmark.leaderboard.critical_difference import over_datasets
from benchmark.leaderboard.markdown_table import mean_ranks, table_parts
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import folded, grid
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.blocks import MIN_BLOCKS
from benchmark.statistics.metric_names import metric_name
from benchmark.suites.suite import DEFAULT, Suite, load_suite, suite_names
from benchmark.system.parallel import mapped

READING = """\
How to read it: *rank* is an interval, from 1 + the number of ranked rows that are significantly better to the number of rows
(including those still to come) minus those that are significantly worse; *best set* marks the rows that no other row
significantly outperforms; rows that share a *letter* are not shown to differ. All of these, and *p, all pairs*, come from one
family of paired tests over all pairs of ranked rows of this suite: step-down max-T for the AUC of cross-validation and of a
single test set, Holm otherwise. The intervals of differences hold for all pairs together; a later step may call a pair whose
interval holds 0. Overlapping intervals are not a test, and "no difference shown" does not mean "equal": *P(equal)* is the
probability that the difference from the first row is below .01.
[docs/statistics.md](docs/statistics.md) gives the formulas."""


def render(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, jobs: int = 1) -> str:
    """The whole leaderboard of a suite; the same bytes for the same stored predictions."""
    parts = [
        f"# {suite.title}",
        f"Suite `{suite.name}`, primary metric {metric_name(suite.primary_metric)}. Written by "
        f"`python -m benchmark rank --suite {suite.spelled}` from stored predictions alone.",
        READING if suite.name == DEFAULT else READING.replace("](docs/", "](../docs/"),
        "\n".join(f"- [{_title(table)}](#{_anchor(_title(table))})" for table in tables),
        _further(suite),
    ]
    if not tables:
        parts.append(f"No predictions are stored yet: run `python -m benchmark run --suite {suite.spelled}`.")
    written = mapped(lambda table: list(table_parts(table, catalogue)), tables, jobs)
    for table, of_table in zip(tables, written, strict=True):
        parts += [f"## {_title(table)}", *of_table]
    parts += [*_across(suite, tables), *side_by_side(suite, tables), *_not_applicable(tables)]
    parts += [*_footnotes(suite, tables, catalogue), *_reproduce(suite, tables)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _further(suite: Suite) -> str:
    """Where ablations, sensitivity and other suites of the default suite's family have their leaderboards."""
    if suite.name != DEFAULT:
        return ""
    others = [load_suite(name) for name in suite_names() if name.startswith(f"{DEFAULT}-")]
    return "Further leaderboards:\n\n" + "\n".join(f"- [{other.title}](results/{other.name}.md)" for other in others)


def _title(table: Standings) -> str:
    return f"{table.task.dataset}, {table.task.protocol}"


def _anchor(title: str) -> str:
    return "".join(character for character in title.lower().replace(" ", "-") if character.isalnum() or character in "-_")


def _across(suite: Suite, tables: Sequence[Standings]) -> list[str]:
    """The ranked rows over datasets that share no patient, protocol by protocol; why there is no test, where there is none."""
    parts = []
    for protocol in suite.protocols:
        blocks, names = over_datasets(tables, protocol)
        if blocks is not None:
            parts.append(f"{protocol}, {', '.join(names)}.\n\n{mean_ranks(blocks, 'datasets')}")
        elif len(names) > 1:
            parts.append(
                f"{protocol}: no test across datasets; it needs {MIN_BLOCKS} that share no patient, and there are {len(names)} "
                f"({', '.join(names)})."
            )
    return ["## Across datasets", *parts] if parts else []


def side_by_side(suite: Suite, tables: Sequence[Standings]) -> list[str]:
    """What a paper reports beside what was found here: two cohorts side by side, and no comparison of them.

    One table per reported metric: the paper's rows, and the rows here that follow the same recipe, on each dataset. Figures of
    the suite's first protocol, in %, mean (SD over cells); nothing where the suite reports nothing, or no row has results.
    """
    reported = suite.reported
    if reported is None:
        return []
    found = {
        table.task.dataset: table.comparison.per_split
        for table in tables
        if table.task.protocol == suite.protocols[0] and table.comparison is not None and not table.rows.finding
    }
    if not found:
        return []
    metrics = dict.fromkeys(name for row in reported.rows for name in row.figures)
    blocks = []
    for metric in sorted(metrics, key=lambda name: name != suite.primary_metric):
        rows = [
            [row.said if i == 0 else "", row.figures.get(metric, "") if i == 0 else "", f"`{method}`"]
            + [_in_percent(cells[metric], method) for cells in found.values()]
            for row in reported.rows
            for i, method in enumerate(row.methods)
        ]
        text = grid(["reported row", "reported", "row here", *found], rows)
        blocks.append(f"{metric_name(metric)}, in %, mean (SD):\n\n{text}")
    text = (
        f"Reported: {reported.source}. Found: {suite.protocols[0]}, SD over its cells. Patients, "
        "labels and encoders differ: a difference between the two columns says nothing about either."
    )
    others = [folded("The other reported metrics", "\n\n".join(blocks[1:]))] if blocks[1:] else []
    return ["## Reported and found, side by side", text, blocks[0], *others]


def _in_percent(cells: pd.DataFrame, method: str) -> str:
    """Mean (SD over cells) in %, empty where the row has no results."""
    if method not in cells.index:
        return ""
    values = 100 * cells.loc[method].dropna().to_numpy()
    return f"{values.mean():.2f} ({values.std():.2f})"


def _not_applicable(tables: Sequence[Standings]) -> list[str]:
    rows = list(
        dict.fromkeys(
            (table.task.dataset, *item) for table in tables if not table.rows.finding for item in table.rows.not_applicable
        )
    )
    if not rows:
        return []
    cells = [[dataset, f"`{method}`", reason] for dataset, method, reason in rows]
    return ["## Not applicable", grid(["dataset", "method", "why"], cells)]


def _footnotes(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue) -> list[str]:
    """Reference and departures of every method shown; assumed values are marked [A] in its metadata."""
    lines = []
    for name in dict.fromkeys(method.partition("[")[0] for method in suite.methods):
        entry = catalogue.methods.get(name)
        if entry.error:
            lines.append(f"- `{name}`: broken: {entry.error}")
        else:
            departs = f" Differences: {entry.card.differences}" if entry.card.differences else ""
            lines.append(f"- `{name}` ({entry.card.family}): {entry.card.reference}.{departs}")
    cards = {table.task.dataset: table.rows.dataset.card for table in tables if not table.rows.finding}
    lines += [f"- {dataset}: {of.title}. {of.source}. {of.license}. {of.citation}" for dataset, of in cards.items()]
    return ["## Methods and data", suite.note, "\n".join(lines)]


def _reproduce(suite: Suite, tables: Sequence[Standings]) -> list[str]:
    datasets = dict.fromkeys(table.task.dataset.partition("[")[0] for table in tables)
    fetch = [f"python -m benchmark fetch {dataset}" for dataset in datasets]
    commands = ["make env", "source .venv/bin/activate", *fetch, f"python -m benchmark run --suite {suite.spelled}"]
    return [
        "## How to reproduce",
        "Rows marked *reference* come from the committed predictions in `results/reference/`, rows marked *local* from this "
        "machine's cells. The commands below compute every row here.",
        "```\n" + "\n".join(commands) + "\n```",
    ]
