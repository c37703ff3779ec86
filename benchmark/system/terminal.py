"""What is printed where: a terminal may know fewer letters than the names of cases and files have."""

from __future__ import annotations

import io
import sys


def print_any_letter() -> None:
    """Have this process print a letter that the terminal's encoding lacks as its escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_utf8() -> None:
    """Have this process print UTF-8 whatever the terminal says: for what is written to a file by the shell."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
