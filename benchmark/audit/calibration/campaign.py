"""The campaign: repetitions in worker processes, each kept in a journal, so that a run resumes where one stopped.

A journal is a file of JSON lines below `results/calibration`, one per repetition in the order in which they ended. Its name
holds a digest of the world and of the code that decides what comes out: other code has another journal.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmark.audit.calibration import copies, repetition
from benchmark.audit.calibration.copies import Copies
from benchmark.audit.calibration.repetition import Repetition
from benchmark.audit.calibration.worlds import World
from benchmark.cells.executors import CellExecutor, InFlight, InProcess, LocalProcesses
from benchmark.cells.run import Reporter
from benchmark.data import splits
from benchmark.statistics import inflation
from benchmark.suites.suite import Limits
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import exclusive, safe
from benchmark.system.locations import results_folder


@dataclass(frozen=True)
class Simulation:
    """What is repeated: `repeat` makes one repetition; `key` changes with the code that decides what comes out."""

    name: str
    key: str
    repeat: Callable[[int], Repetition]

    @property
    def journal(self) -> Path:
        """The file of its finished repetitions."""
        return results_folder() / "calibration" / f"{safe(self.name)}-{self.key[:12]}.jsonl"

    def finished(self) -> Mapping[int, Repetition]:
        """The finished repetitions, in the order of their numbers; a line torn by a killed run is skipped."""
        repetitions: dict[int, Repetition] = {}
        if self.journal.is_file():
            for line in self.journal.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    content = json.loads(line)
                except ValueError:
                    continue
                number = content.pop("repetition")
                repetitions[number] = Repetition(**content)
        return dict(sorted(repetitions.items()))

    def add(self, number: int, finished: Repetition) -> None:
        """Append a finished repetition."""
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"repetition": number, **asdict(finished)}) + "\n"
        with self.journal.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read() == b"\n" else "\n" + line  # a new line after a torn one
            stream.write(line.encode())


def of_world(world: World) -> Simulation:
    """Repetitions of a simulated world."""
    constants = Path(str(inflation.__file__))  # what is measured does not depend on them
    code = [provenance.code_digest(Path(str(module.__file__)), constants) for module in (repetition, splits)]
    return Simulation(world.name, provenance.digest([asdict(world), code]), partial(repetition.repeat, world))


def of_copies(pair: Copies) -> Simulation:
    """Repetitions of two copies of a method."""
    return Simulation(pair.name, copies.digest(pair), partial(copies.repeat, pair))


def carry_out(wanted: Sequence[tuple[Simulation, int]], jobs: int, reporter: Reporter) -> int:
    """Compute the repetitions that are missing from the journals; returns how many were computed.

    Raises `BenchmarkError` for a repetition that fails; those finished are kept.
    """
    with exclusive(results_folder() / "calibration"):
        missing = [
            (simulation, number)
            for simulation, count in wanted
            for number in sorted(set(range(count)) - simulation.finished().keys())
        ]
        if missing:
            executor: CellExecutor = InProcess() if jobs == 1 else LocalProcesses(jobs, Limits())

            def submit(item: tuple[Simulation, int]) -> Future[Repetition]:
                return executor.submit(item[0].repeat, item[1], fits=None)

            in_flight = InFlight(submit, executor)
            with reporter.progress(len(missing), "repetitions") as advance, executor:
                for (simulation, number), future in filter(None, in_flight.completed(partial(next, iter(missing), None))):
                    label, error = f"{simulation.name}, repetition {number}", future.exception()
                    if error is not None:
                        raise BenchmarkError(f"{label}: {type(error).__name__}: {error}") from error
                    simulation.add(number, future.result())
                    advance(label, "")
    return len(missing)
