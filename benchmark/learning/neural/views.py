"""Views as they are: images and signals of some cases, read from disk batch by batch, on one scale, augmented in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from benchmark.data.cohort import Cohort
from benchmark.data.modalities import known_modalities
from benchmark.data.parts import Index, View
from benchmark.learning.neural.augmentation import Augmentation
from benchmark.learning.neural.inputs import CLIP
from benchmark.system.errors import BenchmarkError
from benchmark.system.threads import device

PIECE = 2**20
"""So many values are read or summed at once: they fit a processor's cache, and cases of large volumes fit the memory."""

KEPT = 2**24
"""A part's view that was averaged to at most so many values (64 MiB) is kept: later epochs need not read it again."""


class ViewScaler:
    """Makes tensors of a modality's views, on the scale of the training part.

    Each channel has mean 0 and deviation 1 over the training part, cut at 5; shares, such as a mask, stay shares. Where a view
    of a case is zero throughout, the case has none, and it stays zero. Images are averaged to a coarser grid where an axis is
    longer than `edge` (twice that in slices); 0 leaves them as they are.

    `shapes` : view -> (c, *spatial) or (leads, samples) of one case. Raises `BenchmarkError` where there is no case or no view.
    """

    def __init__(self, train: Cohort, modality: str, edge: int = 0) -> None:
        self.modality = modality
        self._kept: WeakKeyDictionary[Cohort, dict[str, tuple[Tensor, NDArray[np.bool_]]]] = WeakKeyDictionary()
        self._shares = known_modalities()[modality].shares
        views = self.cases(train).cohort.views(modality)
        self.shapes = {name: (view.shape[1], *coarser(view.shape[2:], edge)) for name, view in views.items()}
        self._moments = {name: self._moments_of(train, name, view) for name, view in views.items() if name not in self._shares}

    def cases(self, cohort: Cohort) -> UnreadViews:
        """The cohort's views, unread. Raises `BenchmarkError` where there is no case."""
        if not len(cohort):
            raise BenchmarkError(f"{cohort.name}: no case whose {self.modality} could be read")
        return UnreadViews(self, cohort, np.arange(len(cohort)))

    def read(self, cohort: Cohort, rows: Index, augmentation: Augmentation | None) -> dict[str, Tensor]:
        """View -> (b, c, *spatial) or (b, leads, samples) of the cases at `rows`. Raises `BenchmarkError` for NaN."""
        read = {}
        for name, view in cohort.views(self.modality).items():
            values = self._averaged(cohort, name, view, rows)
            there = values.flatten(1).any(dim=1).view(-1, *[1] * (values.ndim - 1))
            values = augmentation.placed(values) if augmentation else values
            if name not in self._shares:
                mean, deviation = self._moments[name]
                values = ((values - mean) / deviation).clamp(-CLIP, CLIP)
                values = (augmentation.toned(values) if augmentation else values) * there
            read[name] = values
        return read

    def _averaged(self, cohort: Cohort, name: str, view: View, rows: Index) -> Tensor:
        """The stored values on the coarser grid, (b, c, *spatial) float32 on the chosen device."""
        shape = (view.shape[0], *self.shapes[name])
        if shape[1:] == tuple(view.shape[1:]) or math.prod(shape) > KEPT:
            return self._read(cohort, name, view, rows).to(device())
        kept = self._kept.setdefault(cohort, {})
        values, known = kept.setdefault(name, (torch.zeros(shape), np.zeros(view.shape[0], dtype=np.bool_)))
        new = np.unique(rows[~known[rows]])
        if len(new):
            values[torch.from_numpy(new)] = self._read(cohort, name, view, new)
            known[new] = True
        return values[torch.from_numpy(rows)].to(device())

    def _read(self, cohort: Cohort, name: str, view: View, rows: Index) -> Tensor:
        """Likewise, from the disk."""
        step = max(PIECE // math.prod(view.shape[1:]), 1)
        pieces = [np.asarray(view[rows[start : start + step]], np.float32) for start in range(0, len(rows), step)]
        values = torch.cat([averaged(torch.from_numpy(piece), self.shapes[name][1:]) for piece in pieces])
        wrong = ~torch.isfinite(values).flatten(1).all(dim=1).numpy()
        if wrong.any():
            case = cohort.case_ids[rows[wrong][0]]
            more = f" and {wrong.sum() - 1} more" if wrong.sum() > 1 else ""
            raise BenchmarkError(f"{cohort.name}: {self.modality} view '{name}': NaN or infinite values (case {case}{more})")
        return values

    def _moments_of(self, cohort: Cohort, name: str, view: View) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel over the cases that have the view, (c, 1, ..); a constant one has deviation 1."""
        shape = self.shapes[name]
        step = max(PIECE // math.prod(shape), 1)
        count, sums, squares = 0, torch.zeros(shape[0], dtype=torch.float64), torch.zeros(shape[0], dtype=torch.float64)
        for rows in np.split(np.arange(len(cohort)), range(step, len(cohort), step)):
            values = self._averaged(cohort, name, view, rows).double().flatten(2).cpu()
            values = values[values.flatten(1).any(dim=1)]
            count += len(values) * values.shape[2]
            sums += values.sum(dim=(0, 2))
            squares += values.square().sum(dim=(0, 2))
        mean = sums / max(count, 1)
        deviation = (squares / max(count, 1) - mean.square()).clamp(min=0).sqrt()
        deviation = torch.where(deviation > 1e-6 * mean.abs(), deviation, 1.0)
        spread = (-1, *[1] * (len(shape) - 1))
        return mean.float().view(spread).to(device()), deviation.float().view(spread).to(device())


@dataclass(frozen=True, eq=False)
class UnreadViews:
    """The views of some cases as they lie on disk; `at` reads those of a batch.

    rows (n,) : whose views the cases have, positions in the cohort; a case may occur again.
    seed : of this epoch's augmentation; None for none. What a case becomes depends on it and on the case's place alone.
    constant : the same for every case: zero.
    """

    scaler: ViewScaler
    cohort: Cohort
    rows: Index
    seed: int | None = None
    constant: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """View -> (c, *spatial) or (leads, samples) of one case."""
        return self.scaler.shapes

    def at(self, index: Tensor) -> dict[str, Tensor]:
        """View -> (b, c, *spatial) or (b, leads, samples) of the cases at `index`."""
        places: NDArray[np.intp] = index.cpu().numpy()
        if self.constant:
            return {name: torch.zeros(len(places), *shape, device=device()) for name, shape in self.shapes.items()}
        generators = [np.random.default_rng([self.seed, place]) for place in places] if self.seed is not None else []
        return self.scaler.read(self.cohort, self.rows[places], Augmentation(generators) if generators else None)

    def of(self, rows: Index) -> UnreadViews:
        """Cases that have the views of these, of which some may occur again: positions in these."""
        return replace(self, rows=self.rows[rows])

    def augmented(self, seed: int) -> UnreadViews:
        """The same cases, altered as `seed` says."""
        return replace(self, seed=seed)


def coarser(spatial: tuple[int, ...], edge: int) -> tuple[int, ...]:
    """The grid of an image whose axes are averaged by one whole factor, the least that leaves none longer than the edge.

    The edge is `edge` for volumes and twice that for slices. Signals stay as they are, and all do with an edge of 0.
    """
    if len(spatial) < 2 or not edge:
        return spatial
    factor = math.ceil(max(spatial) / (edge if len(spatial) == 3 else 2 * edge))
    return tuple(math.ceil(length / factor) for length in spatial)


def averaged(values: Tensor, spatial: tuple[int, ...]) -> Tensor:
    """(b, c, *spatial): means over blocks; the blocks overlap by a voxel where they do not fit."""
    if values.shape[2:] == spatial:
        return values
    pool: Any = adaptive_avg_pool3d if len(spatial) == 3 else adaptive_avg_pool2d
    means: Tensor = pool(values, spatial)
    return means
