"""Maps of what a network uses of the images, drawn over the brain, as NIfTI files, and by their share of each territory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cells.explained import MEAN, BranchMaps, Explained
from benchmark.data.cohort import Cohort
from benchmark.data.modalities import known_modalities
from benchmark.data.modalities.image import AXIS
from benchmark.data.parts import Floats
from benchmark.data.spaces import affine_of, territories
from benchmark.system.files import safe

KINDS = {"grad_cam": "Grad-CAM", "occlusion": "occlusion"}
SHOWN = 0.3
"""A figure shows what has this share of a map's maximum or more [A]."""
CUTS = 7
"""Axial cuts of a volume in a figure."""
OUTSIDE = "outside the atlas"
MNI152, ALIGNED = 4, 2
"""Codes of NIfTI: the affine leads to MNI152, or nowhere in particular."""


def write_maps(folder: Path, stem: str, explained: Explained, cohort: Cohort, dataset: str) -> Iterator[dict[str, Any]]:
    """Write figure, NIfTI files and table of each map to `folder`; yields what is known of each, its `files` among it."""
    folder.mkdir(parents=True, exist_ok=True)
    for branch in explained.branches:
        background = next((name for name in branch.views if name not in known_modalities()["image"].shares), branch.views[0])
        labels = territories(cohort, dataset, branch.views[0])
        for name in branch.grad_cam:
            path = folder / safe(f"{stem}-{'+'.join(branch.views)}-{name}")
            cases = explained.cases if name == MEAN else (name,)
            under = cohort.images[background][np.flatnonzero(np.isin(cohort.case_ids, cases))].mean(axis=0)
            maps = {kind: getattr(branch, kind)[name] for kind in KINDS}
            regions = [] if labels is None or cohort.atlas is None else shares(maps, labels, cohort.atlas.names)
            written = _files(path, maps, under, _affine(cohort, branch, dataset), regions, f"{stem}, {name}")
            yield {
                "map": name,
                "views": list(branch.views),
                "stage": branch.layer,
                "cells": list(branch.cells),
                "space": "voxels" if affine_of(dataset, maps["grad_cam"].shape[1:]) is None else "MNI152",
                "correlation": correlation(*maps.values()),
                "regions": regions,
                "files": [str(each) for each in written],
            }


def shares(maps: dict[str, Floats], labels: NDArray[np.uint8], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each territory's share of the places and of each map, None where that is zero; the most of Grad-CAM comes first."""
    rows = []
    for label, name in enumerate((OUTSIDE, *names)):
        there = labels == label
        of_maps = {kind: float(values[there].sum() / values.sum()) if values.any() else None for kind, values in maps.items()}
        rows.append({"region": name, "places": float(there.mean()), **of_maps})
    return sorted(rows, key=lambda row: -(row["grad_cam"] or 0))


def correlation(first: Floats, second: Floats) -> float | None:
    """Pearson's r over all places; None where a map is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _affine(cohort: Cohort, branch: BranchMaps, dataset: str) -> tuple[NDArray[np.float64], int]:
    """The affine of a branch's maps and its code: in MNI152, or voxels with their axes the right way round."""
    view = cohort.images[branch.views[0]]
    known = affine_of(dataset, view.shape[2:]) if len(view.shape) == 5 else None
    if known is not None:
        return known, MNI152
    rotation = np.zeros((4, 4))
    rotation[3, 3] = 1
    for column, letter in enumerate(view.axes if len(view.shape) == 5 else "RAS"):
        rotation["xyz".index(AXIS[letter]), column] = 1 if letter in "RAS" else -1
    return rotation, ALIGNED


def _files(
    path: Path,
    maps: dict[str, Floats],
    under: Floats,
    affine: tuple[NDArray[np.float64], int],
    regions: list[dict[str, Any]],
    title: str,
) -> list[Path]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    written = [path.with_name(f"{path.name}.png")]
    if under.ndim == 4:
        images = {kind: _nifti(values[0], *affine) for kind, values in maps.items()}
        for kind, image in images.items():
            written.append(path.with_name(f"{path.name}-{kind}.nii.gz"))
            image.to_filename(written[-1])
        figure = _over_volume(images, _nifti(under[0], *affine), title)
    else:
        figure = _over_slices(maps, under, title)
    figure.savefig(written[0], dpi=150)
    pyplot.close(figure)
    if regions:
        written.append(path.with_name(f"{path.name}-regions.csv"))
        with written[-1].open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(regions[0]))
            table.writeheader()
            table.writerows(regions)
    return written


def _nifti(values: Floats, affine: NDArray[np.float64], code: int) -> Any:
    import nibabel

    image = nibabel.Nifti1Image(values, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    return image


def _over_volume(images: dict[str, Any], own: Any, title: str) -> Any:
    """Axial cuts over the MNI152 template where the maps lie there, elsewhere over the cases' own mean image."""
    from matplotlib import pyplot
    from nilearn.datasets import load_mni152_template
    from nilearn.plotting import plot_stat_map

    template = load_mni152_template(resolution=2) if int(own.header["sform_code"]) == MNI152 else own
    figure, axes = pyplot.subplots(len(images), figsize=(14, 2.8 * len(images)))
    figure.suptitle(title)
    cuts = _cuts(images["grad_cam"])
    for axis, (kind, image) in zip(axes, images.items(), strict=True):
        highest = float(image.get_fdata().max()) or 1.0
        style = {"cmap": "inferno", "vmin": 0, "vmax": highest, "symmetric_cbar": False, "annotate": True}
        axis.set_title(KINDS[kind])
        plot_stat_map(image, template, cut_coords=cuts, display_mode="z", threshold=SHOWN * highest, axes=axis, **style)
    return figure


def _cuts(image: Any) -> list[float]:
    """Heights in millimetres: evenly through the volume, and that of the map's maximum."""
    values = image.get_fdata()
    places = np.array([np.zeros(3), np.array(values.shape) - 1.0, np.unravel_index(values.argmax(), values.shape)])
    low, high, peak = (places @ image.affine[:3, :3].T + image.affine[:3, 3])[:, 2]
    return sorted({*np.linspace(low, high, CUTS + 2)[1:-1].tolist(), float(peak)})


def _over_slices(maps: dict[str, Floats], under: Floats, title: str) -> Any:
    from matplotlib import pyplot

    planes = len(under)
    figure, axes = pyplot.subplots(len(maps), planes, figsize=(4 * planes, 4 * len(maps)), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for row, (kind, values) in zip(axes, maps.items(), strict=True):
        highest = float(values.max()) or 1.0
        for plane, axis in enumerate(row):
            axis.imshow(under[plane], cmap="gray")
            shown = np.ma.masked_less(values[plane], SHOWN * highest)
            drawn = axis.imshow(shown, cmap="inferno", vmin=0, vmax=highest, alpha=0.6)
            axis.set_title(f"{KINDS[kind]}, slice {plane + 1}")
            axis.axis("off")
        figure.colorbar(drawn, ax=list(row))
    return figure
