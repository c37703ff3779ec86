"""How long work shows itself: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmark.store import CellRecord

EVERY_SECONDS = 15.0


class ConsoleReporter:
    """Speaks to the terminal, or in plain lines to a file or a pipe."""

    def say(self, line: str) -> None:
        """One plain line."""
        print(line, flush=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[CellRecord], None]]:
        """A bar with the time left, or a line every quarter of a minute; failures are told at once."""
        if sys.stdout.isatty():
            with _bar(total) as advance:
                yield advance
        else:
            yield _Lines(total).advance


@contextmanager
def _bar(total: int) -> Iterator[Callable[[CellRecord], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}", markup=False)) as bar:
        task = bar.add_task("", total=total)

        def advance(record: CellRecord) -> None:
            if record.outcome != "ok":
                bar.console.print(_told(record), markup=False, highlight=False)
            bar.update(task, advance=1, description=str(record.address))

        yield advance


class _Lines:
    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.started = self.last = time.monotonic()

    def advance(self, record: CellRecord) -> None:
        self.done += 1
        now = time.monotonic()
        if record.outcome != "ok":
            print(_told(record), flush=True)
        if now - self.last >= EVERY_SECONDS or self.done == self.total:
            self.last = now
            left = (now - self.started) / self.done * (self.total - self.done)
            print(f"{self.done} of {self.total} cells, about {left:.0f} s left", flush=True)


def _told(record: CellRecord) -> str:
    return f"{record.address}: {record.outcome}: {' '.join(record.reason.split())[:200]}"
