"""Where the benchmark is run: users without a home, terminals of few letters, read-only folders, modules beside a plug-in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.cells.store import Store
from benchmark.leaderboard import plotting, publication
from benchmark.system import locations
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT
from tests.made_benchmark import MadeBenchmark

LITTLE = ("--protocol", "repeated-cv", "--seeds", "39")
AIDED = """
from dataclasses import dataclass
import numpy as np
import beside_curve
from benchmark import register_method

@register_method("aided", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Aided(beside_curve.Kept):
    def predict_proba(self, cases):
        from beside_late import curve

        return curve(cases.table["x"].to_numpy()) if self.first else np.full(len(cases), 0.5)
"""
CURVE = """
KEPT = []

class Kept:
    stochastic = False

    def fit(self, train, validation, seed):
        KEPT.append(seed)
        self.first = len(KEPT) == 1
"""
LATE = "import numpy as np\n\ndef curve(x):\n    return 1 / (1 + np.exp(1.0 * x))\n"


# Modules beside a plug-in


@pytest.fixture
def aided(made: MadeBenchmark) -> Iterator[MadeBenchmark]:
    """The made benchmark with a method that imports two modules from its own folder, one of them late."""
    for name, text in {"aided.py": AIDED, "beside_curve.py": CURVE, "beside_late.py": LATE}.items():
        made.write(name, text)
    yield made
    for name in [name for name in sys.modules if name.startswith("beside_")]:
        del sys.modules[name]


def test_a_plugin_imports_what_lies_beside_it_early_and_late_anew_for_each_cell(aided: MadeBenchmark) -> None:
    words = ("--plugin", str(aided.folder / "aided.py"), "--method", "aided", *LITTLE)
    assert "5 of 5 cells to compute" in aided.run(*words).stdout
    cells = list(aided.cells().values())
    assert all(b'"outcome":"ok"' in cell for cell in cells)
    assert not any(b"0.5,0.5" in cell for cell in cells), (
        "what the module kept of an earlier cell is forgotten with the plug-in"
    )


@pytest.mark.slow
def test_a_worker_process_imports_it_likewise(aided: MadeBenchmark) -> None:
    words = ("--plugin", str(aided.folder / "aided.py"), "--method", "aided", *LITTLE)
    aided.run(*words, "--jobs", "1")
    assert all(b'"outcome":"ok"' in cell for cell in aided.cells().values())


def test_an_edit_of_a_module_beside_a_plugin_makes_its_cells_stale(aided: MadeBenchmark) -> None:
    words = ("--plugin", str(aided.folder / "aided.py"), "--method", "aided", *LITTLE)
    aided.run(*words)
    before = aided.cells()
    assert "all 5 cells are fresh" in aided.run(*words).stdout
    aided.edit("1.0 * x", "3.0 * x", aided.folder / "beside_late.py")
    assert "5 of 5 cells to compute" in aided.run(*words).stdout
    assert all(before[name] != cell for name, cell in aided.cells().items())


def test_an_edit_of_a_module_beside_a_dataset_has_it_prepared_anew(made: MadeBenchmark) -> None:
    made.edit("import numpy as np", "import beside_sizes\nimport numpy as np")
    made.edit("cases: int = 60", "cases: int = beside_sizes.CASES")
    sizes = made.write("beside_sizes.py", "CASES = 60\n")
    assert "preparing made" in made.run("--method", "steady", *LITTLE).stdout
    assert "preparing made" not in made.run("--method", "steady", *LITTLE).stdout
    sizes.write_text("CASES = 72\n")
    sys.modules.pop("beside_sizes")
    said = made.run("--method", "steady", *LITTLE).stdout
    assert "preparing made" in said
    assert ": 72 cases" in said


def test_different_modules_of_one_name_beside_two_plugins_are_refused(aided: MadeBenchmark) -> None:
    other = aided.folder / "other"
    other.mkdir()
    (other / "yours.py").write_text(AIDED.replace('"aided"', '"yours"'))
    (other / "beside_curve.py").write_text(CURVE)
    (other / "beside_late.py").write_text(LATE)
    plugins = ["--plugin", str(aided.folder / "aided.py"), "--plugin", str(other / "yours.py")]
    assert "yours" in aided.cli("list", "methods", *plugins).stdout, "equal copies are no clash"
    (other / "beside_late.py").write_text(LATE.replace("1.0", "2.0"))
    message = aided.cli("list", "methods", *plugins, code=2).stderr
    assert re.fullmatch(r"error: two plug-ins import different modules named 'beside_late': [^\n]+: rename one\n", message)


def test_what_a_base_class_beside_a_plugin_says_is_read_without_importing_it(aided: MadeBenchmark) -> None:
    aided.edit("import beside_curve\n", "from beside_curve import Kept\n", aided.folder / "aided.py")
    aided.edit("beside_curve.Kept", "Kept", aided.folder / "aided.py")
    assert not aided.catalogue(aided.folder / "aided.py").method("aided").stochastic
    assert "beside_curve" not in sys.modules


# No home


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user id without an entry in the password file and without HOME."""

    def unknown(cls: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CACHE_HOME", "STROKEBENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(unknown))


def test_without_a_home_a_folder_for_data_is_asked_for(homeless: None) -> None:
    with pytest.raises(BenchmarkError, match="no home folder: set STROKEBENCH_DATA"):
        locations.data_folder()


def test_without_a_home_the_data_folder_that_is_given_is_used(
    homeless: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path))
    assert locations.data_folder() == tmp_path


def test_without_a_home_a_folder_below_it_is_refused(homeless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.setenv("STROKEBENCH_OUTPUT", "~/results")
    with pytest.raises(BenchmarkError, match="STROKEBENCH_OUTPUT=~/results: this user has no home folder"):
        locations.output_folder()


def test_without_a_home_the_page_is_made_all_the_same(homeless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def javascript_bundle() -> str:
            return "bundle"

    monkeypatch.setattr(plotting, "_library", Library)
    assert plotting.browser_bundle() == "bundle"


# Terminals of few letters


def test_letters_that_the_terminal_lacks_are_printed_as_escapes(made: MadeBenchmark) -> None:
    made.edit('title="Made"', 'title="Größe"')
    made.variables["PYTHONIOENCODING"] = "ascii"
    done = made.process("show", "dataset", "made", "--plugin", str(made.plugin))
    assert done.returncode == 0, done.stderr
    assert "Gr\\xf6\\xdfe" in done.stdout


def test_a_method_in_a_worker_may_print_any_letter() -> None:
    code = "from benchmark.cells.executors import _initialise; _initialise({}, None); print('Größe')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, rb"Gr\xf6\xdfe"), done.stderr


# Pages and folders that cannot be written


def test_a_page_that_fails_ends_no_run(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object, **options: object) -> str:
        raise ZeroDivisionError("a fault of the page")

    monkeypatch.setattr(publication, "page", failing)
    said = made.run("--method", "steady", *LITTLE).stdout
    assert "page: none: ZeroDivisionError: a fault of the page" in said
    assert made.leaderboard.is_file()


def test_a_torn_cell_in_a_read_only_folder_is_left_there_and_not_read(
    made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.run("--method", "steady", *LITTLE)
    row = made.output / "results" / "cells" / "made" / "repeated-cv" / "steady"
    next(iter(row.glob("*.json"))).write_text("torn")

    def read_only(self: Path, target: Path) -> Path:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", read_only)
    assert len(Store().row("made", "repeated-cv", "steady")) == 4
    assert len(list(row.glob("*.json"))) == 5
