"""`show case`: what is known of one case, and the drawing of its recording."""

from __future__ import annotations

import json
from pathlib import Path

from tests.made_benchmark import MadeBenchmark

WARD = """
from dataclasses import dataclass
import numpy as np, pandas as pd
from benchmark import Cohort, Recordings, register_dataset

@register_dataset("ward", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="has it",
                  negative="has it not", site="s", inputs={}, barred={}, scope="s", modalities={"table", "signal"})
@dataclass(frozen=True)
class Ward:
    def build(self, sources):
        ids = np.array([f"P{i:02d}" for i in range(40)])
        waves = np.random.default_rng(0).normal(size=(40, 12, 200))
        waves[7] = np.nan
        pool = Cohort("p", np.array(["q1"]), signals=Recordings(waves[:1], 100.0), table=pd.DataFrame({"age": [50.0]}))
        return Cohort("ward", ids, np.arange(40) % 2, np.array(["East", "West"] * 20), ids,
                      pd.DataFrame({"age": [np.nan, *range(31, 70)]}), signals=Recordings(waves, 100.0), pool=pool)
"""


def test_a_case_is_told_in_words_and_its_ecg_is_drawn(made: MadeBenchmark, tmp_path: Path) -> None:
    plugin = tmp_path / "ward.py"
    plugin.write_text(WARD, encoding="utf-8")
    words = ("--dataset", "ward", "--plugin", str(plugin), "--json")
    shown = json.loads(made.cli("show", "case", "P01", *words).stdout)
    drawing = Path(shown.pop("drawing"))
    assert shown == {
        "case": "P01",
        "dataset": "ward",
        "label": 1,
        "meaning": "has it",
        "site": "West",
        "table": {"age": 31.0},
        "signals": "12 x 200 at 100 Hz, in mV: I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6",
    }
    assert drawing.name == "P01.png"
    assert drawing.read_bytes().startswith(b"\x89PNG")
    pooled = json.loads(made.cli("show", "case", "q1", *words, "--output", str(tmp_path / "here")).stdout)
    assert "label" not in pooled
    assert (tmp_path / "here" / "q1.png").is_file()
    without = json.loads(made.cli("show", "case", "P07", *words).stdout)
    assert without["missing"] == ["signal"]
    assert "drawing" not in without
    assert json.loads(made.cli("show", "case", "P00", *words).stdout)["table"] == {"age": None}
    said = made.cli("show", "case", "P1", *words, code=2)
    assert "unknown case of ward 'P1': did you mean" in said.stdout + said.stderr
    assert "show case needs" in made.cli("show", "case", "--dataset", "ward", "--plugin", str(plugin), code=2).stderr
