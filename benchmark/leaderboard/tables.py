"""Markdown tables, and figures as they stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmark.statistics.metric_names import UNORDERED


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a `|` inside a cell is escaped."""
    head_line, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows))
    return "\n".join([head_line, "|" + "---|" * len(head), *lines])


def figure(value: Any, metric: str = "") -> str:
    """Three decimals, a calibration intercept with its sign and two; n/a where undefined."""
    if value is None or not np.isfinite(value):
        return "n/a"
    return f"{value:+.2f}" if metric in UNORDERED and "intercept" in metric else f"{value:.3f}"


def one_line(text: str) -> str:
    """The text in one line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
