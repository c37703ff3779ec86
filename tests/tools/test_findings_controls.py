"""The tool that holds the law of `synthetic-findings` against simple readers and a small network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from datasets.findings.people import DEPARTMENTS, FINDINGS
from datasets.risk.people import LABELLED, POOL, origins
from datasets.synthetic_findings import SyntheticFindings
from tools import findings_controls
from tools.findings_controls import Draw, alike, brightest, line, networks, predicted, regression


@pytest.fixture(scope="module")
def few() -> Draw:
    """150 people of the draw of seed 2."""
    people = {purpose: origins(2, purpose, DEPARTMENTS)[:150] for purpose in (LABELLED, POOL)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.synthetic_findings.origins", lambda seed, purpose, departments: people[purpose])
        return Draw(SyntheticFindings(seed=2).build(None))


@pytest.mark.slow
def test_it_prints_the_draw_its_optimum_and_every_control(
    few: Draw, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SyntheticFindings, "build", lambda self, sources: few.cohort)
    monkeypatch.setattr(findings_controls, "trees", lambda: regression(0.01))
    findings_controls.main("2")
    draw, *rest = capsys.readouterr().out.splitlines()
    counts = ", ".join(f"{name} {few.cohort.findings[name].sum()}" for name in FINDINGS)
    assert draw == f"seed 2: {few.cohort.labels.sum()} of 150 cases have a finding: {counts}"
    assert rest[0] == f"oracle_auc: {few.cohort.facts['oracle_auc']:.3f}"
    assert [text.split(":")[0] for text in rest[7:]] == [
        *(f"nearest neighbours of pixels, k = {k}" for k in (1, 5, 20, 50)),
        "logistic regression on 60 principal components",
        "boosted trees on readings of the voxels",
        "words of the report",
        "the same, asked of the held-out wording",
    ]


def test_a_line_has_the_aucs_of_each_finding_their_mean_and_that_of_any() -> None:
    findings = np.tile(np.array([[0, 0], [0, 1], [1, 0], [0, 0]], dtype=np.int8), (5, 1))
    noise = np.random.default_rng(0).random((20, 2))
    first, second = (roc_auc_score(findings[:, k], noise[:, k]) for k in range(2))
    either = roc_auc_score(findings.any(axis=1), 1 - (1 - noise[:, 0]) * (1 - noise[:, 1]))
    expected = f"noise: {first:.3f} {second:.3f}; macro {(first + second) / 2:.3f}, any {either:.3f}"
    assert line("noise", findings, noise) == expected


def test_features_that_are_the_findings_tell_them_and_noise_does_not(few: Draw) -> None:
    findings = few.findings.astype(float)
    assert "macro 1.000" in line("", few.findings, predicted(few, findings, lambda: regression(1.0)))
    noise = np.random.default_rng(1).normal(size=(150, 3))
    scores = predicted(few, noise, lambda: regression(1.0))
    assert 0.3 < np.mean([roc_auc_score(few.findings[:, k], scores[:, k]) for k in range(5)]) < 0.7


def test_neighbours_are_those_of_scikit_learns_classifier(few: Draw) -> None:
    features = np.random.default_rng(4).normal(size=(150, 3)) + 3 * few.findings[:, :1]
    for k, scores in zip((1, 5, 20, 50), alike(few, features), strict=True):
        np.testing.assert_allclose(scores, predicted(few, features, lambda k=k: KNeighborsClassifier(k)))


def test_readings_of_the_brightest_voxels_see_a_spot() -> None:
    rng = np.random.default_rng(2)
    scans = 1 + 0.05 * rng.normal(size=(6, 2, 12, 12, 12)).astype(np.float32)
    scans[0, 0, 5:7, 5:7, 5:7] += 1
    columns = brightest(scans)
    assert columns.shape == (6, 32)
    assert columns[0].argmax() < 16 and columns[0, :16].max() > 5 * columns[1:, :16].max(axis=1).mean()


@pytest.mark.slow
def test_the_network_sees_no_finding_of_the_test_cases(few: Draw) -> None:
    """Other findings of the test cases leave what it gives them as it was."""
    (_, first, test), *_ = networks(few, epochs=10)
    turned = few.findings.copy()
    turned[test] = 1 - turned[test]
    other = Draw(replace(few.cohort, findings=pd.DataFrame(turned, columns=list(FINDINGS))))
    object.__setattr__(other, "folds", few.folds)
    (_, second, _), *_ = networks(other, epochs=10)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (30, 5) and ((first > 0) & (first < 1)).all()
