"""Reports with Findings and Summary, and wrong ones: each is written from what it states, in words drawn by a hash of the case.

As in the writer of measured reports, a word depends on no other case and on nothing else that is drawn: a report that states
one thing more, less or on the other side has the same words otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.modalities.text import Reports
from datasets.findings.chance import pick, share
from datasets.findings.people import FINDINGS, PLACES, SIDES, People, Spot
from datasets.findings.scans import shown
from datasets.findings.wording import TRAINING, Wording

DENIED, BOTH, CONCLUDED = 0.55, 0.4, 0.3
"""Share of the absent findings that are denied, of the pairs that one sentence denies, of the summaries that deny one."""
SIZES = (1.25, 1.9)
"""What a scan shows from which a lesion is called middling and large."""
ATROPHY = 1.0
"""Level of atrophy from which it is spoken of; it is no finding."""
KINDS = ("exchanged", "side-swapped", "finding-removed", "finding-invented")
"""Ways in which a report can be wrong."""


@dataclass(frozen=True)
class Told:
    """What a report states: finding -> how large (0 to 2), for those that are there; where they lie or would lie; atrophy."""

    findings: Mapping[str, int]
    spots: Mapping[str, Spot]
    atrophy: bool = False

    @property
    def sided(self) -> bool:
        """Whether it names a side."""
        return any(finding in PLACES for finding in self.findings)


def told_of(people: People) -> list[Told]:
    """What the report of each person states."""
    return [
        Told(
            {
                name: int(np.searchsorted(SIZES, shown(name, float(people.state[name].iloc[k]))))
                for name in FINDINGS
                if people.findings[name].iloc[k]
            },
            people.spots[k],
            bool(people.state["atrophy"].iloc[k] > ATROPHY),
        )
        for k in range(len(people))
    ]


def write(told: Told, key: str, wording: Wording = TRAINING) -> str:
    """The report, whose words are drawn by the key."""
    absent = [name for name in FINDINGS if name not in told.findings]
    denied = [name for name in absent if share(key, f"deny {name}") < DENIED]
    sentences = [
        (name, _filled(told, name, pick(key, f"state {name}", wording.stated[name]), key, wording)) for name in told.findings
    ]
    if {"infarct", "bleed"} <= set(denied) and share(key, "both") < BOTH:
        sentences.append(("both", pick(key, "both words", wording.both_denied)))
        sentences += [
            (name, pick(key, f"no {name}", wording.denied[name])) for name in denied if name not in ("infarct", "bleed")
        ]
    else:
        sentences += [(name, pick(key, f"no {name}", wording.denied[name])) for name in denied]
    if told.atrophy:
        sentences.append(("atrophy", pick(key, "atrophy", wording.atrophy)))
    elif "hydrocephalus" in absent and "hydrocephalus" not in denied:
        sentences.append(("ventricles", pick(key, "ventricles", wording.ventricles)))
    sentences += [(f"aside {k}", aside) for k, aside in enumerate(_some(key, wording.incidental))]
    sentences.sort(key=lambda sentence: share(key, f"order {sentence[0]}"))
    concluded = [
        _filled(told, name, pick(key, f"conclude {name}", wording.concluded[name]), key, wording) for name in told.findings
    ]
    if not concluded:
        concluded = [pick(key, "normal", wording.normal)]
    elif denied and share(key, "conclude no") < CONCLUDED:
        concluded.append(pick(key, "conclude no words", wording.denied[denied[0]]))
    return f"Findings: {' '.join(sentence for _, sentence in sentences)} Summary: {' '.join(concluded)}"


def write_reports(told: Sequence[Told | None], keys: Sequence[str], wording: Wording = TRAINING) -> Reports:
    """One draft for each case, none where there is nothing to state."""
    return tuple(() if case is None else (write(case, key, wording),) for case, key in zip(told, keys, strict=True))


def wrong_reports(
    kind: str, told: Sequence[Told], keys: Sequence[str], others: Sequence[Told], wording: Wording = TRAINING
) -> Reports:
    """Reports that are wrong in that way, none where it does not apply; an exchanged one has words of its own."""
    words = [f"{key}|{kind}" if kind == "exchanged" else key for key in keys]
    return write_reports([altered(kind, case, key, others) for case, key in zip(told, keys, strict=True)], words, wording)


def altered(kind: str, told: Told, key: str, others: Sequence[Told]) -> Told | None:
    """What a report of that kind states in place of what is so; None where the kind does not apply.

    `others` : what reports of other people state, one of which an exchanged report takes, with other findings.
    """
    if kind == "exchanged":
        first = int(share(key, kind) * len(others))
        turned = (others[(first + step) % len(others)] for step in range(len(others)))
        return next((other for other in turned if set(other.findings) != set(told.findings)), None)
    if kind == "side-swapped":
        swapped = {name: replace(spot, side=SIDES[1 - SIDES.index(spot.side)]) for name, spot in told.spots.items()}
        return replace(told, spots=swapped) if told.sided else None
    absent = [name for name in FINDINGS if name not in told.findings]
    candidates = list(told.findings) if kind == "finding-removed" else absent
    if not candidates:
        return None
    chosen = pick(key, kind, candidates)
    if kind == "finding-removed":
        return replace(told, findings={name: size for name, size in told.findings.items() if name != chosen})
    size = pick(key, f"{kind} size", range(3))
    return replace(
        told, findings={name: told.findings.get(name, size) for name in FINDINGS if name not in absent or name == chosen}
    )


def with_errors(told: Told, key: str, others: Sequence[Told], errors: float) -> Told:
    """What a report states, wrong in one of the four ways for that share of the keys."""
    if share(key, "wrong") >= errors:
        return told
    ways = [way for kind in KINDS if (way := altered(kind, told, key, others)) is not None]
    return pick(key, "way", ways)


def _filled(told: Told, finding: str, pattern: str, key: str, wording: Wording) -> str:
    """The sentence with its size, side and place."""
    spot = told.spots.get(finding, Spot("", ""))
    size = pick(key, f"size {finding}", wording.sizes[told.findings[finding]])
    sentence = pattern.format(size=size, Size=size.capitalize(), side=spot.side, Side=spot.side.capitalize(), place=spot.place)
    for vowel in "aeiou":
        sentence = sentence.replace(f"A {vowel}", f"An {vowel}").replace(f" a {vowel}", f" an {vowel}")
    return sentence


def _some(key: str, sentences: Sequence[str]) -> list[str]:
    """One to three of them."""
    count = 1 + int(3 * share(key, "asides"))
    return sorted(sentences, key=lambda sentence: share(key, sentence))[:count]
