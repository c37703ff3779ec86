"""The global generators, seeded alike before every fit."""

from __future__ import annotations

import random

import numpy as np


def seed_everything(seed: int, *, torch: bool) -> None:
    """Seed the global generators; torch's wherever the method's code imports it, were it as late as inside `fit`."""
    random.seed(seed)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    np.random.seed(seed)  # noqa: NPY002 - for libraries that read numpy's global state
    if torch:
        from torch import float32, manual_seed, set_default_dtype, set_num_threads, use_deterministic_algorithms
        from torch.utils import deterministic

        set_default_dtype(float32)
        manual_seed(seed)
        use_deterministic_algorithms(True)
        # a tenth of a training step, and no kernel used here reads memory that nobody wrote
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        set_num_threads(1)
