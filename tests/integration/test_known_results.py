"""Real patients: what is known of the datasets comes out of the whole engine (fetch, prepare, run, rank)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmark.cells.compute import compute
from benchmark.cells.planning import plan
from benchmark.cells.store import Store
from benchmark.data.preparation import load_cohort
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from datasets import estonian_stroke
from datasets._row_ids import row_ids
from datasets._soop_files import OPENNEURO
from tests.integration.conftest import RealData, command
from tests.integration.test_submitted_rows import row_of

pytestmark = pytest.mark.slow

KNOWN = {"logistic-regression": 0.755, "svm": 0.746, "random-forest": 0.701, "lightgbm": 0.700, "xgboost": 0.690}
"""Mean AUC over the 20 splits of these configurations on `soop`, computed before by a separate script."""


@dataclass(frozen=True)
class Ran:
    """Rows of a real dataset under repeated-cv, run as a suite of their own, and the environment that holds them."""

    environment: dict[str, str]
    suite: list[str]

    def command(self, *words: str) -> str:
        return command(self.environment, *words, *self.suite)

    def table(self) -> dict:
        (table,) = json.loads(self.command("rank", "--json"))["tables"]
        return table


def ran(real_data: RealData, dataset: str, methods: Sequence[str], folder: Path) -> Ran:
    suite = folder / "known.toml"
    suite.write_text(
        f'title = "k"\ndatasets = ["{dataset}"]\nprotocols = ["repeated-cv"]\nranked = {json.dumps(list(methods))}\n'
    )
    rows = Ran({**real_data.fetch(dataset), "STROKEBENCH_OUTPUT": str(folder)}, ["--suite", str(suite)])
    rows.command("run", "--no-sync", "--in-process")
    return rows


@pytest.fixture(scope="module")
def fetched(real_data: RealData, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The five rows on soop."""
    return ran(real_data, "soop", list(KNOWN), tmp_path_factory.mktemp("output"))


def local_auc(table: dict) -> dict[str, float]:
    return {row["method"]: row["metrics"]["auc"]["mean"] for row in table["rows"] if row["source"] == "local"}


def plain_logistic(numbers: list[str], categories: list[str]):
    """Logistic regression as a script of scikit-learn's own parts would have it."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scaled = make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler())
    coded = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(make_column_transformer((scaled, numbers), (coded, categories)), LogisticRegression(max_iter=1000))


def test_the_known_auc_of_618_patients_comes_out_within_half_a_point(fetched):
    table = fetched.table()
    assert table["cases"] == 618
    local = local_auc(table)
    assert set(local) == set(KNOWN)
    for method, auc in KNOWN.items():
        assert local[method] == pytest.approx(auc, abs=0.005), method


SOME_COUNTRIES = ("site-france-seed39", "site-netherlands-seed39", "site-turkey-seed39")


def test_leaving_one_country_out_of_19285_patients_gives_the_known_auc_under_the_small_site_rule(
    real_data, published, tmp_path, monkeypatch
):
    """Of the published row, whose figures `test_submitted_rows` recomputes; a few of its countries are predicted again here."""
    environment = {**real_data.fetch("ist"), "STROKEBENCH_OUTPUT": str(tmp_path)}
    row = ["--dataset", "ist", "--protocol", "leave-one-site-out", "--method", "logistic-regression"]
    dry = command(environment, "run", *row, "--no-sync", "--dry-run")
    assert "36 of 36 cells to compute" in dry, "a deterministic row runs once per site"

    for name in ("STROKEBENCH_DATA", "STROKEBENCH_OUTPUT"):
        monkeypatch.setenv(name, environment[name])
    catalogue = discover()
    suite = Suite("s", "t", ("ist",), ("leave-one-site-out",), ("logistic-regression",))
    cells = {cell.split.name: cell for cell in plan(suite, catalogue, {"ist": load_cohort("ist", catalogue)}, Store()).cells}
    _, stored = row_of(Path("ist", "leave-one-site-out", "logistic-regression.parquet"))
    for country in SOME_COUNTRIES:
        record = compute(cells[country], debug=True)
        np.testing.assert_allclose(record.probabilities, stored[country], atol=1e-6)

    told = published("stroke-prognosis")
    rows = {row["method"]: row for row in told.table("ist", "leave-one-site-out")["rows"]}
    assert rows["logistic-regression"]["metrics"]["auc"]["mean"] == pytest.approx(0.783, abs=0.01)
    for country in ("France", "Japan", "Romania"):
        assert f"site {country} has fewer than 5 of a class: shown, left out of the mean" in told.leaderboard.decode()


def test_one_year_mortality_in_tartu_equals_a_plain_scikit_learn_script(real_data, source_files, tmp_path):
    ours = local_auc(ran(real_data, "estonian-stroke", ["logistic-regression"], tmp_path).table())["logistic-regression"]
    frame = pd.read_csv(source_files("estonian-stroke").path(estonian_stroke.FILE), sep=";", na_values=".")
    frame = frame.iloc[np.argsort(row_ids("tartu", range(1, len(frame) + 1)))]  # splits are made of the cases in order of id
    died, stroke = (pd.to_datetime(frame[name], format="%d.%m.%Y") for name in ("DIED", "DSTR"))
    alive = (~((died - stroke).dt.days <= 365)).to_numpy(int)
    model = plain_logistic(["AGE", "COMA", "DIAB", "MINF", "HAN"], ["SEX", "DGN"])
    areas = []
    for seed in (39, 40, 41, 42):
        for learn, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(alive, alive):
            model.fit(frame.iloc[learn], alive[learn])
            areas.append(roc_auc_score(alive[test], model.predict_proba(frame.iloc[test])[:, 1]))
    assert ours == pytest.approx(np.mean(areas), abs=1e-4)
    assert 0.75 < ours < 0.95, "age, coma and the kind of stroke foretell death within a year"


def test_the_engines_cells_equal_a_plain_scikit_learn_script(fetched, source_files):
    """Logistic regression on the source's own table, split by hand: the same probabilities to rounding."""
    row = ["--dataset", "soop", "--protocol", "repeated-cv", "--method", "logistic-regression"]
    rows = json.loads(fetched.command("show", "predictions", *row, "--json"))
    stored = {(row["split"], row["case"]): row["probability"] for row in rows}
    path = source_files("soop").path(f"{OPENNEURO}participants.tsv")
    frame = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False).set_index("participant_id")
    cases = sorted({case for _, case in stored})
    frame = frame.loc[cases]
    label = (frame["gs_rankin_6isdeath"].astype(float) <= 2).astype(int).to_numpy()
    numbers = frame[["age", "bmi", "nihss", "priorstroke"]].replace("89+", "89").astype(float)
    categories = frame[["sex", "race"]].astype(object)
    table = pd.concat([numbers, categories.where(categories.notna(), np.nan)], axis=1)
    model = plain_logistic(list(numbers), list(categories))
    for fold, (learn, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=39).split(label, label)):
        probabilities = model.fit(table.iloc[learn], label[learn]).predict_proba(table.iloc[test])[:, 1]
        ours = [stored[f"seed39-fold{fold}", cases[i]] for i in test]
        np.testing.assert_allclose(ours, probabilities, atol=1e-4)


def test_a_second_fetch_downloads_nothing(fetched, source_files):
    before = {path: path.stat().st_mtime_ns for path in Path(fetched.environment["STROKEBENCH_DATA"], "sources").rglob("*.gz")}
    command(fetched.environment, "fetch", "soop", "--mirror", str(source_files("soop").folder))
    assert before == {path: path.stat().st_mtime_ns for path in before}
