"""The tool that shows whether images and tables lie together: on a made cohort, through its command line."""

from __future__ import annotations

import sys

import pytest

from benchmark.system.errors import BenchmarkError
from tests.components.test_self_supervised import SMALL, made
from tools import embeddings


@pytest.fixture
def made_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "load_cohort", lambda name, catalogue: made(260, 0))


def spelled(method: str) -> str:
    settings = {**SMALL, "pretraining_epochs": 12, "width": 8}
    return f"{method}[{','.join(f'{name}={value}' for name, value in sorted(settings.items()))}]"


@pytest.mark.slow
def test_figures_and_picture_of_before_and_after(made_cohort: None, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(sys, "argv", ["embeddings", "made", spelled("mmcl"), "--output", str(tmp_path)])
    embeddings.main()
    said = capsys.readouterr().out
    rows = {cells[1].strip(): cells[2:4] for cells in (line.split("|") for line in said.splitlines()) if len(cells) > 4}
    before, after = map(float, rows["retrieval at 10"])
    assert after > before + 0.1 and set(rows) >= {"alignment", "uniformity image", "uniformity table", "retrieval at 1"}
    assert "0.238 at 10, of 42 cases" in said
    (picture,) = tmp_path.glob("*.png")
    assert picture.stat().st_size > 10_000


def test_a_row_that_compares_no_two_is_refused(made_cohort: None) -> None:
    with pytest.raises(BenchmarkError, match="does not compare images with tables"):
        embeddings.pretrained("made", spelled("scarf"))
