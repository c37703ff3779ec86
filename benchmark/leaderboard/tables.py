"""Markdown tables, and figures as they stand in them."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmark.statistics.multiplicity import ALPHA


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a `|` inside a cell is escaped."""
    head_line, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows))
    return "\n".join([head_line, "|" + "---|" * len(head), *lines])


_MARKUP = re.compile(r"<(?!/?(?:details|summary)>)(?=[A-Za-z/!?])|(?<=\])\((?=\s*(?:javascript|data|vbscript):)", re.IGNORECASE)
"""What Markdown takes for HTML, but for what `folded` writes, and links that run a script."""


def inert(text: str) -> str:
    """Markdown in which no name, note or reason can be HTML; spans of code are left alone, in which nothing is."""
    spans = re.split(r"(`[^`\n]*`)", text)
    spans[::2] = [_MARKUP.sub(lambda found: {"<": "&lt;", "(": "\\("}[found[0]], span) for span in spans[::2]]
    return "".join(spans)


def folded(summary: str, content: str) -> str:
    """Content that a reader unfolds."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def figure(value: Any) -> str:
    """Three decimals; n/a where undefined."""
    return "n/a" if value is None or not np.isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """A p-value with two digits, with more where these would hide on which side of the level it lies; n/a where undefined."""
    if not np.isfinite(value) or value < 0.001:
        return figure(value) if not value < 0.001 else "<.001"
    digits = 3 if value < 0.0995 else 2
    while (round(value, digits) < ALPHA) != (value < ALPHA):
        digits += 1
    return f"{value:.{digits}f}"


def one_line(text: str, width: int = 160) -> str:
    """The text in one line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
