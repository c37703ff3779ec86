"""How much memory the whole of PTB-XL needs: a made folder of its shape is prepared, split and read, each in a fresh process.

`python -m tools.ptbxl_memory` prints a line for each step; the records are made, their number and size are PTB-XL's.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.modalities.signal import LEADS
from benchmark.system.locations import ROOT
from datasets.ptbxl_full import FOLDER

RECORDS = 21799
CODES = ("NORM", "NDT", "CLBBB", "IMI", "LVH")
"""A statement of each superclass."""
CLASSES = ("NORM", "STTC", "CD", "MI", "HYP")
STEPS = {
    "prepare": "from benchmark.cli.main import main; assert main(['fetch', 'ptbxl-full']) == 0",
    "pre-train on it": """
import numpy as np, torch
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.own_folds import OwnFolds
from benchmark.learning.neural.views import ViewScaler
cohort = load_cohort("ptbxl-full")
split = OwnFolds().splits(cohort)[0]
train = cohort.take(split.train).only({"signal"})
views = ViewScaler(train, "signal").cases(train)
for start in range(0, len(train), 64):
    views.at(torch.arange(start, min(start + 64, len(train))))
""",
}
"""Step -> what its process runs."""


def write_folder(folder: Path, records: int, distinct: int = 50, seed: int = 0) -> None:
    """A folder as PhysioNet has it: table, statements, manifest, and records at 100 Hz, of which `distinct` differ."""
    rng = np.random.default_rng(seed)
    names = [f"records100/{number // 1000 * 1000:05d}/{number:05d}_lr" for number in range(1, records + 1)]
    digests = {"ptbxl_database.csv": "", "scp_statements.csv": ""}
    patients = rng.integers(1, max(2, round(0.87 * records)), records)
    folds = patients % 10 + 1
    codes = rng.choice(CODES, records, p=(0.44, 0.22, 0.14, 0.13, 0.07))
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "ecg_id": np.arange(1, records + 1),
            "patient_id": patients.astype(float),
            "age": np.where(rng.random(records) < 0.01, 300, rng.integers(18, 90, records)),
            "sex": rng.integers(0, 2, records),
            "height": np.where(rng.random(records) < 0.68, np.nan, rng.normal(167, 9, records).round()),
            "weight": np.where(rng.random(records) < 0.57, np.nan, rng.normal(70, 14, records).round()),
            "site": np.where(rng.random(records) < 0.001, np.nan, rng.integers(0, 50, records)),
            "scp_codes": [f"{{'{code}': 100.0, 'SR': 0.0}}" for code in codes],
            "strat_fold": folds,
            "filename_lr": names,
        }
    ).to_csv(folder / "ptbxl_database.csv", index=False)
    statements = pd.DataFrame({"diagnostic_class": CLASSES}, index=CODES)
    statements.to_csv(folder / "scp_statements.csv")
    for name in digests:
        digests[name] = sha256((folder / name).read_bytes()).hexdigest()
    samples = [_made(rng) for _ in range(distinct)]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix, content in ((".hea", _header(path.name, samples[number % distinct])), (".dat", samples[number % distinct])):
            held = content.encode() if isinstance(content, str) else content.tobytes()
            path.with_suffix(suffix).write_bytes(held)
            digests[f"{name}{suffix}"] = sha256(held).hexdigest()
    (folder / "SHA256SUMS.txt").write_text("".join(f"{digest} {name}\n" for name, digest in digests.items()))


def _made(rng: np.random.Generator) -> NDArray[np.int16]:
    """(1000, 12) microvolts."""
    time_ms = np.arange(1000)[:, None] * 10
    beats = np.exp(-(((time_ms % 800) - 400) ** 2) / 800) * rng.uniform(300, 1500, 12)
    return (beats + rng.normal(0, 20, (1000, 12))).round().astype("<i2")


def _header(name: str, samples: NDArray[np.int16]) -> str:
    """The text of a header, by the definition of the format: first sample and sum modulo 65536 of each lead."""
    sums = samples.astype(np.int64).sum(axis=0) % 65536
    leads = zip(samples[0], sums, LEADS, strict=True)
    lines = [f"{name}.dat 16 1000.0(0)/mV 16 0 {first} {total} 0 {lead.upper()}" for first, total, lead in leads]
    return "\n".join([f"{name} 12 100 1000", *lines, ""])


def measured(data: Path) -> Iterator[tuple[str, float, float]]:
    """(step, seconds, GiB of the greatest resident memory) of each step, below a data folder that holds the records."""
    for step, code in STEPS.items():
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "STROKEBENCH_DATA": str(data)})
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{step}: ended with {status}")
        yield step, time.monotonic() - started, _gib(usage)


def _gib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    with tempfile.TemporaryDirectory() as folder:
        count = parser.parse_args().records
        write_folder(Path(folder) / "sources" / FOLDER, count)
        for step, seconds, gib in measured(Path(folder)):
            print(f"{count} records, {step}: {gib:.2f} GiB, {seconds:.0f} s", flush=True)
