"""A user's own folder: what is read, what is refused by name, and that nobody's name leaves it."""

from __future__ import annotations

import gzip
import re
import stat
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.folder.cohort import FolderCohort
from benchmark.data.folder.identities import Pseudonyms, key_file, machine_key, scrubbed
from benchmark.data.intake import take_in
from benchmark.data.sources import Sources
from benchmark.system.errors import BenchmarkError, DataError
from tests.made_hospital import CASES, SURNAMES, affine, hospital, save, table, volumes, write_table


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where volumes that were read once are kept for the tests that follow."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the test's own, and volumes that are read once."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("STROKEBENCH_DATA", str(kept))


def built(folder: Path) -> Cohort:
    """The cohort as the engine keeps it."""
    return take_in(FolderCohort(str(folder)).build(Sources(Path("/"), {}, "digest")))[0]


def lines(folder: Path, state: str = "refused") -> list[str]:
    """What is said of a folder."""
    return [str(line) for line in FolderCohort(str(folder)).inspect().lines if line.state == state]


def test_a_good_folder_is_read_whole(tmp_path: Path) -> None:
    cohort = built(hospital(tmp_path))
    given = table()
    names = FolderCohort(str(tmp_path)).own_names()
    rows = [given["case"].tolist().index(names[case]) for case in cohort.case_ids]
    assert cohort.labels is not None and cohort.table is not None and cohort.derived is not None
    assert cohort.labels.tolist() == [int(int(given["mrs"][row]) <= 2) for row in rows]
    assert cohort.table["age"].tolist() == [float(given["age"][row]) for row in rows]
    assert list(cohort.table.columns) == ["age", "nihss", "sex", "toast"]
    assert isinstance(cohort.table["toast"].dtype, pd.CategoricalDtype)
    assert cohort.images["mask"].shape == (CASES, 1, 12, 12, 12)
    voxels = [int(volumes(row)[1].sum()) for row in rows]
    assert cohort.derived["lesion_volume_ml"].to_numpy() == pytest.approx([count * 0.512 for count in voxels])
    assert cohort.images["mask"].load().sum(axis=(1, 2, 3, 4)) == pytest.approx(voxels)
    assert not lines(tmp_path)


@pytest.mark.parametrize("axes", ["LPS", "PIR", "RAS", "SAL"])
def test_every_orientation_gives_the_same_images(tmp_path: Path, axes: str) -> None:
    straight = built(hospital(tmp_path / "straight", cases=12)).images["mask"].load()
    turned = hospital(tmp_path / "turned", cases=12)
    for path in turned.glob("images/*/*.nii.gz"):
        image = nibabel.load(path)
        current = nibabel.io_orientation(image.affine)
        wanted = nibabel.orientations.axcodes2ornt(axes)
        nibabel.save(image.as_reoriented(nibabel.orientations.ornt_transform(current, wanted)), path)
    assert built(turned).images["mask"].load() == pytest.approx(straight, abs=1 / 255)


def test_finer_voxels_are_averaged_so_that_the_lesion_keeps_its_volume(tmp_path: Path) -> None:
    folder = hospital(tmp_path, cases=12)
    fine = np.zeros((48, 48, 48), dtype=np.uint8)
    fine[10:17, 10:17, 10:17] = 1
    for path in folder.glob("images/*/mask.nii.gz"):
        save(path, fine, affine(2.0) + np.array([[0, 0, 0, -3.0]] * 3 + [[0, 0, 0, 0]]))
    cohort = built(folder)
    assert cohort.derived is not None
    assert cohort.derived["lesion_volume_ml"].tolist() == pytest.approx([7**3 * 0.008] * 12)
    assert cohort.images["mask"].load().sum(axis=(1, 2, 3, 4)) * 0.512 == pytest.approx([7**3 * 0.008] * 12, rel=0.02)


def test_a_case_without_a_label_joins_the_pool(tmp_path: Path) -> None:
    frame = table()
    frame.loc[:4, "mrs"] = ""
    write_table(hospital(tmp_path), frame)
    cohort = built(tmp_path)
    assert len(cohort) == CASES - 5
    assert cohort.pool is not None and len(cohort.pool) == 5
    assert {FolderCohort(str(tmp_path)).own_names()[case] for case in cohort.pool.case_ids} == set(frame["case"][:5])


def test_nobody_is_named_in_what_is_built(tmp_path: Path) -> None:
    folder = hospital(tmp_path)
    cohort = built(folder)
    said = repr(cohort.case_ids.tolist()) + repr(cohort.reports) + repr(cohort.sites.tolist()) + repr(cohort.groups.tolist())
    for word in (*SURNAMES, *table()["born"], "Kardinalbau", "Elisabethhaus", "March 2024", "93 years"):
        assert word not in said
    assert cohort.reports is not None
    assert cohort.reports[0] == (
        "Mr [removed], born [removed], patient [removed]. Infarct on the left. Seen on [date] at 90 years.",
    )
    assert all(re.fullmatch(r"c\d{5}-[0-9a-f]{10}", case) for case in cohort.case_ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seen 12.3.2024.", "Seen [date]."),
        ("CT of 2024-03-12 compared with Jan 5, 2023", "CT of [date] compared with [date]"),
        ("A 94-year-old woman", "A 90-year-old woman"),
        ("An 84-year-old woman, 12 mm", "An 84-year-old woman, 12 mm"),
        ("Frau Müller-Lüdenscheidt kam", "Frau [removed] kam"),
        ("OTTO and Ottoman", "[removed] and Ottoman"),
    ],
)
def test_reports_lose_names_dates_and_rare_ages(text: str, expected: str) -> None:
    assert scrubbed(text, ["Müller-Lüdenscheidt", "Otto"]) == expected


def test_pseudonyms_keep_a_given_order_and_otherwise_tell_none() -> None:
    words = Pseudonyms(b"k" * 32, "ward")
    ids = [f"{number:02d}" for number in range(20)]
    ordered = words.of_cases(ids, list(range(20)))
    assert ordered == sorted(ordered)
    free = words.of_cases(ids)
    assert free != sorted(free)
    assert [word[7:] for word in free] == [word[7:] for word in ordered]
    assert Pseudonyms(b"other" * 6, "ward").of("case", "01") != words.of("case", "01")


def test_the_key_is_made_once_for_its_owner_alone() -> None:
    first = machine_key()
    assert machine_key() == first and len(first) == 32
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    key_file().chmod(0o644)
    with pytest.raises(BenchmarkError, match="can be read by others: `chmod 600"):
        machine_key()
    key_file().chmod(0o600)
    key_file().write_text("short\n")
    with pytest.raises(BenchmarkError, match="is damaged: restore it, or delete it"):
        machine_key()


def test_a_run_that_was_stopped_reads_no_image_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.data.folder import volumes as reading

    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    folder, read = hospital(tmp_path / "ward", cases=12), []
    real = reading.read_volume

    def counted(path: Path):
        read.append(path)
        if len(read) == 10:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(reading, "read_volume", counted)
    with pytest.raises(KeyboardInterrupt):
        built(folder)
    built(folder)
    assert len(read) < 2 * 24
    read.clear()
    read.extend([Path()] * 20)
    built(folder)
    assert len(read) == 20, "all are kept"


Change = Callable[[Path], None]


def text(old: str, new: str) -> Change:
    """An edit of `cohort.toml`."""

    def change(folder: Path) -> None:
        path = folder / "cohort.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def column(name: str, values: Callable[[pd.Series], object]) -> Change:
    """An edit of a column of the table."""

    def change(folder: Path) -> None:
        frame = table()
        frame[name] = values(frame[name])
        write_table(folder, frame)

    return change


def raw(edit: Callable[[str], str | bytes]) -> Change:
    """An edit of the table's text."""

    def change(folder: Path) -> None:
        path = folder / "clinical.csv"
        made = edit(path.read_text())
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return change


def image(view: str, make: Callable[[np.ndarray], np.ndarray], of: np.ndarray | None = None) -> Change:
    """An edit of the third case's image."""

    def change(folder: Path) -> None:
        scan, mask = volumes(2)
        save(folder / "images" / "003" / f"{view}.nii.gz", make(scan if view == "flair" else mask), of)

    return change


def without_affine(folder: Path) -> None:
    """The third case's scan, whose affine is zero throughout."""
    header = nibabel.Nifti1Header()
    header["sform_code"] = 1
    path = folder / "images" / "003" / "flair.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volumes(2)[0], None, header), path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[252:256] = (0).to_bytes(2, "little") + (1).to_bytes(2, "little")  # qform_code, sform_code
    raw[280:328] = bytes(48)  # the three rows of the affine
    path.write_bytes(gzip.compress(bytes(raw)))


def file(name: str, content: bytes | None) -> Change:
    """A file with this content, or none."""

    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)

    return change


def moved(by: float) -> np.ndarray:
    made = affine()
    made[0, 3] += by
    return made


FLIPPED = affine() @ np.diag([-1.0, 1, 1, 1])
"""About the first voxel: the mask lies elsewhere than its scan."""
SWAPPED = FLIPPED.copy()
SWAPPED[0, 3] = affine()[0, 3] + 8.0 * 11
"""About the middle: the mask fills the box of its scan."""
REFUSED: list[tuple[Change, str]] = [
    (file("cohort.toml", None), r"there is no cohort.toml: `python -m benchmark new cohort .*` writes one"),
    (file("cohort.toml", b"name = made"), r"cohort.toml: .*text stands in quotes"),
    (file("cohort.toml", b'name = "\xff"'), r"not in UTF-8"),
    (text('case = "case"', ""), r"\[table\] lacks `case`"),
    (text('file = "clinical.csv"', ""), r"\[table\] lacks `file`"),
    (text('column = "mrs"', ""), r"\[label\] lacks `column`"),
    (text('positive = "<= 2"', ""), r"\[label\] lacks `positive`"),
    (text('positive = "<= 2"', 'positive = "good"'), r"positive = 'good': write `<= 2`, `>= 3`, `== good` or `in 0, 1, 2`"),
    (text('positive = "<= 2"', 'positive = "<= two"'), r"'two' is no number: words are compared by `==` or `in`"),
    (text('positive = "<= 2"', 'positive = "<= 6"'), r"all of 24 known values fulfil '<= 6', so that every label is 1"),
    (text('positive = "<= 2"', 'positive = "== good"'), r"none of 24 known values fulfil '== good'.*the values are '"),
    (text('means = ["poor: mRS 3-6", "good: mRS 0-2"]', 'means = "good"'), r"`means` must be two texts"),
    (text("admission =", "admision ="), r"unknown key `admision`: did you mean `admission`\?"),
    (text('"age", "nihss"', '"age", "NIHS"'), r"has no column 'NIHS', which cohort.toml names: did you mean 'nihss'\?"),
    (text('later = ["stay"]', ""), r"says nothing of 'stay': put it under `admission`, `later` or `identifiers`"),
    (text('later = ["stay"]', 'later = ["age", "stay"]'), r"'age' stands under admission and later: it is known at one time"),
    (text('"sex", "toast"]', '"sex", "toast", "mrs"]'), r"'mrs' is the label: take it out of `admission`"),
    (text('categories = ["toast"]', 'categories = ["stay"]'), r"'stay' is one of `categories` and not of `admission`"),
    (text('admission = ["age", "nihss", "sex", "toast"]', "admission = 5"), r"`admission` must be a list of words"),
    (text("[columns]", "[colums]"), r"unknown key `colums`: did you mean `columns`\?"),
    (text('file = "clinical.csv"', 'file = "clinic.csv"'), r"there is no such file in .*: the folder has 'clinical.csv'"),
    (text('file = "clinical.csv"', 'file = "cohort.toml"'), r"give a table that ends in \.csv"),
    (text('case = "case"', 'case = "Case"'), r"has no column 'Case', which cohort.toml names: did you mean 'case'\?"),
    (text("voxel_mm = 8", "voxel_mm = 0"), r"voxel_mm = 0: give millimetres from 0.5 to 20"),
    (text("grid = [12, 12, 12]", "grid = [12, 12]"), r"grid = \[12, 12\]: give three numbers of voxels"),
    (text("voxel_mm = 8", 'space = "brain"'), r"space = 'brain': give 'scanner', 'template' \(all lie in one space\) or 'mni'"),
    (text("voxel_mm = 8", 'atlas = "atlas.nii.gz"'), r"`atlas` and `atlas_names` go together"),
    (text("voxel_mm = 8", 'atlas = "a.nii.gz"\natlas_names = "a.txt"'), r"an atlas needs a view `mask` and space = 'template'"),
    (text('"images/{case}/flair.nii.gz"', '"images/flair.nii.gz"'), r"the case's id is missing: write \{case\} in its place"),
    (text('"images/{case}/flair.nii.gz"', '"/images/{case}.nii"'), r"files lie in the folder: give a path within it"),
    (text('"images/{case}/flair.nii.gz"', '"../{case}.nii"'), r"files lie in the folder: give a path within it"),
    (text("flair =", "FLAIR ="), r"'FLAIR': a view's name has small letters, digits and _"),
    (text('"images/{case}/flair.nii.gz"', '"scans/{case}.nii.gz"'), r"no case has a file scans/\{case\}.nii.gz"),
    (column("case", lambda ids: ids.where(ids != "002", "001")), r"'001' occurs more than once: a row is a case"),
    (column("case", lambda ids: ids.where(ids != "002", "")), r"column 'case': no id: name these cases, or take the rows out"),
    (
        column("case", lambda ids: ids.where(ids != "002", "0001")),
        r"'0001' and '001' differ only by blanks, case, leading zeros",
    ),
    (column("case", lambda ids: ids.where(ids != "002", "a/b")), r"'a/b' cannot be a folder's name"),
    (column("case", lambda ids: ids.str.lstrip("0")), r"did the ids lose leading zeros\?"),
    (column("mrs", lambda mrs: ""), r"column 'mrs': is missing in every row"),
    (text('case = "case"', 'case = "case"\norder = "sex"'), r"column 'sex': is the order of the cases: give a number for each"),
    (column("mrs", lambda mrs: mrs.where(mrs != "3", "dead")), r"column 'mrs': 'dead' is no number: compare words by"),
    (column("age", lambda age: age.where(age.index != 3, "8O")), r"'8O' is not a number of years \(case 004\)"),
    (column("age", lambda age: age.where(age.index != 3, "300")), r"ages below 0 or above 120 \(case 004\)"),
    (column("nihss", lambda score: score.where(score.index != 3, "12?")), r"'nihss': text that parses as numbers"),
    (column("nihss", lambda score: score + ",500"), r"is the comma one of decimals or of thousands\?"),
    (column("nihss", lambda score: score.where(score.index % 2 == 0, "1e200")), r"infinite values"),
    (column("sex", lambda sex: [f"0{1 + i % 9}.03.2024" for i in range(CASES)]), r"'sex': dates as text"),
    (
        column("sex", lambda sex: np.where(table()["mrs"].astype(int) <= 2, "alive", "dead")),
        r"'sex' is the label under another",
    ),
    (raw(lambda csv: csv.replace("age,nihss", "age,age")), r"column 'age' occurs more than once"),
    (
        raw(lambda csv: csv.replace("003,Kardinalbau,", "003,Kardinalbau,,,")),
        r"row 4 has 12 values for 10 columns: a value that holds",
    ),
    (raw(lambda csv: ""), r"is empty"),
    (raw(lambda csv: csv.split("\n")[0] + "\n"), r"holds no row"),
    (raw(lambda csv: b"PK\x00\x00\x00\x00"), r"is no text: save it as text in UTF-8"),
    (
        text('case = "case"', 'case = "case"\nonly = { ward = "Westbau" }'),
        r"no row has ward = 'Westbau', as \[table\] only asks",
    ),
    (image("flair", lambda scan: np.stack([scan, scan], axis=-1)), r"case 003: has 4 axes \(12 x 12 x 12 x 2\)"),
    (image("flair", lambda scan: scan[:, :, :1]), r"case 003: is 12 x 12 x 1: a single plane is no volume"),
    (without_affine, r"case 003: its affine is not usable"),
    (
        image("flair", lambda scan: scan, affine(0.008)),
        r"voxels measure 0.008 x 0.008 x 0.008 mm: is the affine in millimetres",
    ),
    (
        image("mask", lambda mask: mask * np.uint8(3) - (mask * np.arange(12, dtype=np.uint8) % 3)),
        r"case 003: holds the values",
    ),
    (image("mask", lambda mask: mask, FLIPPED), r"case 003: is stored left-right flipped against the scan by its affine"),
    (
        image("mask", lambda mask: mask, SWAPPED),
        r"is stored left-right flipped against its scan, as most are not: .* \(case 003\)",
    ),
    (image("mask", lambda mask: mask, moved(90.0)), r"case 003: lies elsewhere than the scan by its affine"),
    (file("images/003/flair.nii.gz", b"not a scan"), r"case 003: cannot be read as NIfTI"),
    (file("images/003/flair.nii.gz", gzip.compress(b"\0" * 400)), r"case 003: cannot be read as NIfTI"),
    (file("reports/003/1.txt", b"word " * 30_000), r"case 003: 1.txt has 150000 letters: is it a report\?"),
    (file("reports/003/1.txt", b"\0\1\2"), r"case 003: 1.txt: is no text"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_a_malformed_folder_is_refused_by_name(tmp_path: Path, change: Change, message: str) -> None:
    hospital(tmp_path)
    change(tmp_path)
    said = lines(tmp_path)
    assert any(re.search(message, line) for line in said), said
    with pytest.raises(DataError, match=message):
        built(tmp_path)


def semicolons(csv: str) -> str:
    return csv.replace(",", ";")


READ: list[tuple[Change, str]] = [
    (raw(lambda csv: b"\xef\xbb\xbf" + csv.encode()), ""),
    (raw(lambda csv: csv.encode("utf-16")), ""),
    (raw(semicolons), ""),
    (raw(lambda csv: csv.replace(",", "\t")), ""),
    (raw(lambda csv: csv.replace("\n", "\r\n")), ""),
    (raw(lambda csv: csv.replace("case,ward", " case , ward ")), ""),
    (raw(lambda csv: csv + "\n,,,,,,,,,\n"), ""),
    (raw(lambda csv: csv.replace("Ferreira", "Ferreirá").encode("cp1252")), ""),
    (column("nihss", lambda score: score.where(score.index != 3, "n/a")), ""),
    (column("age", lambda age: age.where(age.index != 3, "89+")), r"ages above 89 are stored as 90 \(case 004\)"),
    (column("nihss", lambda score: score.where(score.index != 3, "3,5")), r"decimal commas \('3,5'\) read as decimal points"),
    (image("flair", lambda scan: scan[..., None]), r"a fourth axis of length 1 is left out \(case 003\)"),
    (image("flair", lambda scan: np.where(scan > 170, np.nan, scan)), r"NaN or infinite voxels are read as 0 \(case 003\)"),
    (image("mask", lambda mask: mask * np.uint8(2)), r"0 and 2 are read as 0 and 1 \(case 003\)"),
    (image("mask", lambda mask: mask * np.uint8(0)), r"is empty \(case 003\)"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "message"), READ, ids=[str(number) for number in range(len(READ))])
def test_what_can_be_read_in_one_way_is_read(tmp_path: Path, change: Change, message: str) -> None:
    hospital(tmp_path)
    change(tmp_path)
    assert not lines(tmp_path)
    assert any(re.search(message, line) for line in lines(tmp_path, "read alike")) or not message
    assert len(built(tmp_path)) == CASES


NOTED: list[tuple[Change, str]] = [
    (file("images/003/flair.nii.gz", None), r"no 'flair' \(case 003\)"),
    (file("reports/003/1.txt", None), r"no report \(case 003\)"),
    (file("images/999/flair.nii.gz", b""), r"flair: '999' is no case of the table, and is not read"),
    (
        column("mrs", lambda mrs: mrs.where(mrs.index > 1, "")),
        r"these cases have no label and join the pool \(cases 001, 002\)",
    ),
    (column("nihss", lambda score: score.where(score.index % 8 > 0, "-999")), r"-999 lies far from all other values"),
]


@pytest.mark.parametrize(("change", "message"), NOTED, ids=[str(number) for number in range(len(NOTED))])
def test_what_may_be_intended_is_noted(tmp_path: Path, change: Change, message: str) -> None:
    hospital(tmp_path)
    change(tmp_path)
    assert not lines(tmp_path)
    assert any(re.search(message, line) for line in lines(tmp_path, "noted")), lines(tmp_path, "noted")


def test_masks_that_are_all_stored_the_other_way_round_are_read(tmp_path: Path) -> None:
    straight = built(hospital(tmp_path / "straight", cases=20)).images["mask"].load()
    folder = hospital(tmp_path / "swapped", cases=20)
    for number, path in enumerate(sorted(folder.glob("images/*/mask.nii.gz"))):
        save(path, volumes(number)[1][::-1], SWAPPED)
    assert any("is stored left-right flipped against its scan" in line for line in lines(folder, "read alike"))
    assert np.array_equal(built(folder).images["mask"].load(), straight)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    hospital(tmp_path)
    text("voxel_mm = 8", "voxel_mm = 0")(tmp_path)
    text('later = ["stay"]', 'later = ["stays"]')(tmp_path)
    image("mask", lambda mask: mask, moved(90.0))(tmp_path)
    column("age", lambda age: age.where(age.index != 3, "8O"))(tmp_path)
    file("images/004/flair.nii.gz", b"torn")(tmp_path)
    named = ["voxel_mm", "'stays'", "'stay'", "lies elsewhere", "'8O'", "cannot be read as NIfTI"]
    said = lines(tmp_path)
    assert len(said) == len(named)
    assert all(any(name in line for line in said) for name in named)
