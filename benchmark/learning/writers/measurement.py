"""Report text from measurement: a lesion mask and an atlas give findings, findings give sentences.

Such text is a function of the image, not a radiologist's reading: it can tell a method nothing that the mask does not
hold, and leaderboards call it that. Topics are those of the source paper's five prompts: infarct core volume, an
ASPECTS-like score, lesion areas, mass effect and the NIHSS range. The last one is no measurement of the image; it is off
by default and impossible where the label is made of it.

A sentence holds one finding, and figures are rounded to steps, so that a whole dataset has a few hundred distinct
sentences (each is encoded once). Wording is drawn by a hash of seed, case and draft: it depends on no other case.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.data.modalities.image import Atlas
from benchmark.data.modalities.text import Reports
from benchmark.system.errors import BenchmarkError, DataError

DEFAULT_TOPICS = ("core-volume", "aspects", "lesion-areas", "mass-effect")
TOPICS = (*DEFAULT_TOPICS, "nihss")
SIDES = ("left", "right")
MOST_AREAS = 6
AREA_THRESHOLD = 0.01
"""Damaged fraction from which a territory is mentioned; at most the `MOST_AREAS` most damaged ones are."""

_MIDDLE_CEREBRAL = ("middle cerebral", "lenticulostriate", "insula", "mca")


@dataclass(frozen=True)
class Findings:
    """What is measured on one case.

    volume_ml : lesion volume.
    left_ml, right_ml : its parts in the two hemispheres (patient's left and right).
    territories : atlas name, with its side -> damaged fraction in [0, 1], in the atlas's order.
    mass_effect : lesion volume of the worse hemisphere over the volume of its territories, from 0 to about 1. A proxy: a
        mask in template space shows no midline shift, but swelling goes with the infarct's share of a hemisphere.
    nihss : the score as recorded, if the dataset has one and allows reports to state it.
    """

    volume_ml: float
    left_ml: float
    right_ml: float
    territories: Mapping[str, float]
    mass_effect: float
    nihss: float | None = None


def measure_voxels(voxels: NDArray[np.intp], atlas: Atlas) -> Findings:
    """Findings of a lesion, given as the flat (C order) indices of its voxels on the atlas's grid.

    The grid's first axis runs from side to side. A voxel inside a sided territory has that territory's side; one outside all
    territories has the side of the plane halfway between the left and the right territories. So neither the grid's
    orientation nor an affine has to be assumed. Where no territory has a side, `left_ml` and `right_ml` are zero and
    `mass_effect` is the damaged share of all.
    """
    grid = _prepare(atlas)
    counts = np.bincount(grid.codes[voxels], minlength=len(atlas.names) + 3)
    inside = counts[1 : len(atlas.names) + 1]
    ml = atlas.voxel_mm**3 / 1000
    lesion = {side: int(inside[grid.sided[side]].sum() + counts[len(atlas.names) + 1 + i]) for i, side in enumerate(SIDES)}
    worse = max(SIDES, key=lambda side: lesion[side])
    damaged, whole = lesion[worse], int(grid.sizes[grid.sided[worse]].sum())
    if whole == 0:
        damaged, whole = int(inside.sum()), max(int(grid.sizes.sum()), 1)
    fractions = inside / np.maximum(grid.sizes, 1)
    return Findings(
        volume_ml=len(voxels) * ml,
        left_ml=lesion["left"] * ml,
        right_ml=lesion["right"] * ml,
        territories=dict(zip(atlas.names, fractions.tolist(), strict=True)),
        mass_effect=damaged / whole,
    )


@dataclass(frozen=True, eq=False)
class _Grid:
    """An atlas ready for counting.

    `codes` (flat, C order): 0 = nowhere, k = territory k, then one code for each side outside the territories. `sizes` (k,)
    in voxels; `sided` side -> (k,) bool, the territories of that side.
    """

    codes: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    sided: Mapping[str, NDArray[np.bool_]]


@lru_cache(maxsize=4)
def _prepare(atlas: Atlas) -> _Grid:
    count = len(atlas.names)
    if count > 253 or int(atlas.labels.max(initial=0)) > count:
        raise DataError(f"atlas labels reach {atlas.labels.max()}, names {count}: expected one name per label, at most 253")
    sizes = np.bincount(atlas.labels.ravel(), minlength=count + 1)[1:]
    sided = {side: np.array([name.endswith(f" {side}") for name in atlas.names], dtype=bool) for side in SIDES}
    codes = atlas.labels.astype(np.uint8)
    if sided["left"].any() and sided["right"].any():
        x = np.arange(codes.shape[0])
        left, right = (_mean_position(atlas.labels, sided[side]) for side in SIDES)
        leftward = (x - (left + right) / 2) * np.sign(left - right)
        outside = np.where(leftward > 0, count + 1, np.where(leftward < 0, count + 2, 0)).astype(np.uint8)
        codes = np.where(codes == 0, outside[:, None, None], codes)
    return _Grid(np.ascontiguousarray(codes).ravel(), sizes, sided)


def _mean_position(labels: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> float:
    """Mean index along the first axis of the voxels whose territory is chosen."""
    counts = np.concatenate([[False], chosen])[labels].sum(axis=(1, 2))
    return float(np.average(np.arange(len(counts)), weights=counts))


def aspects_like(findings: Findings) -> int:
    """Ten minus the damage of the worse hemisphere's middle-cerebral-artery territories, never below 0.

    A territory costs a point from 10 % damage and a second one from 50 %. It resembles ASPECTS in range and direction only: the
    regions are the atlas's. Where the atlas names no such territory, all of that side count.
    """
    side = "left" if findings.left_ml >= findings.right_ml else "right"
    own = {name: share for name, share in findings.territories.items() if not name.endswith(SIDES) or name.endswith(side)}
    core = {name: share for name, share in own.items() if any(word in name.lower() for word in _MIDDLE_CEREBRAL)}
    lost = sum((share >= 0.1) + (share >= 0.5) for share in (core or own).values())
    return max(10 - lost, 0)


def write_reports(
    case_ids: Sequence[str],
    findings: Sequence[Findings],
    *,
    seed: int = 0,
    drafts: int = 4,
    topics: Sequence[str] = DEFAULT_TOPICS,
    label_made_of: Collection[str] = (),
) -> Reports:
    r"""Drafts of every case's report: same findings, other words.

    Sentences split at `(?<=[.!?])\s+`. `label_made_of` names what the dataset's label is computed from.
    Raises `BenchmarkError` for an unknown topic and for a topic that the label is made of.
    """
    for topic in topics:
        if topic not in TOPICS:
            raise BenchmarkError(f"unknown text topic '{topic}': known: {', '.join(TOPICS)}")
        if topic in label_made_of:
            raise BenchmarkError(f"text topic '{topic}' is impossible where the label is made of it: leave it out of `topics`")
    return tuple(
        tuple(_draft(measured, f"{seed}|{case}|{draft}", topics) for draft in range(drafts))
        for case, measured in zip(case_ids, findings, strict=True)
    )


def _draft(findings: Findings, key: str, topics: Sequence[str]) -> str:
    sentences = []
    for topic in topics:
        for place, (wordings, values) in enumerate(_SENTENCES[topic](findings)):
            drawn = hashlib.blake2b(f"{key}|{topic}|{place}".encode(), digest_size=8).digest()
            sentences.append(wordings[int.from_bytes(drawn, "big") % len(wordings)].format(**values))
    return " ".join(sentences)


_Sentence = tuple[tuple[str, ...], dict[str, str]]
"""Wordings to draw from, and what fills their gaps."""

_VOLUME = (
    "Infarct core volume is about {ml} ml.",
    "The infarct core measures roughly {ml} ml.",
    "Estimated core volume: {ml} ml.",
)
_NO_LESION = ("No infarct core is seen.", "There is no measurable infarct core.", "An infarct core is not visible.")
_SCORE = (
    "The ASPECTS-like score is {score} of 10.",
    "An ASPECTS-like score of {score} is obtained.",
    "ASPECTS-like score: {score}.",
)
_SIDE = ("The lesion is {side}.", "Laterality: {side}.", "The infarct is {side}.")
_AREA = (
    "{extent} of the {territory} territory is affected.",
    "The {territory} territory is involved: {extent_small}.",
    "There is infarction in the {territory} territory, {extent_small} of it.",
)
_NO_AREA = ("No arterial territory is affected.", "All arterial territories are spared.", "No territory is involved.")
_MASS = (
    "{effect} mass effect is to be expected.",
    "With this extent {effect_small} mass effect is likely.",
    "The extent suggests {effect_small} mass effect.",
)
_NIHSS = (
    "The NIHSS lies between {low} and {high}.",
    "NIHSS range: {low} to {high}.",
    "Deficits fit an NIHSS of {low} to {high}.",
)

_EXTENTS = ((0.05, "a trace"), (0.25, "a small part"), (0.5, "a considerable part"), (0.9, "most"), (math.inf, "nearly all"))
_EFFECTS = ((0.03, "no"), (0.1, "slight"), (0.2, "moderate"), (math.inf, "marked"))
_NIHSS_RANGES = ((0, 0), (1, 4), (5, 15), (16, 20), (21, 42))


def _volume(findings: Findings) -> Iterator[_Sentence]:
    if findings.volume_ml <= 0:
        yield _NO_LESION, {}
    else:
        yield _VOLUME, {"ml": _rounded_ml(findings.volume_ml)}


def _aspects(findings: Findings) -> Iterator[_Sentence]:
    yield _SCORE, {"score": str(aspects_like(findings))}


def _areas(findings: Findings) -> Iterator[_Sentence]:
    if findings.left_ml + findings.right_ml > 0:
        yield _SIDE, {"side": _side(findings)}
    damaged = [(share, name) for name, share in findings.territories.items() if share >= AREA_THRESHOLD]
    damaged = sorted(damaged, key=lambda item: (-item[0], item[1]))[:MOST_AREAS]
    if not damaged:
        yield _NO_AREA, {}
    for share, name in damaged:
        extent = _band(share, _EXTENTS)
        yield _AREA, {"territory": _spoken(name), "extent": extent.capitalize(), "extent_small": extent}


def _mass(findings: Findings) -> Iterator[_Sentence]:
    effect = _band(findings.mass_effect, _EFFECTS)
    yield _MASS, {"effect": effect.capitalize(), "effect_small": effect}


def _nihss(findings: Findings) -> Iterator[_Sentence]:
    if findings.nihss is not None and not math.isnan(findings.nihss):
        low, high = next(band for band in _NIHSS_RANGES if findings.nihss <= band[1] or band[1] == 42)
        yield _NIHSS, {"low": str(low), "high": str(high)}


_SENTENCES: Mapping[str, Callable[[Findings], Iterator[_Sentence]]] = {
    "core-volume": _volume,
    "aspects": _aspects,
    "lesion-areas": _areas,
    "mass-effect": _mass,
    "nihss": _nihss,
}


def _rounded_ml(volume: float) -> str:
    """Half millilitres up to 5, then steps of 1, 5, 10 and 50."""
    if volume < 0.25:
        return "less than 0.5"
    step = next(step for top, step in ((5, 0.5), (20, 1), (50, 5), (200, 10), (math.inf, 50)) if volume < top)
    return f"{round(volume / step) * step:g}"


def _side(findings: Findings) -> str:
    share = findings.left_ml / (findings.left_ml + findings.right_ml)
    if share >= 0.95:
        return "left-sided"
    if share <= 0.05:
        return "right-sided"
    if 0.4 <= share <= 0.6:
        return "bilateral"
    return f"bilateral, mainly {'left' if share > 0.5 else 'right'}"


def _spoken(name: str) -> str:
    """'basilar left' -> 'left basilar'."""
    body, _, last = name.rpartition(" ")
    return f"{last} {body}" if last in SIDES and body else name


def _band(value: float, bands: Sequence[tuple[float, str]]) -> str:
    return next(word for top, word in bands if value < top)
