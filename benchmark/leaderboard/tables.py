"""Markdown tables, and figures as they stand in them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a `|` inside a cell is escaped."""
    head_line, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows))
    return "\n".join([head_line, "|" + "---|" * len(head), *lines])


def folded(summary: str, content: str) -> str:
    """Content that a reader unfolds."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def figure(value: Any) -> str:
    """Three decimals; n/a where undefined."""
    return "n/a" if value is None or not np.isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """A p-value with three decimals; n/a where undefined."""
    return "<.001" if value < 0.001 else figure(value)


def one_line(text: str) -> str:
    """The text in one line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
