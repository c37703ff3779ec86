"""Lesion grid: the brain in 4 x 4 x 4 cells, each with its share of lesion and the intensities of lesion and tissue."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import LESION_VOLUME, ImageView
from benchmark.data.parts import Floats
from benchmark.learning.encoders._views import (
    LITTLE,
    Channels,
    averaged,
    intensity_views,
    mask_view,
    ratio,
    standardised,
    tissue_of,
    voxel_of,
)
from benchmark.registry.cards import register_encoder

CELLS = 4
"""Cells along each axis."""
PARTS = 2
"""Parts of a cell along each axis."""
CENTRES = (
    np.stack(np.meshgrid(*[(np.arange(CELLS) + 0.5) / CELLS * 2 - 1] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)
)
"""(64, 3) the middle of each cell, -1 to 1 along each axis."""
BATCH = 32
PERCENTILES = (5, 25, 50, 75, 95)
Averages = Callable[[Floats], Floats]
"""(b, points) -> (b, 64): the mean over the points of each cell; zero for a cell without points."""


@register_encoder(
    "lesion-grid",
    modality="image",
    reference="lesion shares, shape and intensities on a 4 x 4 x 4 grid over the volume",
    weights="none",
)
@dataclass(frozen=True)
class LesionGrid:
    """64 cells over the mask's volume; nothing is fitted, and a case's features depend on no other case.

    tokens (n, 1, 64, 11 + 5 c) for c intensity channels: the square roots of the lesion's share of the cell's eight parts (a
    small lesion would not show beside a large one); the cell's centre, -1 to 1; of each channel the mean and deviation of the
    tissue, the mean within the lesion, its difference from the tissue around it, and the share of tissue. Slices fill the
    cells that their planes pass through; the others have zeros there. Intensities are in standard deviations from the mean
    of the case's own tissue outside the lesion, since those of MRI have no unit.

    pooled (n, 1, p): log1p of the volume in ml; roots of what else the dataset derives (damaged shares of territories) and of
    the 64 shares; place and shape of the lesion (see `_shape`); the mean tissue intensity of each cell that has points; of each
    picture or channel the share of tissue and five percentiles; of each channel mean and deviation within the lesion, and the
    difference from the mirror-image place.

    lesion_share (n, 64): the lesion's share of each cell. Needs a view `mask`; other views are intensities on its grid, or
    slices through it.
    """

    def weights_digest(self) -> str:
        """There are no weights."""
        return ""

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without image is masked and zero. Raises `BenchmarkError` without a view `mask`."""
        masks, views = mask_view(cohort, "lesion-grid"), intensity_views(cohort, "lesion-grid")
        tokens, pooled, shares = [], [], []
        for rows in np.split(np.arange(len(cohort)), range(BATCH, len(cohort), BATCH)):
            lesion = masks[rows][:, 0]
            by_view = [_intensity_features(view, rows, lesion) for view in views]
            parts = cell_parts(lesion)
            share = parts.mean(axis=2)
            centres = np.broadcast_to(CENTRES, (len(rows), *CENTRES.shape))
            tokens.append(np.concatenate([np.sqrt(parts), centres, *(token for token, _ in by_view)], axis=2))
            figures = [np.sqrt(share), np.stack([_shape(case) for case in lesion]), *(figure for _, figure in by_view)]
            pooled.append(np.concatenate(figures, axis=1))
            shares.append(share)
        features = np.concatenate([_derived(cohort, masks), np.concatenate(pooled)], axis=1)
        kept = cohort.having("image")[:, None]
        return Features(
            (np.concatenate(tokens) * kept[:, :, None])[:, None].astype(np.float32),
            np.repeat(kept, CELLS**3, axis=1)[:, None],
            (features * kept)[:, None].astype(np.float32),
            (CELLS,) * 3,
            (np.concatenate(shares) * kept).astype(np.float32),
        )


def cell_parts(lesion: Floats) -> Floats:
    """(b, 64, 8): the mean of (b, x, y, z) over the eight parts of each cell, all of the same size."""
    split = averaged(lesion, (CELLS * PARTS,) * 3).reshape(len(lesion), *(CELLS, PARTS) * 3)
    return np.asarray(split.transpose(0, 1, 3, 5, 2, 4, 6).reshape(len(lesion), CELLS**3, PARTS**3))


def _derived(cohort: Cohort, masks: ImageView) -> Floats:
    """(n, 1 + k): log1p of the lesion's volume in ml, then square roots of the other derived columns, which are shares.

    In place of a volume that the dataset does not derive: the lesion's voxels in thousands.
    """
    derived = () if cohort.derived is None else cohort.derived.items()
    columns = {name: np.nan_to_num(column.to_numpy(dtype=np.float32)) for name, column in derived}
    volume = columns.pop(LESION_VOLUME) if LESION_VOLUME in columns else masks.load().sum(axis=(1, 2, 3, 4)) / 1000
    return np.column_stack([np.log1p(volume), *(np.sqrt(np.clip(column, 0, None)) for column in columns.values())])


def _shape(lesion: Floats) -> Floats:
    """(15,) place and shape of a lesion (x, y, z); zeros where there is none.

    Centre of mass, -1 to 1 along each axis; deviation along each axis, in shares of it; extent along each axis of the voxels
    that are lesion by half (or as much as any is), in shares of it; laterality, the difference of the halves of the first
    axis over their sum, and its size; elongation, 1 minus the ratio of the shortest to the longest principal deviation;
    compactness, the surface of a cube of the same volume over the lesion's; log1p of the number of connected parts; and the
    share of the largest.
    """
    total = float(lesion.sum())
    if total <= 0:
        return np.zeros(15, dtype=np.float32)
    lengths = np.array(lesion.shape)
    solid = lesion >= min(0.5, float(lesion.max()))
    places = np.argwhere(lesion > 0)
    weights = lesion[lesion > 0].astype(np.float64) / total
    shares = (places + 0.5) / lengths
    centre = weights @ shares
    filled = np.argwhere(solid)
    side = float(weights @ np.clip((shares[:, 0] - 0.5) * lengths[0] * 2, -1, 1))  # a voxel on the middle counts for neither
    moved = (places + 0.5) - centre * lengths
    axes = np.linalg.eigvalsh((moved * weights[:, None]).T @ moved + np.eye(3) / 12)  # 1/12: the variance within a voxel
    faces = sum(int((np.diff(np.pad(solid, 1).astype(np.int8), axis=axis) != 0).sum()) for axis in range(3))
    connected, number = ndimage.label(solid)
    sizes = np.bincount(connected.ravel())[1:]
    figures = [
        *(2 * centre - 1),
        *np.sqrt(np.maximum(weights @ (shares - centre) ** 2, 0)),
        *((filled.max(axis=0) - filled.min(axis=0) + 1) / lengths),
        side,
        abs(side),
        1 - np.sqrt(axes[0] / axes[-1]),
        6 * len(filled) ** (2 / 3) / faces,
        np.log1p(number),
        sizes.max() / sizes.sum(),
    ]
    return np.array(figures, dtype=np.float32)


def _intensity_features(view: Channels, rows: NDArray[np.intp], lesion: Floats) -> tuple[Floats, Floats]:
    """Intensities of some cases' views in figures: tokens (b, 64, 5 c) and pooled figures (b, f)."""
    averages, hit = _averages(view, lesion.shape[1:])
    at, inside = view.sample(lesion), view.inside(lesion.shape[1:])
    mirrored = view.sample(lesion[:, ::-1]) * (1 - at)
    tokens, figures = [], []
    values = view.load(rows)
    for channel in range(view.count):
        value = values[:, channel]
        tissue = tissue_of(value, inside)
        value = standardised(value, tissue * (1 - at))
        cells = _cell_statistics(value, tissue, at, averages)
        tokens.append(cells)
        figures += [cells[:, hit, 0], _percentiles(value, tissue, view.panels), _lesion_figures(value, at, mirrored)]
    return np.concatenate(tokens, axis=2), np.concatenate(figures, axis=1)


def _averages(view: Channels, grid: tuple[int, ...]) -> tuple[Averages, NDArray[np.intp]]:
    """How points are averaged by cell, and the cells that have points."""
    if view.positions is None:
        return lambda points: averaged(points.reshape(len(points), *grid), (CELLS,) * 3).reshape(len(points), -1), np.arange(
            CELLS**3
        )
    cell, inside = voxel_of(view.positions, (CELLS,) * 3)
    points = np.flatnonzero(inside)
    counts = np.bincount(cell[points], minlength=CELLS**3)
    weight = (1 / np.maximum(counts, 1)).astype(np.float32)[cell[points]]
    matrix = sparse.csr_array((weight, (cell[points], points)), shape=(CELLS**3, len(cell)))
    return lambda values: np.asarray((matrix @ values.T).T), np.flatnonzero(counts)


def _cell_statistics(value: Floats, tissue: Floats, lesion: Floats, averages: Averages) -> Floats:
    """(b, 64, 5): mean and deviation of the tissue, mean within the lesion, its difference from outside, share of tissue."""
    share, within = averages(tissue), averages(lesion)
    outside = averages(tissue * (1 - lesion))
    mean = ratio(averages(tissue * value), share)
    variance = ratio(averages(tissue * value * value), share) - mean**2
    inner = ratio(averages(lesion * value), within)
    outer = ratio(averages(tissue * (1 - lesion) * value), outside)
    contrast = np.where((within > LITTLE) & (outside > LITTLE), inner - outer, 0)
    return np.stack([mean, np.sqrt(np.maximum(variance, 0)), inner, contrast, share], axis=2)


def _percentiles(value: Floats, tissue: Floats, panels: int) -> Floats:
    """(b, 6 panels): the share of tissue and five percentiles of its intensities, picture by picture."""
    figures = np.zeros((len(value), panels, 1 + len(PERCENTILES)), dtype=np.float32)
    for case, (values, kept) in enumerate(zip(value, tissue > 0, strict=True)):
        for panel, (part, shown) in enumerate(zip(np.split(values, panels), np.split(kept, panels), strict=True)):
            if shown.any():
                figures[case, panel] = [shown.mean(), *np.percentile(part[shown], PERCENTILES)]
    return figures.reshape(len(value), -1)


def _lesion_figures(value: Floats, lesion: Floats, mirrored: Floats) -> Floats:
    """(b, 3): mean and deviation within the lesion, and the mean's difference from the mirror-image place."""
    amount, opposite = lesion.sum(axis=1), mirrored.sum(axis=1)
    mean = ratio((lesion * value).sum(axis=1), amount)
    deviation = np.sqrt(np.maximum(ratio((lesion * value**2).sum(axis=1), amount) - mean**2, 0))
    other = ratio((mirrored * value).sum(axis=1), opposite)
    return np.column_stack([mean, deviation, np.where((amount > 0) & (opposite > 0), mean - other, 0)])
