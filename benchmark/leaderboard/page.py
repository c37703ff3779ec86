"""The leaderboard as one page that works from disk: data, figures, style and scripts in one file, nothing from elsewhere."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.leaderboard.charts import CHARTS, PAGE
from benchmark.leaderboard.one_pair import SOUGHT
from benchmark.leaderboard.page_data import Further, further_data, shown_rows, suite_data
from benchmark.leaderboard.plotting import browser_bundle
from benchmark.leaderboard.records import DECIMALS
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.multiplicity import ALPHA, POWER
from benchmark.suites.suite import Suite

FILES = Path(__file__).resolve().parent / "page_files"
NAMED_BY_PLACE = ("a", "b")
"""The names of a pair, which the page finds by their places: of 40 rows they would be the greater part of it."""
SCRIPTS = (
    "elements.js",
    "numbers.js",
    "data.js",
    "questions.js",
    "state.js",
    "figures.js",
    "table.js",
    "across.js",
    "pair.js",
    "views.js",
    "reload.js",
    "page.js",
)
"""In the order in which they stand in the page; one scope, apart from that of the library."""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
)
"""No network, and no script but the page's own, named by their hashes. Vega sets styles on what it draws."""

WORTH_PACKING = 8
MISSING = -(2**15)


def page(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, further: Further = (), jobs: int = 1) -> str:
    """The page of a suite, with the ablations and sensitivity of the `further` suites; the same bytes for the same predictions.

    Raises `BenchmarkError` where the plotting library is missing.
    """
    data: dict[str, Any] = {
        "suite": suite_data(suite, tables, catalogue, further=further, jobs=jobs, shaped=_shaped),
        "further": [further_data(*others, catalogue, jobs) for others in further],
        "charts": {name: chart(PAGE) for name, chart in CHARTS.items()},
        "level": ALPHA,
        "sought": SOUGHT,
        "power": POWER,
    }
    bundle, own = browser_bundle(), "\n".join(["(() => {'use strict';", *(_file(name) for name in SCRIPTS), "})();"])
    parts = {
        "policy": html.escape(POLICY.format(scripts=" ".join(map(_digest, (own, bundle))))),
        "title": html.escape(suite.title),
        "style": _file("page.css"),
        "data": in_html(packed(data)),
        "bundle": bundle,
        "script": own,
    }
    # In one pass: what is put in is never searched.
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], _file("page.html"))


def _shaped(table: dict[str, Any]) -> dict[str, Any]:
    """The columns of a table as the page holds them."""
    if table["rows"]["method"]:
        charts = {name: _once(blocks) for name, blocks in table["charts"].items()}
        table = {**table, "shown": shown_rows(table), "charts": charts}
    pairs = {key: values for key, values in table.get("pairs", {}).items() if key not in NAMED_BY_PLACE}
    shaped: dict[str, Any] = packed({**table, "pairs": pairs})
    return shaped


def packed(data: Any) -> Any:
    """The same in less place: lists of floats as `{"float64": ...}` or `{"int16": ...}` in base 64, recurring words by number.

    `float64` are little-endian doubles, NaN for None; where no value has more than `DECIMALS` decimals, as in curves, `int16`
    are integers of the last of them, `MISSING` for None. `{"words": [...], "at": [...]}` has each word once, and the place of
    each item.
    """
    if isinstance(data, dict):
        return {key: packed(value) if isinstance(value, dict | list) else value for key, value in data.items()}
    if not isinstance(data, list):
        return data
    kinds = set(map(type, data)) if len(data) >= WORTH_PACKING else {type(None)}
    if kinds == {str} and len(words := list(dict.fromkeys(data))) < len(data) / 2:
        place = {word: i for i, word in enumerate(words)}
        return {"words": words, "at": [place[word] for word in data]}
    if float not in kinds or not kinds <= {float, type(None)}:
        return [packed(value) if isinstance(value, dict | list) else value for value in data]
    values = np.array(data, dtype="<f8")
    if round(values[0], DECIMALS) == values[0] or np.isnan(values[0]):
        steps = np.round(values * 10**DECIMALS)
        if np.nanmax(np.abs(steps), initial=0) < -MISSING and np.array_equal(steps / 10**DECIMALS, values, equal_nan=True):
            return {"int16": _base64(np.where(np.isnan(steps), MISSING, steps).astype("<i2").tobytes())}
    return {"float64": _base64(values.tobytes())}


def _once(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks of records without what they have in common with the first one, such as the x of all curves."""
    return [*blocks[:1], *({key: value for key, value in each.items() if value != blocks[0][key]} for each in blocks[1:])]


def in_html(data: Any) -> str:
    """JSON that may stand within a script element: no name in it can end the element or start another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _digest(script: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(script.encode()).digest())}'"
