"""What a written page holds, as its scripts read it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np


def data_of(page: str) -> Any:
    """The data of a page, its packed numbers as lists."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert found is not None
    data = json.loads(found[1], object_hook=_unpacked)
    for table in data["suite"]["tables"]:
        charts = table.get("charts", {})
        charts |= {name: [{**blocks[0], **block} for block in blocks] for name, blocks in charts.items()}
    return data


def _unpacked(value: dict[str, Any]) -> Any:
    if set(value) == {"float64"}:
        numbers = np.frombuffer(base64.b64decode(value["float64"]), "<f8").tolist()
        return [None if np.isnan(each) else each for each in numbers]
    if set(value) == {"int16"}:
        numbers = np.frombuffer(base64.b64decode(value["int16"]), "<i2").tolist()
        return [None if each == -(2**15) else each / 1e4 for each in numbers]
    if set(value) == {"words", "at"}:
        return [value["words"][place] for place in value["at"]]
    return value
