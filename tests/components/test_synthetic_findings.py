"""The synthetic findings cohort: counts, reproducibility, what scans show and reports say, the known law and its controls."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from benchmark import DataError, Sources
from benchmark.audit.leaks.checks import CHECKS
from benchmark.audit.leaks.subject import Subject
from benchmark.data.cohort import Cohort
from benchmark.data.intake import take_in
from benchmark.data.modalities.text import HELD_OUT_EXCHANGED
from benchmark.registry.discovery import discover
from benchmark.statistics.retrieval import Answers, score
from benchmark.system.locations import ROOT
from datasets.findings.people import DEPARTMENTS, FINDINGS, LEVELS, MIDDLES, PLACES, People, Spot, draw_people
from datasets.findings.reports import KINDS, Told, altered, told_of, with_errors, write
from datasets.findings.scans import draw_signal, scan_people, seed_voxels, shown, volume_ml
from datasets.findings.wording import HELD_OUT, HELD_OUT_WORDS, TRAINING
from datasets.risk.brain import load_brain
from datasets.risk.people import LABELLED, POOL, Origin, origins
from datasets.synthetic_findings import HELD_OUT_WORDING, SyntheticFindings
from tools.findings_controls import Draw, alike, brightest, predicted, regression, white_matter

pytestmark = pytest.mark.slow

CHILD = """
import json, pickle, resource, sys
from pathlib import Path
from benchmark import Sources
from datasets.synthetic_findings import SyntheticFindings

cohort = SyntheticFindings().build(Sources(Path(), {{}}, ""))
with open({path!r}, "wb") as file:
    pickle.dump(cohort, file, protocol=5)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
status = Path("/proc/self/status")  # on Linux the peak of `getrusage` is at least that of the process that started this one
if status.is_file():
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({{"seconds": used.ru_utime + used.ru_stime, "bytes": peak}}))
"""
CALM = {name: -2.0 for name in LEVELS}
"""Levels of a brain that shows nothing."""
SPOTS = {
    "infarct": Spot("left", "middle cerebral artery"),
    "bleed": Spot("right", "basal ganglia"),
    "mass": Spot("right", "frontal lobe"),
}
ILL = Told({"infarct": 2, "white-matter": 1}, SPOTS)
"""A large infarct on the left, and white-matter disease."""


@dataclass(frozen=True)
class Built:
    cohort: Cohort
    seconds: float
    bytes: int
    people: People

    @cached_property
    def told(self) -> list[Told]:
        return told_of(self.people)

    @cached_property
    def texts(self) -> list[str]:
        return [drafts[0] for drafts in self.cohort.reports]

    @cached_property
    def draw(self) -> Draw:
        return Draw(self.cohort)


@pytest.fixture(scope="module")
def built(once: Callable[[str, Callable[[], Any]], Any], shared: Path) -> Built:
    """The default draw, made in a process of its own, with the time and memory that it took."""

    def make() -> dict[str, float]:
        words = [sys.executable, "-c", CHILD.format(path=str(shared / "synthetic-findings"))]
        return json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    used = once("synthetic-findings-child", make)
    cohort = pickle.loads((shared / "synthetic-findings").read_bytes())
    return Built(cohort, used["seconds"], int(used["bytes"]), draw_people(origins(1, LABELLED, DEPARTMENTS)))


def concluded(text: str) -> set[str]:
    """The findings that the Summary of a report states."""
    summary = text.partition("Summary: ")[2]
    return {
        finding
        for finding, patterns in {name: (*TRAINING.concluded[name], *HELD_OUT.concluded[name]) for name in FINDINGS}.items()
        if any(as_regex(pattern).search(summary) for pattern in patterns)
    }


def as_regex(pattern: str) -> re.Pattern[str]:
    return re.compile(r"(?:^|(?<= ))" + re.sub(r"\\\{\w+\\\}", r"[\\w -]+?", re.escape(pattern)))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def test_the_card_says_what_the_cohort_is(built: Built) -> None:
    card = discover().datasets.get("synthetic-findings").card
    assert card.cases == len(built.cohort) == 1500
    assert card.sites == len(np.unique(built.cohort.sites)) == 3
    assert card.modalities == built.cohort.modalities == {"image", "text"}
    assert card.synthetic
    for word in ("never clinical evidence", "only like MR", "sentences from a list"):
        assert word in card.scope


def test_the_label_is_any_finding_and_every_finding_has_more_than_a_hundred_cases(built: Built) -> None:
    findings = built.cohort.findings
    assert tuple(findings) == FINDINGS
    assert (findings.any(axis=1).to_numpy() == built.cohort.labels.astype(bool)).all()
    assert findings.sum().min() > 100
    assert 0.40 < 1 - built.cohort.labels.mean() < 0.48
    assert (findings.sum(axis=1) >= 2).mean() > 0.15


def test_the_pool_has_scans_and_reports_of_1500_others_and_no_findings(built: Built) -> None:
    pool = built.cohort.pool
    assert len(pool) == 1500
    assert pool.labels is None and pool.findings is None
    assert pool.modalities == {"image", "text"} and not pool.report_sets
    assert not set(pool.case_ids) & set(built.cohort.case_ids)
    scans = {scan.tobytes() for part in (built.cohort, pool) for scan in part.images["flair"].array}
    assert len(scans) == 3000


def test_ids_are_sorted_and_tell_neither_department_nor_finding(built: Built) -> None:
    assert list(built.cohort.case_ids) == sorted(built.cohort.case_ids)
    order = np.arange(len(built.cohort))
    for column in (built.cohort.labels, *(built.cohort.sites == site for site in np.unique(built.cohort.sites))):
        assert abs(roc_auc_score(column, order) - 0.5) < 0.05
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.cohort.labels, built.cohort.sites == site) - 0.5) < 0.04


def test_the_engine_takes_it_in_without_a_problem(built: Built) -> None:
    taken, remarks = take_in(built.cohort, ())
    assert len(taken) == 1500
    assert not remarks.refused()


def test_the_audit_finds_no_leak(built: Built) -> None:
    everything = discover()
    subject = Subject(built.cohort, everything.dataset("synthetic-findings").card, everything)
    codes = (
        "SB111",
        "SB113",
        "SB114",
        "SB115",
        "SB116",
        "SB121",
        "SB122",
        "SB131",
        "SB132",
        "SB133",
        "SB141",
        "SB152",
        "SB161",
    )
    assert not [found for code in codes for found in CHECKS[code].look(subject)]


def test_the_same_seed_gives_the_same_people_in_another_process(built: Built) -> None:
    np.testing.assert_array_equal(built.people.findings.to_numpy(), built.cohort.findings.to_numpy())
    some = draw_people(origins(1, LABELLED, DEPARTMENTS)[:30])
    for view, volumes in scan_people(some).items():
        np.testing.assert_array_equal(volumes, built.cohort.images[view].array[:30])
    assert [write(told, f"1|{case}") for told, case in zip(built.told, built.cohort.case_ids, strict=True)] == built.texts


def test_findings_scans_and_reports_of_version_2_stay_what_they_are(built: Built) -> None:
    """A change to the law or to a draw shows here, and needs another `VERSION`; sums allow another processor's last bits."""
    assert built.cohort.source_digest == "synthetic-findings v2 seed 1 wrong 0.05"
    assert np.flatnonzero(built.cohort.labels)[:8].tolist() == [0, 2, 4, 6, 7, 8, 9, 15]
    assert built.cohort.images["dwi"].array[:100].mean() == pytest.approx(33.871082, rel=1e-5)
    assert built.cohort.images["flair"].array[:100].mean() == pytest.approx(42.605296, rel=1e-5)
    assert hashlib.sha256("\n".join(built.texts).encode()).hexdigest()[:16] == "f8926be8bbe3c291"


def test_a_person_does_not_depend_on_those_drawn_beside() -> None:
    some = [Origin(DEPARTMENTS[0], (1, LABELLED, number)) for number in range(8)]
    alone, among = draw_people(some[7:]), draw_people(some)
    pd.testing.assert_frame_equal(alone.state, among.state[7:].reset_index(drop=True))
    assert alone.spots[0] == among.spots[7]
    np.testing.assert_array_equal(scan_people(alone)["dwi"][0], scan_people(among)["dwi"][7])


def test_another_seed_gives_other_people_under_the_same_law() -> None:
    first, second = (draw_people(origins(seed, LABELLED, DEPARTMENTS)) for seed in (1, 2))
    assert not first.state.equals(second.state)
    for name in FINDINGS:
        assert abs(first.findings[name].mean() - second.findings[name].mean()) < 0.04


def test_a_finding_is_called_by_the_documented_formula(built: Built) -> None:
    for name, middle in MIDDLES.items():
        known = built.people.probabilities[name]
        np.testing.assert_allclose(known, expit(5 * (built.people.state[name] - middle)), atol=1e-6)
        called = built.people.findings[name]
        for low, high in ((0.05, 0.35), (0.35, 0.65), (0.65, 0.95)):
            band = known.between(low, high)
            error = 3.5 * np.sqrt((known[band] * (1 - known[band])).sum()) / band.sum()
            assert abs(called[band].mean() - known[band].mean()) < error


def test_levels_are_standard_normal(built: Built) -> None:
    levels = draw_people(origins(1, POOL, DEPARTMENTS)).state[[name for name in LEVELS if name != "age"]]
    assert levels.mean().abs().max() < 0.1
    assert (levels.std() - 1).abs().max() < 0.1
    assert levels.corr().loc["vascular", "infarct"] == pytest.approx(0.35, abs=0.07)


def test_the_optimum_of_each_finding_is_below_97_or_little_above(built: Built) -> None:
    facts = built.cohort.facts
    for name in FINDINGS:
        auc = roc_auc_score(built.people.findings[name], built.people.state[name])
        assert facts[f"oracle_auc_{name.replace('-', '_')}"] == pytest.approx(auc, abs=2e-4)
        assert 0.955 < auc < 0.985
    assert 0.91 < facts["oracle_auc"] < 0.96
    assert facts["oracle_auc_macro"] == pytest.approx(
        np.mean([facts[f"oracle_auc_{n.replace('-', '_')}"] for n in FINDINGS]), abs=1e-4
    )


def test_scans_are_bytes_of_two_views_on_a_small_grid(built: Built) -> None:
    for cohort in (built.cohort, built.cohort.pool):
        assert set(cohort.images) == {"dwi", "flair"}
        for view in cohort.images.values():
            assert view.array.dtype == np.uint8
            assert view.array.shape[1:] == (1, 24, 28, 24)
            assert (view.array == 255).mean() < 0.01


def test_scanners_differ_between_departments(built: Built) -> None:
    means = {
        site: built.cohort.images["flair"].array[built.cohort.sites == site].mean() for site in np.unique(built.cohort.sites)
    }
    assert means["Department B"] < means["Department A"] < means["Department C"]


def signals(**levels: float) -> np.ndarray:
    """Both channels of a calm brain in which these levels differ; all else is drawn alike."""
    state = pd.Series({**CALM, **{name.replace("_", "-"): level for name, level in levels.items()}})
    return draw_signal(np.random.default_rng(3), state, SPOTS)


def test_an_infarct_is_bright_on_dwi_in_its_territory() -> None:
    change = signals(infarct=2.0) - signals()
    bright = change[0] > 0.1
    assert 20 < bright.sum() < 400
    assert change[0][bright].mean() > 1.5 * change[1][bright].mean() > 0
    middle = load_brain().atlas.labels.shape[0] // 2
    assert np.argwhere(bright)[:, 0].max() <= middle
    assert not (bright & load_brain().region("cerebellum")).any()


def test_a_bleed_is_dark_on_dwi_and_a_mass_has_bright_oedema_on_flair() -> None:
    bleed, mass = signals(bleed=2.2) - signals(), signals(mass=2.2) - signals()
    assert bleed[0].min() < -0.15 and (bleed[0] < -0.1).sum() > 15
    assert (mass[1] > 0.12).sum() > 15 and (mass[0] < -0.1).sum() < 5
    axis = np.arange(bleed.shape[1])[:, None, None] * np.ones(bleed.shape[1:])
    middle = load_brain().atlas.labels.shape[0] // 2
    assert axis[bleed[0] < -0.1].mean() > middle and axis[mass[1] > 0.12].mean() > middle
    assert np.argwhere(mass[1] > 0.12)[:, 1].mean() > 14  # the frontal lobe lies in front


def test_hydrocephalus_widens_ventricles_and_narrows_sulci_and_white_matter_disease_is_bright_on_flair() -> None:
    brain = load_brain()
    change = signals(hydrocephalus=2.5) - signals()
    around = (brain.near > 0.4) & ~brain.ventricles & (brain.tissue > 0.6)
    assert change[1][around].mean() < -0.06
    outside = (brain.near < 0.2) & (brain.fluid > 0.3)
    assert change[1][outside].mean() > 0
    spots = signals(white_matter=2.0) - signals()
    assert spots[1].max() > 0.2 and spots[1][brain.white > 0.6].mean() > 5 * abs(spots[1][brain.grey > 0.8].mean())


def test_a_scan_shows_nothing_of_a_finding_a_deviation_below_its_middle_and_the_more_above() -> None:
    for finding, middle in MIDDLES.items():
        assert shown(finding, middle - 1.1) == 0 and shown(finding, middle) == pytest.approx(1)
    assert volume_ml("mass", MIDDLES["mass"] - 1) == 0
    assert volume_ml("bleed", 1.2) == pytest.approx(8)
    assert volume_ml("bleed", 0.9) < 8 < volume_ml("bleed", 2.0) < 60
    np.testing.assert_array_equal(signals(infarct=-2.0, bleed=-1.0, mass=0.1), signals())


def test_lesions_begin_where_their_place_is() -> None:
    left = load_brain().atlas.labels.shape[0] // 2
    for places in PLACES.values():
        for place in places:
            for side in ("left", "right"):
                seeds = np.argwhere(seed_voxels(Spot(side, place)))
                assert len(seeds) > 10
                assert (seeds[:, 0] <= left).all() if side == "left" else (seeds[:, 0] >= left).all()


def test_every_report_has_both_headings_and_concludes_exactly_the_findings(built: Built) -> None:
    for text, row in zip(built.texts, built.cohort.findings.to_numpy(), strict=True):
        assert text.startswith("Findings: ") and text.count("Summary: ") == 1
        assert concluded(text) == {name for name, there in zip(FINDINGS, row, strict=True) if there}


def test_reports_name_side_and_place_of_what_is_there(built: Built) -> None:
    for text, told in zip(built.texts, built.told, strict=True):
        for finding in told.findings:
            if finding in PLACES:
                assert f"{told.spots[finding].side} {told.spots[finding].place}" in text


def test_half_of_what_is_absent_is_denied_and_nothing_that_is_there(built: Built) -> None:
    denied = absent = 0
    for text, told in zip(built.texts, built.told, strict=True):
        for name in FINDINGS:
            said = any(sentence in text for sentence in TRAINING.denied[name])
            if name in told.findings:
                assert not said
            else:
                absent += 1
                denied += said
    assert 0.4 < denied / absent < 0.6


def test_the_words_vary(built: Built) -> None:
    assert len(set(built.texts)) > 1480
    for name in FINDINGS:
        for pattern in (*TRAINING.stated[name], *TRAINING.concluded[name]):
            assert sum(bool(as_regex(pattern).search(text)) for text in built.texts) > 5, pattern


def test_wrong_reports_stand_only_where_their_kind_applies(built: Built) -> None:
    sets = built.cohort.report_sets
    assert set(sets) == {*KINDS, HELD_OUT_WORDING, HELD_OUT_EXCHANGED}
    for case, told in enumerate(built.told):
        assert bool(sets["side-swapped"][case]) == bool({"infarct", "bleed", "mass"} & set(told.findings))
        assert bool(sets["finding-removed"][case]) == bool(told.findings)
        assert bool(sets["finding-invented"][case]) == (len(told.findings) < len(FINDINGS))
        assert sets["exchanged"][case] and sets[HELD_OUT_WORDING][case]


def test_a_wrong_report_is_wrong_in_the_way_of_its_name(built: Built) -> None:
    sets = built.cohort.report_sets
    swap = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    for case, (text, told) in enumerate(zip(built.texts, built.told, strict=True)):
        own = set(told.findings)
        assert concluded(sets["exchanged"][case][0]) != own
        for text_swapped in sets["side-swapped"][case]:
            assert text_swapped == re.sub(r"\b(left|right)\b", lambda side: swap[side[0]], text, flags=re.IGNORECASE) != text
        for shorter in sets["finding-removed"][case]:
            assert concluded(shorter) < own and len(concluded(shorter)) == len(own) - 1
        for longer in sets["finding-invented"][case]:
            assert concluded(longer) > own and len(concluded(longer)) == len(own) + 1


def test_a_report_with_one_thing_altered_keeps_its_other_sentences() -> None:
    other = Told({"bleed": 0}, SPOTS)
    for kind in ("finding-removed", "finding-invented"):
        way = altered(kind, ILL, "1|case", [other])
        assert way is not None
        kept = set(ILL.findings) & set(way.findings)
        own, wrong = (re.split(r"(?<=\.) ", write(told, "1|case")) for told in (ILL, way))
        for finding in kept:
            sentences = [s for s in own if any(as_regex(p).search(s) for p in TRAINING.stated[finding])]
            assert sentences and all(sentence in wrong for sentence in sentences)


def test_the_held_out_wording_says_the_same_in_words_of_no_other_report(built: Built) -> None:
    held = built.cohort.report_sets[HELD_OUT_WORDING]
    for (text,), told in zip(held, built.told, strict=True):
        assert concluded(text) == set(told.findings)
    pool = [drafts[0] for drafts in built.cohort.pool.reports]
    wrong = [draft for kind in KINDS for drafts in built.cohort.report_sets[kind] for draft in drafts]
    known = set().union(*map(words, (*built.texts, *pool, *wrong)))
    assert not known & set(HELD_OUT_WORDS)
    used = set().union(*(words(text) for (text,) in held))
    assert set(HELD_OUT_WORDS) <= used
    for name in FINDINGS:
        for pattern in (*HELD_OUT.stated[name], *HELD_OUT.concluded[name]):
            assert words(pattern) & set(HELD_OUT_WORDS), pattern


def test_an_exchanged_report_says_the_same_in_held_out_wording(built: Built) -> None:
    sets = built.cohort.report_sets
    for (told,), (reworded,) in zip(sets["exchanged"], sets[HELD_OUT_EXCHANGED], strict=True):
        assert concluded(reworded) == concluded(told) and words(reworded) & set(HELD_OUT_WORDS)


def test_held_out_wording_is_told_by_what_it_says_and_not_by_its_style(built: Built) -> None:
    """A reader whose words are those of training reports alone: one of the same findings lends them, or any."""
    pool, rng = told_of(draw_people(origins(1, POOL, DEPARTMENTS))), np.random.default_rng(0)
    pool_texts = [drafts[0] for drafts in built.cohort.pool.reports]
    alike = [[k for k, other in enumerate(pool) if {*other.findings} == {*own.findings}] for own in built.told]
    lent = {
        "alike": [rng.choice(rows) if rows else rng.integers(len(pool)) for rows in alike],
        "any": rng.integers(len(pool), size=len(built.told)),
    }
    reader = TfidfVectorizer(token_pattern=r"\w+").fit(pool_texts)

    def auc(rows: Sequence[int]) -> float:
        seen = reader.transform([pool_texts[row] for row in rows])
        texts = {
            name: [drafts[0] for drafts in built.cohort.report_sets[name]] for name in (HELD_OUT_WORDING, HELD_OUT_EXCHANGED)
        }
        near = {name: np.asarray(seen.multiply(reader.transform(told)).sum(axis=1)).ravel() for name, told in texts.items()}
        return score({}, Answers({}, altered=near), np.nan)["held_out_wording_auc"]

    assert auc(lent["alike"]) > 0.62
    assert abs(auc(lent["any"]) - 0.5) < 0.04


def test_no_set_and_no_pool_holds_another_labelled_cases_report(built: Built) -> None:
    for name, reports in built.cohort.report_sets.items():
        for case, drafts in enumerate(reports):
            assert not set(drafts) & set(built.texts[:case] + built.texts[case + 1 :]), (name, case)
    assert not {drafts[0] for drafts in built.cohort.pool.reports} & set(built.texts)


def test_a_twentieth_of_the_pools_reports_is_wrong_in_one_of_four_ways(built: Built) -> None:
    pool, people = built.cohort.pool, draw_people(origins(1, POOL, DEPARTMENTS))
    right = [write(told, f"1|{case}") for told, case in zip(told_of(people), pool.case_ids, strict=True)]
    wrong = [drafts[0] != text for drafts, text in zip(pool.reports, right, strict=True)]
    assert 0.035 < np.mean(wrong) < 0.065
    others = told_of(people)[:50]
    ways = {
        kind
        for number in range(200)
        for kind in KINDS
        if with_errors(ILL, f"x{number}", others, 1.0) == altered(kind, ILL, f"x{number}", others)
    }
    assert ways == set(KINDS)
    assert all(with_errors(ILL, f"x{number}", others, 0.0) == ILL for number in range(200))


def test_the_share_of_wrong_reports_is_an_option_that_leaves_the_cases_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {purpose: origins(1, purpose, DEPARTMENTS)[:40] for purpose in (LABELLED, POOL)}
    monkeypatch.setattr("datasets.synthetic_findings.origins", lambda seed, purpose, departments: few[purpose])
    none, half = (SyntheticFindings(wrong=share).build(Sources(Path(), {}, "")) for share in (0.0, 0.5))
    assert none.reports == half.reports and none.report_sets == half.report_sets
    differ = [one != other for one, other in zip(none.pool.reports, half.pool.reports, strict=True)]
    assert 10 < sum(differ) < 30
    assert none.source_digest != half.source_digest
    assert discover().dataset("synthetic-findings[wrong=0.5]").make() == SyntheticFindings(wrong=0.5)
    with pytest.raises(DataError, match=r"wrong=1\.5: give a share from 0 to 1"):
        SyntheticFindings(wrong=1.5).build(Sources(Path(), {}, ""))


def test_queries_state_every_finding_in_sentences_of_no_report(built: Built) -> None:
    queries: Mapping[str, tuple[str, ...]] = built.cohort.queries
    assert set(queries) == {*FINDINGS, "normal"}
    texts = " ".join(built.texts).lower()
    for name, sentences in queries.items():
        assert len(sentences) >= 3
        for sentence in sentences:
            assert f"{sentence.lower()}." not in texts, name
            assert not words(sentence) & set(HELD_OUT_WORDS)


def test_neighbours_of_pixels_tell_little_and_readings_of_voxels_much(built: Built) -> None:
    def aucs(scores: np.ndarray) -> list[float]:
        return [roc_auc_score(built.draw.findings[:, k], scores[:, k]) for k in range(len(FINDINGS))]

    pixels = built.draw.volumes.reshape(len(built.cohort), -1)
    assert max(max(aucs(scores)) for scores in alike(built.draw, pixels)) < 0.70
    readings = np.hstack([brightest(built.draw.volumes), white_matter(built.draw.volumes)])
    found = aucs(predicted(built.draw, readings, lambda: regression(0.1)))
    assert 0.78 < np.mean(found) < 0.95
    assert min(found) > 0.65


def test_age_and_sex_are_strata_and_no_inputs(built: Built) -> None:
    assert list(built.cohort.strata) == ["age", "sex"]
    assert built.cohort.table is None
    assert built.cohort.strata["age"].between(18, 95).all()


def test_building_takes_at_most_two_minutes_and_2_gb(built: Built) -> None:
    assert built.seconds < 120
    assert built.bytes < 2e9
