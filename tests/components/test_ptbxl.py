"""ptbxl: 500 real ECGs against what is known of them, and against their files read by hand."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark import Recordings
from benchmark.audit.cohort_check import check_dataset
from benchmark.cli import fetch
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.signal import LEADS
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.own_folds import OwnFolds
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, DataError
from datasets._ptbxl_files import joint_classes, superclasses
from datasets._row_ids import row_ids
from datasets.ptbxl import FOLDER, PtbXl

Build = Callable[[str], Cohort]
POSITIVES = {"mi": 73, "norm": 297, "sttc": 96, "cd": 78, "hyp": 40}


@pytest.fixture(scope="module")
def records(real_cohort: Build) -> Cohort:
    return real_cohort("ptbxl")


@pytest.fixture(scope="module")
def raw(source_files: Callable[[str], Sources]) -> pd.DataFrame:
    """The table as it is, in the cohort's order."""
    return pd.read_csv(source_files("ptbxl").path(f"{FOLDER}ptbxl_database.csv"))


@pytest.mark.slow
def test_500_records_of_466_patients_at_four_sites(records: Cohort, raw: pd.DataFrame) -> None:
    assert (len(records), len(set(records.groups)), len(set(records.sites))) == (500, 466, 4)
    assert pd.Series(records.sites).value_counts().to_dict() == {"site 0": 256, "site 1": 161, "site 3": 66, "site 2": 17}
    card = discover().dataset("ptbxl").card
    assert (card.cases, card.sites, set(card.modalities)) == (500, 4, {"table", "signal"})
    assert records.case_ids.tolist() == row_ids("ptbxl", raw["ecg_id"]).tolist()


@pytest.mark.parametrize("label", POSITIVES)
def test_a_label_is_a_superclass_of_the_codes(raw: pd.DataFrame, source_files: Callable[[str], Sources], label: str) -> None:
    statements = pd.read_csv(source_files("ptbxl").path(f"{FOLDER}scp_statements.csv"), index_col=0)
    codes = statements.index[statements["diagnostic_class"] == label.upper()]
    by_hand = raw["scp_codes"].map(lambda text: any(f"'{code}':" in text for code in codes))
    held = superclasses(raw, source_files("ptbxl").path(f"{FOLDER}scp_statements.csv"))[label.upper()]
    assert held.tolist() == by_hand.tolist()
    assert held.sum() == POSITIVES[label]


def test_a_lead_is_the_files_own_samples(records: Cohort, raw: pd.DataFrame, source_files: Callable[[str], Sources]) -> None:
    signals = records.signals
    assert (signals.shape, signals.hertz, signals.leads, signals.unit) == ((500, 12, 1000), 100.0, LEADS, "mV")
    assert signals.array.dtype == np.int16
    for row in (0, 123, 499):
        path = source_files("ptbxl").path(f"{FOLDER}{raw['filename_lr'][row]}.dat")
        stored = np.fromfile(path, dtype="<i2").reshape(1000, 12).T
        assert np.array_equal(signals.array[row], stored)
    np.testing.assert_allclose(signals.load()[:, 2], signals.load()[:, 1] - signals.load()[:, 0], atol=0.012)


def test_the_table_holds_age_sex_height_and_weight_alone(records: Cohort, raw: pd.DataFrame) -> None:
    assert set(records.table) == {"age", "sex", "height", "weight"}
    assert records.table[["age", "height", "weight"]].isna().sum().tolist() == [4, 341, 112]
    assert records.table["sex"].tolist() == raw["sex"].map({0: "male", 1: "female"}).tolist()


@pytest.mark.slow
def test_all_labels_share_their_splits_in_which_each_has_positives(real_cohort: Build, records: Cohort) -> None:
    labels = {label: real_cohort(f"ptbxl[label={label}]") for label in POSITIVES if label != "mi"} | {"mi": records}
    splits = {label: RepeatedCV().splits(cohort) for label, cohort in labels.items()}
    for label, own in splits.items():
        for split, expected in zip(own, splits["mi"], strict=True):
            assert np.array_equal(split.test, expected.test)
            assert np.array_equal(split.validation, expected.validation)
            assert not set(records.groups[split.test]) & set(records.groups[np.concatenate([split.train, split.validation])])
        counts = [int(labels[label].labels[split.test].sum()) for split in own]
        assert min(counts) >= 0.6 * POSITIVES[label] / 5


@pytest.mark.slow
def test_labels_differ_in_nothing_else_and_so_share_what_is_learned_without_them(real_cohort: Build, records: Cohort) -> None:
    without = {part.name: value for part, value in records.without_labels().contents()}
    for label in ("norm", "hyp"):
        dataset = discover().dataset(f"ptbxl[label={label}]")
        assert dataset.without_label == discover().dataset("ptbxl").spelled
        other = {part.name: value for part, value in real_cohort(dataset.spelled).without_labels().contents()}
        assert other.keys() == without.keys()
        for name, value in without.items():
            if isinstance(value, Recordings):
                np.testing.assert_array_equal(value.array, other[name].array)
            elif isinstance(value, pd.DataFrame):
                pd.testing.assert_frame_equal(value, other[name])
            else:
                np.testing.assert_array_equal(value, other[name])


def test_own_folds_are_the_published_ones_and_part_no_patient(records: Cohort, raw: pd.DataFrame) -> None:
    split = OwnFolds().splits(records)[0]
    assert np.array_equal(split.test, np.flatnonzero(raw["strat_fold"] == 10))
    assert np.array_equal(split.validation, np.flatnonzero(raw["strat_fold"] == 9))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [353, 81, 66]
    assert [int(records.labels[part].sum()) for part in (split.train, split.validation, split.test)] == [49, 16, 8]


def test_the_voltages_and_the_table_tell_of_the_infarct_as_is_known(records: Cohort) -> None:
    """The yardstick of a logistic regression: .766 for the table, .758 for the ECG by its median beat."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    x = np.column_stack([records.table["age"].fillna(50), records.table["sex"] == "female"])
    aucs = []
    for split in RepeatedCV().splits(records):
        rest = np.concatenate([split.train, split.validation])
        model = LogisticRegression(max_iter=1000).fit(x[rest], records.labels[rest])
        aucs.append(roc_auc_score(records.labels[split.test], model.predict_proba(x[split.test])[:, 1]))
    assert np.mean(aucs) == pytest.approx(0.766, abs=0.02)


def test_rare_combinations_count_as_their_rarest_class() -> None:
    held = [("NORM",)] * 12 + [("CD", "MI")] * 10 + [("STTC", "HYP")] * 3 + [()] * 2
    names = ("NORM", "STTC", "CD", "MI", "HYP")
    classes = pd.DataFrame([[name in row for name in names] for row in held], columns=names)
    assert joint_classes(classes).tolist() == ["NORM"] * 12 + ["CD+MI"] * 10 + ["HYP"] * 3 + ["other"] * 2


# Files


def copied(folder: Path, sources: Sources, rows: int = 12) -> Sources:
    """The first records of the real files, as a folder that a test may break."""
    names = [f"{FOLDER}ptbxl_database.csv", f"{FOLDER}scp_statements.csv"]
    names += [f"{FOLDER}records100/00000/{n:05d}_lr.{end}" for n in range(1, rows + 1) for end in ("hea", "dat")]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sources.path(name), folder / name)
    table = pd.read_csv(folder / names[0]).iloc[:rows]
    table.to_csv(folder / names[0], index=False)
    return Sources(folder, dict.fromkeys(names, ""), "")


def test_a_broken_record_is_named(tmp_path: Path, source_files: Callable[[str], Sources]) -> None:
    sources = copied(tmp_path, source_files("ptbxl"))
    path = sources.path(f"{FOLDER}records100/00000/00007_lr.dat")
    path.write_bytes(path.read_bytes()[:-24])
    with pytest.raises(DataError, match="record 00007_lr: cannot be read"):
        PtbXl().build(sources)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("sex", 2, "row 5: sex '2' is not as PTB-XL has it"),
        ("strat_fold", 11, "row 5: strat_fold '11' is not as PTB-XL has it"),
        ("scp_codes", "{'MI'", "scp_codes cannot be read"),
        ("patient_id", None, "row 5: patient_id 'nan' is not as PTB-XL has it"),
    ],
)
def test_a_table_that_is_not_as_expected_is_refused(
    tmp_path: Path, source_files: Callable[[str], Sources], column: str, value: object, message: str
) -> None:
    sources = copied(tmp_path, source_files("ptbxl"))
    path = sources.path(f"{FOLDER}ptbxl_database.csv")
    table = pd.read_csv(path)
    table.loc[3, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        PtbXl().build(sources)
    table.drop(columns=column).to_csv(path, index=False)
    with pytest.raises(DataError, match=f"has no column '{column}'"):
        PtbXl().build(sources)


def test_an_age_of_300_stands_for_90_and_over(tmp_path: Path, source_files: Callable[[str], Sources]) -> None:
    sources = copied(tmp_path, source_files("ptbxl"))
    path = sources.path(f"{FOLDER}ptbxl_database.csv")
    table = pd.read_csv(path)
    table.loc[3, "age"] = 300.0
    table.to_csv(path, index=False)
    assert PtbXl().build(sources).table["age"][3] == 90


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(DataError, match="label=afib: give one of cd, hyp, mi, norm, sttc"):
        PtbXl("afib").build(Sources(Path(), {}, ""))


@pytest.mark.slow
def test_it_is_fetched_from_a_mirror_and_keeps_its_contract(
    source_files: Callable[[str], Sources], capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = source_files("ptbxl").folder
    with pytest.raises(BenchmarkError, match="fetch ptbxl"):
        load_cohort("ptbxl")
    assert fetch.run(argparse.Namespace(name="ptbxl", mirror=str(mirror), jobs=4)) == 0
    assert "licence CC BY 4.0" in capsys.readouterr().out
    findings = list(check_dataset("ptbxl", discover()))
    states = {finding.check: finding.state for finding in findings}
    assert {states[check] for check in ("build", "columns", "card", "determinism")} == {"good"}
    clipped = [finding.message for finding in findings if finding.state == "warning"]
    assert [line.split(" (")[0] for line in clipped] == ["signals: clipped at 10"]
