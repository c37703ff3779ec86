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

    def progress(
        self, total: int, unit: str = "cells", status: Callable[[], str] | None = None
    ) -> AbstractContextManager[Advance]:
        """A bar, or a line every quarter of a minute: the time left, or what `status` says. Problems are printed at once."""
        return _bar(total, status) if sys.stdout.isatty() else nullcontext(_Lines(total, unit, status).advance)


@contextmanager
def _bar(total: int, status: Callable[[], str] | None) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Status(ProgressColumn):
        """What `status` says, asked anew each second."""

        max_refresh = 1.0

        def render(self, task: Task) -> Text:
            return Text(status() if status else "")

    last = (TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), *((Status(),) if status else last)) as bar:
        task = bar.add_task("", total=total)

        def advance(name: str, problem: str) -> None:
            if problem:
                bar.console.print(_line(name, problem), markup=False, highlight=False)
            bar.update(task, advance=1, description=name)

        yield advance


class _Lines:
    def __init__(self, total: int, unit: str, status: Callable[[], str] | None) -> None:
        self.total, self.unit, self.done = total, unit, 0
        self.started = self.last = time.monotonic()
        self.status = status or self.time_left

    def time_left(self) -> str:
        return f"about {(time.monotonic() - self.started) / self.done * (self.total - self.done):.0f} s left"

    def advance(self, name: str, problem: str) -> None:
        self.done += 1
        now = time.monotonic()
        if problem:
            print(_line(name, problem), flush=True)
        if now - self.last >= EVERY_SECONDS or self.done == self.total:
            self.last = now
            print(f"{self.done} of {self.total} {self.unit}, {self.status()}", flush=True)


def _line(name: str, problem: str) -> str:
    """One line; `problem` is `outcome: reason`, of which a reason may be long."""
    return f"{name}: {' '.join(problem.split())[:200]}"
