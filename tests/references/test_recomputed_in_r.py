"""The committed reference results, recomputed by R (base R, pROC) from the exported predictions alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark import load_predictions
from benchmark.statistics import inflation
from benchmark.statistics.blocks import block_test
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.metric_names import METRICS
from benchmark.statistics.student import corrected_t
from benchmark.suites.suite import DEFAULT, load_suite
from benchmark.system.locations import ROOT

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("recompute.R")
EXPORTED = ["method", "split", "seed", "site", "case", "label", "threshold", "probability"]
SOOP_ROWS = ("logistic-regression", "average-ensemble", "concat", "sparsemm", "vdafm")
IST_ROWS = ("logistic-regression", "random-forest", "xgboost")
DATA = (("soop", "repeated-cv"), ("ist", "leave-one-site-out"))


@dataclass(frozen=True)
class Recomputed:
    """The project's comparisons by table, and R's figures: table, a, b, quantity, value."""

    ours: dict[str, Comparison]
    figures: pd.DataFrame


@pytest.fixture(scope="module")
def recomputed(tmp_path_factory: pytest.TempPathFactory) -> Recomputed:
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed (Debian: r-base-core, r-cran-proc)")
    if subprocess.run(["Rscript", "-e", "library(pROC)"], capture_output=True).returncode:
        pytest.skip("R's package pROC is not installed (Debian: r-cran-proc)")
    folder = tmp_path_factory.mktemp("r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROKEBENCH_OUTPUT", str(folder / "none"))
        stored = load_predictions(local=False)
    ours = {}
    for name, (predictions, rows) in tables(stored).items():
        predictions[EXPORTED].to_csv(folder / f"{name}.csv", index=False)
        ours[name] = compared(predictions, rows, name)
    command = ["Rscript", "--vanilla", str(SCRIPT), str(folder), str(inflation.ALL_PAIRS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    figures = pd.read_csv(folder / "figures.csv", keep_default_na=False, na_values={"value": ["NA", "NaN"]})
    return Recomputed(ours, figures)


def tables(stored: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, tuple[str, ...]]]:
    """The predictions of five rows of `soop`, of all that the default suite ranks there, and of `ist` by country."""
    soop, ist = (stored[(stored.dataset == name) & (stored.protocol == protocol)] for name, protocol in DATA)
    family = tuple(name for name in load_suite(DEFAULT).ranked if name in set(soop.method))
    return {
        "repeated-cv": (rows_of(soop, SOOP_ROWS), SOOP_ROWS),
        "family": (rows_of(soop, family), family),
        "sites": (rows_of(ist, IST_ROWS), IST_ROWS),
    }


def rows_of(stored: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat([stored[stored.method == name] for name in methods], ignore_index=True)


def compared(predictions: pd.DataFrame, methods: tuple[str, ...], name: str) -> Comparison:
    """The project's own statistics; a method that ran under one seed stands under all."""
    own = {method: predictions[predictions.method == method] for method in methods}
    full = max(own.values(), key=len).reset_index(drop=True)
    scores, cuts = {}, {}
    for method, rows in own.items():
        keys = ["split", "case"] if len(rows) == len(full) else ["site", "case"]
        found = full[["split", "site", "case"]].merge(rows[[*keys, "probability", "threshold"]], on=keys, how="left")
        scores[method] = found["probability"]
        cuts[method] = found.groupby("split")["threshold"].first()
    inference = "site" if name == "sites" else "fold"
    task = full[["split", "seed", "site", "case", "label"]]
    return compare(task, pd.DataFrame(scores), pd.DataFrame(cuts), inference=inference, ranked=methods)


def expected(found: Comparison, quantity: str, a: str, b: str) -> float:
    """The project's value of a figure that R tells."""
    if quantity in ("mean", "interval low", "interval high"):
        frame = {"mean": found.metrics, "interval low": found.low, "interval high": found.high}[quantity]
        return float(frame.at[a, b])
    if quantity in ("rank low", "rank high", "best set"):
        return float({"rank low": found.rank_low, "rank high": found.rank_high, "best set": found.best_set}[quantity][a])
    if quantity == "df":
        return found.power.df
    if quantity == "t":
        return float(corrected_t(found.per_split["auc"].loc[a] - found.per_split["auc"].loc[b]).statistic)
    if quantity in ("tau", "i2", "worst_auc") or quantity.startswith("random_effects"):
        return float(found.heterogeneity.at[a, quantity])
    if quantity in found.pairs:
        return float(found.pairs[(found.pairs.a == a) & (found.pairs.b == b)][quantity].item())
    if quantity in OVER_SITES:
        sites = found.per_site[~found.per_site["small"]][list(IST_ROWS)]
        return OVER_SITES[quantity](block_test(sites.to_numpy()), *(IST_ROWS.index(name) for name in (a, b) if name))
    return {
        "calibration error": lambda: float(found.calibration_error[a]),
        "AUC of seed-averaged predictions": lambda: float(found.ensemble_auc[a]),
        "AUC of a site": lambda: float(found.per_site.at[b, a]),
        "|t| of the first rejection": lambda: found.power.first_rejection_t,
        "minimum detectable difference": lambda: found.power.detectable,
    }[quantity]()


OVER_SITES: dict[str, Callable[..., float]] = {
    "Friedman chi2": lambda test: test.chi2,
    "Iman-Davenport F": lambda test: test.f,
    "Iman-Davenport p": lambda test: test.f_p,
    "critical difference": lambda test: test.critical_difference,
    "mean rank": lambda test, a: test.ranks[a],
}


def deviations(recomputed: Recomputed, table: str) -> pd.DataFrame:
    """R's figures of a table beside the project's: `deviation`, and whether they are the `same`, which NaN never is."""
    found = recomputed.figures[recomputed.figures.table == table].copy()
    ours = [expected(recomputed.ours[table], row.quantity, row.a, row.b) for row in found.itertuples()]
    found = found.assign(ours=ours, deviation=np.abs(found.value - np.array(ours)))
    # Both draw the null distribution of the greatest |z|, 100,000 times or more: what rests on it agrees within its error.
    drawn = np.select(
        [found.quantity == "p_adjusted", found.quantity.isin(["|t| of the first rejection"])],
        [5 * np.sqrt(np.clip(found.value * (1 - found.value), 0, None) / 1e5) + 2e-5, 0.03],
        np.where(found.quantity.isin(["low", "high", "minimum detectable difference"]), 0.002, 0.0),
    )
    exact = 1e-9 * found.value.abs() + 1e-15
    return found.assign(same=found.deviation <= np.where(table == "sites", exact, exact + drawn))


CROSS_VALIDATED = {
    **dict.fromkeys(["mean", "interval low", "interval high"], len(SOOP_ROWS) * len(METRICS)),
    **dict.fromkeys(
        ["AUC of seed-averaged predictions", "calibration error", "rank low", "rank high", "best set"], len(SOOP_ROWS)
    ),
    **dict.fromkeys(
        ["difference", "low", "high", "error", "t", "p", "p_adjusted", "p_nadeau_bengio", "p_holm", "p_equivalent"], 10
    ),
    **dict.fromkeys(["p_mcnemar", "p_mcnemar_recall", "p_mcnemar_specificity"], 10),
    **dict.fromkeys(["|t| of the first rejection", "minimum detectable difference", "df"], 1),
}
"""How many figures of each kind R tells of five rows."""


@pytest.mark.parametrize("quantity", CROSS_VALIDATED)
def test_r_finds_the_same_figures_of_five_cross_validated_rows(recomputed: Recomputed, quantity: str) -> None:
    found = deviations(recomputed, "repeated-cv").query("quantity == @quantity")
    assert len(found) == CROSS_VALIDATED[quantity]
    assert found.same.all(), found


def test_r_finds_the_same_adjusted_p_of_all_pairs_that_the_suite_ranks(recomputed: Recomputed) -> None:
    found, rows = deviations(recomputed, "family"), len(recomputed.ours["family"].rank_low.dropna())
    assert rows > 20 and len(found) == 3 * rows * (rows - 1) // 2 + 1
    assert found.same.all(), found[~found.same]
    p = found[found.quantity == "p_adjusted"]
    assert ((p.value < 0.05) == (p.ours < 0.05)).mean() > 0.99


def test_r_finds_the_same_site_statistics(recomputed: Recomputed) -> None:
    found = deviations(recomputed, "sites")
    assert found.quantity.value_counts()["AUC of a site"] == 3 * 33
    assert set(found.quantity) >= {
        "mean",
        "interval low",
        "tau",
        "i2",
        "p",
        "p_adjusted",
        "df",
        "p_sign_flip",
        "best set",
        *OVER_SITES,
    }
    assert found.same.all(), found[~found.same]


def test_the_committed_leaderboard_shows_rs_auc_and_interval(recomputed: Recomputed) -> None:
    committed = subprocess.run(["git", "show", "HEAD:leaderboard.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    section = committed.stdout.split("\n## soop, repeated-cv\n")[1].split("\n## ")[0]
    found = recomputed.figures.query("table == 'repeated-cv' and b == 'auc'").set_index(["a", "quantity"])["value"]
    for method in SOOP_ROWS:
        shown = re.search(rf"^\|.*`{method}` \|.*?(\d\.\d+) \((\d\.\d+) to (\d\.\d+)\)", section, re.MULTILINE)
        assert shown is not None, method
        told = [f"{found[method, quantity]:.3f}" for quantity in ("mean", "interval low", "interval high")]
        assert list(shown.groups()) == told
