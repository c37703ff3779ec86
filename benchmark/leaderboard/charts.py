"""The figures of a leaderboard as Vega-Lite specifications: each is written once, for the page and for papers alike.

A chart is a function of the ink and of what the axis says; it names its data sets and holds none. `records` makes these once,
for the page and for papers; `filled` adds them and the words, as the page does in JavaScript. A record is a flat mapping with
the fields that the chart's docstring lists.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

Spec = dict[str, Any]
Records = Sequence[Mapping[str, Any]]

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross")
"""One fewer than the colours: 30 groups differ in colour or symbol."""
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 1])
POINT = {"type": "point", "filled": True, "size": 60, "opacity": 1}
UPRIGHT_NAMES = {"labelAngle": -60, "grid": False, "ticks": False, "orient": "bottom"}
RULE = {"type": "rule", "strokeWidth": 1.5}
ROW_STEP, CELL_STEP = 19, 18
MANY_SITES = 12
"""With more sites than these they stand in lines, not in columns."""
LEVELS = (".001", ".01", ".05")
FILLS = {
    "row better, p < .001": "#00507d",
    "row worse, p < .001": "#9c4400",
    "row better, p < .01": "#2980b5",
    "row worse, p < .01": "#d1691e",
    "row better, p < .05": "#9ccbe8",
    "row worse, p < .05": "#f5c39b",
}
"""What a significant cell of the matrix shows, and its fill."""
SHOWN = ("first row", "significantly different", "no difference shown", "not tested")
UNLIMITED = 0
"""The limit of a label's length that lets it stand whole: a name that is cut on paper can be no more looked up."""
FOREST = ("method", "difference", "low", "high", "shown")


@dataclass(frozen=True)
class Ink:
    """Colours, type and size. The series follow Okabe and Ito (2008), each with a dash and a symbol of its own."""

    text: str
    faint: str
    rule: str
    ground: str
    series: tuple[str, ...]
    font: str
    size: int
    width: int | str
    height: int


PAGE = Ink(
    "var(--ink)",
    "var(--faint)",
    "var(--rule)",
    "var(--panel)",
    tuple(f"var(--series-{i})" for i in range(1, 7)),
    "system-ui, sans-serif",
    12,
    "container",
    400,
)
"""The page's style sheet gives the colours, so that a change of theme and a print need no new drawing."""
PAPER = Ink(
    "#000000",
    "#555555",
    "#dddddd",
    "#f0f0f0",
    ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00"),
    "DejaVu Sans",
    10,
    340,
    340,
)
"""White ground, about a column wide; in a font that is installed with the packages, so that every machine measures alike."""


def intervals(ink: Ink) -> Spec:
    """`rows`: method, mean, low, high, shown (one of `SHOWN`, against the first row), text (the mean in figures)."""
    x, y = _quantity("mean", "{metric}{interval}"), _named("method")
    look = _verdict(ink, (ink.series[0], ink.series[1], ink.series[0], ink.faint))
    point = {
        "mark": POINT,
        "encoding": {"x": x, "y": y, **look, "tooltip": _tooltip(("method", "mean", "low", "high", "shown"))},
    }
    return _chart(ink, _interval(x, y, look["color"]), point, height={"lines": "method", "step": ROW_STEP})


def forest(ink: Ink) -> Spec:
    """`rows`: method, difference, low, high, shown (one of `SHOWN`); differences from the first row."""
    x, y = _quantity("difference", "difference in {metric} from the first row, 95 % CI"), _named("method")
    look = _verdict(ink, (ink.text, ink.series[1], ink.text, ink.faint))
    point = {"mark": POINT, "encoding": {"x": x, "y": y, **look, "tooltip": _tooltip(FOREST)}}
    return _chart(ink, _interval(x, y, look["color"]), _zero(ink), point, height={"lines": "method", "step": ROW_STEP})


def _verdict(ink: Ink, colours: Sequence[str]) -> dict[str, Spec]:
    """Colour and symbol by what the test of a row against the first one says, a colour for each of `SHOWN`."""
    looks = {"color": colours, "shape": ("diamond", "square", "circle", "cross")}
    return {
        channel: {
            "field": "shown",
            "type": "nominal",
            "legend": _legend(2),
            "title": None,
            "scale": {"domain": list(SHOWN), "range": list(values)},
        }
        for channel, values in looks.items()
    }


def matrix(ink: Ink) -> Spec:
    """`rows`: a, b, a_place, b_place (in display order), difference (a - b), p_adjusted; pairs once.

    `of_a` and `of_b` are what the cells in the rows of a and of b show.
    """
    better, worse = ([kind for kind in FILLS if verdict in kind] for verdict in ("better", "worse"))
    pale = [kind for kind in FILLS if kind.endswith(LEVELS[-1])]
    fill = {
        "field": "shown",
        "type": "nominal",
        "scale": {"domain": [*FILLS, *SHOWN[2:]], "range": [*FILLS.values(), ink.ground, ink.rule]},
        "legend": {**_legend(2), "symbolType": "square", "symbolStrokeColor": ink.faint, "symbolStrokeWidth": 0.5},
        "title": None,
    }
    place = {
        "x": {**_name_axis("column", UPRIGHT_NAMES), "sort": {"field": "column_place", "op": "min"}},
        "y": {**_name_axis("row"), "sort": {"field": "row_place", "op": "min"}},
    }
    sign = {"condition": [_when(better, "+"), _when(worse, "\u2212")], "value": "\u00b7"}
    colour = {"condition": [_when(pale, "#000000"), _when([*better, *worse], "#ffffff")], "value": ink.faint}
    return {
        **_chart(
            ink,
            {
                "mark": {"type": "rect", "stroke": ink.rule, "strokeWidth": 0.5},
                "encoding": {**place, "color": fill, "tooltip": _tooltip(("row", "column", "signed", "p_adjusted", "shown"))},
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


def _when(kinds: Sequence[str], value: str) -> Spec:
    return {"test": {"field": "shown", "oneOf": list(kinds)}, "value": value}


def roc(ink: Ink) -> Spec:
    """`rows`: method, x (false-positive rate), y (sensitivity), low, high."""
    lines = _banded(ink, _quantity("x", "1 \u2212 specificity", [0, 1]), _quantity("y", "sensitivity", [0, 1]))
    return _chart(ink, _diagonal(ink), *lines, height=ink.height)


def decision(ink: Ink) -> Spec:
    """`rows`: method, x (threshold probability), y (net benefit), low, high; `everyone`: x, y of treating all."""
    x = _quantity("x", "threshold probability", [0, 1])
    y = {**_quantity("y", "net benefit"), "scale": {"domainMin": -0.05, "nice": False, "zero": False}}
    word = {"type": "text", "align": "left", "color": ink.faint}
    return _chart(
        ink,
        {"mark": {"type": "rule", "color": ink.faint}, "encoding": {"y": {"datum": 0}}},
        {
            "data": {"name": "everyone"},
            "mark": {"type": "line", "color": ink.faint, "strokeWidth": 1, "clip": True},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": [{"x": 0.01, "y": 0.0, "label": "treat none"}]},
            "mark": {**word, "dy": -7},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        },
        {
            "data": {"name": "everyone"},
            "transform": [{"filter": "datum.y > 0"}, {"aggregate": [{"op": "max", "field": "x", "as": "x"}]}],
            "mark": {**word, "dx": 4, "dy": -6},
            "encoding": {"x": x, "y": {"datum": 0}, "text": {"value": "treat all"}},
        },
        *_banded(ink, x, y, clip=True),
        height=ink.height * 3 // 4,
    )


def calibration(ink: Ink) -> Spec:
    """`rows`: method, x (mean predicted), y (observed), low, high, share (a point's area); one per bin, x None for no point."""
    x, y = _quantity("x", "predicted probability", [0, 1]), _quantity("y", "observed proportion", [0, 1])
    look, pointed = _line(ink), [{"filter": "isValid(datum.x)"}]
    area = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 0.5], "range": [6, 250]}, "legend": None}
    point = {"color": look["color"], "size": area, "tooltip": _tooltip(("method", "x", "y", "low", "high", "share"))}
    return _chart(
        ink,
        _diagonal(ink),
        {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **look}, "transform": pointed},
        _interval(x, y, look["color"], "y", {"type": "rule", "strokeWidth": 1.2}),
        {
            "mark": {"type": "point", "filled": True, "opacity": 1, "clip": False},
            "encoding": {"x": x, "y": y, **point},
            "transform": pointed,
        },
        height=ink.height,
    )


def shares(ink: Ink) -> Spec:
    """`rows`: method, middle (of a bin), share: the share of the predictions that fall into each bin."""
    x = _quantity("middle", "predicted probability", [0, 1])
    y = {**_quantity("share", "share of predictions"), "scale": {"zero": True}, "axis": {"tickCount": 3}}
    line = {"mark": {"type": "line", "interpolate": "step", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **_line(ink)}}
    return _chart(ink, line, height=110)


def labels(ink: Ink) -> Spec:
    """`rows`: method, x (share of the labels), y, low, high."""
    x: Spec = {
        **_quantity("x", "share of the labels (log scale)"),
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"values": {"distinct": "x"}, "format": "~%"},
    }
    y, look = _quantity("y", "{metric}{interval}"), _line(ink)
    point = {"mark": {**POINT, "size": 30}, "encoding": {"x": x, "y": y, "color": look["color"]}}
    return _chart(ink, point, *_banded(ink, x, y), height=ink.height * 4 // 5)


def sites(ink: Ink, x: str = "site", y: str = "method") -> Spec:
    """`rows`: site, method, value, n, positives; `value` is the site's mean over training seeds."""
    place = {"x": {**_named(x), "axis": UPRIGHT_NAMES}, "y": _named(y)}
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
    tiles = {"mark": {"type": "rect"}, "encoding": {**place, **tile}}
    ends = [{"op": "min", "field": "value", "as": "least"}, {"op": "max", "field": "value", "as": "most"}]
    chart = _chart(ink, tiles, written, width={"step": 34}, height={"step": CELL_STEP})
    return {**chart, "transform": [{"joinaggregate": ends}]}


def time(ink: Ink) -> Spec:
    """`rows`: method, family, seconds, mean, low, high; `named`: those that a number beside the point tells, with its `key`."""
    x = {
        **_quantity("seconds", "seconds to train and predict one split (log scale)"),
        "scale": {"type": "log", "nice": True},
        "axis": {"tickCount": 5, "format": "~g"},
    }
    y = _quantity("mean", "{metric}{interval}")
    # The legend of the keys hangs on the opacity, which is the same for all: nothing but the texts is drawn of it.
    legend = {**_legend(1), "symbolSize": 0, "symbolOpacity": 0}
    opaque = {"domain": {"distinct": "key", "of": "named"}, "range": [1]}
    numbers = {
        "data": {"name": "named"},
        "mark": {"type": "text", "align": "left", "dx": 6, "dy": -6, "fontWeight": "bold", "color": ink.text},
        "encoding": {
            "x": x,
            "y": y,
            "text": {"field": "number", "type": "nominal"},
            "opacity": {"field": "key", "type": "ordinal", "title": None, "scale": opaque, "legend": legend},
        },
    }
    upright = _interval(x, y, _colour(ink, "family"), "y", {"type": "rule", "strokeWidth": 0.8, "opacity": 0.5})
    point = _point(ink, x, y, "family", ("method", "family", "seconds", "mean", "low", "high"))
    return _chart(ink, upright, point, numbers, height=ink.height * 4 // 5)


def dots(ink: Ink) -> Spec:
    """`rows`: label, group, value, low, high; in the order in which they are to stand."""
    x, y = _quantity("value", "{metric}{interval}"), _named("label")
    point = _point(ink, x, y, "group", ("label", "group", "value", "low", "high"))
    return _chart(ink, _interval(x, y, _colour(ink, "group")), point, height={"lines": "label", "step": ROW_STEP})


def ranks(ink: Ink) -> Spec:
    """`rows`: method, value (mean rank), low, high (half a critical difference to either side)."""
    x, y = _quantity("value", "mean rank over sites (1 is best)"), _named("method")
    look = {"color": {"value": ink.series[0]}, "tooltip": _tooltip(("method", "value", "low", "high"))}
    point = {"mark": POINT, "encoding": {"x": x, "y": y, **look}}
    return _chart(ink, _interval(x, y, {"value": ink.series[0]}), point, height={"lines": "method", "step": ROW_STEP})


def differences(ink: Ink) -> Spec:
    """`rows`: part (a seed, a site, or the mean), split, difference, low, high, mean (whether it is the mean)."""
    x, y = _quantity("difference", "difference in {metric}"), _named("part")
    looks = {"color": (ink.series[1], ink.series[0]), "shape": ("diamond", "circle"), "size": (110, 40)}
    look: Spec = {
        channel: {"condition": {"test": "datum.mean", "value": of_mean}, "value": other}
        for channel, (of_mean, other) in looks.items()
    }
    tooltip = _tooltip(("part", "split", "difference", "low", "high"))
    mark = {"type": "point", "filled": True, "opacity": 0.85}
    point = {"mark": mark, "encoding": {"x": x, "y": y, **look, "tooltip": tooltip}}
    return _chart(ink, _interval(x, y, look["color"]), _zero(ink), point, height={"lines": "part", "step": 28})


CHARTS: Mapping[str, Callable[[Ink], Spec]] = {
    "intervals": intervals,
    "forest": forest,
    "matrix": matrix,
    "roc": roc,
    "calibration": calibration,
    "shares": shares,
    "decision": decision,
    "labels": labels,
    "sites": sites,
    "sites_down": partial(sites, x="method", y="site"),
    "ranks": ranks,
    "time": time,
    "dots": dots,
    "differences": differences,
}


def filled(spec: Spec, datasets: Mapping[str, Records], words: Mapping[str, str]) -> Spec:
    """The specification with its records, and with what depends on them.

    `{word}` in its texts is replaced (`{interval}`: what an axis says where rows have one); `{"distinct": field}` by the values
    of that field in the rows, or in the records that `of` names, in their order; `{"lines": field, "step": s}` by a height of s
    for each of them (Vega-Lite's own step warns beside a width that fits the page). A layer that `needs` a field is left out
    where no row has it.
    """

    def distinct(name: str, of: str = "rows") -> list[Any]:
        return list(dict.fromkeys(row[name] for row in datasets[of]))

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda word: words.get(word[1], word[0]), value)
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "distinct" in value:
            return distinct(value["distinct"], value.get("of", "rows"))
        if "lines" in value:
            return len(distinct(value["lines"])) * value["step"]
        return {name: walk(each) for name, each in value.items() if name != "needs"}

    def possible(layer: Spec) -> bool:
        return "needs" not in layer or any(row.get(layer["needs"]) is not None for row in datasets["rows"])

    spec = {**spec, "layer": [layer for layer in spec["layer"] if possible(layer)]}
    return {**walk(spec), "datasets": {name: list(records) for name, records in datasets.items()}}


def _chart(ink: Ink, *layers: Spec, height: Any, width: Any = None) -> Spec:
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
            "axis": {
                "labelColor": ink.text,
                "titleColor": ink.text,
                "domainColor": ink.faint,
                "tickColor": ink.faint,
                "labelFontSize": ink.size - 1,
                "titleFontSize": ink.size,
                "titleFontWeight": "normal",
                "gridColor": ink.rule,
                "labelLimit": 330 if ink is PAGE else UNLIMITED,
            },
            "legend": {
                "labelColor": ink.text,
                "titleColor": ink.text,
                "labelLimit": 400 if ink is PAGE else UNLIMITED,
                "labelFontSize": ink.size - 1,
                "layout": {"top": {"anchor": "end"}},
            },
            "text": {"color": ink.text, "fontSize": ink.size - 1},
            "title": {"color": ink.text, "fontSize": ink.size + 1, "anchor": "start", "fontWeight": "bold"},
        },
    }


def _quantity(field: str, title: str, domain: Sequence[float] = ()) -> Spec:
    scale = {"domain": list(domain)} if domain else {"zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 6}}


def _named(field: str) -> Spec:
    """An axis of names in the order of the rows, whichever layer comes first."""
    return {**_name_axis(field), "sort": None, "scale": {"domain": {"distinct": field}}}


def _name_axis(field: str, axis: Spec | None = None) -> Spec:
    return {"field": field, "type": "nominal", "title": None, "axis": axis or {"grid": False, "ticks": False}}


def _legend(columns: int) -> Spec:
    return {"orient": "top", "columns": columns, "title": None, "symbolOpacity": 1}


def _colour(ink: Ink, field: str) -> Spec:
    return _kind(field, ink.series, _legend(1))


def _line(ink: Ink) -> Spec:
    """A colour and a dash for each method."""
    legend = {**_legend(1), "symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2, "rowPadding": -6}
    return {"color": _kind("method", ink.series, legend), "strokeDash": _kind("method", DASHES, legend)}


def _kind(field: str, values: Sequence[Any], legend: Spec) -> Spec:
    """A channel that tells nominal values apart, in the order in which they come; the same in all layers, for one legend."""
    scale = {"domain": {"distinct": field}, "range": list(values)}
    return {"field": field, "type": "nominal", "sort": None, "title": None, "scale": scale, "legend": legend}


def _banded(ink: Ink, x: Spec, y: Spec, *, clip: bool = False) -> list[Spec]:
    """Lines of each method over their bands, where the protocol allows bands."""
    look, tooltip = _line(ink), _tooltip(("method", "x", "y", "low", "high"))
    return [
        _interval(x, y, look["color"], "y", {"type": "area", "opacity": 0.13, "clip": clip}),
        {"mark": {"type": "line", "strokeWidth": 2, "clip": clip}, "encoding": {"x": x, "y": y, **look}},
        {
            "mark": {"type": "point", "size": 60, "opacity": 0, "clip": clip},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
    ]


def _point(ink: Ink, x: Spec, y: Spec, field: str, tooltip: Sequence[str]) -> Spec:
    """Points whose colour and symbol tell the values of a field apart."""
    look = {"color": _colour(ink, field), "shape": _kind(field, SYMBOLS, _legend(1)), "tooltip": _tooltip(tooltip)}
    return {"mark": POINT, "encoding": {"x": x, "y": y, **look}}


def _interval(x: Spec, y: Spec, colour: Spec, axis: str = "x", mark: Mapping[str, Any] = RULE) -> Spec:
    """From `low` to `high` along an axis, of the rows that have these."""
    ends = {axis: {**(x if axis == "x" else y), "field": "low"}, f"{axis}2": {"field": "high"}}
    return {
        "needs": "low",
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": mark,
        "encoding": {"x": x, "y": y, **ends, "color": colour},
    }


def _zero(ink: Ink) -> Spec:
    return {"mark": {"type": "rule", "color": ink.faint, "strokeDash": [3, 3]}, "encoding": {"x": {"datum": 0}}}


def _diagonal(ink: Ink) -> Spec:
    return {
        "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
        "mark": {"type": "line", "color": ink.faint, "strokeDash": [3, 3], "strokeWidth": 1},
        "encoding": {name: {"field": name, "type": "quantitative"} for name in ("x", "y")},
    }


def _tooltip(fields: Sequence[str]) -> list[Spec]:
    """The values as they are: the page writes them as everywhere, and on paper nothing shows them."""
    return [{"field": field, "type": "nominal"} for field in fields]
