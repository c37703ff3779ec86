"""What 100,000 cells cost to plan and to rank, from made predictions: `python -m tools.scale [--rows 1000] [--folder DIR]`.

With `--hospitals` the rows stand on the International Stroke Trial, each of its 464 hospitals held out. Nothing is fitted.
Each step runs in a process of its own, whose time and greatest memory are shown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmark.system.locations import ROOT

DATASET = """
import numpy as np
import pandas as pd
from dataclasses import dataclass
from benchmark import Cohort, register_dataset, register_method
"""
COHORT = """

@register_dataset("scale-{i}", title="made", source="made", license="none", citation="none", label="made", label_time="never",
                  positive="one", negative="zero", site="site", inputs={{"table": "x"}}, barred={{}}, scope="Made for timing.",
                  modalities={{"table"}})
@dataclass(frozen=True)
class Cohort{i}:
    def build(self, sources):
        rng = np.random.default_rng({i})
        x = rng.normal(size={cases})
        labels = (rng.random({cases}) < 1 / (1 + np.exp(-x))).astype(np.int8)
        ids = np.array([f"c{{k:06d}}" for k in range({cases})])
        sites = np.array(["a", "b", "c"])[rng.integers(3, size={cases})]
        return Cohort("scale", ids, labels, sites, ids, pd.DataFrame({{"x": x}}))
"""
METHOD = """

@register_method("made-row", family="control", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class MadeRow:
    number: int = 0
"""


def made(folder: Path, datasets: int, rows: int, cases: int) -> list[str]:
    """The words that choose a suite of so many rows and made datasets; without any of these, of the trial by hospital."""
    plugin, suite = folder / "scale_plugin.py", folder / "scale.toml"
    plugin.write_text(DATASET + "".join(COHORT.format(i=i, cases=cases) for i in range(datasets)) + METHOD)
    names = ", ".join(f'"made-row[number={i}]"' for i in range(1, rows + 1))
    tables = ", ".join(f'"scale-{i}"' for i in range(datasets)) or '"ist[site=hospital]"'
    protocol = "repeated-cv" if datasets else "leave-one-site-out"
    suite.write_text(f'title = "Scale"\ndatasets = [{tables}]\nprotocols = ["{protocol}"]\nranked = [{names}]\n')
    return ["--suite", str(suite), "--plugin", str(plugin)]


def write_cells(words: list[str]) -> int:
    """Store made predictions for every cell of the suite; returns how many. Without fsync: they are made again at will."""
    from benchmark.cells import store as stores
    from benchmark.cells.store import CellRecord, Store

    planned = _planned(words)
    vars(stores)["write_durably"] = _write
    store = Store()
    for cell in planned.cells:
        number = int(cell.row.method.parameters["number"])
        rng = np.random.default_rng([number, cell.training_seed])
        guesses = rng.random(len(cell.split.test)).round(6).tolist()
        store.write(CellRecord(cell.address, cell.split.seed, dict(cell.ingredients), cell.key, "ok", guesses))
    return len(planned.cells)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _planned(words: list[str]):  # type: ignore[no-untyped-def]
    from benchmark.cells.planning import plan
    from benchmark.cells.store import Store
    from benchmark.cells.task import write_task
    from benchmark.data.preparation import load_cohort
    from benchmark.registry.discovery import discover
    from benchmark.suites.suite import load_suite, validated

    catalogue = discover([words[3]])
    suite = validated(load_suite(words[1]), catalogue)
    cohorts = {name: load_cohort(name, catalogue) for name in suite.datasets}
    planned = plan(suite, catalogue, cohorts, Store())
    for task in planned.tasks:
        write_task(task, Store().task_path(task.dataset, task.protocol))
    return planned


def plan_cells(words: list[str]) -> int:
    """Plan every cell, against what is stored; returns how many there are to compute."""
    return len(_planned(words).to_run())


def step(name: str, folder: Path, words: list[str]) -> tuple[float, float, float, str]:
    """Seconds, seconds of processor and greatest GiB of a step in a process of its own, and what it printed last."""
    own = {"STROKEBENCH_OUTPUT": str(folder / "output"), "OMP_NUM_THREADS": "1"}
    if "--hospitals" not in sys.argv:
        own["STROKEBENCH_DATA"] = str(folder / "data")
    command = ["-m", "tools.scale", "--step", name] if name in STEPS else ["-m", "benchmark", name]
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *command, *words], cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True
    )
    output = child.stdout.read() if child.stdout else ""
    _, code, used = os.wait4(child.pid, 0)
    if code:
        raise SystemExit(f"{name} failed")
    last = (output.strip().splitlines() or [""])[-1]
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, last


STEPS = {"write": write_cells, "plan": plan_cells}


def main() -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--datasets", type=int, default=5)
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--hospitals", action="store_true")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--step", choices=STEPS)
    options, words = parser.parse_known_args()
    if options.step:
        print(STEPS[options.step](words))
        return 0
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    words = made(folder, 0 if options.hospitals else options.datasets, options.rows, options.cases)
    for name in ("write", "plan", "rank"):
        if name == "write" and (folder / "output").exists():
            continue
        seconds, processor, gib, last = step(name, folder, words)
        print(f"{name}: {seconds:.1f} s ({processor:.1f} s of processor), {gib:.2f} GiB ({last})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
