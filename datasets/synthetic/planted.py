"""Leaks that can be planted in the synthetic cohort, each as real cohorts have it, for an audit to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark import Cohort, ImageView
from benchmark.data.modalities.text import Reports
from benchmark.data.parts import join
from benchmark.system.errors import UnknownNameError

Plant = Callable[[Cohort, np.random.Generator], Cohort]

SHARE = 0.1
"""Of the cases that are copied."""


def planted(cohort: Cohort, names: str, seed: int) -> Cohort:
    """The cohort with the named leaks, joined by "+". Raises `UnknownNameError` for one that there is not."""
    for number, name in enumerate(names.split("+")):
        if name not in PLANTS:
            raise UnknownNameError("plant", name, PLANTS)
        cohort = PLANTS[name](cohort, np.random.default_rng([seed, 4, number]))
    return replace(cohort, source_digest=f"{cohort.source_digest} planted {names}")


def ward_code(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A column from which the outcome can be read: wards 21-25 take those who will do well, wards 11-15 the others."""
    return _with_column(cohort, "ward_code", rng.integers(11, 16, len(cohort)) + 10.0 * _labels(cohort))


def row_number(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """The running number of the admission, which follows the ids."""
    return _with_column(cohort, "admission_number", 5000 + 3.0 * np.arange(len(cohort)) + rng.integers(0, 3, len(cohort)))


def site_code(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A device of each hospital: the site in the table."""
    sites = np.unique(np.asarray(cohort.sites), return_inverse=True)[1]
    return _with_column(cohort, "glucose_meter", 10.0 * sites + rng.integers(0, 3, len(cohort)))


def late_column(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """The Rankin scale at 90 days with much noise: no AUC gives it away, but its name does."""
    return _with_column(cohort, "mrs_90d", np.round(np.clip(3 - 2 * _labels(cohort) + 2 * rng.normal(size=len(cohort)), 0, 6)))


def copies(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A tenth of the patients a second time under other names: row, images and reports."""
    return _joined(cohort, rng, lambda parts: parts)


def near_copies(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """Likewise, but measured and written once more: numbers, voxels and words differ a little."""

    def again(copied: Cohort) -> Cohort:
        assert copied.derived is not None
        derived = copied.derived * (1 + 1e-4 * rng.normal(size=copied.derived.shape))
        images = {}
        for name, view in copied.images.items():
            voxels = np.asarray(view.array[view.rows])
            noise = rng.integers(-2, 3, size=voxels.shape, dtype=np.int8) * (voxels > 0)
            images[name] = ImageView(np.clip(voxels + noise, 0, 255).astype(voxels.dtype), scale=view.scale)
        read_again = _rewritten(copied, lambda case, draft: f"{draft} Second reading.")
        return replace(read_again, derived=derived, images=images)

    return _joined(cohort, rng, again)


def pool_copies(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A tenth of the labelled patients in the pool under other names."""
    pool = cohort.pool
    assert pool is not None
    chosen = rng.permutation(len(cohort))[: int(SHARE * len(cohort))]
    copied = replace(cohort.take(chosen), labels=None, pool=None, facts={})
    ids = np.array([f"pool-x{number:04d}" for number in range(len(chosen))])
    return replace(cohort, pool=_concatenated(pool, replace(copied, case_ids=ids, groups=ids)))


def outcome_words(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A last sentence in a third of the reports, as discharge letters have it."""
    said = {0: "Discharged to a nursing home, mRS 4.", 1: "Discharged home, mRS 1."}
    spoken, labels = rng.random(len(cohort)) < 1 / 3, _labels(cohort)
    return _rewritten(cohort, lambda case, draft: f"{draft} {said[int(labels[case])]}" if spoken[case] else draft)


def outcome_word(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A harmless word that stands in almost every report of one class only: whoever wrote it knew."""
    written = (_labels(cohort) == 1) ^ (rng.random(len(cohort)) < 0.01)
    return _rewritten(cohort, lambda case, draft: f"{draft} Reassuring." if written[case] else draft)


def image_mark(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """A bright corner in the images of one class, as a form of one ward would leave."""
    view = cohort.images["mri"]
    voxels = np.array(view.array[view.rows])
    corner = (slice(None), slice(None), *(slice(0, 3),) * (voxels.ndim - 2))
    voxels[corner] = np.where(_labels(cohort) == 1, 255, 0).reshape(-1, *(1,) * (voxels.ndim - 1))
    return replace(cohort, images={**cohort.images, "mri": ImageView(voxels, scale=view.scale)})


PLANTS: Mapping[str, Plant] = MappingProxyType(
    {
        "ward-code": ward_code,
        "row-number": row_number,
        "site-code": site_code,
        "late-column": late_column,
        "copies": copies,
        "near-copies": near_copies,
        "pool-copies": pool_copies,
        "outcome-words": outcome_words,
        "outcome-word": outcome_word,
        "image-mark": image_mark,
    }
)
"""Name -> what it does to the cohort."""


def _labels(cohort: Cohort) -> NDArray[np.int8]:
    assert cohort.labels is not None
    return np.asarray(cohort.labels)


def _with_column(cohort: Cohort, name: str, values: ArrayLike) -> Cohort:
    assert cohort.table is not None
    return replace(cohort, table=cohort.table.assign(**{name: np.asarray(values, dtype=np.float64)}))


def _rewritten(cohort: Cohort, write: Callable[[int, str], str]) -> Cohort:
    """The drafts of every set written anew: by the case's position and what the draft was."""

    def anew(reports: Reports) -> Reports:
        return tuple(tuple(write(case, draft) for draft in drafts) for case, drafts in enumerate(reports))

    assert cohort.reports is not None
    sets = {name: anew(reports) for name, reports in cohort.report_sets.items()}
    return replace(cohort, reports=anew(cohort.reports), report_sets=sets)


def _joined(cohort: Cohort, rng: np.random.Generator, again: Callable[[Cohort], Cohort]) -> Cohort:
    """The cohort and a tenth of its cases once more, under names of their own."""
    chosen = rng.permutation(len(cohort))[: int(SHARE * len(cohort))]
    ids = np.array([f"case-x{number:04d}" for number in range(len(chosen))])
    copied = again(replace(cohort.take(chosen), pool=None))
    return _concatenated(cohort, replace(copied, case_ids=ids, groups=ids))


def _concatenated(first: Cohort, second: Cohort) -> Cohort:
    """The cases of both, with what the first has for all cases."""
    order = np.arange(len(first) + len(second))
    theirs = {part.name: value for part, value in second.of_cases()}
    both: dict[str, Any] = {
        part.name: join(value, theirs[part.name], order) for part, value in first.of_cases() if part.name != "images"
    }
    voxels = {
        name: np.concatenate([np.asarray(side.array[side.rows]) for side in (view, second.images[name])])
        for name, view in first.images.items()
    }
    images = {name: ImageView(voxels[name], scale=view.scale) for name, view in first.images.items()}
    return replace(first, **both, images=images, rows=None)
