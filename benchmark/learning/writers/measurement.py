"""Report text from measurement: a lesion mask and an atlas give findings, findings give sentences.

Such text is a function of the image, not a radiologist's reading: it can tell a method nothing that the mask does not
hold, and leaderboards call it that. A draft speaks of all topics (`write_reports`) or of one (`write_topics`). Topics are
those of the source paper's five prompts: infarct core volume, an ASPECTS-like score, lesion areas, mass effect and the NIHSS
range. The last one is no measurement of the image; it is off by default and impossible where the label is made of it.

A sentence holds one finding, and figures are rounded to steps, so that a whole dataset has a few hundred distinct
sentences (each is encoded once). Wording is drawn by a hash of seed, case and draft: it depends on no other case.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
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


@lru_cache(maxsize=4)
def _prepare(atlas: Atlas) -> tuple[NDArray[np.uint8], NDArray[np.int64], Mapping[str, NDArray[np.bool_]]]:
    """An atlas ready for counting: codes of its voxels, sizes of its territories in voxels, and which are of each side.

    Codes (flat, C order): 0 = nowhere, k = territory k, then one code for each side outside the territories.
    """
    count = len(atlas.names)
    if count > 253 or int(atlas.labels.max(initial=0)) > count:
        raise DataError(f"atlas labels reach {atlas.labels.max()}, names {count}: expected one name per label, at most 253")
    sizes = np.bincount(atlas.labels.ravel(), minlength=count + 1)[1:]
    sided = {side: np.array([name.endswith(f" {side}") for name in atlas.names], dtype=bool) for side in SIDES}
    codes = atlas.labels.astype(np.uint8)
    if sided["left"].any() and sided["right"].any():
        left, right = (_mean_position(atlas.labels, sided[side]) for side in SIDES)
        leftward = (np.arange(codes.shape[0]) - (left + right) / 2) * np.sign(left - right)
        outside = np.where(leftward > 0, count + 1, np.where(leftward < 0, count + 2, 0)).astype(np.uint8)
        codes = np.where(codes == 0, outside[:, None, None], codes)
    return np.ascontiguousarray(codes).ravel(), sizes, sided


def _mean_position(labels: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> float:
    """Mean index along the first axis of the voxels whose territory is chosen."""
    counts = np.concatenate([[False], chosen])[labels].sum(axis=(1, 2))
    return float(np.average(np.arange(len(counts)), weights=counts))


def measure_voxels(voxels: NDArray[np.intp], atlas: Atlas) -> Findings:
    """Findings of a lesion, given as the flat (C order) indices of its voxels on the atlas's grid.

    The grid's first axis runs from side to side. A voxel inside a sided territory has that territory's side; one outside all
    territories has the side of the plane halfway between the left and the right territories. So neither the grid's
    orientation nor an affine has to be assumed. Where no territory has a side, `left_ml` and `right_ml` are zero and
    `mass_effect` is the damaged share of all.
    """
    codes, sizes, sided = _prepare(atlas)
    counts = np.bincount(codes[voxels], minlength=len(atlas.names) + 3)
    inside = counts[1 : len(atlas.names) + 1]
    ml = atlas.voxel_mm**3 / 1000
    lesion = {side: int(inside[sided[side]].sum() + counts[len(atlas.names) + 1 + i]) for i, side in enumerate(SIDES)}
    worse = max(SIDES, key=lambda side: lesion[side])
    damaged, whole = lesion[worse], int(sizes[sided[worse]].sum())
    if whole == 0:
        damaged, whole = int(inside.sum()), max(int(sizes.sum()), 1)
    return Findings(
        volume_ml=len(voxels) * ml,
        left_ml=lesion["left"] * ml,
        right_ml=lesion["right"] * ml,
        territories=dict(zip(atlas.names, (inside / np.maximum(sizes, 1)).tolist(), strict=True)),
        mass_effect=damaged / whole,
    )


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
    _check(topics, label_made_of)
    return tuple(
        tuple(_draft(measured, f"{seed}|{case}|{draft}", topics) for draft in range(drafts))
        for case, measured in zip(case_ids, findings, strict=True)
    )


def write_topics(
    case_ids: Sequence[str],
    findings: Sequence[Findings],
    *,
    seed: int = 0,
    topics: Sequence[str] = DEFAULT_TOPICS,
    label_made_of: Collection[str] = (),
) -> Reports:
    """One draft of every case for each topic that there is something to say on: the first report of `write_reports`, cut.

    Raises as `write_reports` does.
    """
    _check(topics, label_made_of)
    by_topic = (
        [_draft(measured, f"{seed}|{case}|0", [topic]) for topic in topics]
        for case, measured in zip(case_ids, findings, strict=True)
    )
    return tuple(tuple(filter(None, drafts)) for drafts in by_topic)


def _check(topics: Sequence[str], label_made_of: Collection[str]) -> None:
    for topic in topics:
        if topic not in TOPICS:
            raise BenchmarkError(f"unknown text topic '{topic}': known: {', '.join(TOPICS)}")
        if topic in label_made_of:
            raise BenchmarkError(f"text topic '{topic}' is impossible where the label is made of it: leave it out of `topics`")


def _draft(findings: Findings, key: str, topics: Sequence[str]) -> str:
    sentences, spoken = _sentences(findings), []
    for topic in topics:
        for place, (kind, values) in enumerate(sentences[topic]):
            drawn = hashlib.blake2b(f"{key}|{topic}|{place}".encode(), digest_size=8).digest()
            wordings = _WORDINGS[kind]
            spoken.append(wordings[int.from_bytes(drawn, "big") % len(wordings)].format(**values))
    return " ".join(spoken)


_WORDINGS = {
    "volume": (
        "Infarct core volume is about {ml} ml.",
        "The infarct core measures roughly {ml} ml.",
        "Estimated core volume: {ml} ml.",
    ),
    "no lesion": ("No infarct core is seen.", "There is no measurable infarct core.", "An infarct core is not visible."),
    "score": (
        "The ASPECTS-like score is {score} of 10.",
        "An ASPECTS-like score of {score} is obtained.",
        "ASPECTS-like score: {score}.",
    ),
    "side": ("The lesion is {side}.", "Laterality: {side}.", "The infarct is {side}."),
    "area": (
        "{extent} of the {territory} territory is affected.",
        "The {territory} territory is involved: {extent_small}.",
        "There is infarction in the {territory} territory, {extent_small} of it.",
    ),
    "no area": ("No arterial territory is affected.", "All arterial territories are spared.", "No territory is involved."),
    "mass": (
        "{extent} mass effect is to be expected.",
        "With this extent {extent_small} mass effect is likely.",
        "The extent suggests {extent_small} mass effect.",
    ),
    "nihss": (
        "The NIHSS lies between {low} and {high}.",
        "NIHSS range: {low} to {high}.",
        "Deficits fit an NIHSS of {low} to {high}.",
    ),
}
"""Kind of sentence -> wordings to draw from."""

_EXTENTS = ((0.05, "a trace"), (0.25, "a small part"), (0.5, "a considerable part"), (0.9, "most"), (math.inf, "nearly all"))
_EFFECTS = ((0.03, "no"), (0.1, "slight"), (0.2, "moderate"), (math.inf, "marked"))
_NIHSS_RANGES = ((0, 0), (1, 4), (5, 15), (16, 20), (21, 42))


def _sentences(findings: Findings) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Topic -> the kind of each sentence on it, and what fills the gaps of its wording."""
    volume, nihss = findings.volume_ml, math.nan if findings.nihss is None else findings.nihss
    sides = [("side", {"side": _side(findings)})] if findings.left_ml + findings.right_ml > 0 else []
    damaged = [(-share, name) for name, share in findings.territories.items() if share >= AREA_THRESHOLD]
    areas = [("area", {"territory": _spoken(name), **_band(-less, _EXTENTS)}) for less, name in sorted(damaged)[:MOST_AREAS]]
    ranges = [{"low": str(low), "high": str(high)} for low, high in _NIHSS_RANGES if min(nihss, 42) <= high]
    return {
        "core-volume": [("volume", {"ml": _rounded_ml(volume)}) if volume > 0 else ("no lesion", {})],
        "aspects": [("score", {"score": str(aspects_like(findings))})],
        "lesion-areas": sides + (areas or [("no area", {})]),
        "mass-effect": [("mass", _band(findings.mass_effect, _EFFECTS))],
        "nihss": [("nihss", values) for values in ranges[:1]],
    }


def _rounded_ml(volume: float) -> str:
    """Half millilitres up to 5, then steps of 1, 5, 10 and 50."""
    if volume < 0.25:
        return "less than 0.5"
    step = next(step for top, step in ((5, 0.5), (20, 1), (50, 5), (200, 10), (math.inf, 50)) if volume < top)
    return f"{round(volume / step) * step:g}"


def _side(findings: Findings) -> str:
    share = findings.left_ml / (findings.left_ml + findings.right_ml)
    if 0.4 <= share <= 0.6:
        return "bilateral"
    side = "left" if share > 0.5 else "right"
    return f"{side}-sided" if share >= 0.95 or share <= 0.05 else f"bilateral, mainly {side}"


def _spoken(name: str) -> str:
    """'basilar left' -> 'left basilar'."""
    body, _, last = name.rpartition(" ")
    return f"{last} {body}" if last in SIDES and body else name


def _band(value: float, bands: Sequence[tuple[float, str]]) -> dict[str, str]:
    word = next(word for top, word in bands if value < top)
    return {"extent": word.capitalize(), "extent_small": word}
