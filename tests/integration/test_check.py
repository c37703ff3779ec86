"""`check METHOD` on the command line: one line per finding, the closing line, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.audit.made_cohorts import SHAPES
from benchmark.cli.main import main
from tests.made_benchmark import MadeBenchmark

CONTRACT_METHODS = str(Path(__file__).parents[1] / "audit" / "contract_methods.py")
PAIR = """
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

@register_method(
    "half", family="f", reference="r", fit_modalities=set(), predict_modalities=set(), variants={"p": {0.25: set()}}
)
@dataclass
class Half:
    stochastic = False
    p: float = 0.5

    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), self.p)

@register_method("double", family="f", reference="r", fit_modalities=set(), predict_modalities=set())
@dataclass
class Double(Half):
    p: float = 2.0
"""


@pytest.mark.slow
def test_a_method_that_conforms_ends_with_0_and_the_count(made: MadeBenchmark) -> None:
    lines = made.cli("check", "lesion-volume").stdout.splitlines()
    assert lines[0] == "lesion-volume"
    assert [line.strip() for line in lines if line.strip() in SHAPES] == list(SHAPES)
    assert lines[-1] == "lesion-volume conforms (42 checks on 3 of 6 shapes)"


def test_a_method_that_does_not_conform_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "leaking", "--plugin", CONTRACT_METHODS, "--shape", "table-only"]) == 1
    out = capsys.readouterr().out
    assert "    error   independence: predictions of one case alone differ" in out
    assert out.splitlines()[-1] == "leaking does not conform: 1 error"


def test_what_is_wrong_with_a_card_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "misspelt", "--plugin", CONTRACT_METHODS]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "misspelt does not conform: 1 error"


def test_a_warning_is_counted_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "idle", "--plugin", CONTRACT_METHODS, "--shape", "no-text"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "idle conforms (14 checks on 1 shape, 1 warning)"


def test_a_method_that_applies_nowhere_is_not_said_to_conform(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "small", "--plugin", CONTRACT_METHODS]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "small was not tried: it applies to no shape that was asked for"


def test_a_file_stands_for_all_its_methods_and_their_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pair.py"
    path.write_text(PAIR, encoding="utf-8")
    assert main(["check", str(path), "--shape", "complete", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found[0]) == {"method", "shape", "check", "state", "message"}
    assert {item["method"] for item in found} == {"half", "half[p=0.25]", "double"}
    assert {item["shape"] for item in found} == {"complete"}
    assert [(item["method"], item["check"]) for item in found if item["state"] == "error"] == [("double", "probabilities")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xgbost"], "did you mean 'xgboost'?"),
        (["xgboost[depth=1]"], "unknown parameter of xgboost 'depth'"),
        (["xgboost", "--shape", "tabl-only"], "did you mean 'table-only' or 'signal-only'?"),
        (["no_such_file.py"], "is not a file"),
        (["benchmark/learning/encoders/territories.py"], "registers no method or dataset"),
    ],
)
def test_a_usage_error_ends_with_2_and_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
