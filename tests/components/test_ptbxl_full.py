"""ptbxl-full: a folder of PhysioNet's form that the user has downloaded, with made records."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cli import fetch
from benchmark.data.fetching import SUMS, read_manifest
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.own_folds import OwnFolds
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.system.errors import BenchmarkError, DataError, NotFetchedError
from benchmark.system.locations import data_folder
from datasets._row_ids import row_ids
from datasets.ptbxl_full import FOLDER
from tools.ptbxl_memory import write_folder

RECORDS = 240


@pytest.fixture
def folder(isolated: None) -> Path:
    """The folder below this test's sources."""
    made = data_folder() / "sources" / FOLDER
    write_folder(made, RECORDS)
    return made


def fetched() -> int:
    return fetch.run(argparse.Namespace(name="ptbxl-full", mirror=None, jobs=2))


@pytest.mark.slow
def test_a_folder_that_is_there_is_verified_and_becomes_a_cohort(folder: Path) -> None:
    assert fetched() == 0
    cohort = load_cohort("ptbxl-full")
    raw = pd.read_csv(folder / "ptbxl_database.csv").set_index(row_ids("ptbxl", range(1, RECORDS + 1))).loc[cohort.case_ids]
    assert (len(cohort), cohort.signals.shape) == (RECORDS, (RECORDS, 12, 1000))
    assert cohort.labels.tolist() == raw["scp_codes"].str.contains("IMI").astype(int).tolist()
    assert load_cohort("ptbxl-full[label=cd]").labels.tolist() == raw["scp_codes"].str.contains("CLBBB").astype(int).tolist()
    assert cohort.table["age"].tolist() == raw["age"].replace(300, 90).tolist()
    split = OwnFolds().splits(load_cohort("ptbxl-full[label=norm]"))[0]
    for part, folds in (("train", range(1, 9)), ("validation", [9]), ("test", [10])):
        assert getattr(split, part).tolist() == np.flatnonzero(raw["strat_fold"].isin(folds)).tolist()
    for each in RepeatedCV().splits(cohort):
        assert not set(cohort.groups[each.test]) & set(cohort.groups[each.train])
    stored = np.fromfile((folder / raw["filename_lr"].iloc[3]).with_suffix(".dat"), dtype="<i2").reshape(1000, 12)
    assert np.array_equal(cohort.signals.array[3], stored.T)


def test_where_the_folder_is_not_there_the_message_says_where_it_belongs(isolated: None) -> None:
    with pytest.raises(NotFetchedError, match=r"physionet.org/files/ptb-xl/1.0.3/SHA256SUMS.txt is not there: `wget -r"):
        fetched()
    with pytest.raises(BenchmarkError, match="ptbxl-full"):
        load_cohort("ptbxl-full")


def test_a_folder_with_a_broken_record_is_refused_by_name_and_records500_is_not_asked_for(folder: Path, tmp_path: Path) -> None:
    with (folder / SUMS).open("a") as sums:
        sums.write(f"{'0' * 64} records500/00000/00001_hr.dat\n{'0' * 64} LICENSE.txt\n")
    files, _ = read_manifest("ptbxl-full")
    assert len(files) == 2 + 2 * RECORDS
    there = [path for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    assert set(files) == {f"{FOLDER}{path.relative_to(folder).as_posix()}" for path in there}
    record = folder / "records100/00000/00007_lr.dat"
    record.write_bytes(record.read_bytes()[:-24])
    (tmp_path / "mirror" / FOLDER / "records100/00000").mkdir(parents=True)
    (tmp_path / "mirror" / FOLDER / "records100/00000/00007_lr.dat").write_bytes(record.read_bytes())
    with pytest.raises(DataError, match="records100/00000/00007_lr.dat is truncated or wrong"):
        fetch.run(argparse.Namespace(name="ptbxl-full", mirror=str(tmp_path / "mirror"), jobs=2))
