"""Contrastive and alignment losses against closed forms."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from benchmark.learning.layers.losses import info_nce, misalignment  # noqa: E402

EYE = torch.eye(3)


def test_infonce_of_orthogonal_pairs_is_its_closed_form() -> None:
    for temperature in (0.07, 0.5):
        expected = math.log(1 + 2 * math.exp(-1 / temperature))
        assert float(info_nce(EYE, 4 * EYE, temperature)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_infonce_of_equal_rows_is_the_log_of_their_number() -> None:
    rows = torch.ones(5, 4)
    assert float(info_nce(rows, rows, 0.07)) == pytest.approx(math.log(5), rel=1e-6)


def test_infonce_averages_both_directions() -> None:
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    b = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rows = (math.log(2) + math.log(2)) / 2
    columns = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    assert float(info_nce(a, b, 1.0)) == pytest.approx((rows + columns) / 2, rel=1e-6)


def test_misalignment_is_one_minus_the_mean_cosine() -> None:
    a = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    b = torch.tensor([[5.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])
    assert float(misalignment(a, b)) == pytest.approx(1 - (1 + 0 - 1) / 3, abs=1e-6)


def test_dropout_keeps_the_mean_and_zeroes_the_share_it_says() -> None:
    from benchmark.learning.layers.perceptron import Dropout

    torch.manual_seed(0)
    layer, x = Dropout(0.3), torch.ones(400, 500)
    kept = layer(x)
    assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.005)
    assert float(kept.max()) == pytest.approx(1 / 0.7) and float(kept.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(layer.eval()(x), x)
