"""Findings of `soop-findings` by measurement of a lesion mask, its reports, and reports that are wrong in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from benchmark.learning.writers.measurement import AREA_THRESHOLD, SIDES, Findings, write_reports
from datasets.findings.chance import pick, share
from datasets.synthetic.brain import ARTERIES

T = TypeVar("T")
U = TypeVar("U")
LARGE_ML = 70.0
"""Volume from which an infarct is called large: DEFUSE 3 took infarct cores below it (Albers et al., NEJM 2018;378:708)."""
LEAST_SIDE = 0.05
"""Share of the lesion above which a side is a finding; the writer calls a lesion bilateral by the same share."""
GROUPS = {artery.removesuffix(" artery").replace(" ", "-"): artery for artery in ARTERIES}
"""Finding -> the artery whose territories are its group: one of the atlas's own groups, of both sides."""
NAMES = (*SIDES, "large", *GROUPS)
SUMMARIES = (
    "{Size} infarct, {side}, in the territory of the {arteries}.",
    "{Side} infarct, {size}, of the {arteries}.",
    "{Size} {side} infarct involving the {arteries}.",
)
ELSEWHERE = (
    "{Size} infarct, {side}, outside the arterial territories.",
    "{Side} infarct, {size}, that spares the arterial territories.",
)
"""Patterns where no group is affected."""
TRIES = 30
"""Other masks that are looked at for one whose territories add a single finding."""
WORDS = {True: ("large", "extensive"), False: ("limited", "circumscribed")}
"""Whether an infarct is large -> words for its size."""

Millilitres = Mapping[str, float]
"""Territory -> its volume."""
Others = Sequence[tuple[Findings, Mapping[str, bool]]]
"""What was measured on other masks, and the findings of each."""


def findings_of(measured: Findings) -> dict[str, bool]:
    """Finding -> whether it is there, by the rules of the card."""
    whole = max(measured.left_ml + measured.right_ml, 1e-9)
    sides = (measured.left_ml / whole > LEAST_SIDE, measured.right_ml / whole > LEAST_SIDE)
    groups = (
        any(measured.territories[name] >= AREA_THRESHOLD for name in territories_of(group, measured.territories))
        for group in GROUPS
    )
    return dict(zip(NAMES, (*sides, measured.volume_ml >= LARGE_ML, *groups), strict=True))


def write(measured: Findings, case: str, words: str) -> str:
    """The writer's draft on all topics under Findings, and a Summary of the findings; `words` draws its wording."""
    (draft,) = write_reports([words], [measured], drafts=1)[0]
    found = findings_of(measured)
    sides = [side for side in SIDES if found[side]]
    size = pick(words, "size", WORDS[found["large"]])
    side = f"{sides[0]}-sided" if len(sides) == 1 else "bilateral"
    arteries = [artery.replace("basilar", "basilar arteries") for group, artery in GROUPS.items() if found[group]]
    listed = " and ".join([", ".join(arteries[:-1]), arteries[-1]] if arteries[1:] else arteries)
    summary = pick(words, "summary", SUMMARIES if arteries else ELSEWHERE).format(
        size=size, Size=size.capitalize(), side=side, Side=side.capitalize(), arteries=listed
    )
    return f"Findings: {draft} Summary: {summary}"


def wrong_reports(
    kind: str, cases: Sequence[tuple[str, Findings]], others: Others, sizes: Millilitres
) -> tuple[tuple[str, ...], ...]:
    """Reports that are wrong in that way, none where it does not apply; an exchanged one has words of its own."""
    ways = [(case, altered(kind, measured, case, others, sizes)) for case, measured in cases]
    return tuple(
        () if way is None else (write(way, case, f"{case}|{kind}" if kind == "exchanged" else case),) for case, way in ways
    )


def altered(kind: str, measured: Findings, case: str, others: Others, sizes: Millilitres) -> Findings | None:
    """What a report of that kind states in place of what was measured; None where the kind does not apply.

    exchanged : what was measured on one of the `others`, with other findings. side-swapped : the mirror image, where one side
    is affected. finding-removed, finding-invented : with one group of territories less, or one more as one of the others has
    it, and no other finding changed. Volume, sides and mass effect follow.
    """
    found = findings_of(measured)
    if kind == "exchanged":
        return next((other for other, theirs in _turned(case, kind, others) if theirs != found), None)
    if kind == "side-swapped":
        return None if found["left"] and found["right"] else _mirrored(measured)
    there = kind == "finding-removed"
    groups = [group for group, _ in _turned(case, kind, [(group, ()) for group in GROUPS if found[group] == there])]
    ways = (
        (group, _changed(measured, {name: damaged for name, damaged in donor.items() if name in own}, sizes))
        for group in groups
        for own in [territories_of(group, measured.territories)]
        for donor in _donors(group, case, kind, measured, others)
    )
    return next((way for group, way in ways if findings_of(way) == {**found, group: not there}), None)


def _donors(group: str, case: str, kind: str, measured: Findings, others: Others) -> Iterator[Mapping[str, float]]:
    """Damaged shares that a group may have in a wrong report: none, or those of other masks that have the group."""
    if kind == "finding-removed":
        yield dict.fromkeys(measured.territories, 0.0)
    else:
        yield from (other.territories for other, theirs in _turned(case, f"{kind} {group}", others)[:TRIES] if theirs[group])


def territories_of(group: str, names: Mapping[str, float]) -> list[str]:
    """The atlas's territories that belong to a group."""
    return [name for name in names if any(part in name for part in ARTERIES[GROUPS[group]])]


def _turned(case: str, kind: str, options: Sequence[tuple[T, U]]) -> list[tuple[T, U]]:
    """The options in their order, beginning somewhere, by the case."""
    first = int(share(case, kind) * len(options))
    return [*options[first:], *options[:first]]


def _mirrored(measured: Findings) -> Findings:
    """The same on the other side."""
    other = dict(measured.territories)
    swap = {"left": "right", "right": "left"}
    for name in other:
        body, _, side = name.rpartition(" ")
        if side in swap:
            other[name] = measured.territories[f"{body} {swap[side]}"]
    return replace(measured, left_ml=measured.right_ml, right_ml=measured.left_ml, territories=other)


def _changed(measured: Findings, shares: Mapping[str, float], sizes: Millilitres) -> Findings:
    """With other damaged shares of some territories, and volumes and mass effect to match."""
    gained = dict.fromkeys(SIDES, 0.0)
    for name, damaged in shares.items():
        if (side := name.rpartition(" ")[2]) in gained:
            gained[side] += (damaged - measured.territories[name]) * sizes[name]
    left, right = max(measured.left_ml + gained["left"], 0.0), max(measured.right_ml + gained["right"], 0.0)
    effect = measured.mass_effect * max(left, right) / max(measured.left_ml, measured.right_ml)
    volume = max(measured.volume_ml + sum(gained.values()), 0.0)
    return replace(
        measured,
        volume_ml=volume,
        left_ml=left,
        right_ml=right,
        territories={**measured.territories, **shares},
        mass_effect=min(effect, 1.0),
    )
