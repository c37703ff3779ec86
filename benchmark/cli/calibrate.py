"""`calibrate`: simulate whether the suite's tests and intervals hold, and write down the results."""

from pathlib import Path

from benchmark.cli.progress import ConsoleReporter
from benchmark.cli.selection import JOBS, PLUGIN, Options, argument, at_least, chosen_jobs
from benchmark.system.errors import BenchmarkError, check_known

COPIES = "copies"
METHODS = ("mlp",)
ARGUMENTS = (
    argument("--repetitions", type=int, default=1000, metavar="N", help="of each simulated world (default: 1000)"),
    argument("--cohorts", type=int, default=20, metavar="K", help="fresh cohorts of the dataset (default: 20)"),
    argument(
        "--world", action="append", default=[], metavar="NAME", help="only this world, or 'copies' (the dataset's); repeatable"
    ),
    argument("--dataset", metavar="NAME", help="a generated dataset with a field 'seed' (default: the default suite's)"),
    argument(
        "--method", action="append", default=[], metavar="NAME",
        help=f"whose copies are compared on the dataset; repeatable (default: {', '.join(METHODS)})",
    ),
    JOBS,
    argument("--output", type=Path, metavar="FILE", help="(default: docs/calibration.md)"),
    PLUGIN,
)  # fmt: skip


def run(options: Options) -> int:
    """Exit code 0, or 1 where a bar fails on enough repetitions."""
    from benchmark.audit.calibration.campaign import carry_out, of_copies, of_world
    from benchmark.audit.calibration.copies import Copies, check, usual_task
    from benchmark.audit.calibration.families import ENOUGH
    from benchmark.audit.calibration.rates import judge
    from benchmark.audit.calibration.report import choices, document
    from benchmark.audit.calibration.worlds import WORLDS
    from benchmark.registry.discovery import discover
    from benchmark.system.files import write_if_changed
    from benchmark.system.locations import output_folder

    if (options.world or options.method or options.dataset) and options.output is None:
        raise BenchmarkError(
            "--world, --dataset and --method compute a part: give --output FILE, docs/calibration.md is the whole"
        )
    check_known("world", options.world, (*WORLDS, COPIES))
    selected = options.world or [*WORLDS, COPIES]
    repetitions, cohorts = at_least("repetitions", options.repetitions, 2), at_least("cohorts", options.cohorts, 0)
    jobs, catalogue, reporter = chosen_jobs(options), discover(options.plugin), ConsoleReporter()
    dataset, protocol = usual_task(catalogue)
    if options.dataset:
        dataset = catalogue.dataset(options.dataset)
    pairs = [Copies(dataset, protocol, catalogue.method(name)) for name in dict.fromkeys(options.method or METHODS)]
    for pair in pairs if COPIES in selected and cohorts else ():
        check(pair)
    worlds, copies = list(map(of_world, WORLDS.values())), list(map(of_copies, pairs))
    wanted = [(world, repetitions) for world in worlds if world.name in selected]
    wanted += [(pair, cohorts) for pair in copies if COPIES in selected]
    computed = carry_out(wanted, jobs, reporter)
    results = {each.name: tuple(each.finished().values()) for each in (*worlds, *copies)}
    names = [pair.name for pair in copies]
    path = options.output or output_folder() / "docs" / "calibration.md"
    write_if_changed(path, document(results, names).encode())
    judged = judge(results, names)
    failing = [(bar, rate) for bar, rate in judged if not bar.holds(rate)]
    reporter.say(f"{path}: {computed} repetitions computed, {len(judged) - len(failing)} of {len(judged)} bars hold")
    chosen = choices(results)
    for family, (choice, shipped) in chosen.items():
        reporter.say(f"{family}: inflation {choice.inflation} is chosen, {shipped} is used")
    wrong = repetitions >= ENOUGH and any(choice.inflation != used for choice, used in chosen.values())
    return int(wrong or any(rate.count >= bar.enough for bar, rate in failing))
