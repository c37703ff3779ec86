"""Fidelity: whether what reports say of the image is true of it, by the lesion mask, and whether drafts agree with each other.

A draft is read for four claims: lesion volume, side, territories, ASPECTS. What it does not speak of is not judged. A volume is
true where the measured one rounds to it, by the steps that measured text is rounded by; a side where the lesion's main side is
the one named, or lies within `MARGIN` of it; a territory where at least `AREA_THRESHOLD` of it is damaged; a score where it is
the one that the mask gives, for either side where both are hit alike. So text written by measurement is true throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import AXIS, LESION_VOLUME, MASK
from benchmark.data.modalities.text import Reports
from benchmark.learning.writers.measurement import AREA_THRESHOLD, MOST_AREAS, SIDES, Findings, aspects_like

SENTENCE = re.compile(r"(?<=[.!?])\s+")
NUMBER = r"(\d{1,4}(?:[.,]\d{1,2})?)"
UNIT = r"\s*(?:ml|cc|cm3|cm\N{SUPERSCRIPT THREE}|millilit(?:re|er)s?)\b"
LESS = re.compile(rf"(?:less than|below|under|<)\s*(?:about\s*)?{NUMBER}{UNIT}", re.IGNORECASE)
RANGE = re.compile(rf"{NUMBER}\s*(?:-|\N{{EN DASH}}|to|and)\s*{NUMBER}{UNIT}", re.IGNORECASE)
VOLUME = re.compile(rf"{NUMBER}{UNIT}", re.IGNORECASE)
NO_CORE = re.compile(
    r"\bno (?:visible |measurable |evident |acute )?infarct(?:ion| core)?\b(?! in)|infarct core is not visible|no lesion", re.I
)
ASPECTS = re.compile(r"\bASPECTS?(?:-like)?(?: score)?[^0-9.]{0,30}?(10|\d)\b(?!\d|\.\d)", re.IGNORECASE)
BOTH = re.compile(r"\bbilateral(?:ly)?\b|\bboth (?:sides|hemispheres)\b", re.IGNORECASE)
MAINLY = re.compile(r"\b(?:mainly|mostly|predominantly|chiefly)\s+(?:on the\s+|in the\s+)?(left|right)", re.IGNORECASE)
SIDED = re.compile(
    r"\b(left|right)[- ]sided|\b(left|right)(?: cerebral)? hemispher|\bon the (left|right)(?: side)?\b", re.IGNORECASE
)
SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
NEGATED = re.compile(r"\b(?:no|not|without|spared|spares|sparing|intact|unaffected|uninvolved|preserved)\b", re.IGNORECASE)
ARTERIES: Mapping[str, tuple[str, ...]] = {
    "anterior cerebral artery": ("anterior cerebral", "aca"),
    "middle cerebral artery": ("middle cerebral", "lenticulostriate", "insula", "mca"),
    "posterior cerebral artery": ("posterior cerebral", "pca"),
    "vertebrobasilar": ("basilar", "cerebell", "vertebral", "brainstem", "brain stem", "pons"),
}
"""Main artery -> words that stand for it."""
MAIN = 0.6
"""Share of the lesion from which a side is the main one, as in measured text."""
MARGIN = 0.05
"""How far a share may lie from that: the side of the mask is measured on a coarser grid than measured text is."""


@dataclass(frozen=True)
class Claims:
    """What a draft claims; None, or empty, where it does not speak of a thing.

    volume : least and greatest ml. side : "left", "right" or "both". territories : names of the atlas, with sides.
    arteries : main arteries with sides. spoken : whether it speaks of territories at all, be it to say that none is affected.
    """

    volume: tuple[float, float] | None = None
    side: str | None = None
    territories: frozenset[str] = frozenset()
    arteries: frozenset[str] = frozenset()
    spoken: bool = False
    aspects: int | None = None


@dataclass(frozen=True)
class Truth:
    """What the mask says of a case.

    volume : ml, None where it is not measured. left : share of the lesion on the left, None without a lesion or sides.
    territories : atlas name -> damaged share; empty without an atlas.
    """

    volume: float | None = None
    left: float | None = None
    territories: Mapping[str, float] = field(default_factory=dict)

    @property
    def hit(self) -> list[str]:
        """The territories that count as affected, most damaged first, names breaking ties."""
        return sorted((name for name, share in self.territories.items() if share >= AREA_THRESHOLD), key=self._order)

    def _order(self, name: str) -> tuple[float, str]:
        return -self.territories[name], name

    @property
    def scores(self) -> frozenset[int]:
        """The ASPECTS-like scores that are true: of the worse side, of both where neither is clearly worse."""
        if not self.territories or self.left is None:
            return frozenset({10}) if self.volume == 0 and self.territories else frozenset()
        sides = [left for left in (True, False) if (self.left if left else 1 - self.left) >= 0.5 - MARGIN]
        return frozenset(
            aspects_like(Findings(self.volume or 0, float(left), float(not left), self.territories, 0.0)) for left in sides
        )


def truths(cohort: Cohort) -> list[Truth | None] | None:
    """What the masks say, None for a case without one; None for a dataset without masks."""
    if MASK not in cohort.images:
        return None
    there = cohort.having("image") & cohort.having(MASK)
    shares = _left_shares(cohort)
    volumes = (
        None if cohort.derived is None or LESION_VOLUME not in cohort.derived else cohort.derived[LESION_VOLUME].to_numpy()
    )
    names = [] if cohort.atlas is None or cohort.derived is None else [n for n in cohort.atlas.names if n in cohort.derived]
    damage = None if not names or cohort.derived is None else cohort.derived[names].to_numpy()
    found: list[Truth | None] = []
    for case in range(len(cohort)):
        if not there[case]:
            found.append(None)
            continue
        volume = None if volumes is None or np.isnan(volumes[case]) else float(volumes[case])
        left = None if np.isnan(shares[case]) else float(shares[case])
        territories = {} if damage is None else dict(zip(names, damage[case].tolist(), strict=True))
        found.append(Truth(volume, left, territories))
    return found


def _left_shares(cohort: Cohort) -> NDArray[np.float64]:
    """(n,) share of each lesion on the patient's left; NaN without a lesion.

    A voxel in a sided territory has that territory's side, as in measured text; what lies outside is divided as the mask is by
    the middle of its grid.
    """
    view, n = cohort.images[MASK], len(cohort)
    parts = [slice(start, start + 64) for start in range(0, n, 64)]
    axis = next(place for place, letter in enumerate(view.axes) if AXIS[letter] == "x")
    whole = np.concatenate([_mask_on_left(view[np.arange(n)[part]][:, 0], axis, view.axes[axis]) for part in parts])
    if cohort.atlas is None or cohort.derived is None or LESION_VOLUME not in cohort.derived:
        return whole
    sizes = np.bincount(np.asarray(cohort.atlas.labels).ravel(), minlength=len(cohort.atlas.names) + 1)[1:]
    inside = {side: np.zeros(n) for side in SIDES}
    for name, size in zip(cohort.atlas.names, sizes, strict=True):
        side = name.rpartition(" ")[2]
        if side in SIDES and name in cohort.derived:
            inside[side] += cohort.derived[name].to_numpy() * size * cohort.atlas.voxel_mm**3 / 1000
    volume = cohort.derived[LESION_VOLUME].to_numpy(dtype=np.float64)
    outside = np.clip(volume - inside["left"] - inside["right"], 0, None)
    lesion = np.where(volume > 0, volume, np.nan)
    return np.asarray((inside["left"] + outside * np.nan_to_num(whole, nan=0.5)) / lesion)


def _mask_on_left(masks: NDArray[np.float32], axis: int, points_to: str) -> NDArray[np.float64]:
    """(n,) share of each mask (n, x, y, z) in the left half of its grid, whose `axis` points to the left or to the right."""
    along = np.moveaxis(masks, 1 + axis, 1).sum(axis=(2, 3), dtype=np.float64)
    place = (np.arange(along.shape[1]) + 0.5) / along.shape[1] - 0.5
    weight = 0.5 + 0.5 * np.sign(place if points_to == "L" else -place)
    total = along.sum(axis=1)
    return np.asarray((along * weight).sum(axis=1) / np.where(total > 0, total, np.nan))


def read_claims(draft: str, names: Sequence[str]) -> Claims:
    """The claims of a draft; names : the atlas's territories."""
    sentences = SENTENCE.split(draft)
    territories: set[str] = set()
    arteries: set[str] = set()
    spoken = False
    for sentence in sentences:
        named, meant = _territories(sentence, names), _arteries(sentence)
        spoken = spoken or bool(named or meant) or "territor" in sentence.casefold()
        if not NEGATED.search(sentence):
            territories |= named
            arteries |= _arteries_of(named) if named else meant
    return Claims(_volume(draft), _side(sentences), frozenset(territories), frozenset(arteries), spoken, _aspects(draft))


def _volume(draft: str) -> tuple[float, float] | None:
    if less := LESS.search(draft):
        return 0.0, _number(less[1])
    if between := RANGE.search(draft):
        return _number(between[1]), _number(between[2])
    if one := VOLUME.search(draft):
        value = _number(one[1])
        half = step_of(value) / 2
        return max(value - half, 0.0), value + half
    return (0.0, 0.0) if NO_CORE.search(draft) else None


def step_of(volume: float) -> float:
    """The step to which measured text rounds a volume in ml."""
    return next(step for top, step in ((5, 0.5), (20, 1.0), (50, 5.0), (200, 10.0), (float("inf"), 50.0)) if volume < top)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _side(sentences: Sequence[str]) -> str | None:
    """The side of the lesion as a whole: as it is named, or else the one that all territories have."""
    for sentence in sentences:
        if mainly := MAINLY.search(sentence):
            return mainly[1].lower()
        if BOTH.search(sentence):
            return "both"
        if (named := SIDED.search(sentence)) and not NEGATED.search(sentence):
            return next(part for part in named.groups() if part).lower()
        if re.search(r"laterality", sentence, re.IGNORECASE) and (one := SIDE.search(sentence)):
            return one[1].lower()
    words = {side.lower() for sentence in sentences if not NEGATED.search(sentence) for side in SIDE.findall(sentence)}
    return None if not words else words.pop() if len(words) == 1 else "both"


def _territories(sentence: str, names: Sequence[str]) -> set[str]:
    """The atlas's names in a sentence, as "left basilar" or "basilar left"; the longest where one lies in another."""
    pattern, spelled = _forms(tuple(names))
    return {spelled[form] for form in pattern.findall(sentence.casefold())} if spelled else set()


@lru_cache(maxsize=4)
def _forms(names: tuple[str, ...]) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """What finds the names, and form in lower case -> name."""
    forms = {}
    for name in names:
        body, _, last = name.casefold().rpartition(" ")
        forms[name.casefold()] = name
        if last in SIDES and body:
            forms[f"{last} {body}"] = name
    longest = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest))})(?!\w)"), forms


def _arteries(sentence: str) -> set[str]:
    """The main arteries that a sentence names in any words, each with the sentence's side or sides."""
    text = sentence.casefold()
    sides = ["left", "right"] if BOTH.search(sentence) else sorted({side.casefold() for side in SIDE.findall(sentence)})
    named = [artery for artery, words in ARTERIES.items() if any(re.search(rf"(?<!\w){word}", text) for word in words)]
    return {f"{artery} {side}" for artery in named for side in sides}


def _artery(name: str) -> str:
    """The main artery, with its side, of a territory of the atlas; empty for others."""
    body, _, side = name.rpartition(" ")
    artery = next((artery for artery, words in ARTERIES.items() if any(word in body for word in words)), "")
    return f"{artery} {side}" if artery and side in SIDES else ""


def _aspects(draft: str) -> int | None:
    found = ASPECTS.search(draft)
    return None if found is None else int(found[1])


def judged(reports: Reports, known: Sequence[Truth | None] | None, names: Sequence[str]) -> dict[str, Any]:
    """The fidelity of the drafts of all cases (n), by what the masks say; without masks only how far drafts agree."""
    claims = [[read_claims(draft, names) for draft in drafts] for drafts in reports]
    report: dict[str, Any] = {
        "cases": len(reports),
        "cases_with_drafts": sum(map(bool, reports)),
        "drafts": sum(map(len, reports)),
        "distinct_drafts": len({draft for drafts in reports for draft in drafts}),
        "agreement": _agreement(claims),
    }
    if known is None:
        return {**report, "against_mask": None}
    pairs = [(claim, truth) for own, truth in zip(claims, known, strict=True) if truth is not None for claim in own]
    return {
        **report,
        "against_mask": {
            "volume": _volumes(claims, known, pairs),
            "side": _sides(pairs),
            "territories": _areas(pairs, "territories"),
            "arteries": _areas(pairs, "arteries"),
            "aspects": _scores(pairs),
        },
    }


Pair = tuple[Claims, Truth]


def _volumes(claims: Sequence[Sequence[Claims]], known: Sequence[Truth | None], pairs: Sequence[Pair]) -> dict[str, Any]:
    stated = [(claim.volume, truth.volume) for claim, truth in pairs if claim.volume is not None and truth.volume is not None]
    errors = [abs(fmean(volume) - truth) for volume, truth in stated]
    by_case = [
        (fmean(fmean(claim.volume) for claim in own if claim.volume is not None), truth.volume)
        for own, truth in zip(claims, known, strict=True)
        if truth is not None and truth.volume is not None and any(claim.volume is not None for claim in own)
    ]
    return {
        "claims": len(stated),
        "true": _mean(low - 1e-6 <= truth <= high + 1e-6 for (low, high), truth in stated),
        "within_half": _mean(abs(fmean(volume) - truth) <= max(truth / 2, 0.5) for volume, truth in stated),
        "median_absolute_error_ml": median(errors) if errors else None,
        "rank_correlation": _spearman(by_case),
    }


def _sides(pairs: Sequence[Pair]) -> dict[str, Any]:
    stated = [(claim.side, truth.left) for claim, truth in pairs if claim.side is not None and truth.left is not None]
    return {"claims": len(stated), "true": _mean(is_true_side(side, left) for side, left in stated)}


def is_true_side(side: str, left: float) -> bool:
    """Whether a lesion of which a share lies on the left has that main side."""
    own = left if side == "left" else 1 - left
    return abs(left - 0.5) <= MAIN - 0.5 + MARGIN if side == "both" else own >= MAIN - MARGIN


def _areas(pairs: Sequence[Pair], kind: str) -> dict[str, Any]:
    """Share of the named areas that are hit, and share of the hit ones, the most damaged of them, that are named."""
    named = hit = due = recalled = drafts = 0
    for claim, truth in pairs:
        if not truth.territories or not claim.spoken:
            continue
        said, true, most = claim.territories, set(truth.hit), set(truth.hit[:MOST_AREAS])
        if kind == "arteries":
            said, true, most = claim.arteries, _arteries_of(true), _arteries_of(most)
        drafts, named, hit = drafts + 1, named + len(said), hit + len(said & true)
        due, recalled = due + len(most), recalled + len(said & most)
    precision, recall = (part / whole if whole else None for part, whole in ((hit, named), (recalled, due)))
    return {"drafts": drafts, "named": named, "precision": precision, "recall": recall}


def _arteries_of(names: Iterable[str]) -> set[str]:
    return {_artery(name) for name in names} - {""}


def _scores(pairs: Sequence[Pair]) -> dict[str, Any]:
    stated = [(claim.aspects, truth.scores) for claim, truth in pairs if claim.aspects is not None and truth.scores]
    return {
        "claims": len(stated),
        "true": _mean(score in scores for score, scores in stated),
        "mean_absolute_error": fmean(min(abs(score - one) for one in scores) for score, scores in stated) if stated else None,
    }


def _agreement(claims: Sequence[Sequence[Claims]]) -> dict[str, Any]:
    """Share of pairs of drafts of one case that claim the same, of those that both speak of a thing."""

    def pairs(thing: str) -> Iterator[tuple[Any, Any]]:
        for own in claims:
            values = [getattr(claim, thing) for claim in own]
            yield from combinations([value for value in values if value is not None and value != frozenset()], 2)

    return {
        "volume": _mean(first[0] <= second[1] and second[0] <= first[1] for first, second in pairs("volume")),
        "side": _mean(first == second for first, second in pairs("side")),
        "territories": _mean(len(first & second) / len(first | second) for first, second in pairs("territories")),
        "aspects": _mean(first == second for first, second in pairs("aspects")),
    }


def _mean(values: Any) -> float | None:
    listed = [float(value) for value in values]
    return fmean(listed) if listed else None


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Rank correlation; None of fewer than three cases, or where all are equal."""
    from scipy.stats import rankdata

    if len(pairs) < 3:
        return None
    first, second = (rankdata(side) for side in zip(*pairs, strict=True))
    if not np.std(first) or not np.std(second):
        return None
    return float(np.corrcoef(first, second)[0, 1])
