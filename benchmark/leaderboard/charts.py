"""The figures of a leaderboard as Vega-Lite specifications: each is written once, for the page and for papers alike.

A chart is a function of the ink and of what the axis says; it names its data sets and holds none. `records` makes these once,
for the page and for papers; `filled` adds them and the words, as the page does in JavaScript. A record is a flat mapping with
the fields that the chart's docstring lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
Records = Sequence[Mapping[str, Any]]

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross")
"""One fewer than the colours: 30 groups differ in colour or symbol."""
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 1])
POINT = {"type": "point", "filled": True, "size": 60, "opacity": 1}
ROW_STEP, CELL_STEP, MANY_SITES = 19, 18, 12
BETTER, WORSE = ("#00507d", "#2980b5", "#9ccbe8"), ("#9c4400", "#d1691e", "#f5c39b")
"""Fills of a significant cell for p < .001, .01 and .05."""


@dataclass(frozen=True)
class Ink:
    """Colours and type. The series follow Okabe and Ito (2008), each with a dash and a symbol of its own."""

    text: str
    faint: str
    rule: str
    ground: str
    series: tuple[str, ...]
    font: str
    size: int
    width: int | str


PAGE = Ink(
    "var(--ink)",
    "var(--faint)",
    "var(--rule)",
    "var(--panel)",
    tuple(f"var(--series-{i})" for i in range(1, 7)),
    "system-ui, sans-serif",
    12,
    "container",
)
"""The page's style sheet gives the colours, so that a change of theme and a print need no new drawing."""
PAPER = Ink(
    "#000000",
    "#555555",
    "#dddddd",
    "#f0f0f0",
    ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00"),
    "Helvetica, Arial, sans-serif",
    11,
    340,
)
"""White ground, about a column wide."""


def forest(ink: Ink) -> Spec:
    """`rows`: method, difference, low, high, shown (one of `SHOWN`); differences from the first row."""
    colours = [ink.text, ink.series[1], ink.text, ink.faint]
    shown = {"field": "shown", "type": "nominal", "scale": {"domain": list(SHOWN)}, "legend": _legend(1), "title": None}
    colour = {**shown, "scale": {"domain": list(SHOWN), "range": colours}}
    shape = {**shown, "scale": {"domain": list(SHOWN), "range": ["diamond", "square", "circle", "cross"]}}
    across = _quantity("difference", "difference in {metric} from the first row, 95 % CI")
    shown_as = {"color": colour, "shape": shape, "tooltip": _tooltip(FOREST)}
    point = {"mark": POINT, "encoding": {"x": across, "y": _named("method"), **shown_as}}
    interval = _interval(across, _named("method"), colour)
    return _chart(ink, interval, _vertical(0, ink), point, height={"lines": "method", "step": ROW_STEP})


SHOWN = ("first row", "significantly different", "no difference shown", "not tested")
FOREST = ("method", "difference", "low", "high", "shown")


def matrix(ink: Ink) -> Spec:
    """`rows`: a, b, a_place, b_place (in display order), difference (a - b), p_holm; pairs once.

    `of_a` and `of_b` are what the cells in the rows of a and of b show.
    """
    better, worse = ([f"row {verdict}, p < {level}" for level in LEVELS] for verdict in ("better", "worse"))
    domain = [*(kind for level in zip(better, worse, strict=True) for kind in level), *SHOWN[2:]]
    fills = [fill for level in zip(BETTER, WORSE, strict=True) for fill in level]
    fill = {
        "field": "shown",
        "type": "nominal",
        "scale": {"domain": domain, "range": [*fills, ink.ground, ink.rule]},
        "legend": {**_legend(2), "symbolType": "square", "symbolStrokeColor": ink.faint, "symbolStrokeWidth": 0.5},
        "title": None,
    }
    place = {
        "x": {**_name_axis("column", _names(-60)), "sort": {"field": "column_place", "op": "min"}},
        "y": {**_name_axis("row"), "sort": {"field": "row_place", "op": "min"}},
    }
    pale = [*better[2:], *worse[2:]]
    signs = ((better, "+"), (worse, "\u2212"))
    sign = {"condition": [{"test": _one_of(kinds), "value": sign} for kinds, sign in signs], "value": "\u00b7"}
    inks = ((pale, "#000000"), ([*better, *worse], "#ffffff"))
    colour = {"condition": [{"test": _one_of(kinds), "value": value} for kinds, value in inks], "value": ink.faint}
    tooltip = ("row", "column", "signed", "p_holm", "shown")
    return {
        **_chart(
            ink,
            {
                "mark": {"type": "rect", "stroke": ink.rule, "strokeWidth": 0.5},
                "encoding": {**place, "color": fill, "tooltip": _tooltip(tooltip)},
            },
            {
                "mark": {"type": "text", "fontSize": 11, "fontWeight": "bold"},
                "encoding": {**place, "text": sign, "color": colour},
            },
            width={"step": CELL_STEP},
            height={"step": CELL_STEP},
        ),
        "transform": [
            {"fold": ["a", "b"], "as": ["side", "row"]},
            {"calculate": "datum.side == 'a' ? datum.b : datum.a", "as": "column"},
            {"calculate": "datum.side == 'a' ? datum.a_place : datum.b_place", "as": "row_place"},
            {"calculate": "datum.side == 'a' ? datum.b_place : datum.a_place", "as": "column_place"},
            {"calculate": "datum.side == 'a' ? datum.difference : -datum.difference", "as": "signed"},
            {"calculate": "datum.side == 'a' ? datum.of_a : datum.of_b", "as": "shown"},
        ],
    }


LEVELS = (".001", ".01", ".05")


def _one_of(kinds: Sequence[str]) -> Spec:
    return {"field": "shown", "oneOf": list(kinds)}


def roc(ink: Ink) -> Spec:
    """`rows`: method, x (false-positive rate), y (sensitivity), low, high."""
    x = _quantity("x", "1 \u2212 specificity", [0, 1])
    lines = _banded(ink, x, _quantity("y", "sensitivity", [0, 1]))
    return _chart(ink, _diagonal(ink), *lines, height=_square(ink))


def decision(ink: Ink) -> Spec:
    """`rows`: method, x (threshold probability), y (net benefit), low, high; `everyone`: x, y of treating all."""
    x = _quantity("x", "threshold probability", [0, 1])
    y = {**_quantity("y", "net benefit"), "scale": {"domainMin": -0.05, "nice": False, "zero": False}}
    everyone = {
        "data": {"name": "everyone"},
        "mark": {"type": "line", "color": ink.faint, "strokeWidth": 1, "clip": True},
        "encoding": {"x": x, "y": y},
    }
    word = {
        "data": {"values": [{"x": 0.01, "y": 0.0, "label": "treat none"}]},
        "mark": {"type": "text", "align": "left", "dy": -7, "color": ink.faint},
        "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
    }
    all_word = {
        "data": {"name": "everyone"},
        "transform": [{"filter": "datum.y > 0"}, {"aggregate": [{"op": "max", "field": "x", "as": "x"}]}],
        "mark": {"type": "text", "align": "left", "dx": 4, "dy": -6, "color": ink.faint},
        "encoding": {"x": x, "y": {"datum": 0}, "text": {"value": "treat all"}},
    }
    lines = _banded(ink, x, y, clip=True)
    zero = {"mark": {"type": "rule", "color": ink.faint}, "encoding": {"y": {"datum": 0}}}
    return _chart(ink, zero, everyone, word, all_word, *lines, height=_square(ink) * 3 // 4)


def calibration(ink: Ink) -> Spec:
    """`rows`: method, x (mean predicted), y (observed), low, high, share (a point's area); one per bin, x None for no point."""
    x, y = _quantity("x", "predicted probability", [0, 1]), _quantity("y", "observed proportion", [0, 1])
    colour = {"color": _line(ink)["color"]}
    line = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **_line(ink)}}
    upright = {
        "needs": "low",
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.2},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **colour},
    }
    area = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 0.5], "range": [6, 250]}, "legend": None}
    tooltip = _tooltip(("method", "x", "y", "low", "high", "share"))
    point = {
        "mark": {"type": "point", "filled": True, "opacity": 1, "clip": False},
        "encoding": {"x": x, "y": y, **colour, "size": area, "tooltip": tooltip},
    }
    layers = [{**layer, "transform": [{"filter": "isValid(datum.x)"}]} for layer in (line, point)]
    return _chart(ink, _diagonal(ink), layers[0], upright, layers[1], height=_square(ink))


def shares(ink: Ink) -> Spec:
    """`rows`: method, middle (of a bin), share: the share of the predictions that fall into each bin."""
    x, y = _quantity("middle", "predicted probability", [0, 1]), _quantity("share", "share of predictions")
    y["scale"], y["axis"] = {"zero": True}, {"tickCount": 3}
    line = {"mark": {"type": "line", "interpolate": "step", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **_line(ink)}}
    return _chart(ink, line, height=110)


def sites(ink: Ink, x: str = "site", y: str = "method") -> Spec:
    """`rows`: site, method, value, n, positives; `value` is the site's mean over training seeds."""
    place = {"x": {**_named(x), "axis": _names(-60)}, "y": _named(y)}
    fill = {
        "field": "value",
        "type": "quantitative",
        "title": "{metric}",
        "scale": {"scheme": "cividis"},
        "legend": {"orient": "top", "gradientLength": 160, "titleOrient": "left"},
    }
    tile = {"color": fill, "tooltip": _tooltip(("site", "method", "value", "n", "positives"))}
    number = {
        "text": {"field": "value", "type": "quantitative", "format": ".2f"},
        "color": {
            "condition": {"test": "datum.value > (datum.least + datum.most) / 2", "value": "#000000"},
            "value": "#ffffff",
        },
    }
    written = {
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "text", "fontSize": 9},
        "encoding": {**place, **number},
    }
    ends = [{"op": "min", "field": "value", "as": "least"}, {"op": "max", "field": "value", "as": "most"}]
    tiles = {"mark": {"type": "rect"}, "encoding": {**place, **tile}}
    chart = _chart(ink, tiles, written, width={"step": 34}, height={"step": CELL_STEP})
    return {**chart, "transform": [{"joinaggregate": ends}]}


def sites_down(ink: Ink) -> Spec:
    """As `sites`, with a line for each of many sites."""
    return sites(ink, "method", "site")


def sites_chart(count: int) -> str:
    """Which of the two charts shows so many sites."""
    return "sites_down" if count > MANY_SITES else "sites"


def time(ink: Ink) -> Spec:
    """`rows`: method, family, seconds, mean, low, high; `right`, `left`: those whose names stand on that side of the point."""
    x = {**_quantity("seconds", "seconds to train and predict one split (log scale)"), "scale": {"type": "log", "nice": True}}
    x["axis"] = {"tickCount": 5, "format": "~g"}
    y = _quantity("mean", "{metric}{interval}")
    upright = {
        "needs": "low",
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 0.8, "opacity": 0.5},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": _colour(ink, "family")},
    }
    names = [
        {
            "data": {"name": side},
            "mark": {"type": "text", "align": align, "dx": shift, "dy": -5, "color": ink.text},
            "encoding": {"x": x, "y": y, "text": {"field": "method", "type": "nominal"}},
        }
        for side, align, shift in (("right", "left", 7), ("left", "right", -7))
    ]
    point = _point(ink, x, y, "family", ("method", "family", "seconds", "mean", "low", "high"))
    return _chart(ink, upright, point, *names, height=_square(ink) * 4 // 5)


def dots(ink: Ink) -> Spec:
    """`rows`: label, group, value, low, high; in the order in which they are to stand."""
    x, y = _quantity("value", "{metric}{interval}"), _named("label")
    point = _point(ink, x, y, "group", ("label", "group", "value", "low", "high"))
    return _chart(ink, _interval(x, y, _colour(ink, "group")), point, height={"lines": "label", "step": ROW_STEP})


def ranks(ink: Ink) -> Spec:
    """`rows`: method, value (mean rank), low, high (half a critical difference to either side)."""
    x, y = _quantity("value", "mean rank over sites (1 is best)"), _named("method")
    colour = {"value": ink.series[0]}
    shown = {"color": colour, "tooltip": _tooltip(("method", "value", "low", "high"))}
    point = {"mark": POINT, "encoding": {"x": x, "y": y, **shown}}
    return _chart(ink, _interval(x, y, colour), point, height={"lines": "method", "step": ROW_STEP})


def differences(ink: Ink) -> Spec:
    """`rows`: part (a seed, a site, or the mean), split, difference, low, high, mean (whether it is the mean)."""
    x, y = _quantity("difference", "difference in {metric}"), _named("part")

    def look(mean: Any, other: Any) -> Spec:
        return {"condition": {"test": "datum.mean", "value": mean}, "value": other}

    colour = look(ink.series[1], ink.series[0])
    tooltip = _tooltip(("part", "split", "difference", "low", "high"))
    shown = {"color": colour, "shape": look("diamond", "circle"), "size": look(110, 40), "tooltip": tooltip}
    point = {"mark": {"type": "point", "filled": True, "opacity": 0.85}, "encoding": {"x": x, "y": y, **shown}}
    return _chart(ink, _interval(x, y, colour), _vertical(0, ink), point, height={"lines": "part", "step": 28})


CHARTS: Mapping[str, Callable[[Ink], Spec]] = {
    "forest": forest,
    "matrix": matrix,
    "roc": roc,
    "calibration": calibration,
    "shares": shares,
    "decision": decision,
    "sites": sites,
    "sites_down": sites_down,
    "ranks": ranks,
    "time": time,
    "dots": dots,
    "differences": differences,
}


def filled(spec: Spec, datasets: Mapping[str, Records], words: Mapping[str, str]) -> Spec:
    """The specification with its records, and with what depends on them.

    `{word}` in its texts is replaced (`{interval}`: what an axis says where rows have one); `{"distinct": field}` by the values
    of that field in the rows, in their order; `{"lines": field, "step": s}` by a height of s for each of them (Vega-Lite's own
    step warns beside a width that fits the page). A layer that `needs` a field is left out where no row has it.
    """

    def distinct(name: str) -> list[Any]:
        return list(dict.fromkeys(row[name] for row in datasets["rows"]))

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            for word, text in words.items():
                value = value.replace("{" + word + "}", text)
            return value
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            if "distinct" in value:
                return distinct(value["distinct"])
            if "lines" in value:
                return len(distinct(value["lines"])) * value["step"]
            return {name: walk(each) for name, each in value.items() if name != "needs"}
        return value

    def possible(layer: Spec) -> bool:
        return "needs" not in layer or any(row.get(layer["needs"]) is not None for row in datasets["rows"])

    spec = {**spec, "layer": [layer for layer in spec["layer"] if possible(layer)]}
    return {**walk(spec), "datasets": {name: list(records) for name, records in datasets.items()}}


def _chart(ink: Ink, *layers: Spec, height: Any, width: Any = None) -> Spec:
    axis = {"labelColor": ink.text, "titleColor": ink.text, "domainColor": ink.faint, "tickColor": ink.faint}
    sizes = {"labelFontSize": ink.size - 1, "titleFontSize": ink.size, "titleFontWeight": "normal"}
    return {
        "data": {"name": "rows"},
        "layer": list(layers),
        "width": ink.width if width is None else width,
        "height": height,
        "background": None if ink is PAGE else "white",
        "config": {
            "aria": False,
            "font": ink.font,
            "view": {"stroke": None},
            "axis": {**axis, **sizes, "gridColor": ink.rule, "labelLimit": 330},
            "legend": {"labelColor": ink.text, "titleColor": ink.text, "labelLimit": 400, "labelFontSize": ink.size - 1},
            "text": {"color": ink.text, "fontSize": ink.size - 1},
            "title": {"color": ink.text, "fontSize": ink.size + 1, "anchor": "start", "fontWeight": "bold"},
        },
    }


def _square(ink: Ink) -> int:
    return ink.width if isinstance(ink.width, int) else 400


def _quantity(field: str, title: str, domain: Sequence[float] = ()) -> Spec:
    scale: Spec = {"domain": list(domain)} if domain else {"zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 6}}


def _named(field: str) -> Spec:
    """An axis of names in the order of the rows, whichever layer comes first."""
    return {**_name_axis(field), "sort": None, "scale": {"domain": {"distinct": field}}}


def _name_axis(field: str, axis: Spec | None = None) -> Spec:
    return {"field": field, "type": "nominal", "title": None, "axis": axis or {"grid": False, "ticks": False}}


def _names(angle: int) -> Spec:
    return {"labelAngle": angle, "grid": False, "ticks": False, "orient": "bottom"}


def _legend(columns: int) -> Spec:
    return {"orient": "top", "columns": columns, "title": None, "symbolOpacity": 1}


def _colour(ink: Ink, field: str) -> Spec:
    return _kind(field, ink.series, _legend(1))


def _line(ink: Ink) -> Spec:
    """A colour and a dash for each method."""
    legend = {**_legend(1), "symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2}
    legend["rowPadding"] = -6
    return {"color": _kind("method", ink.series, legend), "strokeDash": _kind("method", DASHES, legend)}


def _kind(field: str, values: Sequence[Any], legend: Spec) -> Spec:
    """A channel that tells nominal values apart, in the order in which they come; the same in all layers, for one legend."""
    scale = {"domain": {"distinct": field}, "range": list(values)}
    return {"field": field, "type": "nominal", "sort": None, "title": None, "scale": scale, "legend": legend}


def _banded(ink: Ink, x: Spec, y: Spec, *, clip: bool = False) -> list[Spec]:
    """Lines of each method over their bands, where the protocol allows bands."""
    line = {"mark": {"type": "line", "strokeWidth": 2, "clip": clip}, "encoding": {"x": x, "y": y, **_line(ink)}}
    band = {
        "needs": "low",
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "area", "opacity": 0.13, "clip": clip},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": _line(ink)["color"]},
    }
    tooltip = {"x": x, "y": y, "tooltip": _tooltip(("method", "x", "y", "low", "high"))}
    touch = {"mark": {"type": "point", "size": 60, "opacity": 0, "clip": clip}, "encoding": tooltip}
    return [band, line, touch]


def _point(ink: Ink, x: Spec, y: Spec, field: str, tooltip: Sequence[str]) -> Spec:
    """Points whose colour and symbol tell the values of a field apart."""
    look = {"color": _colour(ink, field), "shape": _kind(field, SYMBOLS, _legend(1)), "tooltip": _tooltip(tooltip)}
    return {"mark": POINT, "encoding": {"x": x, "y": y, **look}}


def _interval(x: Spec, y: Spec, colour: Spec) -> Spec:
    return {
        "needs": "low",
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
    }


def _vertical(at: float, ink: Ink) -> Spec:
    return {"mark": {"type": "rule", "color": ink.faint, "strokeDash": [3, 3]}, "encoding": {"x": {"datum": at}}}


def _diagonal(ink: Ink) -> Spec:
    ends = {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]}
    place = {name: {"field": name, "type": "quantitative"} for name in ("x", "y")}
    mark = {"type": "line", "color": ink.faint, "strokeDash": [3, 3], "strokeWidth": 1}
    return {"data": ends, "mark": mark, "encoding": place}


def _tooltip(fields: Sequence[str]) -> list[Spec]:
    numbers = {"difference", "signed", "low", "high", "p_holm", "value", "mean", "x", "y", "share", "seconds"}
    exact = {"type": "quantitative", "format": ".3~g"}
    return [{"field": field, **(exact if field in numbers else {"type": "nominal"})} for field in fields]
