"""What one more cell costs benchopt: the same no-op methods and cases as `tools.speed` has, by the `benchopt` on the PATH."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

OBJECTIVE = """
import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "AUC"
    sampling_strategy = "run_once"

    def set_data(self, x, labels):
        self.x, self.labels = x, labels

    def evaluate_result(self, chances):
        positive, negative = chances[self.labels == 1], chances[self.labels == 0]
        return {"value": float(np.mean(positive[:, None] > negative))}

    def get_one_result(self):
        return {"chances": np.full(len(self.x), 0.5)}

    def get_objective(self):
        return {"x": self.x}
"""
DATASET = """
import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "made"
    parameters = {"split": list(range(SPLITS))}

    def get_data(self):
        rng = np.random.default_rng(self.split)
        x = rng.normal(size=120)
        return {"x": x, "labels": (rng.random(120) < 1 / (1 + np.exp(-x))).astype(int)}
"""
SOLVER = """
import numpy as np
from benchopt import BaseSolver


class Solver(BaseSolver):
    name = "no-op-NUMBER"

    def set_objective(self, x):
        self.x, self.rng = x, np.random.default_rng(NUMBER)

    def run(self, _):
        self.chances = 1 / (1 + np.exp(-self.x - NUMBER / 10 * self.rng.normal(size=len(self.x))))

    def get_result(self):
        return {"chances": self.chances}
"""
METHODS, FEW, MANY = 10, 5, 20


def benchopt_per_cell(folder: Path) -> float:
    """Milliseconds: the slope from runs of 10 methods on 5 splits to runs of them on 20; nothing is cached or drawn."""
    for name, text in {
        "objective.py": OBJECTIVE,
        **{f"solvers/no_op_{i}.py": SOLVER.replace("NUMBER", str(i)) for i in range(METHODS)},
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "datasets").mkdir()

    def seconds(splits: int) -> float:
        (folder / "datasets" / "made.py").write_text(DATASET.replace("SPLITS", str(splits)))
        started = time.perf_counter()
        command = ["benchopt", "run", str(folder), "-r", "1", "--no-cache", "--no-plot", "--no-html"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    few, many = (min(seconds(splits) for _ in range(5)) for splits in (FEW, MANY))
    return (many - few) / (METHODS * (MANY - FEW)) * 1000
