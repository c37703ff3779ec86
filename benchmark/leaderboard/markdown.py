"""The leaderboard as Markdown that any forge renders."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.data.fetching import needs_files
from benchmark.leaderboard.critical_difference import over_datasets
from benchmark.leaderboard.markdown_table import mean_ranks, table_parts
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import folded, grid, inert
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
BRIEFLY = """\
*Rank* is an interval: `1-2` means that no row is significantly better, and that every row but one other is significantly
worse. A row whose rank begins with 1 is in the best set, which no row significantly outperforms. *p, all pairs* belongs to the
difference from the first row and is corrected for all pairs of ranked rows. Intervals of differences hold for all pairs
together; a later step may call a pair whose interval holds 0. Overlapping intervals are not a test, and "no difference shown"
does not mean "equal". [docs/reading-the-leaderboard.md](docs/reading-the-leaderboard.md) says more.

`python -m benchmark export md{suite}` prints the whole: every metric with both classes as positive, sites, each contrast of a
question, all columns of p, references of the methods. `export csv` and `export pairs` have the numbers unrounded, and the page
that `python -m benchmark rank{suite}` writes draws them."""
METHODS = (
    "- Reference and departures of each method: `python -m benchmark show method NAME`; which values are assumed is marked [A]."
)


def render(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, jobs: int = 1, *, brief: bool = False) -> str:
    """The leaderboard of a suite, whole or `brief`; the same bytes for the same stored predictions."""
    reading = BRIEFLY.format(suite="" if suite.name == DEFAULT else f" --suite {suite.spelled}") if brief else READING
    parts = [
        f"# {suite.title}",
        f"Suite `{suite.name}`, primary metric {metric_name(suite.primary_metric)}. Written by "
        f"`python -m benchmark rank --suite {suite.spelled}` from stored predictions alone.",
        reading if suite.name == DEFAULT else reading.replace("](docs/", "](../docs/"),
        "\n".join(f"- [{_title(table)}](#{_anchor(_title(table))})" for table in tables),
        _further(suite),
    ]
    if not tables:
        parts.append(f"No predictions are stored yet: run `python -m benchmark run --suite {suite.spelled}`.")
    first = {table.task.dataset: table for table in reversed(tables)}

    def parts_of(table: Standings) -> list[str]:
        again = brief and table is not first[table.task.dataset]
        return table_parts(table, catalogue, brief=brief, again=again)

    written = mapped(parts_of, tables, jobs)
    for table, of_table in zip(tables, written, strict=True):
        parts += [f"## {_title(table)}", *of_table]
    parts += [*_across(suite, tables), *side_by_side(suite, tables, brief=brief), *_not_applicable(tables, brief=brief)]
    parts += [*_footnotes(suite, tables, catalogue, brief=brief), *_reproduce(suite, tables)]
    return inert("\n\n".join(part for part in parts if part) + "\n")


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


def side_by_side(suite: Suite, tables: Sequence[Standings], *, brief: bool = False) -> list[str]:
    """What a paper reports beside what was found here: two cohorts side by side, and no comparison of them.

    One table per reported metric, if `brief` of the first alone: the paper's rows, and the rows here that follow the same
    recipe, on each dataset. Figures of the suite's first protocol, in %, mean (SD over cells); nothing where the suite reports
    nothing, or no row has results.
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
    others = [folded("The other reported metrics", "\n\n".join(blocks[1:]))] if blocks[1:] and not brief else []
    return ["## Reported and found, side by side", text, blocks[0], *others]


def _in_percent(cells: pd.DataFrame, method: str) -> str:
    """Mean (SD over cells) in %; empty where the row has no results, `n/a` where a cell is undefined, as in the tables."""
    if method not in cells.index:
        return ""
    values = 100 * cells.loc[method].to_numpy()
    spread = f" ({values.std(ddof=1):.2f})" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}" if np.isfinite(values).all() else "n/a"


def _not_applicable(tables: Sequence[Standings], *, brief: bool) -> list[str]:
    """The rows that do not apply, those of one dataset and reason together; if `brief`, the ranked ones."""
    alike: dict[tuple[str, str], dict[str, None]] = {}
    for rows in (table.rows for table in tables if not table.rows.finding):
        for method, reason in rows.not_applicable:
            if method in rows.ranked or not brief:
                alike.setdefault((rows.task.dataset, reason), {})[f"`{method}`"] = None
    if not alike:
        return []
    cells = [[dataset, ", ".join(methods), reason] for (dataset, reason), methods in alike.items()]
    return ["## Not applicable", grid(["dataset", "methods", "why"], cells)]


def _footnotes(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, *, brief: bool) -> list[str]:
    """Source and licence of every dataset, and if not `brief` reference and departures of every method.

    Assumed values are marked [A] in a method's card.
    """
    lines = [METHODS] if brief else []
    for name in () if brief else dict.fromkeys(method.partition("[")[0] for method in suite.methods):
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
    fetch = [f"python -m benchmark fetch {dataset}" for dataset in datasets if needs_files(dataset)]
    commands = ["make env", "source .venv/bin/activate", *fetch, f"python -m benchmark run --suite {suite.spelled}"]
    return [
        "## How to reproduce",
        "Rows marked *reference* come from the committed predictions in `results/reference/`, rows marked *local* from this "
        "machine's cells. The commands below compute every row here.",
        "```\n" + "\n".join(commands) + "\n```",
    ]
