"""The leaderboard as Markdown that any forge renders."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.conclusions import metric_name
from benchmark.leaderboard.critical_difference import over_datasets
from benchmark.leaderboard.markdown_table import mean_ranks, table_parts
from benchmark.leaderboard.reported import side_by_side
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import grid
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.blocks import MIN_BLOCKS
from benchmark.suites.suite import DEFAULT, Suite, load_suite, suite_names

READING = """\
How to read it: *rank* is an interval, from 1 + the number of ranked rows that are significantly better to the number of rows
(including those still to come) minus those that are significantly worse; *best set* marks the rows that no other row
significantly outperforms; rows that share a *letter* are not shown to differ. All of these, and every adjusted p, come from one
family of paired tests over all pairs of ranked rows of this suite (Holm). Overlapping intervals are not a test, and "no
difference shown" does not mean "equal": *P(equal)* is the probability that the difference from the first row is below .01.
[docs/statistics.md](docs/statistics.md) gives the formulas."""


def render(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue) -> str:
    """The whole leaderboard of a suite; the same bytes for the same stored predictions."""
    home = "" if suite.name == DEFAULT else "../"
    parts = [
        f"# {suite.title}",
        f"Suite `{suite.name}`, primary metric {metric_name(suite.primary_metric)}. Written by "
        f"`python -m benchmark rank --suite {suite.spelled}` from stored predictions alone.",
        READING.replace("](docs/", f"]({home}docs/"),
        _contents(tables),
        _further(suite),
    ]
    if not tables:
        parts.append(f"No predictions are stored yet: run `python -m benchmark run --suite {suite.spelled}`.")
    for table in tables:
        parts += [f"## {_title(table)}", *table_parts(table, catalogue)]
    parts += _across(suite, tables)
    parts += side_by_side(suite, tables)
    parts += _not_applicable(tables)
    parts += _footnotes(suite, tables, catalogue)
    parts += _reproduce(suite, tables)
    return "\n\n".join(part for part in parts if part) + "\n"


def _contents(tables: Sequence[Standings]) -> str:
    return "\n".join(f"- [{_title(table)}](#{_anchor(_title(table))})" for table in tables)


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


def _not_applicable(tables: Sequence[Standings]) -> list[str]:
    rows = list(dict.fromkeys((table.task.dataset, *item) for table in tables for item in table.rows.not_applicable))
    if not rows:
        return []
    table_text = grid(["dataset", "method", "why"], [[dataset, f"`{method}`", reason] for dataset, method, reason in rows])
    return ["## Not applicable", table_text]


def _footnotes(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue) -> list[str]:
    """Reference and departures of every method shown; assumed values are marked [A] in its metadata."""
    lines = []
    for name in dict.fromkeys(method.partition("[")[0] for method in suite.methods):
        entry = catalogue.methods.get(name)
        if entry.error:
            lines.append(f"- `{name}`: broken: {entry.error}")
            continue
        card = entry.card
        departs = f" Differences: {card.differences}" if card.differences else ""
        lines.append(f"- `{name}` ({card.family}): {card.reference}.{departs}")
    for dataset, of in {table.task.dataset: table.rows.dataset.card for table in tables}.items():
        lines.append(f"- {dataset}: {of.title}. {of.source}. {of.license}. {of.citation}")
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
