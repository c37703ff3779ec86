"""The tool that holds the law of `synthetic-risk` against rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.data.protocols.repeated_cv import RepeatedCV
from datasets.risk.people import LABELLED, draw_people, origins
from datasets.synthetic_risk import SyntheticRisk
from tools import risk_controls


@pytest.mark.slow
def test_it_prints_the_optimum_and_the_auc_of_each_row_on_the_first_test_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = draw_people(origins(2, LABELLED)[:600])
    cohort = replace(SyntheticRisk(2)._view(people, "case"), labels=people.stroke.astype(np.int8), facts={"oracle_auc": 0.8333})
    asked = []
    monkeypatch.setattr(risk_controls, "load_cohort", lambda spelled, catalogue: asked.append(spelled) or cohort)
    risk_controls.main("2", "majority", "logistic-regression")
    draw, majority, regression = capsys.readouterr().out.splitlines()
    assert asked == ["synthetic-risk[seed=2]"]
    test = next(iter(RepeatedCV(repeats=1).splits(cohort))).test
    assert draw == f"seed 2: optimum 0.833, {people.stroke[test].sum()} of 120 test cases have label 1"
    assert majority.startswith("majority: 0.500 ")
    best = roc_auc_score(people.stroke[test], people.terms.probability[test])
    assert 0.5 < float(regression.split()[1]) < best
