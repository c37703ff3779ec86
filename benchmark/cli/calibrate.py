"""`calibrate`: simulate whether the suite's tests and intervals hold, and write the figures down."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.progress import ConsoleReporter
from benchmark.cli.selection import add_plugins
from benchmark.system.errors import BenchmarkError, UnknownNameError

COPIES = "copies"
METHODS = ("random-forest", "mlp")
DATASET = "synthetic-stroke"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `calibrate`."""
    parser.add_argument("--repetitions", type=int, default=800, metavar="N", help="of each simulated world (default: 800)")
    parser.add_argument("--cohorts", type=int, default=100, metavar="K", help="fresh cohorts of the dataset (default: 100)")
    parser.add_argument(
        "--world", action="append", default=[], metavar="NAME", help="only this world, or 'copies' (the dataset's); repeatable"
    )
    parser.add_argument("--dataset", default=DATASET, metavar="NAME", help="a generated one with a field 'seed'")
    parser.add_argument(
        "--method", action="append", default=[], metavar="NAME",
        help=f"whose copies are compared on the dataset; repeatable (default: {', '.join(METHODS)})",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=None, metavar="N", help="worker processes (default: the cores)")
    parser.add_argument("--output", type=Path, default=None, metavar="FILE", help="(default: docs/calibration.md)")
    add_plugins(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 0, or 1 where a bar fails on enough repetitions."""
    from benchmark.audit.calibration.campaign import carry_out, study_of_copies, study_of_world
    from benchmark.audit.calibration.copies import Copies, check
    from benchmark.audit.calibration.rates import judge
    from benchmark.audit.calibration.report import document
    from benchmark.audit.calibration.worlds import WORLDS
    from benchmark.cells.executors import default_jobs
    from benchmark.registry.discovery import discover
    from benchmark.suites.suite import canonical
    from benchmark.system.files import write_if_changed
    from benchmark.system.locations import output_folder

    narrowed = bool(options.world or options.method or options.dataset != DATASET)
    if narrowed and options.output is None:
        raise BenchmarkError(
            "--world, --dataset and --method compute a part: give --output FILE, docs/calibration.md is the whole"
        )
    asked = tuple(options.world) or (*WORLDS, COPIES)
    for name in asked:
        if name not in (*WORLDS, COPIES):
            raise UnknownNameError("world", name, (*WORLDS, COPIES))
    jobs = default_jobs() if options.jobs is None else options.jobs
    for name, value, least in (("repetitions", options.repetitions, 2), ("cohorts", options.cohorts, 0), ("jobs", jobs, 1)):
        if value < least:
            raise BenchmarkError(f"--{name} {value}: give {least} or more")
    catalogue = discover(options.plugin)
    dataset = canonical("dataset", options.dataset, catalogue)
    methods = [canonical("method", name, catalogue) for name in dict.fromkeys(options.method or METHODS)]
    worlds = [study_of_world(world) for world in WORLDS.values()]
    pairs = [Copies(dataset, method, catalogue.plugins) for method in methods]
    copies = [study_of_copies(pair, catalogue) for pair in pairs]
    for pair in pairs if COPIES in asked and options.cohorts else ():
        check(pair, catalogue)
    wanted = [(study, options.repetitions) for study in worlds if study.name in asked]
    wanted += [(study, options.cohorts) for study in copies if COPIES in asked]
    reporter = ConsoleReporter()
    computed = carry_out(wanted, jobs, reporter)
    found = {study.name: tuple(study.finished().values()) for study in (*worlds, *copies)}
    path = options.output or output_folder() / "docs" / "calibration.md"
    names = [study.name for study in copies]
    write_if_changed(path, document(found, names).encode())
    judged = judge(found, names)
    failing = [(bar, rate) for bar, rate in judged if not bar.holds(rate)]
    reporter.say(f"{path}: {computed} repetitions computed, {len(judged) - len(failing)} of {len(judged)} bars hold")
    return 1 if any(rate.count >= bar.enough for bar, rate in failing) else 0
