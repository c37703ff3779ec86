"""How long work shows itself: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

EVERY_SECONDS = 15.0


class Done(Protocol):
    """A piece of work that ended: a cell's record, or another."""

    @property
    def address(self) -> object:
        """Which it is."""

    @property
    def outcome(self) -> str:
        """`ok`, or how it went wrong."""

    @property
    def reason(self) -> str:
        """Why it went wrong."""


class ConsoleReporter:
    """Speaks to the terminal, or in plain lines to a file or a pipe."""

    def say(self, line: str) -> None:
        """One plain line."""
        print(line, flush=True)

    @contextmanager
    def progress(self, total: int, unit: str = "cells") -> Iterator[Callable[[Done], None]]:
        """A bar with the time left, or a line every quarter of a minute; failures are told at once."""
        if sys.stdout.isatty():
            with _bar(total) as advance:
                yield advance
        else:
            yield _Lines(total, unit).advance


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Done], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}", markup=False)) as bar:
        task = bar.add_task("", total=total)

        def advance(record: Done) -> None:
            if record.outcome != "ok":
                bar.console.print(_told(record), markup=False, highlight=False)
            bar.update(task, advance=1, description=str(record.address))

        yield advance


class _Lines:
    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.done = total, unit, 0
        self.started = self.last = time.monotonic()

    def advance(self, record: Done) -> None:
        self.done += 1
        now = time.monotonic()
        if record.outcome != "ok":
            print(_told(record), flush=True)
        if now - self.last >= EVERY_SECONDS or self.done == self.total:
            self.last = now
            left = (now - self.started) / self.done * (self.total - self.done)
            print(f"{self.done} of {self.total} {self.unit}, about {left:.0f} s left", flush=True)


def _told(record: Done) -> str:
    return f"{record.address}: {record.outcome}: {' '.join(record.reason.split())[:200]}"
