"""The figures of a leaderboard for papers: the page's charts on white, one file each, as SVG, PNG or PDF."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.leaderboard.charts import CHARTS, PAPER, Records, Spec, filled
from benchmark.leaderboard.label_shares import by_share, label_curves
from benchmark.leaderboard.page_data import Columns, chart_of, rows_of, shown_rows, table_data
from benchmark.leaderboard.plotting import as_pdf, as_png, as_svg
from benchmark.leaderboard.records import records
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.max_t import MANY_ROWS
from benchmark.statistics.metric_names import metric_name
from benchmark.suites.suite import Suite
from benchmark.system.files import safe, write_if_changed
from benchmark.system.terminal import counted

PROPOSED = "proposed"
"""The family of a suite's proposed methods."""

FORMATS: Mapping[str, Callable[[Spec], bytes]] = {"svg": as_svg, "png": as_png, "pdf": as_pdf}


@dataclass(frozen=True)
class Figure:
    """A chart of a table, ready to be drawn."""

    name: str
    spec: Spec


def write_figures(
    folder: Path,
    suite: Suite,
    tables: Sequence[Standings],
    catalogue: Catalogue,
    kind: str,
    rows: Sequence[str] = (),
    names: Collection[str] = (),
) -> list[Path]:
    """Draw all figures of the tables to `<dataset>-<protocol>-<figure>.<kind>`, a kind of `FORMATS`; returns the paths.

    Those of several tables are named `<dataset>-<figure>.<kind>`. Of the named `rows` alone, if any are: a table without any
    of them has no figure. Likewise of the figures of these `names`.
    """
    drawn = [
        (f"{safe(table.task.dataset)}-{safe(table.task.protocol)}", figure)
        for table in tables
        for figure in figures(suite, table, catalogue, rows)
    ]
    drawn += [(safe(dataset), figure) for dataset, figure in label_figures(suite, tables, catalogue, rows)]
    paths = []
    for beginning, figure in drawn:
        if not names or figure.name in names:
            path = folder / f"{beginning}-{figure.name}.{kind}"
            write_if_changed(path, FORMATS[kind](figure.spec))
            paths.append(path)
    return paths


def label_figures(
    suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, wanted: Sequence[str] = ()
) -> Iterator[tuple[str, Figure]]:
    """Of each dataset with tables of several shares of the labels: how the rows shown at the largest one do by the share."""
    for dataset, shares in by_share(tables).items():
        table = shares[max(shares)]
        chosen = wanted or drawn_rows(table_data(suite, table, catalogue))
        rows = records(block for block in label_curves(shares) if block["method"] in chosen)
        if rows:
            yield dataset, _drawn("labels", f"Few labels: {dataset}", table, rows)


def drawn_rows(data: Columns) -> list[str]:
    """The rows whose curves are drawn unasked: those that the page shows, and the best ranked row of the family `proposed`."""
    shown, names = shown_rows(data), zip(*(data["rows"][key] for key in ("method", "kind", "family")), strict=True)
    proposed = next((name for name, kind, family in names if kind == "ranked" and family == PROPOSED), "")
    return [*shown, proposed] if proposed and proposed not in shown else shown


def figures(suite: Suite, table: Standings, catalogue: Catalogue, wanted: Sequence[str] = ()) -> Iterator[Figure]:
    """Intervals, forest, matrix, ROC, calibration, decision, sites, ranks, time: those that the table has.

    No test, no figure of it, and no matrix of more than `MANY_ROWS` rows. Of the `wanted` rows alone, if any are named:
    differences are still from the first row of the table, and p is corrected for all of its pairs.
    """
    if table.comparison is None:
        return
    data = table_data(suite, table, catalogue)
    metric = metric_name(table.metric)
    charts = data["charts"]
    chosen = [name for name in wanted if name in data["rows"]["method"]] if wanted else drawn_rows(data)
    if not chosen:
        return

    def of_chosen(rows: Records, *fields: str) -> list[Any]:
        """The records of the wanted rows."""
        return [row for row in rows if not wanted or all(row[field] in chosen for field in fields)]

    def drawn(chart: str, title: str, rows: Records, **others: Records) -> Figure:
        return _drawn(chart, f"{title}: {table.task.dataset}, {table.task.protocol}", table, rows, **others)

    if means := of_chosen(records(charts["intervals"]), "method"):
        yield drawn("intervals", "Ranked rows", means)
    if data["tested"]:
        forest, tests = records(charts["forest"]), counted(data["comparisons"], "test")
        yield drawn("forest", "Difference from the first row", [*forest[:1], *of_chosen(forest[1:], "method")])
        few = len(chosen if wanted else table.ranked) <= MANY_ROWS
        if few and (matrix := of_chosen(records([data["pairs"]]), "a", "b")):
            yield drawn("matrix", f"Pairs, of {tests}" if wanted else f"All pairs, {tests}", matrix)
    yield drawn("roc", "ROC", chart_of(data, "roc", chosen))
    bins = chart_of(data, "calibration", chosen)
    yield _with_shares(drawn("calibration", "Calibration", bins), drawn("shares", "", bins))
    decision = chart_of(data, "decision", chosen)
    yield drawn("decision", "Decision curves", decision, everyone=records(charts["everyone"]))
    if data["sites"] is not None:
        yield drawn(data["sites"]["chart"], f"{metric} by site", of_chosen(records(charts["sites"]), "method"))
    if data["ranks"] is not None and (ranks := of_chosen(records(data["ranks"]["records"]), "method")):
        yield drawn("ranks", f"Mean ranks over {data['ranks']['sites']} sites", ranks)
    timed = of_chosen([row for row in rows_of(data, table.metric) if row["seconds"] and row["mean"] is not None], "method")
    if timed:
        named = [row for row in timed if row["method"] in chosen]
        keyed = [{**row, "number": i, "key": f"{i} {row['method']}"} for i, row in enumerate(named, start=1)]
        yield drawn("time", f"{metric} and training time", timed, named=keyed)


def _drawn(chart: str, title: str, table: Standings, rows: Records, **others: Records) -> Figure:
    """A chart of a table's metric, filled with its records."""
    interval = ", 95 % CI" if any(row.get("low") is not None for row in rows) else ""
    spec = filled(CHARTS[chart](PAPER), {"rows": rows, **others}, {"metric": metric_name(table.metric), "interval": interval})
    return Figure(chart.partition("_")[0], {**spec, "title": {"text": title}})


def _with_shares(calibration: Figure, shares: Figure) -> Figure:
    """Calibration above the share of predictions in each bin; both have the same records."""
    outer = {key: calibration.spec[key] for key in ("config", "background", "title", "datasets")}
    parts = [{key: value for key, value in figure.spec.items() if key not in outer} for figure in (calibration, shares)]
    return Figure(calibration.name, {**outer, "vconcat": parts})
