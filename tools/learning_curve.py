"""How many cases the planted interaction of `synthetic-stroke` needs: rows trained on fresh patients of the same law.

`make learning-curve` prints the table of docs/learning-curve.md. None of its patients is in the benchmark's cohort, so that
nothing here is learnt from a test part. The image is given as the damage of named territories, without scans.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import LESION_VOLUME
from benchmark.data.splits import Split, inner_cut
from benchmark.learning.encoders.territories import Territories
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from datasets.synthetic.admission import admission_table
from datasets.synthetic.brain import ATLAS_NAMES
from datasets.synthetic.hospitals import HOSPITALS
from datasets.synthetic.outcome import eloquent_damage
from datasets.synthetic.patients import CHART, POOL, Patient, draw_patient

SEED = 2001
TESTED = 3000
SIZES = {751: 4, 3000: 3, 9000: 1}
"""Cases to learn from (training and validation; 751 under `repeated-cv`) -> how many disjoint samples of them."""
ROWS = (
    "logistic-regression",
    "logistic-regression[features=table+derived]",
    "random-forest[features=table+derived]",
    "lightgbm[features=table+derived]",
    "mlp[table_features=table+derived]",
    "film[image=pooled,image_encoder=territories]",
    "vdafm[modalities=image+table,image_encoder=territories]",
    "vdafm[modalities=table]",
    "vdafm[modalities=image,image_encoder=territories]",
    "vdafm[modalities=image+table,image_encoder=territories,image=permuted]",
)
Index = NDArray[np.intp]
Scores = NDArray[np.float64]


def main() -> None:
    """Print the AUC on the tested patients, the mean over samples, of every row and size, beside the known optimum."""
    learning = max(size * samples for size, samples in SIZES.items())
    patients = [draw_patient(SEED, HOSPITALS[i % len(HOSPITALS)], POOL, i) for i in range(TESTED + learning)]
    cohort, tested = made_cohort(patients), np.arange(TESTED)
    labels = np.array([patient.good_outcome for patient in patients])
    truth = {
        "the optimum": [patient.terms.logit for patient in patients],
        "the optimum of sums": [patient.terms.table + patient.terms.image for patient in patients],
    }
    for name, logits in truth.items():
        print(f"{name}: {roc_auc_score(labels[tested], np.array(logits)[tested]):.3f}")
    print("| row |" + "".join(f" {size} |" for size in SIZES))
    print("|---|" + "---|" * len(SIZES))
    catalogue = discover()
    rows: dict[str, Callable[[Index], Scores]] = {name: partial(registered, catalogue, name, cohort, tested) for name in ROWS}
    rows["told the damage and the products' form"] = partial(informed, patients, labels, tested)
    for name, row in rows.items():
        told = []
        for size, samples in SIZES.items():
            starts = [TESTED + k * size for k in range(samples)]
            aucs = [roc_auc_score(labels[tested], row(np.arange(start, start + size))) for start in starts]
            spread = f" (SD {np.std(aucs, ddof=1):.3f})" if samples > 1 else ""
            told.append(f" {np.mean(aucs):.3f}{spread} |")
        print(f"| {name} |" + "".join(told))
        sys.stdout.flush()


def made_cohort(patients: list[Patient]) -> Cohort:
    """The patients' table, territories and labels as the dataset makes them, with the one encoder that needs no scan."""
    ids = np.array([f"case-{number:05d}" for number in range(len(patients))])
    derived = pd.DataFrame(np.stack([patient.fractions for patient in patients]), columns=list(ATLAS_NAMES))
    derived.insert(0, LESION_VOLUME, [patient.volume_ml for patient in patients])
    charts = [patient.generator(CHART) for patient in patients]
    cohort = Cohort(
        name="synthetic-stroke",
        case_ids=ids,
        labels=np.array([patient.good_outcome for patient in patients], dtype=np.int8),
        sites=np.array([patient.hospital.name for patient in patients]),
        groups=ids,
        table=admission_table([patient.admission for patient in patients], charts),
        derived=derived,
    )
    features = Territories().encode(cohort)
    return replace(
        cohort,
        rows=np.arange(len(ids)),
        feature_source=lambda modality, encoder, rows, *reports: features if rows is None else features.take(rows),
    )


def registered(catalogue: Catalogue, spelled: str, cohort: Cohort, tested: Index, learning: Index) -> Scores:
    """P(label 1) of the tested patients by a registered row that learns from these, cut as the protocols cut."""
    method = catalogue.method(spelled)
    large, small = inner_cut(cohort.take(learning), SEED)
    split = Split("learning-curve", SEED, learning[large], learning[small], tested, np.arange(0), None)
    return fit_and_predict(method, views_of(cohort, split, method.modalities), SEED).probabilities


def informed(patients: list[Patient], labels: NDArray[np.bool_], tested: Index, learning: Index) -> Scores:
    """Logits of a logistic regression on the true, complete variables, the damage and its products with treatment and age."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    inputs = np.array([_informed(patient) for patient in patients])
    return np.asarray(model.fit(inputs[learning], labels[learning]).decision_function(inputs[tested]))


def _informed(patient: Patient) -> list[float]:
    who, damage = patient.admission, eloquent_damage(patient.fractions) - 0.35
    treated = 2.0 * who.thrombolysis - 1.0
    known = [who.age, who.nihss, who.prestroke_mrs, who.diabetes, who.prior_stroke, who.glucose_mmol_l, treated]
    return [*map(float, known), np.log1p(patient.volume_ml), damage, damage * treated, damage * who.age]


if __name__ == "__main__":
    main()
