"""Figures of speed and memory beside their goals: `make speed`, or `make speed PARTS="training interim"`.

Writes nothing into the checkout. For an otherwise idle machine of two cores.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tools.speed_benchopt import benchopt_per_cell
from tools.speed_training import figures as training_figures

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20
TWO = ("--no-sync", "--jobs", "2")
Tell = Callable[[str, float, str, str], None]
DATASETS = """
import numpy as np
from dataclasses import dataclass
import pandas as pd
from benchmark import Cohort, register_dataset
"""
COHORT = """
@register_dataset(
    "speed-{i}", title="made", source="made", license="none", citation="none", label="made", label_time="never",
    positive="one", negative="zero", site="site", inputs={{"table": "x"}}, barred={{}}, scope="Made for timing.",
    modalities={{"table"}},
)
@dataclass(frozen=True)
class Cohort{i}:
    def build(self, sources):
        rng = np.random.default_rng({i})
        x = rng.normal(size=600)
        ids = np.array([f"c{{k:04d}}" for k in range(600)])
        labels = (rng.random(600) < 1 / (1 + np.exp(-x))).astype(np.int8)
        return Cohort("speed", ids, labels, np.array(["a", "b", "c"])[rng.integers(3, size=600)], ids, pd.DataFrame({{"x": x}}))
"""
METHOD = """
import numpy as np
from dataclasses import dataclass
from benchmark import register_method

@register_method("no-op-{i}", family="control", reference="none", fit_modalities={{"table"}}, predict_modalities={{"table"}})
@dataclass
class NoOp{i}:
    def fit(self, train, validation, seed):
        self.rng = np.random.default_rng(seed)

    def predict_proba(self, cases):
        x = cases.table["x"].to_numpy()
        return 1 / (1 + np.exp(-x - {i} / 10 * self.rng.normal(size=len(x))))
"""


def made_benchmark(folder: Path, datasets: int, methods: int) -> list[str]:
    """Plug-ins with so many datasets and methods, each method in a file of its own, and their suite; returns their options."""
    suite, plugins = folder / "made.toml", [folder / "datasets.py"]
    plugins[0].write_text(DATASETS + "".join(COHORT.format(i=i) for i in range(datasets)))
    for i in range(methods):
        plugins.append(folder / f"no_op_{i}.py")
        plugins[-1].write_text(METHOD.format(i=i))
    names = [f'"speed-{i}"' for i in range(datasets)], [f'"no-op-{i}"' for i in range(methods)]
    suite.write_text(
        f'title = "made"\nprotocols = ["repeated-cv"]\ndatasets = [{", ".join(names[0])}]\nranked = [{", ".join(names[1])}]\n'
    )
    return ["--suite", str(suite), *(word for plugin in plugins for word in ("--plugin", str(plugin)))]


def benchmark(*words: str, **environment: str) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "benchmark", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def best_of(times: int, measure: Callable[[], float]) -> float:
    """The least of several measurements."""
    return min(measure() for _ in range(times))


def interpreter() -> float:
    """Seconds that the bare interpreter takes."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


def engine_per_cell(folder: Path) -> float:
    """Milliseconds that one more cell costs the engine: a no-op method in a file of its own, in-process, stored durably.

    It is the slope from runs of 10 methods on 5 splits to runs of them on 20: what happens once per run or row drops out.
    """
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.cells.run import Request, run

    _, name, *plugins = made_benchmark(folder, 1, 10)
    catalogue = catalogue_of(name, plugins[1::2])
    suite = current_suite(name, catalogue)

    class Silent:
        def say(self, line: str) -> None: ...

        def progress(
            self, total: int, unit: str = "", status: Callable[[], str] | None = None
        ) -> contextlib.AbstractContextManager[Callable[[str, str], None]]:
            return contextlib.nullcontext(lambda name, problem: None)

    def timed(protocol: str) -> tuple[float, int]:
        """Seconds of a run that computes all cells, and how many these are."""
        request = Request(replace(suite, protocols=(protocol,)), in_process=True, recompute=True)
        started = time.perf_counter()
        summary = run(request, catalogue, Silent(), lambda seconds: None)
        assert not summary.not_ok
        return time.perf_counter() - started, summary.computed

    rounds = [(timed("repeated-cv[repeats=1]"), timed("repeated-cv")) for _ in range(6)][1:]
    (few, cells), (many, more) = min(few for few, _ in rounds), min(many for _, many in rounds)
    return (many - few) / (more - cells) * 1000


def durable_write(folder: Path) -> float:
    """Milliseconds that a file of a cell's size takes until it is on the disk under its name."""
    from benchmark.system.files import write_durably

    def seconds() -> float:
        started = time.perf_counter()
        for i in range(100):
            write_durably(folder / "durable" / f"{i}.json", bytes(6000))
        return time.perf_counter() - started

    return best_of(5, seconds) * 10


def rank_seconds(folder: Path) -> dict[str, float]:
    """Seconds of `rank`, page included, for 40 methods x 6 tables x 20 splits, from stored cells, by what is known already."""
    options = made_benchmark(folder, 6, 40)
    benchmark("run", *options, "--no-sync", "--jobs", "2")
    drawn = folder / "results" / "drawn"

    def without(*names: str) -> float:
        for path in (path for name in names for path in drawn.glob(name)):
            path.unlink()
        return benchmark("rank", *options)

    return {
        "nothing drawn before": without("*"),
        "written anew": best_of(3, lambda: without("*.files.json")),
        "nothing new": best_of(3, without),
    }


def subgroup_seconds() -> float:
    """Seconds of the metrics of 15 methods by five subgroups of 19,285 cases, as many as `ist` has, in 4 x 5 test parts."""
    import numpy as np
    import pandas as pd

    from benchmark.statistics.evaluation import evaluate
    from benchmark.statistics.subgroups import describe

    cases, seeds, folds = 19_285, (39, 40, 41, 42), 5
    rng = np.random.default_rng(0)
    labels, rows = rng.integers(0, 2, cases), np.concatenate([rng.permutation(cases) for _ in seeds])
    seed, fold = np.repeat(seeds, cases), np.tile(np.arange(cases) % folds, len(seeds))
    splits = [f"seed{s}-fold{f}" for s, f in zip(seed, fold, strict=True)]
    task = pd.DataFrame(
        {"split": splits, "seed": seed, "site": "", "case": [f"c{row:05d}" for row in rows], "label": labels[rows]}
    )
    scores = pd.DataFrame(rng.random((len(task), 15)), columns=[*"abcdefghijklmno"])
    thresholds = pd.DataFrame(0.5, index=sorted(set(splits)), columns=scores.columns)
    evaluation = evaluate(task, scores, thresholds)
    started = time.perf_counter()
    describe(evaluation, rows % 5, 5)
    return time.perf_counter() - started


@dataclass(frozen=True)
class Measured:
    """Seconds of a command, and the peak memory (MiB) of all its processes together and of the greatest of them alone."""

    seconds: float
    together: float
    greatest: float


def measured(words: list[str], **environment: str) -> Measured:
    """Run a command. The processes' proportional set sizes are added up once a second; their reading is dear.

    The greatest process is the kernel's own record of the resident set, in which shared pages count in full.
    """
    import psutil

    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *words], cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    sums, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(1.0):
            sizes = []
            with contextlib.suppress(psutil.Error, FileNotFoundError):
                parent = psutil.Process(child.pid)
                sizes = [process.memory_full_info().pss / MIB for process in (parent, *parent.children(recursive=True))]
            sums.append(sum(sizes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    stop.set()
    watcher.join()
    assert child.returncode == 0, f"{words} ended with code {child.returncode}"
    return Measured(seconds, max(sums), usage.ru_maxrss / 1024)


def commands(tell: Tell) -> None:
    """What every command costs."""
    bare = best_of(5, interpreter)
    tell("--help above the bare interpreter", best_of(5, lambda: benchmark("--help")) - bare, "s", "< 0.3 s")
    tell("list", best_of(5, lambda: benchmark("list")), "s", "< 1 s")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STROKEBENCH_OUTPUT"] = folder
        tell("engine per further cell, no-op method, durable", engine_per_cell(Path(folder)), "ms", "< 3 ms")
        tell("  of it the disk: one durable write", durable_write(Path(folder)), "ms", "")
    if shutil.which("benchopt"):
        with tempfile.TemporaryDirectory() as folder:
            tell("  benchopt per further cell, not durable", benchopt_per_cell(Path(folder)), "ms", "")
    else:
        print("  benchopt: not on the PATH (pip install benchopt, in an environment of its own)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STROKEBENCH_OUTPUT"] = folder
        goals = {"nothing drawn before": "< 15 s", "nothing new": "< 3 s"}
        for what, seconds in rank_seconds(Path(folder)).items():
            tell(f"rank of 40 methods x 6 tables x 20 splits, {what}", seconds, "s", goals.get(what, ""))
    tell("subgroups of 19,285 cases, 15 methods, 20 splits", best_of(3, subgroup_seconds), "s", "< 3 s")


def training(tell: Tell) -> None:
    """What a training step and 40 neural cells cost."""
    for figure in training_figures():
        tell(*figure)


def interim(tell: Tell, *, whole: bool = False) -> None:
    """The first complete interim tables of `synthetic-stroke` (seed 39, all ranked rows), then the default suite on it."""
    from benchmark.suites.suite import DEFAULT, load_suite

    suite = ["run", "--dataset", "synthetic-stroke", *TWO]
    ranked = [word for method in load_suite(DEFAULT).ranked for word in ("--method", method)]
    first = [*suite, "--seeds", "39", *ranked]
    steps = {"first interim table, synthetic-stroke, repeated-cv": ([*first, "--protocol", "repeated-cv"], "< 10 min")}
    steps["  and that of leave-one-site-out"] = (first, "")
    if whole:
        steps["  and all rows and seeds: the whole suite on it"] = (suite, "about 60 min")
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for what, (words, goal) in steps.items():
            done.append(measured(words, STROKEBENCH_OUTPUT=folder))
            tell(what, sum(each.seconds for each in done) / 60, "min", goal)
    tell("  peak memory of the greatest process", max(each.greatest for each in done), "MiB", "< 2048 MiB")
    tell("  peak memory, parent and two workers", max(each.together for each in done), "MiB", "< 4096 MiB")


def synthetic(tell: Tell) -> None:
    """The same, to the end of the suite."""
    interim(tell, whole=True)


def classical(tell: Tell) -> None:
    """The classical rows of the default suite on every dataset that is fetched, from the prepared data alone; and ranking."""
    from benchmark.data.fetching import is_fetched
    from benchmark.data.preparation import prepare
    from benchmark.registry.discovery import discover
    from benchmark.suites.suite import DEFAULT, load_suite

    catalogue = discover()
    here = [entry.name for entry in catalogue.datasets if is_fetched(entry.name)]
    for name in here:
        prepare(name, catalogue)
    print(f"the classical rows of the default suite on {', '.join(here)}:", flush=True)
    words = ["run", *(word for name in here for word in ("--dataset", name)), *TWO]
    for method in load_suite(DEFAULT).methods:
        if catalogue.method(method).card.family in ("classical", "control"):
            words += ["--method", method]
    with tempfile.TemporaryDirectory() as folder:
        whole = measured(words, STROKEBENCH_OUTPUT=folder)
        ranking = best_of(3, lambda: benchmark("rank", STROKEBENCH_OUTPUT=folder))
    tell("  all its rows, two workers", whole.seconds, "s", "< 1800 s")
    tell("  peak memory, parent and workers", whole.together, "MiB", "< 3072 MiB")
    tell("  rank from its stored cells", ranking, "s", "< 3 s")


PARTS: Mapping[str, Callable[[Tell], None]] = {
    part.__name__: part for part in (commands, training, interim, classical, synthetic)
}


def main(chosen: list[str]) -> None:
    """Print the figures of the parts chosen, or of all."""

    def tell(what: str, figure: float, unit: str, goal: str) -> None:
        print(f"{what:52}{figure:9.2f} {unit:3}{goal:>13}", flush=True)

    print(f"{'':52}{'measured':>12}{'goal':>14}")
    for part in chosen or [part for part in PARTS if part != "interim"]:
        PARTS[part](tell)


if __name__ == "__main__":
    main(sys.argv[1:])
