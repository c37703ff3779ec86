"""The synthetic cardiac cohort: counts, reproducibility, the ECG's laws and signs, the moving wall, the known law, controls."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from benchmark import DataError, Sources
from benchmark.audit.leaks.checks import CHECKS
from benchmark.audit.leaks.subject import Subject
from benchmark.data.cohort import Cohort
from benchmark.data.intake import take_in
from benchmark.data.modalities.signal import LEADS as WFDB_LEADS
from benchmark.data.protocols.label_efficiency import LabelEfficiency
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT
from datasets.cardiac.cine import EDGE, draw_wall, image_people
from datasets.cardiac.oracle import _expected
from datasets.cardiac.people import COLUMNS, HOSPITALS, WALLS, People, draw_people, lost
from datasets.cardiac.recorders import LEADS, record_people
from datasets.risk.columns import Number
from datasets.risk.people import LABELLED, POOL, Origin, origins
from datasets.synthetic_cardiac import SyntheticCardiac
from tools.cardiac_controls import (
    Draw,
    as_numbers,
    controls,
    cross_validated_auc,
    logistic_regression,
    median_beats,
    read_beats,
    read_volumes,
    taught_auc,
)

pytestmark = pytest.mark.slow

CHILD = """
import json, pickle, resource, sys
from pathlib import Path
from benchmark import Sources
from datasets.synthetic_cardiac import SyntheticCardiac

cohort = SyntheticCardiac().build(Sources(Path(), {{}}, ""))
with open({path!r}, "wb") as file:
    pickle.dump(cohort, file, protocol=5)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
status = Path("/proc/self/status")  # on Linux the peak of `getrusage` is at least that of the process that started this one
if status.is_file():
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({{"seconds": used.ru_utime + used.ru_stime, "bytes": peak}}))
"""
TERRITORY = {
    "anterior": ("V1", "V2", "V3", "V4"),
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL", "V5", "V6"),
}
"""Wall -> the leads that look at it, as in any textbook of electrocardiography."""
REMOTE = {"anterior": ("III", "aVL"), "inferior": ("V2", "V3"), "lateral": ("aVF", "V2")}
"""Wall -> two leads that do not."""


@dataclass(frozen=True)
class Built:
    cohort: Cohort
    seconds: float
    bytes: int
    people: People

    @property
    def labels(self) -> np.ndarray:
        return self.cohort.labels

    @cached_property
    def microvolts(self) -> np.ndarray:
        return self.cohort.signals.array.astype(np.int64)

    @cached_property
    def draw(self) -> Draw:
        return Draw(self.people, self.microvolts / 1000, self.cohort.images["cine"].array[:, 0] / 255)

    @cached_property
    def beats(self) -> np.ndarray:
        return median_beats(self.draw.recordings)

    @cached_property
    def readings(self) -> np.ndarray:
        return read_volumes(self.draw.volumes)

    @cached_property
    def controls(self) -> dict[str, float]:
        return {name: cross_validated_auc(features, self.labels, model) for name, features, model in controls(self.draw)}

    def beat(self, where: Any, lead: str) -> np.ndarray:
        """The mean over people of a lead's median beat, whose QRS complex is in the middle of samples 22 to 40."""
        return self.beats[np.asarray(where), LEADS.index(lead)].mean(axis=0)


@pytest.fixture(scope="module")
def built(once: Callable[[str, Callable[[], Any]], Any], shared: Path) -> Built:
    """The default draw, made in a process of its own, with the time and memory that it took."""

    def make() -> dict[str, float]:
        words = [sys.executable, "-c", CHILD.format(path=str(shared / "synthetic-cardiac"))]
        return json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    used = once("synthetic-cardiac-child", make)
    cohort = pickle.loads((shared / "synthetic-cardiac").read_bytes())
    return Built(cohort, used["seconds"], int(used["bytes"]), draw_people(origins(1, LABELLED, HOSPITALS)))


def test_the_card_says_what_the_cohort_is(built: Built) -> None:
    card = discover().datasets.get("synthetic-cardiac").card
    assert card.cases == len(built.cohort) == 2000
    assert card.sites == len(np.unique(built.cohort.sites)) == 4
    assert card.modalities == built.cohort.modalities == {"signal", "image", "table"}
    assert card.synthetic
    for word in ("never clinical evidence", "sums of Gaussian waves", "no real infarct is as simple", "no arrhythmia but"):
        assert word in card.scope


def test_labels_with_1_are_few_but_a_tenth_of_the_labels_holds_more_than_ten(built: Built) -> None:
    assert 0.115 < built.labels.mean() < 0.15
    assert 0.115 < draw_people(origins(1, POOL, HOSPITALS)).infarction.mean() < 0.15
    for split in LabelEfficiency(share=0.1).splits(built.cohort):
        assert built.labels[np.concatenate([split.train, split.validation])].sum() > 10


def test_the_pool_has_4000_other_people_without_labels(built: Built) -> None:
    pool = built.cohort.pool
    assert pool is not None
    assert len(pool) == 4000
    assert pool.labels is None
    assert not set(pool.case_ids) & set(built.cohort.case_ids)
    assert set(pool.sites) == set(built.cohort.sites)
    assert pool.modalities == built.cohort.modalities
    for arrays in ((c.signals.array for c in (built.cohort, pool)), (c.images["cine"].array for c in (built.cohort, pool))):
        assert len({case.tobytes() for array in arrays for case in array}) == 6000


def test_ids_are_sorted_and_tell_neither_hospital_nor_outcome(built: Built) -> None:
    assert list(built.cohort.case_ids) == sorted(built.cohort.case_ids)
    order = np.arange(len(built.cohort))
    assert abs(roc_auc_score(built.labels, order) - 0.5) < 0.07
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.cohort.sites == site, order) - 0.5) < 0.06


def test_the_engine_takes_it_in_without_a_problem_or_a_remark_on_the_ecg(built: Built) -> None:
    taken, remarks = take_in(built.cohort, ())
    assert len(taken) == 2000
    assert not remarks.refused()
    assert taken.signals.array.dtype == np.int16


def test_the_same_seed_gives_the_same_people_in_another_process(built: Built) -> None:
    assert built.people.infarction.tolist() == built.labels.astype(bool).tolist()
    some = draw_people(origins(1, LABELLED, HOSPITALS)[:40])
    np.testing.assert_array_equal(record_people(some), built.cohort.signals.array[:40])
    np.testing.assert_array_equal(image_people(some), built.cohort.images["cine"].array[:40])
    pd.testing.assert_frame_equal(some.charts(), built.cohort.table[:40])


def test_labels_and_ecgs_of_version_1_stay_what_they_are(built: Built) -> None:
    """A change to the law or to a draw shows here, and needs another `VERSION`; sums allow another processor's last bits."""
    assert built.cohort.source_digest == "synthetic-cardiac v1 seed 1"
    assert np.flatnonzero(built.labels)[:8].tolist() == [20, 21, 22, 28, 34, 46, 65, 66]
    assert built.microvolts[:100, 1].std() == pytest.approx(271.43147, rel=1e-6)
    assert built.cohort.images["cine"].array[:100].mean() == pytest.approx(90.872389, rel=1e-6)


def test_a_person_does_not_depend_on_those_drawn_beside() -> None:
    some = [Origin(HOSPITALS[0], (1, LABELLED, number)) for number in range(8)]
    alone, among = draw_people(some[7:]), draw_people(some)
    pd.testing.assert_frame_equal(alone.visit.table, among.visit.table[7:].reset_index(drop=True))
    pd.testing.assert_frame_equal(alone.signs, among.signs[7:].reset_index(drop=True))
    np.testing.assert_array_equal(record_people(alone)[0], record_people(among)[7])
    np.testing.assert_array_equal(image_people(alone)[0], image_people(among)[7])


def test_another_seed_gives_other_people_under_the_same_law() -> None:
    first, second = (draw_people(origins(seed, LABELLED, HOSPITALS)) for seed in (1, 2))
    assert not first.visit.table.equals(second.visit.table)
    aucs = [roc_auc_score(people.infarction, people.terms.probability) for people in (first, second)]
    assert min(aucs) > 0.88 and max(aucs) < 0.93


def test_without_images_it_is_the_same_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    few = origins(1, LABELLED, HOSPITALS)[:30]
    monkeypatch.setattr("datasets.synthetic_cardiac.origins", lambda seed, purpose, hospitals: few)
    spelled = ("synthetic-cardiac", "synthetic-cardiac[images=none]")
    with_images, without = (discover().dataset(name).make().build(Sources(Path(), {}, "")) for name in spelled)
    for one, other in ((with_images, without), (with_images.pool, without.pool)):
        assert one.modalities - other.modalities == {"image"}
        np.testing.assert_array_equal(one.signals.array, other.signals.array)
        pd.testing.assert_frame_equal(one.table, other.table)
        assert one.case_ids.tolist() == other.case_ids.tolist()
    assert with_images.labels.tolist() == without.labels.tolist()
    assert with_images.facts == without.facts
    card = discover().dataset("synthetic-cardiac[images=none]").card
    assert card.modalities == {"signal", "table"} == set(card.inputs)


def test_images_that_are_neither_cine_nor_none_are_refused() -> None:
    with pytest.raises(DataError, match="images=late: give 'cine' or 'none'"):
        SyntheticCardiac(images="late").build(Sources(Path(), {}, ""))


def test_einthovens_and_goldbergers_laws_hold_exactly(built: Built) -> None:
    one, two, three, right, left, foot = built.microvolts[:, :6].transpose(1, 0, 2)
    np.testing.assert_array_equal(one + three, two)
    np.testing.assert_array_equal(2 * right, -(one + two))
    np.testing.assert_array_equal(2 * left, one - three)
    np.testing.assert_array_equal(2 * foot, two + three)


def test_leads_are_named_as_in_wfdb_in_millivolts_at_100_hz(built: Built) -> None:
    signals = built.cohort.signals
    assert (signals.leads, signals.hertz, signals.unit, signals.shape) == (WFDB_LEADS, 100, "mV", (2000, 12, 1000))
    swings = np.ptp(built.draw.recordings, axis=2)
    assert 1.0 < np.median(swings[:, LEADS.index("II")]) < 2.5
    assert swings.max() < 15


def test_a_healthy_ecg_looks_like_one(built: Built) -> None:
    healthy = built.people.signs["electrical"] < 0
    r = {lead: built.beat(healthy, lead)[22:40].max() for lead in LEADS}
    s = {lead: -built.beat(healthy, lead)[22:40].min() for lead in LEADS}
    assert r["V1"] < r["V2"] < r["V3"] < r["V4"]
    assert s["V1"] > s["V3"] > s["V4"] > s["V5"] > s["V6"]
    assert r["V1"] < s["V1"] and r["V2"] < s["V2"] and r["V5"] > 5 * s["V5"]
    assert s["aVR"] > 5 * r["aVR"]
    p, t = slice(12, 20), slice(52, 66)
    for lead in ("I", "II", "aVF", "V3", "V4", "V5", "V6"):
        assert built.beat(healthy, lead)[p].max() > 0.015
        assert built.beat(healthy, lead)[t].max() > 0.05
    assert built.beat(healthy, "aVR")[p].min() < -0.02
    assert built.beat(healthy, "aVR")[t].min() < -0.05


@pytest.mark.parametrize("wall", WALLS)
def test_infarct_signs_appear_in_the_leads_that_look_at_the_wall(built: Built, wall: str) -> None:
    signs = built.people.signs
    healthy, ill = signs["electrical"] < 0, (signs["electrical"] > 1.3) & (signs["wall"] == wall)

    def change(lead: str, part: slice) -> float:
        return float((built.beat(ill, lead) - built.beat(healthy, lead))[part].mean())

    q, r, st, t = slice(25, 29), slice(28, 31), slice(39, 45), slice(55, 62)
    for lead in TERRITORY[wall]:
        assert change(lead, q) < -0.08
        assert change(lead, r) < -0.1
        assert change(lead, t) < -0.1
    assert np.mean([change(lead, st) for lead in TERRITORY[wall]]) > 0.02
    for lead in REMOTE[wall]:
        assert change(lead, q) > -0.05
        assert change(lead, t) > -0.05


def test_the_heart_beats_as_fast_as_the_pulse_says(built: Built) -> None:
    second = built.draw.recordings[:300, LEADS.index("II")]
    centred = second - second.mean(axis=1, keepdims=True)
    lags = np.arange(45, 130)
    likeness = np.array([(centred[:, lag:] * centred[:, :-lag]).mean(axis=1) for lag in lags])
    bpm = 6000 / lags[likeness.argmax(axis=0)]
    assert np.median(np.abs(bpm / built.people.visit.table["pulse_bpm"][:300] - 1)) < 0.08


def test_recorders_differ_between_hospitals(built: Built) -> None:
    high = np.abs(np.diff(built.draw.recordings[:, 6:], n=2, axis=2))
    noise = {site: np.median(high[built.cohort.sites == site]) for site in np.unique(built.cohort.sites)}
    assert noise["Hospital C"] < noise["Hospital A"] < 0.5 * min(noise["Hospital B"], noise["Hospital D"])
    steps = {site: np.gcd.reduce(built.microvolts[built.cohort.sites == site, 0], axis=None) for site in noise}
    assert steps == {"Hospital A": 2, "Hospital B": 2, "Hospital C": 4, "Hospital D": 10}


def test_volumes_are_bytes_of_eight_moments_on_a_small_grid(built: Built) -> None:
    for cohort in (built.cohort, built.cohort.pool):
        volumes = cohort.images["cine"].array
        assert volumes.dtype == np.uint8
        assert volumes.shape[1:] == (1, 8, 24, 24)
        assert (volumes == 255).mean() < 0.01


def test_scanners_differ_between_hospitals(built: Built) -> None:
    mean = {site: built.draw.volumes[built.cohort.sites == site].mean() for site in np.unique(built.cohort.sites)}
    assert mean["Hospital B"] < mean["Hospital D"] < mean["Hospital A"] < mean["Hospital C"]


@pytest.mark.parametrize(("wall", "twelfth"), [("anterior", 4), ("inferior", 9), ("lateral", 0)])
def test_the_wall_that_is_lost_moves_less(built: Built, wall: str, twelfth: int) -> None:
    signs, motion = built.people.signs, built.readings[:, :12]
    healthy, ill = signs["mechanical"] < 0, (signs["mechanical"] > 1.3) & (signs["wall"] == wall)
    loss = 1 - motion[ill].mean(axis=0) / motion[healthy].mean(axis=0)
    assert loss[twelfth] > 0.35
    assert loss[twelfth] > loss[(twelfth + 6) % 12] + 0.2


def test_the_wall_that_is_lost_is_thin_on_its_side_alone() -> None:
    signs = pd.Series({"wall": "inferior", "mechanical": -3.0, "hypertrophy": 0.0})
    healthy, ill = (draw_wall(np.random.default_rng(5), signs.replace({-3.0: level})) for level in (-3.0, 3.0))
    thinner = 1 - (ill.outer - ill.inner)[0] / (healthy.outer - healthy.inner)[0]
    column = EDGE // 2
    assert thinner[-1, column] > 0.4
    assert abs(thinner[0, column]) < 0.05


def test_the_known_probability_is_the_documented_formula(built: Built) -> None:
    table, extent = built.people.visit.table, built.people.signs["extent"]
    logit = (
        -3.75
        + 2.00 * extent
        + 0.30 * (table["age"] - 64) / 7.5
        + 0.40 * (table["sex"] == "male")
        + 0.60 * (table["smoking"] == "current")
        + 0.25 * (table["smoking"] == "former")
        + 0.70 * (table["diabetes"] == "yes")
        + 0.35 * (table["hypertension_treatment"] == "yes")
        + 0.30 * (table["total_cholesterol_mmol_l"] - 5.6) / 1.1
        + 0.50 * (table["family_heart_disease"] == "yes")
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


def test_levels_are_standard_normal_and_the_image_tells_the_state_more_closely_than_the_ecg(built: Built) -> None:
    signs = built.people.signs
    levels = signs[["extent", "electrical", "mechanical", "hypertrophy"]]
    assert levels.mean().abs().max() < 0.1
    assert (levels.std() - 1).abs().max() < 0.1
    related = levels.corr()["extent"]
    assert related["electrical"] == pytest.approx(0.80, abs=0.03)
    assert related["mechanical"] == pytest.approx(0.97, abs=0.01)
    shares = signs["wall"].value_counts(normalize=True)
    assert {wall: pytest.approx(share, abs=0.04) for wall, share in WALLS.items()} == shares.to_dict()
    assert lost(1.0) == 0.5 and lost(0.0) == pytest.approx(0.119, abs=1e-3)


def test_the_optimum_and_its_parts_stand_where_they_were_meant_to(built: Built) -> None:
    facts = built.cohort.facts
    assert 0.88 < facts["oracle_auc"] < 0.93
    assert 0.82 < facts["oracle_auc_ecg_table"] < 0.88
    assert 0.79 < facts["oracle_auc_ecg"] < 0.85
    assert 0.86 < facts["oracle_auc_image"] < 0.91
    assert 0.69 < facts["oracle_auc_table"] < 0.80
    assert facts["oracle_auc_image_table"] > facts["oracle_auc_ecg_table"] + 0.02
    assert facts["oracle_auc"] >= facts["oracle_auc_ecg_image_table"] > facts["oracle_auc_ecg_table"]


def test_the_optimum_of_a_part_is_the_mean_of_the_known_probability_given_that_part(built: Built) -> None:
    """Of many people alike in what the ECG and the table tell, as many have an infarction as the oracle expects."""
    pool = draw_people(origins(1, POOL, HOSPITALS))
    expected = _expected(pool, built.people, ["electrical"], table=True)
    for part in np.array_split(np.argsort(expected), 5):
        known = pool.terms.probability[part]
        assert abs(known.mean() - expected[part].mean()) < 0.03


def test_a_regression_on_the_latent_state_comes_near_the_optimum_and_all_else_stays_below_it(built: Built) -> None:
    best, found = built.cohort.facts["oracle_auc"], built.controls
    assert best - 0.03 < found["latent state and complete table"] <= best
    assert max(auc for name, auc in found.items() if "latent" not in name) < best - 0.03


def test_nearest_neighbours_and_simple_statistics_tell_little(built: Built) -> None:
    found = built.controls
    assert found["ECG: 50 nearest neighbours of samples"] < 0.56
    assert found["image: 50 nearest neighbours of pixels"] < 0.60
    assert found["ECG: ten statistics of each lead"] < 0.67
    assert found["ECG: 50 nearest neighbours of median beats"] < 0.73


def test_what_is_read_of_ecg_and_volume_tells_much_of_the_state(built: Built) -> None:
    facts, found = built.cohort.facts, built.controls
    assert 0.70 < found["ECG: nine readings of each lead's median beat"] < facts["oracle_auc_ecg"]
    assert 0.74 < found["image: the same, boosted trees"] < facts["oracle_auc_image"]
    assert 0.66 < found["table"] < facts["oracle_auc_table"]
    alone = max(found["table"], found["ECG: nine readings of each lead's median beat"])
    assert alone + 0.02 < found["ECG readings and table"] < facts["oracle_auc_ecg_table"]


def test_the_volume_tells_the_state_more_closely_than_the_ecg_and_the_ecg_more_than_its_labels_teach(built: Built) -> None:
    ecg = taught_auc(read_beats(built.beats), built.draw, "electrical")
    assert ecg > built.controls["ECG: nine readings of each lead's median beat"] + 0.01
    assert ecg + 0.03 < taught_auc(built.readings, built.draw, "mechanical") < built.cohort.facts["oracle_auc_image"]


def test_no_column_and_no_mean_of_a_lead_or_volume_comes_near_telling_the_outcome(built: Built) -> None:
    columns = dict(pd.get_dummies(built.cohort.table).astype(float))
    for lead, values in zip(LEADS, built.draw.recordings.transpose(1, 0, 2), strict=True):
        columns |= {f"mean of {lead}": values.mean(axis=1), f"zeros of {lead}": (values == 0).mean(axis=1)}
        columns |= {f"noise of {lead}": np.median(np.abs(np.diff(values, n=2, axis=1)), axis=1)}
        columns |= {f"mains of {lead}": np.abs((values * (-1) ** np.arange(1000)).mean(axis=1))}
    columns |= {
        "mean of the volume": built.draw.volumes.mean(axis=(1, 2, 3)),
        "zeros": (built.draw.volumes == 0).mean((1, 2, 3)),
    }
    for name, column in columns.items():
        there = ~np.isnan(np.asarray(column, dtype=float))
        auc = roc_auc_score(built.labels[there], np.asarray(column)[there])
        assert max(auc, 1 - auc) < (0.60 if " of " in name or name == "zeros" else 0.70), name


def test_the_hospital_tells_nothing_of_the_outcome(built: Built) -> None:
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.labels, built.cohort.sites == site) - 0.5) < 0.05


def test_columns_that_are_noise_are_so(built: Built) -> None:
    rules = {name: rule for name, rule in COLUMNS.items() if not rule.weights and name not in ("age", "sex")}
    used = {name for rule in COLUMNS.values() for name in rule.weights}
    noise = rules.keys() - used
    assert noise == {"handedness", "milk", "coffee"}
    numbers = as_numbers(built.cohort.table[sorted(noise)])
    assert abs(cross_validated_auc(numbers, built.labels, logistic_regression()) - 0.5) < 0.06


def test_the_table_has_14_numbers_and_10_categories_in_plausible_ranges(built: Built) -> None:
    table = built.cohort.table
    numbers = [name for name in table if pd.api.types.is_float_dtype(table[name])]
    assert (len(numbers), len(table.columns) - len(numbers)) == (14, 10)
    for name, rule in COLUMNS.items():
        if isinstance(rule, Number):
            assert table[name].dropna().between(rule.low, rule.high).all()
        else:
            assert set(table[name].dropna()) == set(rule.levels)


def test_values_are_missing_completely_at_random_in_the_stated_shares(built: Built) -> None:
    missing = built.cohort.table.isna()
    for name, rule in COLUMNS.items():
        assert missing[name].mean() == pytest.approx(rule.missing, abs=4 * np.sqrt(rule.missing / 2000) + 1e-9)
        if rule.missing:
            assert abs(roc_auc_score(built.labels, missing[name]) - 0.5) < 0.05


def test_the_audit_finds_no_leak(built: Built) -> None:
    everything = discover()
    subject = Subject(built.cohort, everything.dataset("synthetic-cardiac").card, everything)
    codes = ("SB111", "SB113", "SB114", "SB121", "SB122", "SB131", "SB133", "SB134", "SB141", "SB152")
    assert not [found for code in codes for found in CHECKS[code].look(subject)]


def test_building_takes_at_most_two_minutes_and_2_gb(built: Built) -> None:
    assert built.seconds < 120
    assert built.bytes < 2e9
