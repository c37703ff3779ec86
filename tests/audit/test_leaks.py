"""Leak checks: each planted leak is caught by its code, and a clean cohort gives none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.audit.leaks.canary import canary
from benchmark.audit.leaks.chance import codes_of, equal_pairs
from benchmark.audit.leaks.checks import CANARY, CHECKS, audit_dataset
from benchmark.audit.leaks.neighbours import near_copies
from benchmark.audit.leaks.subject import Observation, Subject
from benchmark.cells.audited import audit_path, read_audited
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.data.modalities.text import WITHHELD
from benchmark.data.splits import Split
from benchmark.registry.cards import DatasetCard
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT
from datasets.synthetic.planted import planted
from tests.made_benchmark import MadeBenchmark

CARD = DatasetCard(
    "made",
    title="Made",
    source="made",
    license="none",
    citation="none",
    label="modified Rankin Scale of 0-2 (mRS)",
    label_time="90 days",
    positive="good outcome",
    negative="poor outcome",
    site="hospital",
    inputs={},
    barred={"final_TOAST, DIED": "known after the work-up", "stay_days": "known at discharge"},
    scope="Made for tests.",
    modalities=set(),
)
WORDS = np.array(["".join(letters) for letters in np.random.default_rng(0).choice(list("abcdefghijklmnop"), size=(300, 7))])


def clean(n: int = 120, seed: int = 0, pool: int = 30) -> Cohort:
    """A cohort of n cases whose table says something of the label, with noise images, reports in free words, and a pool."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(size=n + pool)
    table = pd.DataFrame({name: 0.5 * severity + rng.normal(size=n + pool) for name in ("age", "nihss", "glucose", "pressure")})
    table["side"] = pd.Categorical(rng.choice(["left", "right"], size=n + pool))
    table["prior_stroke"] = (rng.random(n + pool) < 0.2).astype(float)
    table.loc[rng.random(n + pool) < 0.1, "glucose"] = np.nan
    ids = np.array([f"case-{number:04d}" for number in range(n + pool)])
    everyone = Cohort(
        name="made",
        case_ids=ids,
        sites=rng.choice(["North", "South", "West"], size=n + pool),
        groups=np.char.replace(ids, "case", "patient"),
        table=table,
        reports=tuple((" ".join(rng.choice(WORDS, size=25)) + ".",) for _ in ids),
        images={"scan": ImageView(rng.integers(0, 256, (n + pool, 1, 12, 12, 12), dtype=np.uint8), scale=1 / 255)},
    )
    labels = (severity + rng.normal(size=n + pool) < 0).astype(np.int8)
    held = replace(everyone.take(np.arange(n, n + pool)), rows=None)
    return replace(everyone.take(np.arange(n)), labels=labels[:n], pool=held if pool else None, rows=None)


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


def seen(code: str, cohort: Cohort, catalogue: Catalogue, splits: list[Split] | None = None) -> list[Observation]:
    check = CHECKS[code]
    protocol = catalogue.protocol("repeated-cv") if check.of_splits else None
    subject = Subject(cohort, CARD, catalogue, protocol)
    if splits is not None:
        vars(subject)["splits"] = splits
    return list(check.look(subject))


# What is planted

Plant = Callable[[Cohort], Cohort]


def with_column(name: str, values: Callable[[Cohort], np.ndarray]) -> Plant:
    return lambda cohort: replace(cohort, table=cohort.table.assign(**{name: values(cohort)}))


def copied(cohort: Cohort, part: str, change: Callable[[Cohort, Cohort], Cohort]) -> Cohort:
    """A tenth of the cases has the part of other cases."""
    few = np.arange(len(cohort)) < len(cohort) // 10
    index = np.where(few, np.arange(len(cohort)) + len(cohort) // 2, np.arange(len(cohort)))
    return replace(cohort, parts={**cohort.parts, part: change(cohort, cohort.take(index)).parts[part]})


def jittered_rows(own: Cohort, other: Cohort) -> Cohort:
    numbers = other.table[["age", "nihss", "glucose", "pressure"]]
    noise = np.random.default_rng(1).normal(size=numbers.shape)
    return replace(other, table=other.table.assign(**(numbers + 1e-5 * noise).to_dict("series")))


def noisy_images(own: Cohort, other: Cohort) -> Cohort:
    view = other.images["scan"]
    voxels = np.array(view.array[view.rows]).astype(int)
    noise = np.random.default_rng(1).integers(-3, 4, size=voxels.shape)
    return replace(other, images={"scan": ImageView(np.clip(voxels + noise, 0, 255).astype(np.uint8), scale=1 / 255)})


def same(own: Cohort, other: Cohort) -> Cohort:
    return other


def retyped(own: Cohort, other: Cohort) -> Cohort:
    few = len(other) // 10
    return replace(other, reports=(*((f"{draft} read again",) for (draft,) in other.reports[:few]), *other.reports[few:]))


def pool_with(part: str) -> Plant:
    def plant(cohort: Cohort) -> Cohort:
        pool = cohort.pool
        own = cohort.take(np.arange(len(pool)))
        if part == "images":
            voxels = np.asarray(cohort.images["scan"].array[cohort.images["scan"].rows[: len(pool)]])
            return replace(cohort, pool=replace(pool, images={"scan": ImageView(voxels.copy(), scale=1 / 255)}))
        return replace(cohort, pool=replace(pool, parts={**pool.parts, part: own.parts[part]}))

    return plant


def mark(cohort: Cohort) -> Cohort:
    view = cohort.images["scan"]
    voxels = np.array(view.array[view.rows])
    voxels[:, 0, :2, :2, :2] = np.where(cohort.labels == 1, 250, 5)[:, None, None, None]
    return replace(cohort, images={"scan": ImageView(voxels, scale=1 / 255)})


def spoken(sentence: Callable[[int, int], str]) -> Plant:
    return lambda cohort: replace(
        cohort, reports=tuple((f"{d[0]} {sentence(i, int(cohort.labels[i]))}",) for i, d in enumerate(cohort.reports))
    )


PLANTED: dict[str, tuple[str, str, Plant]] = {
    "rows of other patients": ("SB111", "invalidates", lambda c: copied(c, "table", same)),
    "one row of another patient": (
        "SB111",
        "warns",
        lambda c: replace(c, table=c.table.take([1, *range(1, len(c))]).reset_index(drop=True)),
    ),
    "rows measured again": ("SB112", "invalidates", lambda c: copied(c, "table", jittered_rows)),
    "images of other patients": ("SB113", "invalidates", lambda c: copied(c, "images", same)),
    "noisy images of other patients": ("SB114", "invalidates", lambda c: copied(c, "images", noisy_images)),
    "reports of other patients": ("SB115", "invalidates", lambda c: copied(c, "reports", same)),
    "reports typed again": ("SB116", "invalidates", lambda c: copied(c, "reports", retyped)),
    "labelled rows in the pool": ("SB121", "invalidates", pool_with("table")),
    "labelled images in the pool": ("SB122", "invalidates", pool_with("images")),
    "labelled reports in the pool": ("SB123", "invalidates", pool_with("reports")),
    "a column of the outcome": ("SB131", "invalidates", with_column("ward", lambda c: 10.0 * c.labels + np.arange(len(c)) % 5)),
    "a category of the outcome": (
        "SB131",
        "invalidates",
        with_column("unit", lambda c: pd.Categorical([("ace", "bdf")[y][i % 3] for i, y in enumerate(c.labels)])),
    ),
    "a number missing in one class": (
        "SB131",
        "invalidates",
        with_column("therapy_hours", lambda c: np.where(c.labels == 1, np.random.default_rng(2).random(len(c)), np.nan)),
    ),
    "a word of one class": ("SB132", "invalidates", spoken(lambda i, y: "reassuring" if y else "guarded")),
    "a mark in the image": ("SB133", "invalidates", mark),
    "a running number": ("SB134", "warns", with_column("number", lambda c: 7000.0 + 3 * np.arange(len(c)))),
    "a code of the site": (
        "SB141",
        "reports",
        with_column("device", lambda c: np.unique(c.sites, return_inverse=True)[1] * 2.0 + np.arange(len(c)) % 2),
    ),
    "a barred name in other letters": ("SB151", "invalidates", with_column("Final TOAST", lambda c: np.arange(len(c)) % 5.0)),
    "a barred name within another": ("SB151", "warns", with_column("stay_days_icu", lambda c: np.arange(len(c)) % 9.0)),
    "a late name": ("SB152", "warns", with_column("mRS_90d", lambda c: np.arange(len(c)) % 7.0)),
    "words of the outcome": ("SB161", "warns", spoken(lambda i, y: "" if i % 3 else "Discharged home, mRS 1.")),
}  # fmt: skip


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_caught_by_its_code(name: str, n: int, shipped: Catalogue) -> None:
    code, state, plant = PLANTED[name]
    if name == "one row of another patient" and n == 60:
        state = "invalidates"  # two of sixty cases are more than one in a hundred
    assert state in {each.state for each in seen(code, plant(clean(n)), shipped)}


OF_TEXT = [name for name, (code, _, _) in PLANTED.items() if code in {"SB115", "SB116", "SB123", "SB132", "SB161"}]


def further(planted: Cohort, own: Cohort) -> Cohort:
    """The cohort whose own drafts are clean, and whose further set of reports is the planted one."""
    return replace(
        own,
        report_sets={"topics": planted.reports},
        pool=replace(own.pool, report_sets={"topics": planted.pool.reports}),
    )


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_leak_in_a_further_set_of_reports_is_caught_likewise(name: str, shipped: Catalogue) -> None:
    code, state, plant = PLANTED[name]
    cohort, other = clean(400), clean(400, seed=9)  # other words in the set, so that its leak is no copy of own drafts
    found = seen(code, further(plant(replace(other, labels=cohort.labels)), cohort), shipped)
    assert state in {each.state for each in found}
    assert all("'topics'" in each.what for each in found)
    assert seen(code, further(other, cohort), shipped) == []


@pytest.mark.parametrize("name", sorted(WITHHELD))
def test_what_stands_in_a_set_that_no_method_sees_is_no_leak(name: str, shipped: Catalogue) -> None:
    """Reports from which a finding was removed are those of cases with findings: such a set tells the label by being there."""
    cohort = clean(400)
    drafts = tuple(() if label else ("Another text altogether.",) for label in cohort.labels)
    assert "invalidates" in {each.state for each in seen("SB132", replace(cohort, report_sets={"topics": drafts}), shipped)}
    for code in ("SB115", "SB116", "SB123", "SB132", "SB161"):
        assert seen(code, replace(cohort, report_sets={name: drafts}), shipped) == []


@pytest.mark.parametrize("name", ["outcome-words", "outcome-word", "near-copies", "copies", "pool-copies"])
def test_a_leak_that_is_planted_in_the_synthetic_cohort_stands_in_every_set_of_reports(name: str) -> None:
    cohort = clean(60)
    cohort = further(cohort, replace(cohort, derived=cohort.table[["age", "nihss"]]))
    cohort = replace(cohort, pool=replace(cohort.pool, derived=cohort.pool.table[["age", "nihss"]], sites=cohort.pool.sites))
    leaking = planted(cohort, name, 1)
    assert leaking.report_sets == {"topics": leaking.reports}
    assert leaking.pool.report_sets == {"topics": leaking.pool.reports}
    assert (leaking.reports, leaking.pool.reports) != (cohort.reports, cohort.pool.reports)


def test_other_words_of_a_further_set_are_audited_anew(made: MadeBenchmark) -> None:
    catalogue, cohort = made.catalogue(), made.cohort()
    assert audit_dataset(cohort, catalogue, [], short=True).made > 0
    assert audit_dataset(cohort, catalogue, [], short=True).made == 0
    for words in ("a sentence", "another sentence"):
        further = replace(cohort, report_sets={"topics": ((words,),) * len(cohort)})
        assert audit_dataset(further, catalogue, [], short=True).made > 0
        assert audit_dataset(further, catalogue, [], short=True).made == 0


COHORT_CHECKS = [code for code, check in CHECKS.items() if not check.of_splits]


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("code", COHORT_CHECKS)
def test_a_clean_cohort_gives_no_finding(code: str, n: int, shipped: Catalogue) -> None:
    assert seen(code, clean(n, seed=5), shipped) == []


def test_names_known_before_the_outcome_are_let_pass(shipped: Catalogue) -> None:
    named = ("prestroke_mrs", "pre_mRS", "age_90", "days_to_admission", "loss_of_vision", "gosling_index")
    cohort = clean()
    cohort = replace(cohort, table=cohort.table.assign(**{name: np.arange(len(cohort)) % 5.0 for name in named}))
    assert seen("SB152", cohort, shipped) == []
    assert seen("SB161", spoken(lambda i, y: "Mrs Smith was seen early.")(cohort), shipped) == []


# Chance


def few_values(n: int, seed: int) -> pd.DataFrame:
    """A register of seven columns with few values that go together, as `estonian-stroke` has it."""
    rng = np.random.default_rng(seed)
    frailty = rng.normal(size=n)
    binary = {f"b{j}": (frailty + 1.5 * rng.normal(size=n) > 1).astype(float) for j in range(5)}
    return pd.DataFrame({"age": np.round(70 + 8 * frailty + 8 * rng.normal(size=n)), "type": rng.integers(0, 4, n), **binary})


def test_the_expected_number_of_equal_rows_is_that_of_fresh_draws() -> None:
    ratios = []
    for seed in range(20):
        equal = equal_pairs(codes_of(few_values(800, seed)), np.arange(800))
        ratios.append(equal.pairs / equal.expected)
        assert not equal.beyond_chance
    assert 0.85 < np.mean(ratios) < 1.15


def test_equal_rows_of_few_values_are_reported_with_the_labels_that_differ(shipped: Catalogue) -> None:
    cohort = clean(400, pool=0)
    (found,) = seen("SB111", replace(cohort, table=few_values(400, 0)), shipped)
    assert found.state == "reports" and "differ in label" in found.evidence


def test_copies_are_beyond_chance_in_a_table_of_few_values_and_one_continuous_column() -> None:
    frame = few_values(400, 1).assign(delay=np.random.default_rng(0).random(400))
    frame.iloc[:20] = frame.iloc[100:120].to_numpy()
    equal = equal_pairs(codes_of(frame), np.arange(400))
    assert equal.pairs == 20 and equal.beyond_chance
    assert set(equal.cases) == {*range(20), *range(100, 120)}


def test_rows_of_one_patient_are_no_copies() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((60, 4)))
    frame.iloc[:10] = frame.iloc[10:20].to_numpy()
    groups = np.r_[np.arange(10), np.arange(10), np.arange(10, 50)]
    assert equal_pairs(codes_of(frame), groups).pairs == 0
    assert equal_pairs(codes_of(frame), np.arange(60)).pairs == 10


def test_a_pair_of_pool_and_labelled_case_is_counted_and_none_within_either() -> None:
    frame = pd.DataFrame({"a": [1, 1, 2, 1, 3, 3], "b": [1, 1, 2, 1, 3, 3]})
    assert equal_pairs(codes_of(frame), np.arange(6), np.array([0, 0, 0, 1, 1, 1], dtype=bool)).pairs == 2


@pytest.mark.parametrize("dimensions", [3, 6, 12])
def test_points_drawn_at_random_have_no_near_copies(dimensions: int) -> None:
    for seed in range(10):
        points = np.random.default_rng(seed).normal(size=(300, dimensions))
        assert len(near_copies(points, np.arange(300)).cases) == 0


# Splits


def split(train: list[int], validation: list[int], test: list[int], **more: object) -> Split:
    parts = [np.array(part) for part in (train, validation, test)]
    return Split("s", 39, *parts, **{"pool": np.arange(0), **more})


def test_a_patient_in_two_parts_of_a_split_is_found(shipped: Catalogue) -> None:
    cohort = clean(20)
    cohort = replace(cohort, groups=np.array([f"p{i // 2}" for i in range(20)]))
    whole = split([0, 1, 2, 3], [4, 5], [6, 7])
    assert seen("SB101", cohort, shipped, [whole]) == []
    (found,) = seen("SB101", cohort, shipped, [whole, split([0, 2, 3], [4, 5], [1, 6, 7])])
    assert found.state == "invalidates" and "1 patients (p0) in 1 of 2 splits" in found.evidence


def test_a_case_in_two_parts_of_a_split_is_found_where_no_groups_are_named(shipped: Catalogue) -> None:
    assert seen("SB101", replace(clean(20), groups=None), shipped, [split([0, 1], [2], [1, 3])])


def test_a_case_with_a_hidden_label_in_another_part_of_a_split_is_found(shipped: Catalogue) -> None:
    cohort = clean(20)
    cohort = replace(cohort, groups=np.array([f"p{i // 2}" for i in range(20)]))
    assert seen("SB101", cohort, shipped, [split([0, 1], [4, 5], [6, 7], unlabelled=np.array([2, 3]))]) == []
    for part in ([0], [4], [6]):
        assert seen("SB101", cohort, shipped, [split([0, 1], [4, 5], [6, 7], unlabelled=np.array([2, 3, part[0] + 1]))])
        assert seen("SB101", cohort, shipped, [split([0, 1], [4, 5], [6, 7], unlabelled=np.array(part))])
    north, others = np.flatnonzero(cohort.sites == "North"), np.flatnonzero(cohort.sites != "North").tolist()
    bad = split(others[2:], others[:2], north[1:].tolist(), unlabelled=north[:1], site="North")
    assert seen("SB102", cohort, shipped, [bad])


def test_a_held_out_site_in_the_training_is_found(shipped: Catalogue) -> None:
    cohort = clean(20)
    north, others = np.flatnonzero(cohort.sites == "North"), np.flatnonzero(cohort.sites != "North")
    good = split(others[1:].tolist(), others[:1].tolist(), north.tolist(), site="North")
    assert seen("SB102", cohort, shipped, [good]) == []
    bad = split([*others[1:].tolist(), int(north[0])], others[:1].tolist(), north[1:].tolist(), site="North")
    assert seen("SB102", cohort, shipped, [bad])


def test_a_test_patient_or_the_held_out_site_in_the_pool_is_found(shipped: Catalogue) -> None:
    cohort = clean(20)
    pool = cohort.pool
    kept = replace(cohort, pool=replace(pool, groups=np.r_[cohort.groups[3:4], pool.groups[1:]]))
    train, test = list(range(4, 20)), [2, 3]
    assert seen("SB103", kept, shipped, [split(train, [0, 1], test, pool=np.arange(1, len(pool)))]) == []
    (found,) = seen("SB103", kept, shipped, [split(train, [0, 1], test, pool=np.arange(len(pool)))])
    assert found.what == "the pool of a split holds cases of a test patient"
    north = np.flatnonzero(pool.sites == "North")
    assert seen("SB103", cohort, shipped, [split(train, [0, 1], test, pool=north, site="North")])
    assert (
        seen("SB103", cohort, shipped, [split(train, [0, 1], test, pool=np.flatnonzero(pool.sites != "North"), site="North")])
        == []
    )


def test_labels_dealt_anew_are_predicted_only_where_test_cases_are_trained_on(shipped: Catalogue) -> None:
    cohort = replace(clean(200), source_digest="x")
    assert seen("SB171", cohort, shipped) == []
    rows = np.random.default_rng(0).permutation(200)
    leaking = [
        replace(split([], [], []), train=rows[k:], validation=rows[:20], test=np.sort(rows[100 : 180 - k])) for k in range(5)
    ]
    found = seen("SB171", cohort, shipped, leaking)
    assert found and all(each.state == "invalidates" for each in found)


# Methods


CHEATING = '''
from dataclasses import dataclass

import numpy as np

from benchmark import register_method
from benchmark.data.preparation import load_cohort
from benchmark.registry.discovery import discover


class Encoded:
    """Target encoding of the word: the share of label 1 among the cases that it was fitted on."""

    stochastic = False

    def fit(self, train, validation, seed):
        cases = self.seen(train)
        word = cases.table["canary_word"].astype(object) if "canary_word" in cases.table else cases.table["sex"].astype(object)
        self.share = {level: np.asarray(cases.labels)[(word == level).to_numpy()].mean() for level in word.dropna().unique()}

    def predict_proba(self, cases):
        word = cases.table["canary_word"] if "canary_word" in cases.table else cases.table["sex"]
        return np.array([self.share.get(level, 0.5) for level in word.astype(object)])


@register_method("honest", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Honest(Encoded):
    def seen(self, train):
        return train


@register_method("cheating", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Cheating(Encoded):
    """Fits its encoding on the whole cohort, which it reads itself."""

    def seen(self, train):
        from benchmark.audit import made_cohorts

        return load_cohort(train.name, discover([str(made_cohorts.__file__)]))
'''


@pytest.fixture
def methods(tmp_path: Path) -> Catalogue:
    path = tmp_path / "cheating.py"
    path.write_text(CHEATING, encoding="utf-8")
    return discover([str(path)])


@pytest.mark.slow
def test_a_method_that_fits_its_encoding_on_all_cases_reads_the_canary(methods: Catalogue) -> None:
    (found,) = canary("cheating", methods)
    assert found.state == "invalidates" and "mean AUC 1.000" in found.evidence


@pytest.mark.slow
@pytest.mark.parametrize("method", ["honest", "logistic-regression", "decision-tree"])
def test_a_method_that_keeps_to_its_training_part_stays_at_chance_on_the_canary(method: str, methods: Catalogue) -> None:
    assert list(canary(method, methods)) == []


# The audit of a dataset


@pytest.fixture
def made_cohort(made: MadeBenchmark) -> Iterator[tuple[Cohort, Catalogue]]:
    yield made.cohort(), made.catalogue()


@pytest.mark.slow
def test_a_second_audit_makes_no_check_anew_and_says_the_same(made_cohort: tuple[Cohort, Catalogue]) -> None:
    cohort, catalogue = made_cohort
    first = audit_dataset(cohort, catalogue, ["repeated-cv"])
    assert first.made == len(CHECKS)
    assert audit_dataset(cohort, catalogue, ["repeated-cv"]).made == 0
    assert audit_dataset(cohort, catalogue, ["repeated-cv"]).findings == first.findings
    assert audit_dataset(cohort, catalogue, ["repeated-cv", "holdout"]).made == sum(each.of_splits for each in CHECKS.values())


@pytest.mark.slow
def test_the_short_audit_is_kept_and_the_whole_one_adds_to_it(made_cohort: tuple[Cohort, Catalogue]) -> None:
    cohort, catalogue = made_cohort
    short = audit_dataset(cohort, catalogue, ["repeated-cv"], short=True)
    assert short.made == sum(each.short for each in CHECKS.values())
    assert audit_dataset(cohort, catalogue, ["repeated-cv"]).made == len(CHECKS) - short.made


def test_another_content_is_audited_anew(made_cohort: tuple[Cohort, Catalogue]) -> None:
    cohort, catalogue = made_cohort
    made = audit_dataset(cohort, catalogue, [], short=True).made
    assert audit_dataset(replace(cohort, content_digest="another"), catalogue, [], short=True).made == made
    assert read_audited("made").content == "another"


def test_a_file_of_findings_that_cannot_be_read_is_written_anew(made_cohort: tuple[Cohort, Catalogue]) -> None:
    cohort, catalogue = made_cohort
    audit_dataset(cohort, catalogue, [], short=True)
    audit_path("made").write_text("{", encoding="utf-8")
    assert read_audited("made") is None
    assert audit_dataset(cohort, catalogue, [], short=True).made > 0


# The document


@dataclass(frozen=True)
class Documented:
    code: str
    cells: list[str]


def documented() -> list[Documented]:
    lines = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| SB")]
    return [Documented(row[0], row[1:]) for row in rows]


def test_the_document_has_a_row_for_each_code_and_for_no_other() -> None:
    rows = documented()
    assert [row.code for row in rows] == sorted([*CHECKS, CANARY])
    assert all(len(row.cells) == 5 and all(row.cells) for row in rows)
    assert {row.code: row.cells[4].startswith("yes") for row in rows if row.code != CANARY} == {
        code: check.short for code, check in CHECKS.items()
    }
