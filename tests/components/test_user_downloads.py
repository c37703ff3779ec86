"""isles24 and soop-volumes: what only a user has, read from made trees of the same shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.preparation import load_cohort
from benchmark.system.errors import DataError, NotFetchedError
from benchmark.system.locations import data_folder
from tests.made_benchmark import in_this_process
from tests.made_hospital import save, volumes


@pytest.fixture
def sources(isolated: None) -> Path:
    return data_folder() / "sources"


def isles(sources: Path, cases: int = 12, *, excel: bool = False) -> Path:
    """A made tree of the challenge: two phenotype files of each patient, CT, and the lesion of the follow-up."""
    train = sources / "isles24" / "train"
    for number in range(cases):
        name = f"sub-stroke{number + 1:04d}"
        scan, mask = volumes(number)
        save(train / "raw_data" / name / "ses-01" / f"{name}_ses-01_ncct.nii.gz", scan)
        save(train / "derivatives" / name / "ses-02" / f"{name}_ses-02_space-ncct_lesion-msk.nii.gz", mask)
        before = {"Age": 50 + number, "Sex": "FM"[number % 2], "NIHSS at admission": number, "Onset to door": np.nan}
        score = "nan" if number == 5 else number % 7
        after = {"NIHSS 24h": 3, "mRS discharge": 2, "TICI postinterventional": "2b", "mRS 3 months": score}
        for session, kind, values in (("ses-01", "demographic_baseline", before), ("ses-02", "outcome", after)):
            path = train / "phenotype" / name / session / f"{name}_{session}_{kind}"
            path.parent.mkdir(parents=True)
            frame = pd.DataFrame([values])
            if excel:
                frame.to_excel(path.with_suffix(".xlsx"), index=False)
            else:
                frame.to_csv(path.with_suffix(".csv"), index=False)
    return train


def test_isles_is_read(sources: Path) -> None:
    isles(sources)
    cohort = load_cohort("isles24")
    assert cohort.labels is not None and cohort.table is not None and cohort.pool is not None
    rows = [int(case[-2:]) - 1 for case in cohort.case_ids]
    assert cohort.labels.tolist() == [int(row % 7 <= 2) for row in rows]
    assert cohort.pool.case_ids.tolist() == ["sub-stroke0006"]
    assert list(cohort.table.columns) == ["Age", "Sex", "NIHSS at admission"], "neither what comes later nor what is empty"
    assert cohort.table["Age"].tolist() == [50.0 + row for row in rows]
    assert set(cohort.images) == {"ncct"}


def test_the_lesion_of_the_follow_up_is_read_where_it_is_asked_for(sources: Path) -> None:
    isles(sources)
    cohort = load_cohort("isles24[lesion=yes]")
    rows = [int(case[-2:]) - 1 for case in cohort.case_ids]
    assert cohort.derived is not None
    assert cohort.derived["lesion_volume_ml"].tolist() == pytest.approx([volumes(row)[1].sum() * 0.512 for row in rows])
    with pytest.raises(DataError, match="lesion=maybe: give 'yes' or 'no'"):
        load_cohort("isles24[lesion=maybe]")


def test_isles_in_excel_is_read_alike(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openpyxl")
    isles(sources)
    table = load_cohort("isles24").table
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path))
    isles(tmp_path / "sources", excel=True)
    assert table is not None
    pd.testing.assert_frame_equal(load_cohort("isles24").table, table)


def test_a_patient_without_an_outcome_file_is_named(sources: Path) -> None:
    train = isles(sources)
    (train / "phenotype/sub-stroke0003/ses-02/sub-stroke0003_ses-02_outcome.csv").unlink()
    with pytest.raises(DataError, match="sub-stroke0003: no file ses-02/"):
        load_cohort("isles24")


def soop(sources: Path, cases: int = 12) -> Path:
    """A made tree of OpenNeuro's, of which the last patient has no ADC."""
    place = sources / "ds004889"
    rows = []
    for number in range(cases):
        name = f"sub-{number + 1}"
        scan, mask = volumes(number)
        for path in (f"anat/{name}_FLAIR", f"dwi/{name}_rec-TRACE_dwi", f"dwi/{name}_rec-ADC_dwi"):
            if number < cases - 1 or "ADC" not in path:
                save(place / name / f"{path}.nii.gz", scan)
        save(place / "derivatives/lesion_masks" / name / "dwi" / f"{name}_space-TRACE_desc-lesion_mask.nii.gz", mask)
        score = "n/a" if number == 3 else str(number % 7)
        rows.append(
            [name, "F", "89+" if number == 0 else str(60 + number), "w", "1", "0", "25", str(number), score, "1: large"]
        )
    columns = ["participant_id", "sex", "age", "race", "acuteischaemicstroke", "priorstroke", "bmi", "nihss"]
    columns += ["gs_rankin_6isdeath", "etiology"]
    pd.DataFrame(rows, columns=columns).to_csv(place / "participants.tsv", sep="\t", index=False)
    return place


def test_whole_volumes_of_soop_are_read(sources: Path) -> None:
    soop(sources)
    cohort = load_cohort("soop-volumes")
    assert cohort.labels is not None and cohort.table is not None and cohort.pool is not None and cohort.derived is not None
    rows = [int(case[4:]) - 1 for case in cohort.case_ids]
    assert len(cohort) == 10 and cohort.pool.case_ids.tolist() == ["sub-4"]
    assert cohort.labels.tolist() == [int(row % 7 <= 2) for row in rows]
    assert cohort.table["age"].tolist() == [89.0 if row == 0 else 60.0 + row for row in rows]
    assert set(cohort.images) == {"flair", "trace", "adc", "mask"}
    assert cohort.derived["lesion_volume_ml"].tolist() == pytest.approx([volumes(row)[1].sum() * 0.512 for row in rows])


def test_a_torn_volume_is_named(sources: Path) -> None:
    place = soop(sources)
    (place / "sub-2/anat/sub-2_FLAIR.nii.gz").write_bytes(b"torn")
    with pytest.raises(DataError, match="view 'flair': case sub-2: cannot be read as NIfTI"):
        load_cohort("soop-volumes")


@pytest.mark.parametrize(("name", "place"), [("isles24", "isles24/train/phenotype"), ("soop-volumes", "participants.tsv")])
def test_where_the_files_are_not_there_the_message_says_where_they_belong(sources: Path, name: str, place: str) -> None:
    with pytest.raises(NotFetchedError, match=place):
        load_cohort(name)
    listed = in_this_process(["list", "datasets"], {}).stdout
    assert f"{place}" in next(line for line in listed.splitlines() if line.strip().startswith(name))
