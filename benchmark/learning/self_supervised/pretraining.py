"""Pre-training: an objective over batches of cases without labels, by Adam under a warm-up and a cosine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.cohort import Cohort
from benchmark.learning.neural.loop import rate_factor
from benchmark.learning.self_supervised.images import Images, altered
from benchmark.learning.self_supervised.table import TableCoder
from benchmark.system.errors import BenchmarkError, InvalidTraining

FEWEST = 2
"""Cases that a batch holds at least: one has no other to be told from."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Cases as tensors: table (n, p) or None, images or None, and the group that each case belongs to (n,)."""

    table: Tensor | None
    images: Images | None
    groups: Tensor

    def __len__(self) -> int:
        return len(self.groups)

    def at(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """Views and table of the cases at `rows`."""
        return {} if self.images is None else self.images.at(rows), None if self.table is None else self.table[rows]

    def batch(self, rows: Tensor, objective: Objective, rng: np.random.Generator, generator: torch.Generator) -> Unlabelled:
        """The cases at `rows` as a batch of pre-training: images are altered by `rng`, and once more if the objective asks."""
        views, table = self.at(rows)
        return Unlabelled(
            altered(views, rng, objective.mirrored) if views else {},
            altered(views, rng, objective.mirrored) if views and objective.twice else {},
            torch.zeros(len(rows), 0) if table is None else table,
            self.groups[rows],
            generator,
        )


@dataclass(frozen=True, eq=False)
class Encoding:
    """How a method's cases become tensors: fitted on the cases of pre-training, the same for every case after.

    modalities : of "image" and "table", those that the method sees. edge : see `Images`.
    """

    modalities: frozenset[str]
    coder: TableCoder | None
    edge: int

    @classmethod
    def of(cls, cases: Cohort, modalities: frozenset[str], edge: int, *, derived: bool) -> Encoding:
        """Fitted on `cases`. Raises `BenchmarkError` where none has a table, or there is none at all.

        derived : whether the table is followed by what is measured on the images, where the cohort has that.
        """
        if not len(cases):
            raise BenchmarkError(f"{cases.name}: no case without label has {' and '.join(sorted(modalities))}, to pre-train on")
        return cls(modalities, TableCoder.of(cases, derived=derived) if "table" in modalities else None, edge)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """To be kept with weights that were trained on such tensors."""
        return {} if self.coder is None else {"table": self.coder.as_array()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], modalities: frozenset[str], edge: int) -> Encoding:
        """What `as_arrays` gave."""
        return cls(modalities, TableCoder.from_array(arrays["table"]) if "table" in modalities else None, edge)

    def inputs(self, cases: Cohort) -> Inputs:
        """The cases as tensors. Raises `BenchmarkError` where a modality is not there at all."""
        groups = cases.case_ids if cases.groups is None else cases.groups
        return Inputs(
            None if self.coder is None else self.coder.transform(cases),
            Images(cases, self.edge) if "image" in self.modalities else None,
            torch.from_numpy(np.unique(groups, return_inverse=True)[1]),
        )


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """A batch of pre-training: views altered once and once more, table (b, p), groups (b,), and what to draw by."""

    views: dict[str, Tensor]
    again: dict[str, Tensor]
    table: Tensor
    groups: Tensor
    generator: torch.Generator


class Objective(nn.Module):
    """What is learned without labels: a module whose parts are trained, and whose `forward` gives the loss of a batch.

    `twice` says whether it looks at two alterations of each image, `mirrored` whether images may be mirrored.
    """

    twice = False
    mirrored = True

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def projected(self, views: Mapping[str, Tensor], table: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """What the objective compares of image and of table, each (b, d); None where it compares no two."""
        return None

    def forward(self, batch: Unlabelled) -> Tensor:
        """The loss, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(batch)")

    def stepped(self) -> None:
        """What is done after each step."""


@dataclass(frozen=True)
class Schedule:
    """Epochs, of which the first tenth warm up, cases per batch, the highest learning rate of Adam, and its weight decay.

    least : an epoch sees at least so many cases: fewer are gone through several times, so that few cases do not mean few steps.
    decoupled : whether weights decay by themselves (AdamW) and not as a penalty in the gradient. betas : Adam's.
    """

    epochs: int
    batch: int
    rate: float
    decay: float
    least: int = 0
    decoupled: bool = False
    betas: tuple[float, float] = (0.9, 0.999)


def pretrain(objective: Objective, inputs: Inputs, schedule: Schedule, seed: int) -> NDArray[np.float64]:
    """Train the objective's parts in place; returns the mean loss of each epoch.

    Raises `InvalidTraining` that names the epoch where the loss is no finite number, and `BenchmarkError` for too few cases.
    """
    if len(inputs) < FEWEST:
        raise BenchmarkError(f"pre-training needs {FEWEST} cases or more, not {len(inputs)}")
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    adam = torch.optim.AdamW if schedule.decoupled else torch.optim.Adam
    optimiser = adam(objective.parameters(), schedule.rate, schedule.betas, weight_decay=schedule.decay, fused=True)
    warmup = max(schedule.epochs // 10, 1)
    losses = []
    objective.train()
    for epoch in range(schedule.epochs):
        optimiser.param_groups[0]["lr"] = schedule.rate * rate_factor(epoch, warmup, schedule.epochs)
        total = 0.0
        batches = list(_batches(len(inputs), schedule, rng))
        for rows in batches:
            loss = objective(inputs.batch(rows, objective, rng, generator))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            objective.stepped()
            total += float(loss.detach())
        losses.append(total / len(batches))
        if not np.isfinite(losses[-1]):
            raise InvalidTraining(f"pre-training, epoch {epoch + 1}: the loss is {losses[-1]}: look at the inputs")
    objective.eval()
    return np.array(losses)


def _batches(cases: int, schedule: Schedule, rng: np.random.Generator) -> Iterator[Tensor]:
    """All cases once, or as often as makes the least number of cases of an epoch, in batches as equal as can be."""
    count = max(min(-(-cases // schedule.batch), cases // FEWEST), 1)
    for _ in range(max(-(-schedule.least // cases), 1)):
        yield from (torch.from_numpy(np.sort(part)) for part in np.array_split(rng.permutation(cases), count))
