"""One computing thread per process: several threads in several workers are many times slower on small models."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def limit_threads() -> None:
    """Bound the threads of this process and of those it starts; call it before numpy is imported."""
    for name in VARIABLES:
        os.environ[name] = "1"
