"""Rows that differ at prediction alone are one trained network, given the seed that planning gives them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmark.audit.attempt import specimen, with_specimens  # noqa: E402
from benchmark.data.protocols.holdout import Holdout  # noqa: E402
from benchmark.learning.fitting import views_of  # noqa: E402
from benchmark.registry.discovery import discover  # noqa: E402
from benchmark.system.errors import BenchmarkError  # noqa: E402

EVERYTHING = frozenset({"image", "table", "text"})


def fitted(spelled: str) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """The weights and the test probabilities of a method after three epochs on the specimen, seed 5."""
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    split = Holdout().splits(cohort)[0]
    configured = catalogue.method(spelled)
    method = configured.entry.make({**configured.parameters, "epochs": 3})
    views = views_of(cohort, split, (EVERYTHING, EVERYTHING))
    method.fit(views.train, views.validation, 5)
    return method._module.state_dict(), method.predict_proba(views.test)


@pytest.mark.parametrize(
    ("row", "others"),
    [
        ("joint-transformer", ("sparsemm", "sparsemm[scores=random]", "sparsemm[masked=visual-heads]")),
        ("vdafm", ("vdafm[zeroed=text]", "vdafm[zeroed=image+table]")),
    ],
)
def test_the_weights_are_equal_and_the_predictions_are_not(row: str, others: tuple[str, ...]) -> None:
    weights, told = fitted(row)
    for other in others:
        same, otherwise = fitted(other)
        assert weights.keys() == same.keys()
        assert all(torch.equal(weights[name], same[name]) for name in weights), other
        assert np.abs(told - otherwise).max() > 1e-6, other


def test_another_training_has_other_weights() -> None:
    first, second = fitted("vdafm")[0], fitted("vdafm[text=permuted]")[0]
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_sparsemm_needs_a_middle_among_the_neighbours() -> None:
    with pytest.raises(BenchmarkError, match="pool=4: give an odd number"):
        discover().methods.get("sparsemm").make({"pool": 4})
