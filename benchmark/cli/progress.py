"""Progress display for long-running work: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

EVERY_SECONDS = 15.0

Advance = Callable[[str, str], None]


class ConsoleReporter:
    """The `Reporter` that writes to the terminal, or plain lines to a file or a pipe."""

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, flush=True)

    def progress(self, total: int, unit: str = "cells") -> AbstractContextManager[Advance]:
        """A bar with the time left, or a line every quarter of a minute; problems are printed at once."""
        return _bar(total) if sys.stdout.isatty() else nullcontext(_Lines(total, unit).advance)


@contextmanager
def _bar(total: int) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}", markup=False)) as bar:
        task = bar.add_task("", total=total)

        def advance(name: str, problem: str) -> None:
            if problem:
                bar.console.print(_line(name, problem), markup=False, highlight=False)
            bar.update(task, advance=1, description=name)

        yield advance


class _Lines:
    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.done = total, unit, 0
        self.started = self.last = time.monotonic()

    def advance(self, name: str, problem: str) -> None:
        self.done += 1
        now = time.monotonic()
        if problem:
            print(_line(name, problem), flush=True)
        if now - self.last >= EVERY_SECONDS or self.done == self.total:
            self.last = now
            left = (now - self.started) / self.done * (self.total - self.done)
            print(f"{self.done} of {self.total} {self.unit}, about {left:.0f} s left", flush=True)


def _line(name: str, problem: str) -> str:
    """One line; `problem` is `outcome: reason`, of which a reason may be long."""
    return f"{name}: {' '.join(problem.split())[:200]}"
