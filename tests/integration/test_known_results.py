"""Real patients: what is known of SOOP comes out of the whole engine (fetch, prepare, run, rank)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import MIRROR, ROOT

KNOWN = {"logistic-regression": 0.755, "random-forest": 0.701, "xgboost": 0.690}
"""Mean AUC over the 20 splits of these configurations, computed before by a separate script."""

pytestmark = pytest.mark.skipif(MIRROR is None, reason="SOOP is not fetched, and no mirror of it is beside the checkout")


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SOOP fetched from the mirror into a data folder of its own; the environment that uses it."""
    folder = tmp_path_factory.mktemp("soop")
    environment = {
        **os.environ,
        "STROKEBENCH_DATA": str(folder / "data"),
        "STROKEBENCH_OUTPUT": str(folder / "output"),
    }
    command(environment, "fetch", "soop", "--mirror", str(MIRROR))
    methods = [word for name in KNOWN for word in ("--method", name)]
    command(environment, "run", "--dataset", "soop", "--protocol", "repeated-cv", "--no-sync", *methods)
    return environment


def command(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_known_auc_of_618_patients_comes_out_within_half_a_point(fetched):
    tables = json.loads(command(fetched, "rank", "--json"))["tables"]
    table = next(table for table in tables if (table["dataset"], table["protocol"]) == ("soop", "repeated-cv"))
    assert table["cases"] == 618
    local = {row["method"]: row["metrics"]["auc"]["mean"] for row in table["rows"] if row["source"] == "local"}
    assert set(local) == set(KNOWN)
    for method, auc in KNOWN.items():
        assert local[method] == pytest.approx(auc, abs=0.005), method


def test_the_engines_cells_equal_a_plain_scikit_learn_script(fetched):
    """Logistic regression on the prepared table, split by hand: the same probabilities to rounding."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    row = ["--dataset", "soop", "--protocol", "repeated-cv", "--method", "logistic-regression"]
    rows = json.loads(command(fetched, "show", "predictions", *row, "--json"))
    stored = {(row["split"], row["case"]): row["probability"] for row in rows}
    source = MIRROR / "raw.githubusercontent.com/OpenNeuroDatasets/ds004889/a62344db73f18f384a95b452f4a1a423087e059b"
    frame = pd.read_csv(source / "participants.tsv", sep="\t", na_values="n/a", keep_default_na=False).set_index(
        "participant_id"
    )
    cases = sorted({case for _, case in stored})
    frame = frame.loc[cases]
    label = (frame["gs_rankin_6isdeath"].astype(float) <= 2).astype(int).to_numpy()
    numbers = frame[["age", "bmi", "nihss", "priorstroke"]].replace("89+", "89").astype(float)
    categories = frame[["sex", "race"]].astype(object)
    table = pd.concat([numbers, categories.where(categories.notna(), np.nan)], axis=1)
    model = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler()), list(numbers)),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), list(categories)),
        ),
        LogisticRegression(max_iter=1000),
    )
    for fold, (learn, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=39).split(label, label)):
        probabilities = model.fit(table.iloc[learn], label[learn]).predict_proba(table.iloc[test])[:, 1]
        ours = [stored[f"seed39-fold{fold}", cases[i]] for i in test]
        np.testing.assert_allclose(ours, probabilities, atol=1e-4)


def test_a_second_fetch_downloads_nothing(fetched):
    before = {path: path.stat().st_mtime_ns for path in Path(fetched["STROKEBENCH_DATA"], "sources").rglob("*.gz")}
    command(fetched, "fetch", "soop", "--mirror", str(MIRROR))
    assert before == {path: path.stat().st_mtime_ns for path in before}
