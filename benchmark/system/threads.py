"""What this process and its workers compute on: one thread each, and the device of `run --device`.

Several threads in several workers are many times slower on small models.
"""

import os

from benchmark.system.errors import BenchmarkError

DEVICE = "STROKEBENCH_DEVICE"
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def limit_threads() -> None:
    """Bound the threads of this process and of those it starts; call it before numpy is imported."""
    for name in VARIABLES:
        os.environ[name] = "1"


def device() -> str:
    """The device that this process was told to use: "cpu" by default."""
    return os.environ.get(DEVICE) or "cpu"


def use_device(name: str) -> None:
    """Have this process, and those it starts, train on a device. Raises `BenchmarkError` where torch cannot use it here."""
    if name != "cpu":
        import torch

        try:
            torch.zeros(1, device=name)
        except (RuntimeError, AssertionError) as error:
            raise BenchmarkError(f"--device {name}: torch cannot use it here ({str(error).splitlines()[0]})") from error
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # deterministic sums on CUDA need it
    os.environ[DEVICE] = name
