"""ptbxl-filtered: further records as arrays, on made files of that layout, and on the real ones where they are fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import butter, filtfilt

from benchmark.data.cohort import Cohort
from benchmark.data.intake import take_in
from benchmark.data.protocols.own_folds import OwnFolds
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.recordings import resampled
from benchmark.data.sources import Sources
from benchmark.system.errors import DataError
from datasets._row_ids import row_ids
from datasets.ptbxl import FOLDER
from datasets.ptbxl_filtered import FURTHER, LABELS, PtbXlFiltered, read_further, z_scored
from tools.ptbxl_memory import CLASSES, write_folder

OWN, MORE = 240, 90
"""Records of the table, and further ones, of which the first five are among those of the table."""


def scored(number: int) -> np.ndarray:
    """(5000, 12) float32: a wave of the record's own in each lead."""
    time = np.arange(5000)[:, None] / 500
    waves = np.sin(2 * np.pi * (1 + np.arange(12) + number % 7) * time)
    return ((waves - waves.mean(axis=0)) / waves.std(axis=0)).astype(np.float32)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Files of the real layout; further records 236 to 325 lie in the folder of their part: 6 of 10 train, 2 val, 2 test."""
    write_folder(tmp_path / FOLDER, OWN)
    numbers = np.arange(OWN - 4, OWN - 4 + MORE)
    parts = np.array(["train"] * 6 + ["val"] * 2 + ["test"] * 2)[numbers % 10]
    for part in ("train", "val", "test"):
        own = numbers[parts == part]
        for number in own:
            path = tmp_path / f"{FURTHER}{part}/{number}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, scored(number))
        labels = pd.DataFrame({name: (own // 10) % 5 == place for place, name in enumerate(CLASSES)}, index=own).astype(int)
        path = tmp_path / f"{LABELS}{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        labels.rename_axis("ecg_id").to_csv(path)
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    return Sources(tmp_path, dict.fromkeys(files, ""), "")


@pytest.mark.slow
def test_all_records_together_are_the_ecg_alone_under_the_published_folds_alone(sources: Sources) -> None:
    cohort, _ = take_in(PtbXlFiltered("norm").build(sources))
    assert (len(cohort), cohort.modalities, cohort.groups) == (OWN + MORE - 5, {"signal"}, None)
    assert (cohort.signals.unit, cohort.signals.hertz, cohort.signals.shape[1:]) == ("SD", 100.0, (12, 1000))
    known = dict(zip(cohort.case_ids, range(len(cohort)), strict=True))
    for number, part in ((263, "train"), (267, "validation"), (269, "test")):
        row = known[row_ids("ptbxl", [number])[0]]
        assert cohort.own_folds[row] == part
        assert cohort.labels[row] == (number // 10 % 5 == CLASSES.index("NORM"))
        np.testing.assert_allclose(cohort.signals[row][:, 20:-20], scored(number)[::5].T[:, 20:-20], atol=0.02)
    assert len(OwnFolds().splits(cohort)) == 4
    with pytest.raises(DataError, match="whose each case is, is not known: only own-folds keeps patients apart"):
        RepeatedCV().splits(cohort)


@pytest.mark.slow
def test_as_a_pool_the_further_records_serve_own_folds_alone_and_of_them_the_training_folds(sources: Sources) -> None:
    cohort, _ = take_in(PtbXlFiltered("norm", further="pool").build(sources))
    assert (len(cohort), len(cohort.pool)) == (OWN, MORE - 5)
    assert (cohort.modalities, cohort.pool.modalities) == ({"signal", "table"}, {"signal"})
    pool = OwnFolds().splits(cohort)[0].pool
    assert set(cohort.pool.own_folds[pool]) == {"train"}
    assert len(pool) == (cohort.pool.own_folds == "train").sum() > 40
    assert not any(len(split.pool) for split in RepeatedCV().splits(cohort))


def test_a_record_in_millivolts_is_filtered_and_scored_as_the_others_were() -> None:
    time = np.arange(1000) / 100
    drift, beat = 3 * np.sin(2 * np.pi * 0.05 * time), np.sin(2 * np.pi * 8 * time)
    values = z_scored(np.stack([drift + 0.4 * beat] * 12).astype(np.float32)).values
    assert np.corrcoef(values[0, 200:-200], beat[200:-200])[0, 1] > 0.99
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-6)
    at_500 = np.random.default_rng(0).normal(size=(12, 5000)).cumsum(axis=1)
    numerator, denominator = butter(4, [0.5 / 250, 40 / 250], btype="band")
    theirs = filtfilt(numerator, denominator, at_500, axis=1)[:, ::5]
    ours = z_scored(resampled(at_500, 500, 100).astype(np.float32)).values
    assert min(np.corrcoef(one[50:-50], other[50:-50])[0, 1] for one, other in zip(ours, theirs, strict=True)) > 0.98
    assert not z_scored(np.zeros((12, 1000), dtype=np.float32)).values.any()


@pytest.mark.slow
def test_broken_further_records_are_refused_by_name(sources: Sources) -> None:
    path = sources.folder / f"{FURTHER}train/263.npy"
    np.save(path, scored(263)[:4000])
    with pytest.raises(DataError, match=r"record 263: of shape \(4000, 12\)"):
        PtbXlFiltered().build(sources)
    broken = scored(263)
    broken[7, 3] = np.nan
    np.save(path, broken)
    with pytest.raises(DataError, match="record 263: of shape .* not finite"):
        read_further(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="record 263: cannot be read"):
        read_further(path)
    labels = sources.folder / f"{LABELS}train.csv"
    labels.write_text("".join(line for line in labels.read_text().splitlines(keepends=True) if not line.startswith("263,")))
    with pytest.raises(DataError, match=r"record 263 of the folder 'train' is not in ptbxl_train.csv"):
        PtbXlFiltered().build(sources)
    with pytest.raises(DataError, match="further=both: give 'labelled' or 'pool'"):
        PtbXlFiltered(further="both").build(sources)


def test_the_real_records_are_2285_and_41_of_the_test_fold_have_an_infarct(real_cohort) -> None:
    cohort: Cohort = real_cohort("ptbxl-filtered")
    split = OwnFolds().splits(cohort)[0]
    counts = [(len(rows), int(cohort.labels[rows].sum())) for rows in (split.train, split.validation, split.test)]
    assert counts == [(1773, 252), (259, 37), (253, 41)]
    np.testing.assert_allclose(cohort.signals.load().std(axis=2), 1, atol=0.1)
