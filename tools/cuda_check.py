"""Whether rows train on CUDA as they do on the CPU, and how fast: `tools/cuda_check.sh`, which runs the tests on CUDA as well.

    python -m tools.cuda_check [--device cuda] [--cases 900] [--epochs N]

Needs no network, no weights and no dataset: the cases are made (a specimen of 900), and so are the features (`lesion-grid`,
counts of words). Each row trains one split on both devices, from the same seed and weights. torch draws other numbers on CUDA
than on a CPU, so the two are compared where nothing is drawn on the device: without dropout and Gaussian noise. MixUp, the
order of cases and the choice of drafts are numpy's draws, weights are drawn on the CPU: alike on both. With dropout a row's
AUC differs between devices as it does between seeds, and is not compared.

Ends with 1 where a loss of the first steps differs by more than 1e-3, a test AUC by more than .02, or a row fails.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmark.audit import made_cohorts
from benchmark.data.cohort import Cohort, Features
from benchmark.data.parts import Index
from benchmark.data.protocols.holdout import Holdout
from benchmark.data.sources import Sources
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.registry.discovery import discover
from benchmark.system.errors import UnknownNameError
from benchmark.system.locations import ROOT
from benchmark.system.provenance import version
from benchmark.system.threads import limit_threads, use_device

ROWS = ("vdafm", "joint-transformer", "image-cnn")
"""One split each; a system that is added adds its row."""
SEED, STEPS = 39, 10
LOSS, AUC = 1e-3, 0.02
"""Greatest difference between the devices."""


@dataclass(frozen=True)
class Trained:
    """What a row did on a device: losses of the first steps, test AUC, milliseconds per step (validation included)."""

    losses: list[float]
    auc: float
    milliseconds: float


class Watched:
    """A method that draws nothing on its device in training, and how many steps it took when each epoch ended."""

    def __init__(self, configured: ConfiguredMethod, **recipe: object) -> None:
        self.method: Any = configured.entry.make({**configured.parameters, "noise": 0.0, **recipe})
        self.epochs: list[tuple[float, int]] = []
        self._steps = 0
        self._build = self.method.module
        self.method.module, self.method.on_epoch = self._module, self._ended

    @property
    def milliseconds(self) -> float:
        """Per step, after the first epoch."""
        (started, before), (ended, after) = self.epochs[0], self.epochs[-1]
        return (ended - started) / (after - before) * 1000

    def _module(self, shapes: Any) -> nn.Module:
        module: nn.Module = self._build(shapes)
        for part in module.modules():
            if isinstance(part, nn.modules.dropout._DropoutNd):
                part.p = 0.0
            elif isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
        module.register_forward_pre_hook(self._passed)
        return module

    def _passed(self, module: nn.Module, _: object) -> None:
        self._steps += module.training

    def _ended(self, epoch: int, score: float) -> None:
        self.epochs.append((time.perf_counter(), self._steps))


def made_cohort(cases: int, catalogue: Catalogue) -> Cohort:
    """The specimen with so many cases, in memory, and its encoders, none of which needs weights."""
    cohort = made_cohorts.Specimen(cases=cases).build(Sources(Path(), {}, ""))

    @cache
    def encoded(encoder: str) -> Features:
        made: Features = catalogue.encoder(encoder).make().encode(cohort)
        return made

    def features(modality: str, encoder: str | None, rows: Index | None, *reports: str) -> Features:
        whole = encoded(encoder or cohort.encoders[modality])
        return whole if rows is None else whole.take(rows)

    return replace(cohort, rows=np.arange(cases), feature_source=features)


def trained(configured: ConfiguredMethod, cohort: Cohort, device: str, epochs: dict[str, int]) -> Trained:
    """A row on one split on a device: its first steps on one batch, for which an epoch is one step; then the whole training.

    Raises what the method raises.
    """
    use_device(device)
    split = Holdout().splits(cohort)[0]
    views = views_of(cohort, split, configured.modalities)
    beginning = Watched(configured, epochs=STEPS, patience=STEPS, smote=0)
    batch = views.train.take(np.arange(beginning.method.batch_size))
    fit_and_predict(configured, replace(views, train=batch), SEED, lambda: beginning.method, forgetting=False)
    whole = Watched(configured, **epochs)
    fitted = fit_and_predict(configured, views, SEED, lambda: whole.method, forgetting=False)
    assert cohort.labels is not None
    auc = float(roc_auc_score(cohort.labels[split.test], fitted.probabilities))
    return Trained(beginning.method.history["loss"], auc, whole.milliseconds)


def disagreements(cpu: Trained, other: Trained) -> Iterator[str]:
    """What differs between the devices by more than is allowed."""
    loss = float(np.abs(np.subtract(cpu.losses, other.losses)).max())
    if not loss <= LOSS:
        yield f"losses of the first {STEPS} steps differ by {loss:.2g}, more than {LOSS:g}"
    if not abs(cpu.auc - other.auc) <= AUC:
        yield f"test AUCs differ by {abs(cpu.auc - other.auc):.3f}, more than {AUC:g}"


def missing_packages() -> list[str]:
    """The project's dependencies that are not installed here."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        named = tomllib.load(stream)["project"]["dependencies"]
    names = [name.partition(">")[0] for name in named]
    return [name for name in names if not version(name)]


def compared(spelled: str, cohort: Cohort, catalogue: Catalogue, device: str, epochs: dict[str, int]) -> list[str]:
    """Train a row on both devices, print what it did, and return what is wrong with it."""
    started = time.perf_counter()
    try:
        configured = catalogue.method(spelled)
    except UnknownNameError as error:
        print(f"{spelled}: skipped: {error}", flush=True)
        return []
    done: dict[str, Trained] = {}
    for label, name in (("cpu", "cpu"), (f"{device} again" if device == "cpu" else device, device)):
        try:
            done[label] = trained(configured, cohort, name, epochs)
        except Exception as error:  # whatever a row raises on a device is what this asks for
            return [f"{spelled} on {name}: {type(error).__name__}: {error}"]
    print(f"{spelled} ({time.perf_counter() - started:.0f} s)")
    for label, each in done.items():
        losses = " ".join(f"{loss:.5f}" for loss in each.losses)
        print(f"  {label:10} AUC {each.auc:.4f}  {each.milliseconds:7.2f} ms per step  first losses {losses}", flush=True)
    return [f"{spelled}: {problem}" for problem in disagreements(*done.values())]


def main(words: list[str] | None = None) -> int:
    """Compare every row; returns the exit code."""
    limit_threads()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="compared with the CPU; cpu compares it with itself")
    parser.add_argument("--cases", type=int, default=900)
    parser.add_argument("--epochs", type=int, help="at most so many, in place of each row's own")
    asked = parser.parse_args(words)
    use_device(asked.device)
    print(f"torch {torch.__version__}, {_described(asked.device)}")
    print(f"not installed here: {', '.join(missing_packages()) or 'nothing'}")
    catalogue = discover([str(made_cohorts.__file__)])
    cohort = made_cohort(asked.cases, catalogue)
    epochs = {} if asked.epochs is None else {"epochs": asked.epochs}
    problems = [problem for row in ROWS for problem in compared(row, cohort, catalogue, asked.device, epochs)]
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def _described(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    convolutions = "TF32" if torch.backends.cudnn.allow_tf32 else "float32"
    return f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name(device)}, convolutions in {convolutions}"


if __name__ == "__main__":
    sys.exit(main())
