"""Training on CUDA: the CPU's predictions where nothing is drawn on the device, and the same bytes twice where it is.

`tools/cuda_check.sh` runs these without tests/conftest.py: no fixture of it is used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmark.audit import made_cohorts  # noqa: E402
from benchmark.data.protocols.holdout import Holdout  # noqa: E402
from benchmark.learning.fitting import Fitted, fit_and_predict, views_of  # noqa: E402
from benchmark.registry.discovery import discover  # noqa: E402
from benchmark.system.threads import use_device  # noqa: E402
from tools.cuda_check import Watched, made_cohort  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device on this machine"),
]
CASES, EPOCHS, SEED = 300, 5, 39
ROWS = ("vdafm", "joint-transformer")


@pytest.fixture(autouse=True)
def _back_to_the_cpu() -> Iterator[None]:
    yield
    use_device("cpu")


def fitted(row: str, device: str, *, watched: bool) -> Fitted:
    """A row after five epochs on a device; `watched` draws nothing on it."""
    use_device(device)
    catalogue = discover([str(made_cohorts.__file__)])
    cohort, method = made_cohort(CASES, catalogue), catalogue.method(row)
    views = views_of(cohort, Holdout().splits(cohort)[0], method.modalities)

    def make() -> Any:
        short = {**method.parameters, "epochs": EPOCHS}
        return Watched(method, epochs=EPOCHS).method if watched else method.entry.make(short)

    return fit_and_predict(method, views, SEED, make, forgetting=False)


@pytest.mark.parametrize("row", ROWS)
def test_where_nothing_is_drawn_on_the_device_predictions_are_the_cpus(row: str) -> None:
    cpu, cuda = (fitted(row, device, watched=True) for device in ("cpu", "cuda"))
    assert next(cuda.method._module.parameters()).is_cuda
    np.testing.assert_allclose(cuda.probabilities, cpu.probabilities, atol=5e-3)
    np.testing.assert_allclose(cuda.method.history["loss"], cpu.method.history["loss"], atol=1e-3)


@pytest.mark.parametrize("row", ROWS)
def test_the_same_seed_gives_the_same_bytes_dropout_and_noise_included(row: str) -> None:
    first, second = (fitted(row, "cuda", watched=False) for _ in range(2))
    assert first.probabilities.tobytes() == second.probabilities.tobytes()
    assert first.method.history == second.method.history


@pytest.mark.parametrize("row", ROWS)
def test_a_watched_training_draws_nothing_on_the_device(row: str) -> None:
    fitted(row, "cuda", watched=True)
    afterwards = torch.cuda.get_rng_state()
    torch.manual_seed(SEED)
    assert torch.equal(afterwards, torch.cuda.get_rng_state())
