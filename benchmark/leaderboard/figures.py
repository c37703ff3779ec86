"""The figures of a leaderboard for papers: the page's charts on white, one file each, as SVG or PNG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.leaderboard.charts import CHARTS, PAPER, Records, Spec, filled
from benchmark.leaderboard.label_shares import by_share, label_curves
from benchmark.leaderboard.page_data import chart_of, rows_of, shown_rows, table_data
from benchmark.leaderboard.plotting import as_png, as_svg
from benchmark.leaderboard.records import records
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import metric_name
from benchmark.suites.suite import Suite
from benchmark.system.files import safe, write_if_changed

FORMATS: Mapping[str, Callable[[Spec], bytes]] = {"svg": as_svg, "png": as_png}


@dataclass(frozen=True)
class Figure:
    """A chart of a table, ready to be drawn."""

    name: str
    spec: Spec


def write_figures(folder: Path, suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, kind: str) -> list[Path]:
    """Draw all figures of the tables to `<dataset>-<protocol>-<figure>.<kind>`, a kind of `FORMATS`; returns the paths.

    Those of several tables are named `<dataset>-<figure>.<kind>`.
    """
    paths = []
    for table in tables:
        for figure in figures(suite, table, catalogue):
            path = folder / f"{safe(table.task.dataset)}-{safe(table.task.protocol)}-{figure.name}.{kind}"
            write_if_changed(path, FORMATS[kind](figure.spec))
            paths.append(path)
    for dataset, figure in label_figures(suite, tables, catalogue):
        path = folder / f"{safe(dataset)}-{figure.name}.{kind}"
        write_if_changed(path, FORMATS[kind](figure.spec))
        paths.append(path)
    return paths


def label_figures(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue) -> Iterator[tuple[str, Figure]]:
    """Of each dataset with tables of several shares of the labels: how the rows shown at the largest one do by the share."""
    for dataset, shares in by_share(tables).items():
        table = shares[max(shares)]
        chosen = shown_rows(table_data(suite, table, catalogue))
        rows = records(block for block in label_curves(shares) if block["method"] in chosen)
        if rows:
            yield dataset, _drawn("labels", f"Few labels: {dataset}", table, rows)


def figures(suite: Suite, table: Standings, catalogue: Catalogue) -> Iterator[Figure]:
    """Forest, matrix, ROC, calibration, decision, sites, ranks, time; those that the table has: no test, no figure of it."""
    if table.comparison is None:
        return
    data = table_data(suite, table, catalogue)
    metric = metric_name(table.metric)
    charts, chosen = data["charts"], shown_rows(data)

    def drawn(chart: str, title: str, rows: Records, **others: Records) -> Figure:
        return _drawn(chart, f"{title}: {table.task.dataset}, {table.task.protocol}", table, rows, **others)

    if data["tested"]:
        yield drawn("forest", "Difference from the first row", records(charts["forest"]))
        yield drawn("matrix", f"All pairs, {data['comparisons']} tests", records([data["pairs"]]))
    yield drawn("roc", "ROC", chart_of(data, "roc", chosen))
    bins = chart_of(data, "calibration", chosen)
    yield _with_shares(drawn("calibration", "Calibration", bins), drawn("shares", "", bins))
    decision = chart_of(data, "decision", chosen)
    yield drawn("decision", "Decision curves", decision, everyone=records(charts["everyone"]))
    if data["sites"] is not None:
        yield drawn(data["sites"]["chart"], f"{metric} by site", records(charts["sites"]))
    if data["ranks"] is not None:
        yield drawn("ranks", f"Mean ranks over {data['ranks']['sites']} sites", records(data["ranks"]["records"]))
    timed = [row for row in rows_of(data, table.metric) if row["seconds"] and row["mean"] is not None]
    if timed:
        named = {side: [row for row in timed if row["method"] in chosen[i::2]] for i, side in enumerate(("right", "left"))}
        yield drawn("time", f"{metric} and training time", timed, **named)


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
