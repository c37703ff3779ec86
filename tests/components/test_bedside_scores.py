"""Bedside scores: probabilities that keep the order of one score read off the table, and where they do not apply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from baselines.consciousness import Consciousness
from baselines.deficits import SIGNS, Deficits
from baselines.nihss import NIHSS
from baselines.span import SPAN
from benchmark.cells.rows import read_reference
from benchmark.cells.task import read_task
from benchmark.data.cohort import Cohort
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT
from tests.made_benchmark import MadeBenchmark


def cohort(table: pd.DataFrame, labels: np.ndarray) -> Cohort:
    """Patients with this table."""
    ids = np.array([f"case-{i:04d}" for i in range(len(labels))])
    return Cohort("hospital", ids, labels=labels.astype(np.int8), table=table, rows=np.arange(len(labels)))


def patients(n: int = 300, seed: int = 0) -> Cohort:
    """Patients who do worse the higher NIHSS and age are; label 1 is the good outcome; one in ten has no NIHSS."""
    rng = np.random.default_rng(seed)
    nihss, age = np.clip(np.round(rng.gamma(1.5, 6, n)), 0, 42), np.round(rng.normal(70, 12, n))
    good = rng.random(n) < 1 / (1 + np.exp(0.15 * (nihss - 8) + 0.03 * (age - 70)))
    return cohort(pd.DataFrame({"age": age, "NIHSS": np.where(rng.random(n) < 0.1, np.nan, nihss)}), good)


def parts(cases: Cohort) -> tuple[Cohort, Cohort, Cohort]:
    """Training, validation and test part."""
    third = len(cases) // 3
    return cases.take(np.arange(third)), cases.take(np.arange(third, 2 * third)), cases.take(np.arange(2 * third, len(cases)))


def fitted(method: NIHSS, train: Cohort, validation: Cohort) -> NIHSS:
    method.fit(train, validation, seed=39)
    return method


def test_the_auc_is_that_of_the_nihss_with_the_training_median_where_it_is_missing() -> None:
    train, validation, test = parts(patients())
    median = pd.concat([train.table, validation.table])["NIHSS"].median()
    p = fitted(NIHSS(), train, validation).predict_proba(test.blind())
    assert test.table["NIHSS"].isna().any()
    assert roc_auc_score(test.labels, p) == roc_auc_score(test.labels, -test.table["NIHSS"].fillna(median))
    assert 0.55 < roc_auc_score(test.labels, p) < 1


def test_where_label_1_is_the_poor_outcome_the_same_patients_get_the_complement() -> None:
    train, validation, test = parts(patients())
    turned = [replace(part, labels=1 - part.labels) for part in (train, validation)]
    good, poor = fitted(NIHSS(), train, validation), fitted(NIHSS(poor=1), *turned)
    np.testing.assert_allclose(poor.predict_proba(test), 1 - good.predict_proba(test), atol=1e-12)


def test_a_training_part_that_says_otherwise_does_not_turn_the_direction() -> None:
    train, validation, test = parts(patients())
    turned = [replace(part, labels=1 - part.labels) for part in (train, validation)]
    p = fitted(NIHSS(), *turned).predict_proba(test)
    assert roc_auc_score(test.labels, p) == roc_auc_score(test.labels, fitted(NIHSS(), train, validation).predict_proba(test))
    share = np.concatenate([part.labels for part in turned]).mean()
    np.testing.assert_allclose(p, share, atol=0.02)


def test_the_probabilities_are_calibrated_on_the_training_part() -> None:
    train, validation, _ = parts(patients(n=1500))
    p = fitted(NIHSS(), train, validation).predict_proba(train.join(validation))
    labels = train.join(validation).labels
    assert p.mean() == pytest.approx(labels.mean(), abs=1e-3)
    assert log_loss(labels, p) < log_loss(labels, np.full(len(labels), labels.mean())) - 0.05


@pytest.mark.parametrize("nihss", [0, 42, 1000])
def test_a_probability_lies_between_0_and_1_however_high_the_score(nihss: float) -> None:
    train, validation, test = parts(patients())
    p = fitted(NIHSS(), train, validation).predict_proba(replace(test, table=test.table.assign(NIHSS=float(nihss))))
    assert ((p >= 0) & (p <= 1)).all()


def test_span_is_the_sum_of_age_and_nihss_and_its_index_is_positive_from_100_on() -> None:
    train, validation, _ = parts(patients())
    sums = pd.DataFrame({"age": [60, 80, 79, 95, 40.0], "NIHSS": [5, 20, 20, 5, 40.0]})
    asked = cohort(sums, np.zeros(5))
    span = fitted(SPAN(), train, validation).predict_proba(asked)
    assert np.argsort(-span).tolist() == [0, 4, 2, 1, 3]
    assert span[1] == span[3]
    index = fitted(SPAN(cut=100), train, validation).predict_proba(asked)
    assert (index == index[1]).tolist() == [False, True, False, True, False]
    assert index[0] > index[1]


def trial(levels: list[str], deficits: list[str], labels: list[int]) -> Cohort:
    """Patients of the International Stroke Trial: a letter of consciousness, eight of deficits."""
    table = pd.DataFrame([list(signs) for signs in deficits], columns=SIGNS).assign(RCONSC=levels).astype("category")
    return cohort(table, np.array(labels))


def test_the_less_conscious_the_worse() -> None:
    train = trial([*"FFFFDDUU"], ["NNNNNNNN"] * 8, [1, 1, 1, 0, 1, 0, 0, 0])
    method = Consciousness()
    method.fit(train.take([0, 1, 2, 3, 4, 5]), train.take([6, 7]), 39)
    alert, drowsy, unconscious, unknown = method.predict_proba(trial(["F", "D", "U", "-"], ["NNNNNNNN"] * 4, [0] * 4))
    assert alert > drowsy > unconscious
    assert alert > unknown > drowsy, "the median of four, two and two is .5"


def test_deficits_are_counted_and_one_that_cannot_be_assessed_is_the_training_median() -> None:
    signs = ["YYYNNNNN", "YYNNNNNN", "YNNNNNNN", "YYYYYNNN", "YYYYYYNN", "YYNNNNNN"]
    train = trial(["F"] * 6, signs, [1, 1, 1, 0, 0, 0])
    method = Deficits()
    method.fit(train.take([0, 1, 2, 3]), train.take([4, 5]), 39)
    asked = ["NNNNNNNN", "YYNNNNNN", "CCNNNNNC", "YYYYYYYY"]
    none, two, unsure, eight = method.predict_proba(trial(["F"] * 4, asked, [0] * 4))
    assert none > two > eight
    assert unsure == two, "most have the first two, hardly any the last"


def poorer(dataset: str, table: pd.DataFrame) -> dict[str, pd.Series]:
    """Row -> what its probabilities must rank by, worst first, from the source's own columns; missing where a row imputes."""
    if dataset == "soop":
        total = table["age"] + table["nihss"]
        return {"nihss": table["nihss"], "span": total, "span[cut=100]": total >= 100}
    signs = table[SIGNS].astype(str).replace({"N": 0, "Y": 1, "C": np.nan}).astype(float)
    return {
        "consciousness": table["RCONSC"].map(dict(F=0, D=1, U=2)).astype(float),
        "deficits": signs.sum(axis=1, skipna=False),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "auc"), [("soop", {"nihss": 0.750, "span": 0.694}), ("ist", {"consciousness": 0.629, "deficits": 0.656})]
)
def test_the_published_rows_have_the_auc_of_the_patients_own_columns(real_cohort, dataset: str, auc: dict[str, float]) -> None:
    folder = ROOT / "results" / "reference" / dataset / "repeated-cv"
    task = read_task(folder / "task.json")
    cohort = real_cohort(dataset)
    table = cohort.table.set_axis(cohort.case_ids).loc[task.case_ids]
    for method, score in poorer(dataset, table).items():
        row = read_reference(folder, method, task.expected(stochastic=False), None)
        stated, own = {}, {}
        for name, split in task.by_name.items():
            labels, signs = task.labels[split.test], score.iloc[split.test].to_numpy()
            known = ~np.isnan(signs.astype(float))
            stated[name] = roc_auc_score(labels[known], row.probabilities[name][known])
            own[name] = roc_auc_score(1 - labels[known], signs[known])
        assert stated == pytest.approx(own, abs=1e-12)
        assert np.mean(list(own.values())) == pytest.approx(auc.get(method, np.mean(list(own.values()))), abs=5e-4)


def test_what_is_no_label_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="poor=2: give the label of the poor outcome, 0 or 1"):
        NIHSS(poor=2)


@pytest.mark.parametrize("method", ["nihss", "span", "span[cut=100]"])
def test_they_conform_where_the_table_has_their_columns(made: MadeBenchmark, method: str) -> None:
    assert f"{method} conforms" in made.cli("check", method, "--shape", "complete").stdout


@pytest.mark.parametrize(("method", "column"), [("consciousness", "RCONSC"), ("deficits", "RDEF1, RDEF2")])
def test_they_are_not_tried_where_it_has_not(made: MadeBenchmark, method: str, column: str) -> None:
    checked = made.cli("check", method, "--shape", "table-only").stdout
    assert f"has no column {column}" in checked
    assert "was not tried" in checked


NEEDY = """
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

@register_method("needy", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"}, columns={"Z"})
@dataclass
class Needy:
    stochastic = False

    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-cases.table["z"].to_numpy()))

@register_method(
    "needier", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"}, columns={"z", "q"}
)
@dataclass
class Needier(Needy):
    pass
"""


@pytest.mark.slow
def test_a_row_whose_column_the_table_lacks_does_not_apply_by_name_and_widens_no_family(made: MadeBenchmark) -> None:
    needy = str(made.write("needy.py", NEEDY))
    made.run("--plugin", needy, "--protocol", "repeated-cv")
    alone = made.json("rank", *made.options, "--json")["tables"][0]
    words = ["--protocol", "repeated-cv", "--method", "needier", "--method", "needy"]
    ran = made.run("--plugin", needy, *words)
    assert "needier is not applicable: the table of made has no column q" in ran.stdout
    table = made.json("rank", *made.options, "--plugin", needy, "--json")["tables"][0]
    rows = {row["method"]: row for row in table["rows"]}
    assert rows["needy"]["cells_ok"] == rows["needy"]["cells"], "in capitals or not"
    assert "needier" not in rows
    assert len(table["pairs"]) == len(alone["pairs"]) + sum(row["ranked"] for row in alone["rows"])
    assert "| made | `needier` | the table of made has no column q |" in made.leaderboard.read_text(encoding="utf-8")


def test_columns_that_are_no_set_are_refused_with_file_and_line(made: MadeBenchmark) -> None:
    path = made.write("needy.py", NEEDY.replace('columns={"Z"}', 'columns="Z"'))
    refused = made.cli("check", str(path), "--shape", "table-only", code=1)
    assert "columns must be a set" in refused.stdout + refused.stderr
