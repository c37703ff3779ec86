"""A split fitted once more for maps of what its network uses of the images: the mean over cases of a class, or single cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cells.compute import fit_cell
from benchmark.cells.planning import Cell
from benchmark.cells.row_fits import computed, row_cells
from benchmark.data.cohort import Cohort
from benchmark.data.parts import Floats
from benchmark.learning.explaining import branches, case_maps, check_explainable, explainable, on_grid
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError, check_known

MEAN = "mean"
"""The name of the map that is a mean over cases."""


@dataclass(frozen=True)
class Wanted:
    """Which maps are wanted: of a label, of the branch that a view enters (where empty, of all), of single cases if named."""

    label: int = 1
    view: str = ""
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class BranchMaps:
    """Maps of a branch of the network: `MEAN` or a case's id -> (planes, *spatial) on the grid of its first view, in [0, 1].

    views : that enter the branch. layer, cells : the stage that Grad-CAM shows, and the size of its maps.
    """

    views: tuple[str, ...]
    layer: str
    cells: tuple[int, ...]
    grad_cam: Mapping[str, Floats]
    occlusion: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Explained:
    """Maps of a fitted split.

    labelled : the test cases with the label, correct : those of them that are predicted correctly. cases : those that the maps
    are of, probabilities : their P(label = 1).
    """

    split: str
    labelled: int
    correct: int
    cases: tuple[str, ...]
    probabilities: tuple[float, ...]
    branches: tuple[BranchMaps, ...]


def explain_image(
    suite: Suite, method: str, cohort: Cohort, dataset: str, catalogue: Catalogue, split: str, wanted: Wanted
) -> Explained:
    """Fit a split of repeated-cv (its first one where none is named) in a worker under the limits of a cell, and make the maps.

    Raises `BenchmarkError` for what is not there, does not apply, has no image branch, fails or takes too much.
    """
    if "image" not in cohort.modalities or not cohort.images:
        raise BenchmarkError(f"{dataset} has no images to explain")
    check_known(f"image view of {dataset}", [wanted.view] if wanted.view else [], cohort.images)
    check_known(f"case of {dataset}", wanted.cases, cohort.case_ids.tolist())
    cell = _cell(suite, method, cohort, dataset, catalogue, split, wanted.cases)
    assert cohort.labels is not None
    try:
        check_explainable(cell.row.method.make(), cell.row.method.modalities[1] & cohort.modalities)
    except BenchmarkError as error:
        raise BenchmarkError(f"{method}: {error}") from error
    (maps,) = computed(suite, [cell], cohort, catalogue, _maps_of, cohort.labels[cell.split.test], wanted)
    return maps


def _cell(
    suite: Suite, method: str, cohort: Cohort, dataset: str, catalogue: Catalogue, split: str, cases: Sequence[str]
) -> Cell:
    """The cell of the split. Raises `BenchmarkError` where there is none, or where it does not test one of the cases."""
    cells = row_cells(suite, method, dataset, cohort, catalogue)
    check_known("split", [split] if split else [], cells)
    cell = cells[split] if split else next(iter(cells.values()))
    for case in cases:
        testing = [name for name, each in cells.items() if case in cohort.case_ids[each.split.test]]
        if cell.address.split not in testing:
            where = f"give --split {testing[0]}" if testing else "no split does"
            raise BenchmarkError(f"{cell.address.split} does not test case {case}, and maps are of test cases: {where}")
    return cell


def _maps_of(cell: Cell, labels: NDArray[np.int8], wanted: Wanted) -> Explained:
    done = fit_cell(cell)
    views, fitted = done.views, done.fitted
    right = (fitted.probabilities > done.threshold) == (labels == 1)
    of_label = labels == wanted.label
    ids = views.test.case_ids
    chosen = np.flatnonzero(np.isin(ids, wanted.cases) if wanted.cases else of_label & right)
    if not len(chosen):
        raise BenchmarkError(f"none of the {of_label.sum()} test cases of label {wanted.label} is predicted correctly: no map")
    module, batch = explainable(fitted.method, views.test)
    found = branches(module, batch)
    check_known(
        "view that the network sees", [wanted.view] if wanted.view else [], [view for each in found for view in each.views]
    )
    shown = [branch for branch in found if wanted.view in ("", *branch.views)]
    made: list[BranchMaps] = []
    for branch in shown:
        name, *_ = branch.views
        grid = tuple(views.test.images[name].shape[2:])
        kinds: Any = {kind: dict.fromkeys(wanted.cases or (MEAN,), np.float32(0)) for kind in ("grad_cam", "occlusion")}
        for case, maps in zip(ids[chosen].tolist(), case_maps(module, batch, branch, wanted.label, chosen), strict=True):
            for kind, sums in kinds.items():
                key, share = (case, 1) if wanted.cases else (MEAN, len(chosen))
                sums[key] = sums[key] + on_grid(getattr(maps, kind), grid, branch) / np.float32(share)
        made.append(BranchMaps(tuple(branch.views), branch.layer, branch.cells, **kinds))
    chances = fitted.probabilities[chosen].tolist()
    counts = int(of_label.sum()), int((of_label & right).sum())
    return Explained(cell.address.split, *counts, tuple(ids[chosen].tolist()), tuple(chances), tuple(made))
