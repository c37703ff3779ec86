"""What a masked autoencoder restores of ECGs that it did not see, and which leads and times the network behind it uses.

`python -m tools.ecg_figures DATASET [METHOD] [--output FOLDER]` fits a row that starts from the autoencoder (`ecg-mae` by
default) on the first split of `repeated-cv`. For the validation cases it prints the squared error of masked patches, beside
that of the lead's mean and of a line between the patches that are seen, and how much the logit falls when a lead is silenced.
The figures show one recording with what was restored, and where in it the logit falls when a stretch of a lead is silenced.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.ecg_mae import ECGMAE
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.leaderboard.tables import grid
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.learning.self_supervised.signal_table import load, part_of
from benchmark.learning.self_supervised.signals import Signals
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from tools.embeddings import method_name

TOGETHER = 128
"""Recordings that go through a network together."""
STRETCHES = 20
"""Stretches of time that are silenced one by one."""
POSITIVES = 64
"""Recordings with label 1 over which falls are averaged, at most."""


def main() -> None:
    """Print the tables, and draw the figures where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("method", nargs="?", default="ecg-mae")
    parser.add_argument("--output", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    method, validation = fitted(options.dataset, options.method)
    signals = Signals(validation)
    restored = restoration(method, signals)
    errors = restored.errors()
    rows = [(name, f"{value:.3f}") for name, value in errors.items()]
    print(grid((f"masked patches of {len(validation)} validation cases", "squared error"), rows))
    falls = silenced(method, validation, stretches=1)
    print()
    by_lead = [(lead, f"{fall:+.3f}") for lead, fall in zip(signals.leads, falls[:, 0], strict=True)]
    print(grid(("lead silenced", "mean fall of the logit, label 1"), by_lead))
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        name = f"{method_name(options.method)}-on-{method_name(options.dataset)}"
        first = int(np.flatnonzero(np.asarray(validation.labels) == 1)[0])
        draw_restored(restored, first, signals, options.output / f"{name}-restored.png")
        one = silenced(method, validation.take(np.array([first])), stretches=STRETCHES)
        draw_falls(signals, first, one, options.output / f"{name}-occlusion.png")
        print(options.output)


def fitted(dataset: str, spelled: str) -> tuple[ECGMAE, Cohort]:
    """A row fitted on the first split, and its validation cases. Raises `BenchmarkError` for one without autoencoder."""
    catalogue = discover()
    cohort = load_cohort(dataset, catalogue)
    method = catalogue.method(spelled)
    split = RepeatedCV().splits(cohort)[0]
    made: Any = fit_and_predict(method, views_of(cohort, split, method.modalities), split.seed).method
    if not part_of(made.stages.get("masking", {}), "network."):
        raise BenchmarkError(f"{spelled} starts from no masked autoencoder: give ecg-mae or cardio-ssl")
    return made, cohort.take(split.validation).only(method.modalities[1])


@dataclass(frozen=True, eq=False)
class Restored:
    """Patches of recordings, (n, t, samples): as they are, as restored, and by a line between those that are seen.

    hidden (n, t) : which were masked.
    """

    own: Tensor
    network: Tensor
    line: Tensor
    hidden: Tensor

    def errors(self) -> dict[str, float]:
        """Guess -> mean squared error over the masked patches; a lead without its baseline has the mean 0."""
        guesses = {"autoencoder": self.network, "line between what is seen": self.line, "mean of the lead": torch.zeros(())}
        return {name: float((guess - self.own)[self.hidden].square().mean()) for name, guess in guesses.items()}


@torch.no_grad()
def restoration(method: ECGMAE, signals: Signals) -> Restored:
    """Mask three quarters of each recording, drawn by a fixed seed, and restore them."""
    autoencoder = method.autoencoder(signals.shape).eval()
    load(autoencoder, part_of(method.stages["masking"], ""))
    count, kept = autoencoder.network.count, autoencoder.kept
    order = torch.rand(len(signals.values), count, generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    hidden = torch.ones(len(order), count, dtype=torch.bool).scatter(1, order[:, :kept], False)
    portions = torch.split(torch.arange(len(order)), TOGETHER)
    own = torch.cat([autoencoder.network.patches(signals.at(rows)) for rows in portions])
    network = torch.cat([autoencoder.restored(signals.at(rows), order[rows, :kept]) for rows in portions])
    return Restored(own, network, _lines(own, hidden, signals.shape[0]), hidden)


def _lines(patches: Tensor, hidden: Tensor, leads: int) -> Tensor:
    """Of each lead a line from seen sample to seen sample, over masked patches; zero where the whole lead is masked."""
    by_lead = patches.reshape(len(patches), leads, -1).numpy()
    seen = ~hidden.reshape(len(hidden), leads, -1).repeat_interleave(patches.shape[2], dim=2).numpy()
    made, time = np.zeros_like(by_lead), np.arange(by_lead.shape[2])
    for case, lead in np.argwhere(seen.any(axis=2)):
        there = seen[case, lead]
        made[case, lead] = np.interp(time, time[there], by_lead[case, lead, there])
    lines: Tensor = torch.from_numpy(made).unfold(2, patches.shape[2], patches.shape[2]).flatten(1, 2)
    return lines


@torch.no_grad()
def silenced(method: ECGMAE, cases: Cohort, stretches: int) -> NDArray[np.float64]:
    """How much the logit of cases with label 1 falls on average when a stretch of a lead is zero, (leads, stretches)."""
    positive = cases.take(np.flatnonzero(np.asarray(cases.labels) == 1)[:POSITIVES])
    inputs = method._inputs(positive.blind())
    signals, table = inputs.at(torch.arange(len(positive)))
    assert signals is not None
    network = method._network.eval()
    whole = network(signals, table)
    falls = np.zeros((signals.shape[1], stretches))
    for lead in range(len(falls)):
        for place, part in enumerate(torch.arange(signals.shape[2]).tensor_split(stretches)):
            cut = signals.clone()
            cut[:, lead, part] = 0
            falls[lead, place] = float((whole - network(cut, table)).mean())
    return falls


def draw_restored(restored: Restored, case: int, signals: Signals, path: Path) -> None:
    """One recording, lead by lead: as it is, and as it was restored where it was masked."""
    leads, width = signals.shape[0], restored.own.shape[2]
    own, network, hidden = (
        each[case].reshape(leads, -1, *each.shape[2:]) for each in (restored.own, restored.network, restored.hidden)
    )
    figure, axes = _leads(signals.leads, 1.1 * float(own.abs().max()))
    time = np.arange(own.shape[1] * width) / signals.hertz
    for lead, axis in enumerate(axes):
        axis.plot(time, own[lead].flatten(), color="0.2", linewidth=0.7, label="as recorded")
        shown = torch.where(hidden[lead][:, None], network[lead], torch.nan).flatten()
        axis.plot(time, shown, color="C3", linewidth=0.9, label="restored where masked")
    axes[0].legend(loc="upper right", bbox_to_anchor=(1, 1.8), ncols=2, fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)


def draw_falls(signals: Signals, case: int, falls: NDArray[np.float64], path: Path) -> None:
    """One recording over how much the logit falls when each stretch of a lead is silenced."""
    recording = signals.values[case].float().numpy()
    seconds = recording.shape[1] / signals.hertz
    largest = max(float(np.abs(falls).max()), 1e-9)
    height = 1.1 * float(np.abs(recording).max())
    figure, axes = _leads(signals.leads, height)
    for lead, axis in enumerate(axes):
        extent = (0, seconds, -height, height)
        shown = axis.imshow(falls[lead][None], extent=extent, aspect="auto", cmap="PuOr", vmin=-largest, vmax=largest)
        axis.plot(np.arange(recording.shape[1]) / signals.hertz, recording[lead], color="0.1", linewidth=0.7)
    figure.colorbar(shown, ax=list(axes), label="fall of the logit when the stretch is silenced", shrink=0.6)
    figure.savefig(path, dpi=120)


def _leads(names: tuple[str, ...], height: float) -> tuple[Any, Any]:
    """A row of axes for each lead, which share their time and show values from -height to height."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.8 * len(names) + 1), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, names, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set_yticks([])
        axis.set_ylim(-height, height)
    axes[-1].set_xlabel("seconds")
    return figure, axes


if __name__ == "__main__":
    main()
