"""The campaign: repetitions in worker processes, each finished one in a journal, so that any run goes on where one stopped.

A journal is a file of JSON lines below `results/calibration`, one per repetition in the order in which they ended. Its name
holds a digest of the world and of the code that decides what comes out: other code has another journal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmark.audit.calibration import copies, trials
from benchmark.audit.calibration.copies import Copies
from benchmark.audit.calibration.drawing import World
from benchmark.audit.calibration.trials import Trial
from benchmark.cells.executors import CellExecutor, InProcess, LocalProcesses
from benchmark.data import splits
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Limits
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import exclusive, safe
from benchmark.system.locations import results_folder

Trials = Mapping[int, Trial]


@dataclass(frozen=True)
class Study:
    """What is repeated: `repeat` makes one repetition; `key` changes with the code that decides what comes out."""

    name: str
    key: str
    repeat: Callable[[int], Trial]

    @property
    def journal(self) -> Path:
        """Where its finished repetitions lie."""
        return results_folder() / "calibration" / f"{safe(self.name)}-{self.key[:12]}.jsonl"

    def finished(self) -> Trials:
        """The finished repetitions, in the order of their numbers; a line that a killed run tore is passed over."""
        found: dict[int, Trial] = {}
        if self.journal.is_file():
            for line in self.journal.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    content = json.loads(line)
                except ValueError:
                    continue
                number = content.pop("repetition")
                found[number] = Trial(**content)
        return dict(sorted(found.items()))

    def add(self, repetition: int, trial: Trial) -> None:
        """Append a finished repetition."""
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"repetition": repetition, **asdict(trial)}) + "\n"
        with self.journal.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read() == b"\n" else "\n" + line  # what follows a torn line begins anew
            stream.write(line.encode())


@dataclass(frozen=True)
class Finished:
    """A finished repetition, as progress tells it."""

    address: str
    outcome: str = field(default="ok", init=False)
    reason: str = field(default="", init=False)


class Reporter(Protocol):
    """How a campaign speaks to whoever watches it."""

    def progress(self, total: int, unit: str = ...) -> AbstractContextManager[Callable[[Finished], None]]:
        """A block in which the given function is called after each repetition."""


def study_of_world(world: World) -> Study:
    """The study of a simulated world."""
    code = [provenance.code_digest(Path(str(module.__file__))) for module in (trials, splits)]
    return Study(world.name, provenance.digest([asdict(world), code]), partial(trials.repeat, world))


def study_of_copies(pair: Copies, catalogue: Catalogue) -> Study:
    """The study of two copies of a method."""
    return Study(pair.name, copies.digest(pair, catalogue), partial(copies.repeat, pair))


def carry_out(wanted: Sequence[tuple[Study, int]], jobs: int, reporter: Reporter) -> int:
    """Compute what the journals lack of so many repetitions of each study; returns how many were computed.

    Raises `BenchmarkError` for a repetition that fails; those finished are kept.
    """
    with exclusive(results_folder() / "calibration"):
        lacking = []
        for study, repetitions in wanted:
            there = study.finished()
            lacking += [(study, number) for number in range(repetitions) if number not in there]
        if lacking:
            with reporter.progress(len(lacking), "repetitions") as advance, _executor(jobs) as executor:
                _compute(lacking, executor, advance)
    return len(lacking)


def _executor(jobs: int) -> CellExecutor:
    return InProcess() if jobs == 1 else LocalProcesses(jobs, Limits())


def _compute(lacking: Sequence[tuple[Study, int]], executor: CellExecutor, advance: Callable[[Finished], None]) -> None:
    waiting = iter(lacking)
    running: dict[Future[Trial], tuple[Study, int]] = {}
    while True:
        while len(running) < executor.in_flight and (following := next(waiting, None)) is not None:
            running[executor.prepare(following[0].repeat, following[1])] = following
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            study, number = running.pop(future)
            error = future.exception()
            if error is not None:
                raise BenchmarkError(f"{study.name}, repetition {number}: {type(error).__name__}: {error}") from error
            study.add(number, future.result())
            advance(Finished(f"{study.name} {number}"))
