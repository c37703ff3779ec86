"""Section matching: which sections a report has, the loss in closed form, and that partners come together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from benchmark.learning.text_vision.language import LanguageModel, Schedule, trained_language
from benchmark.learning.text_vision.matching import TEMPERATURE, Sections, alike, match_sections, matching_loss, sections_in
from benchmark.learning.text_vision.matching import sections_of as read
from tests.learning.text_vision.made_reports import PLACES, QUICK, SIZE, report


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [report([name for name in PLACES if rng.random() < 0.4], rng) for _ in range(count)]


def fresh() -> LanguageModel:
    torch.set_num_threads(1)
    return trained_language(texts(40, 0), 300, SIZE, QUICK, 5)[0]


def test_sections_are_what_stands_under_the_two_headings() -> None:
    expected = Sections("No mass.\nNo bleed.", "Normal.")
    for words in ("Findings: No mass.\nNo bleed.\nSummary: Normal.", "x\nFINDINGS : No mass.\nNo bleed. IMPRESSION: Normal. "):
        assert read(words) == expected


@pytest.mark.parametrize("words", ["", "No mass.", "Findings: No mass.", "Summary: Normal.", "Findings: Summary: Normal."])
def test_a_report_without_both_sections_is_no_pair(words: str) -> None:
    assert read(words) is None


def test_each_distinct_draft_is_one_pair() -> None:
    drafts = ("Findings: a. Summary: b.", "Findings: c. Summary: d.")
    assert sections_in([*drafts, *drafts[:1], "no sections"]) == [Sections("a.", "b."), Sections("c.", "d.")]


def test_the_loss_is_the_cross_entropy_of_finding_the_partner_in_both_directions() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    half = math.sqrt(0.5)
    cosine = np.array([[1, half], [0, half]]) / TEMPERATURE

    def direction(logits: np.ndarray) -> float:
        return float(np.mean([np.log(np.exp(row - row[own]).sum()) for own, row in enumerate(logits)]))

    expected = (direction(cosine) + direction(cosine.T)) / 2
    found = float(matching_loss(a, b, torch.eye(2, dtype=torch.bool)))
    assert found == pytest.approx(expected, rel=1e-5)
    assert expected == pytest.approx(math.log(2) / 4, abs=1e-3)  # all is told apart but for the tie in the second column


def test_pairs_of_equal_words_are_no_negatives() -> None:
    drawn = torch.Generator().manual_seed(0)
    a, b = torch.randn(3, 4, generator=drawn), torch.randn(3, 4, generator=drawn)
    b[2] = b[0]  # two normal scans, with one summary
    same = alike(["normal", "infarct", "normal"])
    assert same.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    left = [[0, 1], [1, 0, 2], [2, 1]]
    logits = normalize(a) @ normalize(b).T / TEMPERATURE
    rows = torch.stack([torch.logsumexp(logits[row, among], 0) - logits[row, row] for row, among in enumerate(left)])
    columns = torch.stack([torch.logsumexp(logits[among, row], 0) - logits[row, row] for row, among in enumerate(left)])
    assert float(matching_loss(a, b, same)) == pytest.approx(float((rows.mean() + columns.mean()) / 2), rel=1e-5)


def test_matching_brings_findings_and_summary_of_unseen_reports_together() -> None:
    model, pairs = fresh(), sections_in(texts(200, 1))
    unseen = {each.summary: each for each in sections_in(texts(60, 2))}

    def found() -> float:
        both = [model.vectors([getattr(each, name) for each in unseen.values()]) for name in ("findings", "summary")]
        nearest = (normalize(both[0]) @ normalize(both[1]).T).argmax(1)
        return float((nearest == torch.arange(len(unseen))).float().mean())

    before = found()
    loss = match_sections(model, pairs, Schedule(30, 32, 5e-3), 3)
    assert len(loss) == 30 and loss[-1] < loss[0] / 2
    assert before < 0.5 < 0.9 < found()


def test_matching_gives_the_same_bytes_twice_and_fewer_than_two_pairs_change_nothing() -> None:
    pairs = sections_in(texts(40, 1))
    twice = []
    for _ in range(2):
        model = fresh()
        match_sections(model, pairs, Schedule(2, 16, 1e-3), 3)
        twice.append(model.vectors(["Acute mass."]).numpy().tobytes())
    assert twice[0] == twice[1]
    plain = fresh().vectors(["Acute mass."]).numpy().tobytes()
    assert plain != twice[0]
    model = fresh()
    assert len(match_sections(model, pairs[:1], Schedule(2, 16, 1e-3), 3)) == 0
    assert model.vectors(["Acute mass."]).numpy().tobytes() == plain


def test_a_section_of_five_thousand_words_is_matched_like_any_other() -> None:
    long = Sections("no sign of mass . " * 1250, "Normal brain.")
    loss = match_sections(fresh(), [long, Sections("restricted diffusion", "Acute infarct.")], Schedule(1, 2, 1e-3), 3)
    assert np.isfinite(loss).all()
