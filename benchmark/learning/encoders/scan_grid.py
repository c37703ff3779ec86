"""Scan grid: a volume in 4 x 4 x 4 cells, each with the intensities of its tissue; for scans without a lesion mask."""

from dataclasses import dataclass

import numpy as np

from benchmark.data.cohort import Cohort, Features
from benchmark.data.parts import Floats
from benchmark.learning.encoders._views import MASK, averaged, ratio, shapes_of, standardised, tissue_of
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError

CELLS = 4
"""Cells along each axis."""
BATCH = 32
PERCENTILES = (5, 25, 50, 75, 95)


@register_encoder(
    "scan-grid",
    modality="image",
    reference="mean and deviation of the intensities on a 4 x 4 x 4 grid over the volume",
    weights="none",
)
@dataclass(frozen=True)
class ScanGrid:
    """64 cells over each volume; nothing is fitted, and a case's features depend on no other case.

    tokens (n, 1, 64, 4 c + 3) for c channels of all volumes: of each channel the mean and deviation of the cell's tissue, its
    share, and the difference of the mean from that of the mirror-image cell; the cell's centre, -1 to 1. pooled (n, 1, 134 c):
    of each channel the cells' means and differences, the share of tissue and five percentiles. Intensities are in standard
    deviations from the mean of the case's own tissue. A view `mask` is left out: `lesion-grid` sees it.
    """

    def weights_digest(self) -> str:
        """There are no weights."""
        return ""

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without image is masked and zero. Raises `BenchmarkError` where there is no volume."""
        views = [view for name, view in sorted(cohort.images.items()) if name != MASK and len(view.shape) == 5]
        if not views:
            raise BenchmarkError(f"encoder scan-grid: {cohort.name} has no volume beside a mask: it has {shapes_of(cohort)}")
        tokens, pooled = [], []
        for rows in np.split(np.arange(len(cohort)), range(BATCH, len(cohort), BATCH)):
            channels = [volume for view in views for volume in np.moveaxis(view[rows], 1, 0)]
            cells, figures = zip(*map(_channel, channels), strict=True)
            centres = np.broadcast_to(_centres(), (len(rows), CELLS**3, 3))
            tokens.append(np.concatenate([*cells, centres], axis=2))
            pooled.append(np.concatenate(figures, axis=1))
        kept = cohort.having("image")[:, None]
        return Features(
            (np.concatenate(tokens) * kept[:, :, None])[:, None].astype(np.float32),
            np.repeat(kept, CELLS**3, axis=1)[:, None],
            (np.concatenate(pooled) * kept)[:, None].astype(np.float32),
            (CELLS,) * 3,
        )


def _centres() -> Floats:
    """(64, 3) the middle of each cell, -1 to 1 along each axis."""
    along = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS * 2 - 1
    return np.asarray(np.stack(np.meshgrid(along, along, along, indexing="ij"), -1).reshape(-1, 3), dtype=np.float32)


def _channel(volume: Floats) -> tuple[Floats, Floats]:
    """Of a channel (b, x, y, z): tokens (b, 64, 4) and pooled figures (b, 134)."""
    flat = volume.reshape(len(volume), -1)
    tissue = tissue_of(flat, np.ones(flat.shape[1], dtype=bool)) * (flat > 0)
    value = standardised(flat, tissue)
    share, first, second = (
        averaged(points.reshape(volume.shape), (CELLS,) * 3) for points in (tissue, tissue * value, tissue * value**2)
    )
    mean = ratio(first, share)
    deviation = np.sqrt(np.maximum(ratio(second, share) - mean**2, 0))
    mirrored = mean - mean[:, ::-1]
    cells = np.stack([each.reshape(len(volume), -1) for each in (mean, deviation, share, mirrored)], axis=2)
    figures = np.zeros((len(volume), 1 + len(PERCENTILES)), dtype=np.float32)
    for case, (values, shown) in enumerate(zip(value, tissue > 0, strict=True)):
        if shown.any():
            figures[case] = [shown.mean(), *np.percentile(values[shown], PERCENTILES)]
    return cells, np.concatenate([cells[:, :, 0], cells[:, :, 3], figures], axis=1)
