"""Findings against brute force, and report text: deterministic, one finding per sentence, silent on the label."""

from __future__ import annotations

import math
import re
from itertools import product

import numpy as np
import pytest

from benchmark.data.modalities.image import Atlas
from benchmark.learning.writers.measurement import (
    DEFAULT_TOPICS,
    TOPICS,
    Findings,
    aspects_like,
    measure_voxels,
    write_reports,
    write_topics,
)
from benchmark.system.errors import BenchmarkError

SHAPE = (11, 6, 5)
NAMES = ("frontal pars of middle cerebral artery left", "frontal pars of middle cerebral artery right", "brain stem")


def made_atlas(flipped: bool = False) -> Atlas:
    """Left territory at high x (as in the real atlas, stored from right to left), stem in the middle, a rim without any."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[6:10, 1:5, 1:4] = 1
    labels[1:5, 1:5, 1:4] = 2
    labels[5, 2:4, 1:4] = 3
    return Atlas(np.ascontiguousarray(labels[::-1]) if flipped else labels, NAMES, 2.0)


def random_mask(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE) < 0.3


def measure(mask: np.ndarray, atlas: Atlas) -> Findings:
    return measure_voxels(np.flatnonzero(mask), atlas)


def found(volume: float = 12.4, share: float = 0.3, nihss: float | None = None) -> Findings:
    return Findings(volume, volume, 0.0, {NAMES[0]: share, NAMES[1]: 0.0, NAMES[2]: 0.02}, share, nihss)


def sentences(draft: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", draft)


@pytest.mark.parametrize("seed", range(5))
def test_volume_and_fractions_are_those_of_counting_voxels(seed: int) -> None:
    mask, atlas = random_mask(seed), made_atlas()
    findings = measure(mask, atlas)
    assert findings.volume_ml == pytest.approx(mask.sum() * 8 / 1000)
    assert list(findings.territories) == list(NAMES)
    for k, name in enumerate(NAMES, 1):
        inside = atlas.labels == k
        assert findings.territories[name] == pytest.approx((mask & inside).sum() / inside.sum())
    assert findings == measure(mask.astype(np.uint8), atlas)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_side_is_the_patients_whichever_way_the_grid_runs(flipped: bool) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10, 0, 0] = mask[7, 2, 2] = True  # outside all territories, and inside the left one
    findings = measure(mask[::-1] if flipped else mask, made_atlas(flipped))
    assert (findings.left_ml, findings.right_ml) == pytest.approx((0.016, 0.0))


def test_voxels_of_the_midline_have_no_side() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5] = True
    findings = measure(mask, made_atlas())
    assert findings.volume_ml > 0
    assert findings.left_ml == findings.right_ml == 0


def test_mass_effect_is_the_share_of_the_worse_hemisphere() -> None:
    atlas = made_atlas()
    mask = atlas.labels == 2
    mask[6:8, 1:5, 1:4] = True  # half of the left one
    assert measure(mask, atlas).mass_effect == pytest.approx(1.0)
    assert measure(atlas.labels == 0, atlas).mass_effect > 0


def test_an_atlas_without_sides_measures_the_damaged_share_of_all() -> None:
    atlas = Atlas(made_atlas().labels, ("septal", "apical", "lateral"), 2.0)
    findings = measure(atlas.labels == 1, atlas)
    assert findings.left_ml == findings.right_ml == 0
    assert findings.mass_effect == pytest.approx(48 / 102)
    assert all(sentences(draft) for draft in write_reports(["a"], [findings])[0])


def test_an_empty_mask_has_no_findings_and_says_so() -> None:
    findings = measure(np.zeros(SHAPE, bool), made_atlas())
    assert findings.volume_ml == findings.mass_effect == 0
    assert aspects_like(findings) == 10
    draft = write_reports(["a"], [findings], drafts=1)[0][0]
    assert "infarct core" in sentences(draft)[0]
    assert "left" not in draft


@pytest.mark.parametrize(("share", "score"), [(0.0, 10), (0.09, 10), (0.1, 9), (0.49, 9), (0.5, 8)])
def test_the_aspects_like_score_falls_with_middle_cerebral_damage(share: float, score: int) -> None:
    assert aspects_like(found(share=share)) == score


def test_the_same_seed_writes_the_same_text_and_another_does_not() -> None:
    cases, findings = [f"case-{i}" for i in range(20)], [found(volume=3.0 * i) for i in range(20)]
    assert write_reports(cases, findings, seed=1) == write_reports(cases, findings, seed=1)
    assert write_reports(cases, findings, seed=1) != write_reports(cases, findings, seed=2)


def test_a_cases_text_depends_on_no_other_case() -> None:
    cases, findings = [f"case-{i}" for i in range(20)], [found(volume=3.0 * i) for i in range(20)]
    whole = write_reports(cases, findings)
    assert write_reports(cases[::-1], findings[::-1]) == whole[::-1]
    assert write_reports(cases[7:8], findings[7:8]) == whole[7:8]


def test_further_drafts_leave_the_first_ones_as_they_were_and_differ_in_words() -> None:
    few, many = (write_reports(["a"], [found()], drafts=n)[0] for n in (2, 8))
    assert many[:2] == few
    assert len(set(many)) > 4


def test_a_sentence_holds_one_finding_and_decimals_stay_whole() -> None:
    for draft in write_reports(["a"], [found(volume=2.4)], drafts=12)[0]:
        split = sentences(draft)
        assert len(split) == 6  # volume, score, side, two territories, mass effect
        assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in split)
        assert "2.5 ml" in split[0]
        assert split[3].count("territory") == split[4].count("territory") == 1


def test_figures_are_rounded_so_that_sentences_repeat() -> None:
    findings = [
        found(volume=float(v), share=s) for v, s in zip(np.linspace(0, 400, 3000), np.linspace(0, 1, 3000), strict=True)
    ]
    reports = write_reports([f"case-{i}" for i in range(3000)], findings)
    assert len({sentence for drafts in reports for draft in drafts for sentence in sentences(draft)}) < 250


def test_nihss_is_not_spoken_of_unless_asked_for() -> None:
    assert "nihss" not in DEFAULT_TOPICS
    assert not any("NIHSS" in draft for draft in write_reports(["a"], [found(nihss=12)], drafts=12)[0])
    for draft in write_reports(["a"], [found(nihss=12)], drafts=12, topics=TOPICS)[0]:
        assert "NIHSS" in draft and "5" in draft and "15" in draft


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_an_unknown_nihss_is_not_spoken_of(unknown: float | None) -> None:
    assert not any("NIHSS" in draft for draft in write_reports(["a"], [found(nihss=unknown)], topics=TOPICS)[0])


def test_nihss_is_impossible_where_the_label_is_made_of_it() -> None:
    with pytest.raises(BenchmarkError, match="'nihss' is impossible where the label is made of it"):
        write_reports(["a"], [found(nihss=12)], topics=TOPICS, label_made_of=("nihss",))
    assert write_reports(["a"], [found(nihss=12)], label_made_of=("nihss",))


def test_an_unknown_topic_is_named_with_those_that_are_known() -> None:
    with pytest.raises(BenchmarkError, match="unknown text topic 'oedema': known: core-volume, "):
        write_reports(["a"], [found()], topics=("oedema",))


# One draft for each topic

SPOKEN = (
    {"Infarct core volume is about 12 ml.", "The infarct core measures roughly 12 ml.", "Estimated core volume: 12 ml."},
    {"The ASPECTS-like score is 9 of 10.", "An ASPECTS-like score of 9 is obtained.", "ASPECTS-like score: 9."},
    {
        " ".join(said)
        for said in product(
            ("The lesion is left-sided.", "Laterality: left-sided.", "The infarct is left-sided."),
            (
                "A considerable part of the left frontal pars of middle cerebral artery territory is affected.",
                "The left frontal pars of middle cerebral artery territory is involved: a considerable part.",
                "There is infarction in the left frontal pars of middle cerebral artery territory, a considerable part of it.",
            ),
            (
                "A trace of the brain stem territory is affected.",
                "The brain stem territory is involved: a trace.",
                "There is infarction in the brain stem territory, a trace of it.",
            ),
        )
    },
    {
        "Marked mass effect is to be expected.",
        "With this extent marked mass effect is likely.",
        "The extent suggests marked mass effect.",
    },
)
"""What can be said of `found()` on each topic."""


def test_each_topic_has_a_draft_of_all_its_sentences_and_of_no_others() -> None:
    for drafts in write_topics([f"case-{i}" for i in range(30)], [found()] * 30):
        assert len(drafts) == len(DEFAULT_TOPICS)
        assert all(draft in said for draft, said in zip(drafts, SPOKEN, strict=True))


def test_drafts_on_topics_are_the_first_report_cut_by_topic() -> None:
    cases, findings = [f"case-{i}" for i in range(20)], [found(volume=3.0 * i, nihss=i) for i in range(20)]
    for topics in (DEFAULT_TOPICS, TOPICS):
        cut = write_topics(cases, findings, seed=4, topics=topics)
        whole = write_reports(cases, findings, seed=4, topics=topics, drafts=1)
        assert tuple((" ".join(drafts),) for drafts in cut) == whole
    assert len({drafts for drafts in write_topics(cases, [found()] * 20)}) > 10


def test_a_topic_with_nothing_to_say_gives_no_draft() -> None:
    (with_score,), (without,) = (write_topics(["a"], [found(nihss=score)], topics=TOPICS) for score in (7.0, None))
    assert len(with_score) == 5 and "NIHSS" in with_score[-1]
    assert without == with_score[:4]


def test_a_topic_that_the_label_is_made_of_or_that_there_is_not_has_no_draft() -> None:
    with pytest.raises(BenchmarkError, match="'nihss' is impossible where the label is made of it"):
        write_topics(["a"], [found(nihss=7.0)], topics=TOPICS, label_made_of={"nihss"})
    with pytest.raises(BenchmarkError, match="unknown text topic 'aspect'"):
        write_topics(["a"], [found()], topics=("aspect",))
