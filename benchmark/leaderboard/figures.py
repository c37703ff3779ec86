"""The figures of a leaderboard for papers: the page's charts on white, one file each, as SVG or PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.leaderboard.charts import CHARTS, PAPER, Records, Spec, filled
from benchmark.leaderboard.conclusions import metric_name
from benchmark.leaderboard.page_data import Columns, shown_rows, table_data
from benchmark.leaderboard.plotting import as_png, as_svg
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.suites.suite import Suite
from benchmark.system.files import safe, write_if_changed

FORMATS: Mapping[str, Callable[[Spec], bytes]] = {"svg": as_svg, "png": as_png}


@dataclass(frozen=True)
class Figure:
    """A chart of a table, ready to be drawn."""

    name: str
    spec: Spec


def write_figures(folder: Path, suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, kind: str) -> list[Path]:
    """Draw all figures of the tables to `<dataset>-<protocol>-<figure>.<kind>`, a kind of `FORMATS`; returns the paths."""
    paths = []
    for table in tables:
        for figure in figures(suite, table, catalogue):
            path = folder / f"{safe(table.task.dataset)}-{safe(table.task.protocol)}-{figure.name}.{kind}"
            write_if_changed(path, FORMATS[kind](figure.spec))
            paths.append(path)
    return paths


def figures(suite: Suite, table: Standings, catalogue: Catalogue) -> Iterator[Figure]:
    """Forest, matrix, ROC, calibration, decision, sites, ranks, time; those that the table has: no test, no figure of it."""
    if table.comparison is None:
        return
    data = table_data(suite, table, catalogue)
    where = f"{table.task.dataset}, {table.task.protocol}"
    metric = metric_name(table.metric)
    chosen = [data["rows"]["method"].index(name) for name in shown_rows(data)]

    def drawn(chart: str, title: str, rows: Records, **others: Records) -> Figure:
        spec = filled(CHARTS[chart](PAPER), {"rows": rows, **others}, {"metric": metric, "interval": _interval(rows)})
        return Figure(chart.partition("_")[0], {**spec, "title": {"text": f"{title}: {where}"}})

    if data["forest"] is not None:
        yield drawn("forest", "Difference to the first row", _records(data["forest"]))
        yield drawn("matrix", f"All pairs, {data['comparisons']} tests", _pairs(data, table.metric in LOWER_IS_BETTER))
    curves = data["curves"]
    yield drawn("roc", "ROC", _curve(data, curves["roc"], chosen))
    yield _with_shares(
        drawn("calibration", "Calibration", _calibration(data, chosen)), drawn("shares", "", _bins(data, chosen))
    )
    decision = curves["decision"]
    everyone = [{"x": x, "y": y} for x, y in zip(decision["x"], decision["everyone"], strict=True)]
    yield drawn("decision", "Decision curves", _curve(data, decision, chosen), everyone=everyone)
    if data["sites"] is not None:
        yield drawn(data["sites"]["chart"], f"{metric} by site", _sites(data))
    if data["ranks"] is not None:
        yield drawn("ranks", f"Mean ranks over {data['ranks']['sites']} sites", _records(data["ranks"]["rows"]))
    timed = _times(data, table.metric, chosen)
    if timed:
        yield drawn("time", f"{metric} and training time", timed)


def _interval(rows: Records) -> str:
    return ", 95 % CI" if any(row.get("low") is not None for row in rows) else ""


def _records(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _pairs(data: Columns, lower_is_better: bool) -> Records:
    names = data["rows"]["method"]
    sign = -1 if lower_is_better else 1
    return [
        {
            "a": names[pair["a"]],
            "b": names[pair["b"]],
            "a_place": pair["a"],
            "b_place": pair["b"],
            "difference": None if pair["difference"] is None else sign * pair["difference"],
            "p_holm": pair["p_holm"],
        }
        for pair in _records(data["pairs"])
    ]


def _curve(data: Columns, curve: Columns, places: Sequence[int]) -> Records:
    blank = [None] * len(curve["x"])
    return [
        {"method": data["rows"]["method"][place], "x": x, "y": y, "low": low, "high": high}
        for place in places
        for x, y, low, high in zip(
            curve["x"],
            curve["y"][place],
            curve["low"][place] if "low" in curve else blank,
            curve["high"][place] if "high" in curve else blank,
            strict=True,
        )
    ]


def _bins(data: Columns, places: Sequence[int]) -> list[dict[str, Any]]:
    bins = data["curves"]["calibration"]
    names = {"x": "predicted", "y": "observed", "low": "low", "high": "high", "share": "share"}
    return [
        {
            "method": data["rows"]["method"][place],
            "middle": (k + 0.5) / len(bins["share"][place]),
            **{short: bins[long][place][k] for short, long in names.items()},
        }
        for place in places
        for k in range(len(bins["share"][place]))
    ]


def _calibration(data: Columns, places: Sequence[int]) -> Records:
    return [record for record in _bins(data, places) if record["x"] is not None]


def _with_shares(calibration: Figure, shares: Figure) -> Figure:
    """Calibration above the share of predictions in each bin."""
    upper, lower = dict(calibration.spec), dict(shares.spec)
    outer = {key: upper.pop(key) for key in ("config", "background", "title")}
    records = {"rows": upper.pop("datasets")["rows"], "bins": lower.pop("datasets")["rows"]}
    lower = {**{key: value for key, value in lower.items() if key not in outer}, "data": {"name": "bins"}}
    return Figure(calibration.name, {**outer, "vconcat": [upper, lower], "datasets": records})


def _sites(data: Columns) -> Records:
    sites, names = data["sites"], data["rows"]["method"]
    return [
        {"site": f"{site} (small)" if small else site, "method": name, "value": value, "n": n, "positives": positives}
        for place, name in enumerate(names)
        for site, small, n, positives, value in zip(
            sites["site"],
            sites["small"],
            sites["n"],
            sites["positives"],
            (values[place] for values in sites["values"]),
            strict=True,
        )
    ]


def _times(data: Columns, metric: str, chosen: Sequence[int]) -> Records:
    """Rows with a measured time; the names of chosen rows stand by turns to the right and to the left of their points."""
    rows, estimates = data["rows"], data["metrics"][metric]
    return [
        {
            "method": name,
            "family": family,
            "seconds": seconds,
            "value": estimates["mean"][place],
            "low": estimates["low"][place],
            "high": estimates["high"][place],
            "right": name if place in chosen[::2] else "",
            "left": name if place in chosen[1::2] else "",
        }
        for place, (name, family, seconds) in enumerate(zip(rows["method"], rows["family"], rows["seconds"], strict=True))
        if seconds and estimates["mean"][place] is not None
    ]
