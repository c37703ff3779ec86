"""The synthetic risk cohort: counts, reproducibility, the known law and its controls."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.audit.leaks.checks import CHECKS
from benchmark.audit.leaks.subject import Subject
from benchmark.data.cohort import Cohort
from benchmark.data.intake import take_in
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.registry.discovery import discover
from benchmark.suites.suite import load_suite
from benchmark.system.locations import ROOT
from datasets.risk.anatomy import draw_anatomy, fill
from datasets.risk.brain import REGIONS, load_brain
from datasets.risk.columns import COLUMNS, Category, Number
from datasets.risk.people import CENTRES, LABELLED, POOL, Origin, People, draw_people, origins
from datasets.risk.scans import scan_people

pytestmark = pytest.mark.slow

CHILD = """
import json, pickle, resource, sys
from pathlib import Path
from benchmark import Sources
from datasets.synthetic_risk import SyntheticRisk

cohort = SyntheticRisk().build(Sources(Path(), {{}}, ""))
with open({path!r}, "wb") as file:
    pickle.dump(cohort, file, protocol=5)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
status = Path("/proc/self/status")  # on Linux the peak of `getrusage` is at least that of the process that started this one
if status.is_file():
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({{"seconds": used.ru_utime + used.ru_stime, "bytes": peak}}))
"""


@dataclass(frozen=True)
class Built:
    cohort: Cohort
    seconds: float
    bytes: int
    people: People

    @property
    def labels(self) -> np.ndarray:
        return self.cohort.labels

    @property
    def law(self) -> pd.DataFrame:
        """What the law sees of each case, before it is measured or goes missing."""
        table = self.people.visit.table
        logs = {name: np.log(self.people.signs[name]) for name in ("periventricular_ml", "deep_ml")}
        return pd.get_dummies(pd.concat([table, self.people.signs.assign(**logs)], axis=1)).astype(float)


@pytest.fixture(scope="module")
def built(once: Callable[[str, Callable[[], Any]], Any], shared: Path) -> Built:
    """The default draw, made in a process of its own, with the time and memory that it took."""

    def make() -> dict[str, float]:
        words = [sys.executable, "-c", CHILD.format(path=str(shared / "synthetic-risk"))]
        return json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    used = once("synthetic-risk-child", make)
    cohort = pickle.loads((shared / "synthetic-risk").read_bytes())
    return Built(cohort, used["seconds"], int(used["bytes"]), draw_people(origins(1, LABELLED)))


def cross_validated_auc(x: np.ndarray, built: Built, model: Any = None) -> float:
    """Mean AUC over the five splits of the first repetition; a logistic regression by default."""
    model = model or make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    aucs = []
    for split in RepeatedCV(repeats=1).splits(built.cohort):
        rest = np.concatenate([split.train, split.validation])
        model.fit(x[rest], built.labels[rest])
        aucs.append(roc_auc_score(built.labels[split.test], model.predict_proba(x[split.test])[:, 1]))
    return float(np.mean(aucs))


def numbers_of(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame).astype(float)


def test_the_card_says_what_the_cohort_is(built: Built) -> None:
    card = discover().datasets.get("synthetic-risk").card
    assert card.cases == len(built.cohort) == 3000
    assert card.sites == len(np.unique(built.cohort.sites)) == 3
    assert card.modalities == built.cohort.modalities
    assert card.synthetic
    for word in ("never clinical evidence", "only like FLAIR", "no real atrophy"):
        assert word in card.scope


def test_it_stands_in_no_suite_on_stroke_prognosis() -> None:
    folder = ROOT / "benchmark" / "suites"
    named = [path.stem for path in sorted(folder.glob("stroke-prognosis*.toml"))]
    assert len(named) > 5
    assert not [name for name in named if "synthetic-risk" in load_suite(name).datasets]


def test_about_8_percent_have_a_stroke(built: Built) -> None:
    assert 0.07 < built.labels.mean() < 0.09
    pool = draw_people(origins(1, POOL))
    assert 0.07 < pool.stroke.mean() < 0.09


def test_the_pool_has_4000_other_people_without_labels(built: Built) -> None:
    pool = built.cohort.pool
    assert pool is not None
    assert len(pool) == 4000
    assert pool.labels is None
    assert not set(pool.case_ids) & set(built.cohort.case_ids)
    assert set(pool.sites) == set(built.cohort.sites)
    assert pool.modalities == built.cohort.modalities
    volumes = [view.array.reshape(len(view), -1) for view in (built.cohort.images["flair"], pool.images["flair"])]
    assert len({volume.tobytes() for view in volumes for volume in view}) == 7000


def test_ids_are_sorted_and_tell_neither_centre_nor_outcome(built: Built) -> None:
    assert list(built.cohort.case_ids) == sorted(built.cohort.case_ids)
    order = np.arange(len(built.cohort))
    assert abs(roc_auc_score(built.labels, order) - 0.5) < 0.06
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.cohort.sites == site, order) - 0.5) < 0.05


def test_the_engine_takes_it_in_without_a_problem(built: Built) -> None:
    taken, remarks = take_in(built.cohort, ())
    assert len(taken) == 3000
    assert not remarks.refused()


def test_the_same_seed_gives_the_same_people_in_another_process(built: Built) -> None:
    assert built.people.stroke.tolist() == built.labels.astype(bool).tolist()
    some = draw_people(origins(1, LABELLED)[:40])
    scans, measured = scan_people(some)
    np.testing.assert_array_equal(scans, built.cohort.images["flair"].array[:40])
    pd.testing.assert_frame_equal(measured, built.cohort.derived[:40])
    pd.testing.assert_frame_equal(some.charts(), built.cohort.table[:40])


def test_a_person_does_not_depend_on_those_drawn_beside() -> None:
    some = [Origin(CENTRES[0], (1, LABELLED, number)) for number in range(8)]
    alone, among = draw_people(some[7:]), draw_people(some)
    pd.testing.assert_frame_equal(alone.visit.table, among.visit.table[7:].reset_index(drop=True))
    pd.testing.assert_frame_equal(alone.signs, among.signs[7:].reset_index(drop=True))
    np.testing.assert_array_equal(scan_people(alone)[0], scan_people(among)[0][7:])


def test_another_seed_gives_other_people_under_the_same_law() -> None:
    first, second = (draw_people(origins(seed, LABELLED)) for seed in (1, 2))
    assert not first.visit.table.equals(second.visit.table)
    aucs = [roc_auc_score(people.stroke, people.terms.probability) for people in (first, second)]
    assert min(aucs) > 0.82 and max(aucs) < 0.86


def test_the_known_probability_is_the_documented_formula(built: Built) -> None:
    law, signs = built.law, built.people.signs
    p, d = (law["systolic_mmhg"] - 138) / 18, np.log(signs["deep_ml"] / 2)
    logit = (
        -4.40
        + 0.20 * (law["age"] - 64) / 7.5
        + 0.10 * p
        + 0.40 * law["sex_male"]
        + 0.95 * law["smoking_current"]
        + 0.40 * law["smoking_former"]
        + 1.70 * law["atrial_fibrillation_yes"]
        + 1.10 * law["diabetes_yes"]
        + 0.30 * law["hypertension_treatment_yes"]
        + 0.95 * law["family_stroke_yes"]
        + 0.65 * law["ischaemic_heart_disease_yes"]
        - 0.45 * (law["fev1_l"] - 2.7) / 0.75
        + 0.25 * d
        + 0.30 * np.minimum(signs["lacunes"], 2)
        + 0.10 * signs["atrophy"]
        + 0.70 * d * p
    )
    known = built.people.terms.probability
    np.testing.assert_allclose(known, expit(logit), atol=2e-6)
    np.testing.assert_array_equal(known, np.round(known, 6))
    assert built.cohort.facts["oracle_auc"] == pytest.approx(roc_auc_score(built.labels, known), abs=1e-4)


def test_labels_follow_the_known_probability(built: Built) -> None:
    known, outcome = built.people.terms.probability, built.labels
    edges = np.quantile(known, [0.2, 0.4, 0.6, 0.8])
    for part in range(5):
        inside = np.digitize(known, edges) == part
        standard_error = np.sqrt(np.sum(known[inside] * (1 - known[inside]))) / inside.sum()
        assert abs(outcome[inside].mean() - known[inside].mean()) < 3.5 * standard_error


def test_the_optimum_and_its_parts_stand_where_they_were_meant_to(built: Built) -> None:
    facts = built.cohort.facts
    assert 0.82 < facts["oracle_auc"] < 0.86
    assert 0.76 < facts["oracle_auc_table"] < 0.80
    assert 0.68 < facts["oracle_auc_image"] < 0.76
    assert facts["oracle_auc_additive"] < facts["oracle_auc"] - 0.02


def test_a_regression_on_the_latent_state_comes_near_the_optimum_only_with_the_product(built: Built) -> None:
    law = built.law
    product = law["deep_ml"] * (law["systolic_mmhg"] - 138)
    with_product = cross_validated_auc(law.assign(product=product).to_numpy(), built)
    assert built.cohort.facts["oracle_auc"] - 0.05 < with_product <= built.cohort.facts["oracle_auc"] + 0.01
    assert cross_validated_auc(law.to_numpy(), built) < with_product - 0.02


def test_table_and_image_alone_stay_below_what_both_give(built: Built) -> None:
    table = numbers_of(built.cohort.table)
    table = table.fillna(table.median())
    image = built.cohort.derived.assign(**np.log(built.cohort.derived[["wmh_volume_ml", "wmh_deep_ml"]] + 0.1))
    alone = cross_validated_auc(table.to_numpy(), built), cross_validated_auc(image.to_numpy(), built)
    assert 0.73 < alone[0] < 0.77
    assert 0.66 < alone[1] < 0.73
    assert cross_validated_auc(pd.concat([table, image], axis=1).to_numpy(), built) > max(alone) + 0.01


def test_the_nearest_neighbours_of_pixels_tell_little(built: Built) -> None:
    voxels = built.cohort.images["flair"].array.reshape(3000, -1).astype(np.float32)
    assert cross_validated_auc(voxels, built, KNeighborsClassifier(50)) < 0.75


def test_image_and_table_share_the_vascular_burden(built: Built) -> None:
    table, signs = built.law[[*numbers_of(built.people.visit.table)]].to_numpy(), built.law
    odd, even = slice(1, None, 2), slice(0, None, 2)
    for sign, least in (("periventricular_ml", 0.15), ("atrophy", 0.15), ("deep_ml", 0.03)):
        x, y = np.column_stack([np.ones(len(table)), table]), signs[sign].to_numpy()
        weights = np.linalg.lstsq(x[odd], y[odd], rcond=None)[0]
        explained = 1 - np.mean((y[even] - x[even] @ weights) ** 2) / np.var(y[even])
        assert least < explained < 0.5


def test_no_column_comes_near_telling_the_outcome(built: Built) -> None:
    numbers = numbers_of(pd.concat([built.cohort.table, built.cohort.derived], axis=1))
    for column in numbers:
        there = numbers[column].notna()
        auc = roc_auc_score(built.labels[there], numbers[column][there])
        assert max(auc, 1 - auc) < 0.75


def test_the_centre_tells_nothing_of_the_outcome(built: Built) -> None:
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.labels, built.cohort.sites == site) - 0.5) < 0.05


def test_columns_that_are_noise_are_so(built: Built) -> None:
    rules = {name: rule for name, rule in COLUMNS.items() if not rule.weights and name not in ("age", "sex")}
    used = {name for rule in COLUMNS.values() for name in rule.weights}
    noise = rules.keys() - used
    assert noise == {"handedness", "bread", "milk", "coffee"}
    numbers = numbers_of(built.cohort.table[sorted(noise)])
    assert abs(cross_validated_auc(numbers.to_numpy(), built) - 0.5) < 0.06


def test_the_table_has_18_numbers_and_29_categories_in_plausible_ranges(built: Built) -> None:
    table = built.cohort.table
    numbers = [name for name in table if pd.api.types.is_float_dtype(table[name])]
    assert (len(numbers), len(table.columns) - len(numbers)) == (18, 29)
    for name, rule in COLUMNS.items():
        if isinstance(rule, Number):
            assert table[name].dropna().between(rule.low, rule.high).all()
            assert table[name].nunique() > 20
        else:
            assert isinstance(rule, Category)
            assert set(table[name].dropna()) == set(rule.levels)
            assert table[name].value_counts(normalize=True).min() > 0.01


def test_values_are_missing_completely_at_random_in_the_stated_shares(built: Built) -> None:
    missing = built.cohort.table.isna()
    assert 0.02 < missing.to_numpy().mean() < 0.06
    for name, rule in COLUMNS.items():
        assert missing[name].mean() == pytest.approx(rule.missing, abs=4 * np.sqrt(rule.missing / 3000) + 1e-9)
        if rule.missing:
            assert abs(roc_auc_score(built.labels, missing[name]) - 0.5) < 0.04


def test_volumes_are_bytes_of_one_channel_on_a_small_grid(built: Built) -> None:
    for cohort in (built.cohort, built.cohort.pool):
        volumes = cohort.images["flair"].array
        assert volumes.dtype == np.uint8
        assert volumes.shape[1:] == (1, 24, 28, 24)
        assert volumes[:, 0, load_brain().tissue > 0.9].mean() > 100
        assert volumes[:, 0, ~load_brain().inside].mean() < 15
        assert (volumes == 255).mean() < 0.001


def test_scanners_differ_between_centres(built: Built) -> None:
    tissue, sites = load_brain().tissue > 0.9, built.cohort.sites
    flair = built.cohort.images["flair"].array[:, 0]
    brightness = {site: flair[sites == site][:, tissue].mean() for site in np.unique(sites)}
    assert brightness["Centre B"] < brightness["Centre A"] < brightness["Centre C"]


def test_the_voxels_alone_tell_the_signs_and_so_the_risk(built: Built) -> None:
    brain, signs = load_brain(), built.people.signs
    flair = built.cohort.images["flair"].array[:, 0].astype(np.float32)
    flair /= np.median(flair[:, brain.tissue > 0.9], axis=1)[:, None, None, None]
    unusual = flair - flair.mean(axis=0)
    deep, near = brain.region("deep white matter"), brain.region("periventricular white matter")
    read = {
        "deep_ml": np.log1p(np.clip(unusual[:, deep] - 0.2, 0, None).sum(axis=1)),
        "periventricular_ml": np.log1p(np.clip(unusual[:, near] - 0.2, 0, None).sum(axis=1)),
        "lacunes": np.log1p(np.clip(-unusual[:, deep | near] - 0.3, 0, None).sum(axis=1)),
        "atrophy": -flair[:, (brain.beside_fluid > 0.3) & (brain.tissue > 0.3)].mean(axis=1),
    }
    truth = signs.assign(**{name: np.log(signs[name]) for name in ("deep_ml", "periventricular_ml")})
    for sign, values in read.items():
        assert np.corrcoef(values, truth[sign])[0, 1] > 0.9
    assert 0.66 < cross_validated_auc(np.column_stack(list(read.values())), built) < 0.75


def test_measured_columns_follow_the_signs_with_error(built: Built) -> None:
    derived, signs = built.cohort.derived, built.people.signs
    truth = {
        "wmh_volume_ml": np.log(signs["periventricular_ml"] + signs["deep_ml"]),
        "wmh_deep_ml": np.log(signs["deep_ml"]),
    }
    for name, error in (("wmh_volume_ml", 0.15), ("wmh_deep_ml", 0.35)):
        large = signs["deep_ml"] > 1
        assert np.std((np.log(derived[name]) - truth[name])[large]) == pytest.approx(error, abs=0.02)
    assert np.corrcoef(derived["lacunes"], signs["lacunes"])[0, 1] > 0.7
    assert np.corrcoef(derived["brain_parenchymal_fraction"], signs["atrophy"])[0, 1] < -0.8
    assert derived["brain_parenchymal_fraction"].between(0.75, 0.95).all()
    assert derived["ventricle_volume_ml"].between(10, 45).all()


def test_lesions_have_the_drawn_volume_and_lie_in_white_matter() -> None:
    brain = load_brain()
    signs = pd.Series({"periventricular_ml": 6.0, "deep_ml": 4.0, "lacunes": 0.0, "atrophy": 0.0})
    lesion = draw_anatomy(np.random.default_rng(5), signs).lesion
    assert lesion.sum() * 0.343 == pytest.approx(10.0, abs=1e-3)
    assert (lesion <= brain.white + 1e-6).all()
    assert not lesion[~brain.supratentorial].any()


def test_a_region_is_filled_in_the_order_of_the_score_until_it_is_full() -> None:
    room = np.array([0.5, 1.0, 0.0, 1.0], dtype=np.float32)
    score = np.array([1.0, 3.0, 9.0, 2.0], dtype=np.float32)
    np.testing.assert_allclose(fill(room, score, 1.5 * 0.343), [0, 1, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(fill(room, score, 99.0), room)


def test_the_atlas_names_every_region_and_has_each_on_both_sides(built: Built) -> None:
    atlas = built.cohort.atlas
    assert atlas.names == REGIONS
    assert atlas.labels.shape == (24, 28, 24)
    sizes = np.bincount(atlas.labels.ravel(), minlength=len(REGIONS) + 1)[1:]
    assert sizes.min() >= 40
    centre = {name: np.argwhere(atlas.labels == k)[:, 0].mean() for k, name in enumerate(REGIONS, start=1)}
    for name in REGIONS:
        if name.endswith(" left"):
            assert centre[name] < 12 < centre[name.replace(" left", " right")]


def test_the_audit_finds_no_leak(built: Built) -> None:
    everything = discover()
    subject = Subject(built.cohort, everything.dataset("synthetic-risk").card, everything)
    codes = ("SB111", "SB113", "SB114", "SB121", "SB122", "SB131", "SB133", "SB134", "SB141", "SB152")
    assert not [found for code in codes for found in CHECKS[code].look(subject)]


def test_building_takes_at_most_two_minutes_and_2_gb(built: Built) -> None:
    assert built.seconds < 120
    assert built.bytes < 2e9
