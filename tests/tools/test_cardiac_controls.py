"""The tool that holds the law of `synthetic-cardiac` against simple readers of table, ECG and volume."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from datasets.cardiac.people import HOSPITALS, draw_people
from datasets.risk.people import LABELLED, POOL, origins
from tools import cardiac_controls
from tools.cardiac_controls import BEFORE, cross_validated_auc, logistic_regression, median_beats, read_volumes, statistics


@pytest.mark.slow
def test_it_prints_the_optimum_and_every_control_of_the_draw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {purpose: origins(2, purpose, HOSPITALS)[:150] for purpose in (LABELLED, POOL)}
    asked = []
    monkeypatch.setattr(cardiac_controls, "origins", lambda seed, purpose, _: asked.append(seed) or few[purpose])
    cardiac_controls.main("2")
    people = draw_people(few[LABELLED])
    draw, best, *rest = capsys.readouterr().out.splitlines()
    assert set(asked) == {2}
    assert draw == f"seed 2: {people.infarction.sum()} of 150 cases have label 1"
    assert best == f"oracle_auc: {roc_auc_score(people.infarction, people.terms.probability):.3f}"
    assert [line.split(":")[0] for line in rest[:6]] == [
        f"oracle_auc_{part}" for part in ("ecg_image_table", "ecg_table", "image_table", "ecg", "image", "table")
    ]
    assert len(rest) == 22
    for line in rest[6:]:
        mean, span = line.split(": ")[-1].split(" ", 1)
        low, high = (float(word) for word in span.strip("()").split(" to "))
        assert 0.2 < low <= float(mean) <= high < 1


def test_the_median_beat_is_that_of_a_recording_whose_beats_are_all_alike() -> None:
    beat = np.exp(-0.5 * ((np.arange(80) - 40) / 1.5) ** 2)
    recording = np.tile(beat, 12)[None] * np.linspace(0.5, 1.5, 12)[:, None]
    found = median_beats(recording[None])[0]
    assert abs(int(found[5].argmax()) - BEFORE) <= 2
    np.testing.assert_allclose(found.max(axis=1), np.linspace(0.5, 1.5, 12), atol=1e-6)


def test_statistics_of_a_lead_are_those_of_numpy() -> None:
    recording = np.random.default_rng(1).normal(size=(2, 12, 1000))
    columns = statistics(recording).reshape(2, 10, 12)
    np.testing.assert_allclose(columns[:, 1], recording.std(axis=2))
    np.testing.assert_allclose(columns[:, 6], np.median(recording, axis=2))


def test_the_reading_of_a_ring_that_squeezes_on_one_side_shows_that_side() -> None:
    y, x = 11.5 - np.arange(24)[:, None], np.arange(24)[None, :] - 11.5
    right = x > 0
    radii = 5 - 2 * np.sin(np.pi * np.arange(8) / 8)[:, None, None] * right
    volume = np.where(np.hypot(x, y) < radii, 0.8, 0.1)
    motion = read_volumes(volume[None])[0, :12]
    assert motion[0] > 3 * motion[6]


def test_a_column_that_is_the_label_has_an_auc_of_1_and_noise_one_of_half() -> None:
    labels = np.tile([0, 0, 0, 1], 100).astype(np.int8)
    noise = np.random.default_rng(2).normal(size=(400, 1))
    assert cross_validated_auc(labels[:, None] + 0.0 * noise, labels, logistic_regression()) == 1
    assert abs(cross_validated_auc(noise, labels, logistic_regression()) - 0.5) < 0.1
