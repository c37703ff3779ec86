"""What comes as data runs no code, leaves its folder nowhere, and fills no machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import zipfile
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas as pd
import pytest

from benchmark.cells.executors import LocalProcesses
from benchmark.cells.store import CellAddress, Store
from benchmark.data.cohort import Cohort
from benchmark.data.folder.clinical import READERS
from benchmark.data.folder.volumes import MOST_VOXELS, _read_nifti
from benchmark.data.folder.writing import write_folder
from benchmark.leaderboard.tables import inert
from benchmark.registry.remembered import _entry
from benchmark.suites.suite import Limits
from benchmark.system.errors import BenchmarkError, DataError
from benchmark.system.secrets import is_secret
from tests.conftest import Run
from tests.made_benchmark import MadeBenchmark
from tools.dependency_audit import exceptions, judged

WATCHED = """
import multiprocessing, sys
from pathlib import Path
own = str(Path(multiprocessing.__file__).parent)
named = []

def watch(event, words):
    if event == "pickle.find_class":
        frame = sys._getframe()
        while frame is not None and not frame.f_code.co_filename.startswith(own):
            frame = frame.f_back
        if frame is None:
            named.append(words)

sys.addaudithook(watch)
from benchmark.cli.main import main
for words in {commands}:
    main(words)
import pickle
pickle.loads(pickle.dumps(print))
print("unpickled:", named)
"""
SCRIPT = "<script>alert(1)</script>"


@pytest.mark.slow
def test_whole_commands_unpickle_nothing(made: MadeBenchmark, python: Run) -> None:
    """But for what Python's multiprocessing sends between processes of one machine. The last pickle is the test's own: it shows
    that the hook sees one.
    """
    options = made.options
    commands = [
        ["run", *options, "--no-sync", "--in-process", "--method", "steady", "--method", "of-image"],
        ["publish", *options],
        ["rank", *options],
        ["export", *options, "csv"],
        ["show", "predictions", "--dataset", "made", "--protocol", "repeated-cv", "--method", "steady", *options],
        ["explain", "made/repeated-cv/steady/seed39-fold0", *options],
    ]
    done = python(WATCHED.format(commands=commands), environment=made.environment)
    assert done.returncode == 0, done.stderr
    assert "40 of 40 cells" in done.stdout or "rows published" in done.stdout, done.stdout
    assert done.stdout.splitlines()[-1] == "unpickled: [('builtins', 'print')]"


def test_a_prepared_array_that_is_a_pickle_is_refused_and_not_run(made: MadeBenchmark) -> None:
    made.run("--method", "steady", "--seeds", "39")
    mark = made.folder / "ran"
    array = next((made.folder / "data" / "prepared").rglob("*.npy"))

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {mark}",)

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    for path in array.parent.glob("*.npy"):
        content = header.getvalue() + pickle.dumps([Harm()])
        path.write_bytes(content + b" " * max(path.stat().st_size - len(content), 0))
    made.run("--method", "dicey", "--seeds", "39", code=None)
    assert not mark.exists()


def test_titles_names_and_reasons_are_no_html_in_the_leaderboard(made: MadeBenchmark) -> None:
    made.edit('title = "Made suite"', f'title = "{SCRIPT}"', made.suite)
    made.edit('descriptive = ["steady', f'descriptive = ["varied[features=\'{SCRIPT}\']", "steady', made.suite)
    made.run("--protocol", "leave-one-site-out", "--seeds", "39", code=1)
    text = made.leaderboard.read_text()
    assert text.startswith("# &lt;script>alert(1)&lt;/script>\n")
    outside = "".join(text.split("`")[::2])
    assert "alert(1)" in outside
    assert "<script" not in outside
    assert "<details>" in text
    page = made.leaderboard.with_suffix(".html").read_text()
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("p <.001, a < b", "p <.001, a < b"),
        ("<details><summary>More</summary>", "<details><summary>More</summary>"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("`<b>` and <b>", "`<b>` and &lt;b>"),
        ("`a`<!-- b", "`a`&lt;!-- b"),
        ("[x]( JavaScript:alert(1))", "[x]\\( JavaScript:alert(1))"),
        ("[x](docs/a.md)", "[x](docs/a.md)"),
        ("[x](../docs/a-b.md#c) [y](#soop-repeated-cv) [z](https://a.b/c?d)",) * 2,
        ("[x](&#106;avascript:alert(1))", "[x]\\(&#106;avascript:alert(1))"),
        ("[x](javascript&colon;alert(1))", "[x]\\(javascript&colon;alert(1))"),
        ("[x](file:///etc/passwd)", "[x]\\(file:///etc/passwd)"),
        ("a\n> [x]: javascript:alert(1)", "a\n> \\[x]: javascript:alert(1)"),
        ("```<img src=x>`", "```&lt;img src=x>`"),
        ("\\`<img src=x>`", "\\`&lt;img src=x>`"),
        ("``a ` <b>`` <i>", "``a ` <b>`` &lt;i>"),
    ],
)
def test_markdown_is_made_inert(text: str, becomes: str) -> None:
    assert inert(text) == becomes


def test_a_suite_that_is_nested_without_end_is_one_line(made: MadeBenchmark) -> None:
    path = made.write("deep.toml", "a = " + "[" * 50000)
    done = made.cli("rank", "--suite", str(path), code=2)
    assert done.stderr == "error: a file that was read is nested too deeply: --debug says which\n"


def sealed(path: Path, deterministic: str, measured: str = "{}") -> None:
    """A cell file with a right digest, whatever it holds."""
    body = f'"deterministic": {deterministic},\n"measured": {measured}}}\n'
    path.write_text(f'{{"digest": "{hashlib.sha256(body.encode()).hexdigest()}",\n{body}')


def test_cells_of_others_are_taken_only_if_they_can_be_cells(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    made.run("--method", "dicey", "--protocol", "leave-one-site-out", "--seeds", "39", "40")
    other = made.folder / "other"
    (made.output).rename(other)
    row = other / "results" / "cells" / "made" / "leave-one-site-out" / "dicey"
    paths = sorted(row.glob("*.json"))
    told = [json.loads(path.read_text().splitlines()[1].removeprefix('"deterministic": ')[:-1]) for path in paths]
    good, *bad = zip(paths, told, strict=True)
    changes = [
        {"probabilities": [0.5]},
        {"probabilities": [2.0] * len(bad[1][1]["probabilities"])},
        {"address": {**bad[2][1]["address"], "method": "../../../escape"}},
    ]
    for (path, content), change in zip(bad, changes, strict=False):
        sealed(path, json.dumps({**content, **change}))
    sealed(bad[3][0], "[" * 50000)
    bad[4][0].write_bytes(good[0].read_bytes() + b" " * 2**20)
    monkeypatch.setattr("benchmark.cells.merging.LARGEST", 2**20)
    done = made.cli("merge", str(other), code=1)
    assert "1 cells taken, 0 were here, 5 conflicts" in done.stdout
    for words in ("predictions for other cases", "no probabilities", "torn or edited", "1 MiB are more than such a file has"):
        assert words in done.stdout
    assert [path.name for path in (made.output / "results" / "cells").rglob("*seed*.json")] == [good[0].name]


@pytest.mark.parametrize("name", ["..", "../../x", "/etc/passwd", "a/../../b", ".", "x\x00y", "C:\\x"])
def test_no_name_of_a_cell_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    path = Store(tmp_path).path(CellAddress(name, name, name, name))
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert len(path.relative_to(tmp_path).parts) == 4


def test_a_scan_that_says_it_unpacks_to_more_than_a_machine_holds_is_refused_unread(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    content = bytearray(image.to_bytes())
    content[40:48] = struct.pack("<4h", 3, 30000, 30000, 30000)
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    assert MOST_VOXELS < 30000**3
    with pytest.raises(DataError, match=r"says that it has 2.7e\+13 voxels"):
        _read_nifti(path)


def test_what_stands_before_the_voxels_and_other_formats_are_refused_unread(tmp_path: Path) -> None:
    content = bytearray(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes())
    content[108:112] = struct.pack("<f", 2**28)
    path = tmp_path / "extended.nii.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="bytes stand before its voxels"):
        _read_nifti(path)
    array = nibabel.gifti.GiftiDataArray(np.zeros(9, np.float32))
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[array]), tmp_path / "surface.gii")
    with pytest.raises(DataError, match="cannot be read as NIfTI"):
        _read_nifti(tmp_path / "surface.gii")
    nibabel.save(nibabel.Nifti2Image(np.ones((3, 4, 5), np.float32), np.eye(4)), tmp_path / "second.nii")
    assert _read_nifti(tmp_path / "second.nii")[0].shape == (3, 4, 5)


def test_a_table_whose_rows_are_numbered_without_end_is_not_filled_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install openpyxl")
    book = openpyxl.Workbook()
    book.active["A1"], book.active["A60000"] = "case", "last"
    book.save(tmp_path / "gap.xlsx")
    assert len(READERS[".xlsx"](tmp_path / "gap.xlsx", SimpleNamespace(sheet=""))) == 59_999
    monkeypatch.setattr("benchmark.data.folder.clinical.EXCEL_ROWS", 100)
    assert len(READERS[".xlsx"](tmp_path / "gap.xlsx", SimpleNamespace(sheet=""))) == 0


def test_an_id_that_leads_out_of_a_folder_is_not_written(tmp_path: Path) -> None:
    ids = np.array(["one", "../../out"])
    cohort = Cohort("made", ids, np.array([0, 1], np.int8), None, ids, pd.DataFrame({"age": [1.0, 2.0]}))
    with pytest.raises(BenchmarkError, match="the id '../../out' cannot be a folder's name"):
        write_folder(cohort, None, tmp_path / "folder", "name")
    assert not list(tmp_path.iterdir())


def test_what_is_kept_of_components_names_no_file_elsewhere(tmp_path: Path) -> None:
    told = {"kind": "method", "name": "x", "class_name": "X", "has_search_space": False, "error": None}
    told |= {"card": None, "constants": {"dict": []}, "fields": []}
    for path in ("/elsewhere/evil.py", "../evil.py", "methods/../../evil.py"):
        with pytest.raises(ValueError, match="is not below"):
            _entry(tmp_path, {**told, "path": path})
    assert _entry(tmp_path, {**told, "path": "methods/x.py"}).path == tmp_path / "methods" / "x.py"


def test_a_table_that_unpacks_to_more_than_a_machine_holds_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.folder.clinical.MOST_BYTES", 2**24)
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"\0" * (2**24 + 1))
    assert path.stat().st_size < 2**16
    with pytest.raises(DataError, match="unpacked it has more than"):
        READERS[".xlsx"](path, None)


SECRETS = {
    "MLFLOW_TRACKING_TOKEN": "t",
    "PGPASSWORD": "p",
    "OPENAI_API_KEY": "k",
    "DATABASE_URL": "postgresql://me:hid/den@host/db",
    "REDIS_URL": "redis://:hidden@host/0",
    "PIP_INDEX_URL": "https://hidden@host/simple",
    "WAREHOUSE": "mysql://u/db?password=hidden",
    "STORAGE": "DefaultEndpoints=https;AccountKey=hidden",
    "AZURE_CONNECTION_STRING": "s",
    "MYSQL_PWD": "p",
    "GITHUB_PAT": "t",
}
PLAIN = {
    "MLFLOW_TRACKING_URI": "http://host:5000",
    "PWD": "/home",
    "PATTERN": "a",
    "LINK": "https://host/a?b=@c",
    "KEYBOARD": "de",
    "STROKEBENCH_DATA": "/data",
    "PATH": "/bin:/usr/bin",
}


def test_workers_get_no_secrets_and_the_run_has_them_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEYBOARD", "de")
    with LocalProcesses(1, Limits()) as pool:
        seen = [pool.submit(os.getenv, name).result() for name in (*SECRETS, "KEYBOARD")]
        started_with = pool.submit(Path.read_bytes, Path("/proc/self/environ")).result()
    assert seen == [None] * len(SECRETS) + ["de"]
    assert b"hidden" not in started_with and b"PGPASSWORD" not in started_with
    assert {name: os.environ[name] for name in SECRETS} == SECRETS


def test_secrets_are_told_by_name_and_by_password_in_an_address() -> None:
    assert all(is_secret(*each) for each in SECRETS.items())
    assert not any(is_secret(*each) for each in PLAIN.items())


def test_an_exception_from_the_audit_holds_until_its_day(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    path.write_text('[[exception]]\nid = "V-1"\npackage = "a"\nwhy = "w"\nuntil = 2027-01-01\n')
    found = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "V-1", "fix_versions": ["2"]}, {"id": "V-2", "fix_versions": []}]},
            {"name": "b", "skip_reason": "not found"},
        ]
    }
    held, ended = exceptions(path, date(2026, 12, 1))
    assert (held, ended) == ({"V-1"}, [])
    assert judged(found, held) == (1, ["a 1: V-2 (mended in no version yet)"])
    held, ended = exceptions(path, date(2027, 1, 2))
    assert ended == ["the exception for V-1 (a) ran out on 2027-01-01: look at it again"]
    assert judged(found, held)[1][0] == "a 1: V-1 (mended in 2)"
    path.write_text('[[exception]]\nid = "V-1"\n')
    with pytest.raises(ValueError, match="an exception has id, package, until, why"):
        exceptions(path, date(2026, 12, 1))
