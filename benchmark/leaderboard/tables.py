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


_MARKUP = re.compile(
    r"(?P<html><(?!/?(?:details|summary)>)(?=[A-Za-z/!?]))"
    r"|(?<=\])(?P<link>\((?!https?://|#|[\w./-]+[#)]))"
    r"|(?P<definition>(?m:^)[ >*+\d.)-]*\[(?=[^\]\n]*\]:))",
    re.IGNORECASE,
)
"""What Markdown takes for HTML, but for what `folded` writes; links, but to the web and to files of the checkout; and
definitions of links."""
_CODE = re.compile(r"(?<![\\`])(`+)(?!`)[^\n]*?(?<!`)\1(?!`)")
"""A span of code, which as many backticks end as begin it."""


def inert(text: str) -> str:
    """Markdown in which no name, note or reason can be HTML; spans of code are left alone, in which nothing is."""
    parts, end = [], 0
    for span in _CODE.finditer(text):
        parts += [_MARKUP.sub(_escaped, text[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*parts, _MARKUP.sub(_escaped, text[end:])])


def _escaped(found: re.Match[str]) -> str:
    return "&lt;" if found["html"] else f"{found[0][:-1]}\\{found[0][-1]}"


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
