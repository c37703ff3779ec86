"""Figures of training speed: a step beside torch's own optimiser and its bare matrix products, and cells side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BATCH, STEPS, ROUNDS = 64, 8, 15
ROWS = ("vdafm[epochs=20]", "concat[epochs=20]")
"""2 rows x 20 splits are 40 cells."""
SERIAL = """
import sys, torch
from benchmark.registry.discovery import discover
from benchmark.data.preparation import load_cohort
from benchmark.learning.fitting import views_of
cohort, catalogue = load_cohort("synthetic-stroke", discover()), discover()
splits = catalogue.protocol("repeated-cv").make().splits(cohort)
everything = frozenset({"image", "table", "text"})
for row in sys.argv[1:]:
    for split in splits:
        method, views = catalogue.method(row).make(), views_of(cohort, split, (everything, everything))
        method.fit(views.train, views.validation, split.seed)
        method.predict_proba(views.test)
"""


def step_milliseconds(method: str, image: tuple[int, int, int], text: tuple[int, int, int]) -> dict[str, float]:
    """Median ms of a training step of the suite's loop, of the plain RAdam loop, and of all its matrix products alone.

    All three are interleaved in one process of one thread, on the same module sizes and batches; image and text are (pooled,
    tokens, width).
    """
    import numpy as np
    import torch

    from benchmark.learning.neural.inputs import Batch, Shapes, Tokens, TokenShape
    from benchmark.learning.neural.loop import Recipe, RectifiedAdam, Training, _epoch, as_output
    from benchmark.registry.discovery import discover
    from tools.matrix_products import MatrixProducts

    torch.set_num_threads(1)
    settings: Any = discover().method(method).make()
    n = BATCH * STEPS
    torch.manual_seed(0)

    def made(sizes: tuple[int, int, int], grid: tuple[int, ...] | None = None) -> Tokens:
        pooled, tokens, width = sizes
        share = torch.rand(n, tokens) if grid else None
        return Tokens(torch.randn(n, pooled), torch.randn(n, tokens, width), torch.ones(n, tokens) == 1, share, grid)

    grid = (4, 4, 4) if image[1] == 64 else None
    inputs, labels = Batch(torch.randn(n, 12), made(image, grid), made(text)), (torch.rand(n) > 0.5).float()
    shapes = Shapes(12, TokenShape(*image, grid), TokenShape(*text))
    ours, plain = settings.module(shapes), settings.module(shapes)
    weights = settings.weights(0)
    fused = RectifiedAdam(ours.parameters(), 1e-4)
    recipe = Recipe(1e-4, 100, 30, 15, BATCH, 1.0, 0.01, 0.4)
    data = Training(lambda rng: inputs, labels, inputs, labels)
    rng = np.random.default_rng(0)
    radam = torch.optim.RAdam(plain.parameters(), lr=1e-4)

    def loss(module: Any, step: int) -> Any:
        part = torch.arange(step * BATCH, (step + 1) * BATCH)
        made = as_output(module(inputs.at(part)))
        total = torch.nn.functional.binary_cross_entropy_with_logits(made.logits, labels[part])
        return sum((weights.get(name, 1.0) * term for name, term in made.terms.items()), start=total)

    def plain_steps() -> None:
        for step in range(STEPS):
            radam.zero_grad()
            loss(plain.train(), step).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            radam.step()

    with MatrixProducts() as products:
        loss(settings.module(shapes).train(), 0).backward()

    kinds: dict[str, Callable[[], object]] = {
        "ours": lambda: _epoch(ours, data, recipe, weights, fused, rng),
        "plain": plain_steps,
        "products": lambda: [products.repeat() for _ in range(STEPS)],
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, steps in kinds.items():
            started = time.perf_counter()
            steps()
            taken[name].append((time.perf_counter() - started) / STEPS * 1000)
    return {name: median(values[2:]) for name, values in taken.items()}


def cells_side_by_side() -> tuple[float, float]:
    """Seconds of 40 neural cells by `run --jobs 2`, and one after the other in one process of default threads."""
    from benchmark.data.preparation import load_cohort
    from benchmark.registry.discovery import discover

    cohort = load_cohort("synthetic-stroke", discover())
    cohort.features("image", "lesion-grid")
    cohort.features("text")
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "-m",
            "benchmark",
            "run",
            "--dataset",
            "synthetic-stroke",
            "--protocol",
            "repeated-cv",
            "--jobs",
            "2",
            "--no-sync",
        ]
        for row in ROWS:
            words += ["--method", row]
        parallel = _seconds(words, STROKEBENCH_OUTPUT=folder)
    return parallel, _seconds(["-c", SERIAL, *ROWS])


def _seconds(words: list[str], **environment: str) -> float:
    """Seconds that an interpreter takes, free to use as many threads as it likes."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *words], cwd=ROOT, env={**free, "PYTHONPATH": str(ROOT), **environment}, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - started


def figures() -> Iterator[tuple[str, float, str, str]]:
    """What, measured, unit, goal."""
    for method, image, text, what in (
        ("vdafm", (2048, 0, 0), (3072, 0, 0), "vdafm at the paper's inputs"),
        ("vdafm", (256, 0, 0), (384, 0, 0), "vdafm on synthetic-stroke"),
        ("joint-transformer", (256, 64, 21), (384, 8, 384), "joint-transformer on synthetic-stroke"),
    ):
        took = step_milliseconds(method, image, text)
        yield f"{what}: training step", took["ours"], "ms", ""
        yield "  torch.optim.RAdam over it", took["plain"] / took["ours"], "x", "> 1.6 x"
        yield "  it over its matrix products", took["ours"] / took["products"], "x", "< 2 x"
    parallel, serial = cells_side_by_side()
    yield "40 neural cells, two workers", parallel, "s", ""
    yield "  one default-threaded process over it", serial / parallel, "x", "> 2.5 x"
