"""The tool that shows what is restored and which leads matter: on a made cohort, through its command line."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmark import Recordings
from benchmark.data.cohort import Cohort
from benchmark.system.errors import BenchmarkError
from tests.components.test_cardio_ssl import ECG, LEADS, made
from tools import ecg_figures

SETTINGS = {
    **ECG,
    "masking_epochs": 60,
    "labelled_batch": 32,
    "epochs": 12,
    "learning_rate": 0.003,
    "patch": 20,
}


def in_one_lead(cases: int) -> Cohort:
    """The label shows in the third lead alone."""
    cohort = made(cases, 3)
    waves = np.array(cohort.signals[np.arange(cases)])
    waves[:, [0, 1, 3]] = waves.mean(axis=0)[[0, 1, 3]] + 0.05 * np.random.default_rng(0).normal(size=(cases, 3, 200))
    time = np.arange(200)
    waves[:, 2] += 2.0 * cohort.labels[:, None] * np.sin(2 * np.pi * time / 12)
    return replace(cohort, signals=Recordings(waves.astype(np.float32), 100.0, LEADS), images={})


@pytest.fixture
def made_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = in_one_lead(300)
    monkeypatch.setattr(ecg_figures, "load_cohort", lambda name, catalogue: cohort)


def spelled(method: str, **more: object) -> str:
    return f"{method}[{','.join(f'{name}={value}' for name, value in sorted({**SETTINGS, **more}.items()))}]"


@pytest.mark.slow
def test_masked_patches_are_restored_and_the_lead_that_tells_is_found(
    made_cohort: None, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path
) -> None:
    monkeypatch.setattr(sys, "argv", ["ecg_figures", "made", spelled("ecg-mae"), "--output", str(tmp_path)])
    ecg_figures.main()
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line]
    figures = {cells[1].strip(" `"): cells[2].strip() for cells in lines if len(cells) > 2}
    assert float(figures["autoencoder"]) < 0.8 * float(figures["mean of the lead"])
    assert float(figures["autoencoder"]) < 0.8 * float(figures["line between what is seen"])
    falls = {lead: float(figures[lead]) for lead in LEADS}
    assert max(falls, key=falls.__getitem__) == "V1" and falls["V1"] > 3 * max(falls[lead] for lead in LEADS if lead != "V1")
    pictures = sorted(path.name.rsplit("-", 1)[1] for path in tmp_path.glob("*.png"))
    assert pictures == ["occlusion.png", "restored.png"]


def test_a_row_without_an_autoencoder_is_refused(made_cohort: None) -> None:
    with pytest.raises(BenchmarkError, match="starts from no masked autoencoder"):
        ecg_figures.fitted("made", spelled("ecg-mae", start="scratch", epochs=1))
