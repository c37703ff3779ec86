"""What is printed where: a terminal may know fewer letters than the names of cases and files have, and lines are short."""

from __future__ import annotations

import io
import sys
import textwrap

COLUMNS = 80
"""The width for which tables and sentences are made."""


def print_any_letter() -> None:
    """Have this process print a letter that the terminal's encoding lacks as its escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_utf8() -> None:
    """Have this process print UTF-8 whatever the terminal says: for what is written to a file by the shell."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2,000 rows`; `plural` where an s does not make it."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def wrapped(text: str, indent: str = "", *, hanging: str | None = None) -> str:
    """A paragraph in lines of `COLUMNS`, broken between words alone; further lines are indented by `hanging`, if given."""
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
