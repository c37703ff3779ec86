"""RAdam by the fused kernel against torch's own RAdam."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from benchmark.learning.neural.loop import RectifiedAdam, rectified  # noqa: E402


def _parameters(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in ((7, 5), (5,))]


def _gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1000 + step)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) * 10.0 ** (step % 3) for shape in ((7, 5), (5,))]


@pytest.mark.parametrize("rate", [1e-4, 1e-2])
def test_it_follows_torch_radam_at_full_learning_rate_from_the_first_step(rate: float) -> None:
    mine, theirs = _parameters(1), _parameters(1)
    fused, reference = RectifiedAdam(mine, rate), torch.optim.RAdam(theirs, lr=rate)
    for step in range(40):
        for parameters in (mine, theirs):
            for parameter, gradient in zip(parameters, _gradients(step), strict=True):
                parameter.grad = gradient.clone()
        fused.step()
        reference.step()
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-8 * rate * (step + 1))


def test_the_learning_rate_may_change_between_steps() -> None:
    mine, theirs = _parameters(2), _parameters(2)
    fused, reference = RectifiedAdam(mine, 1e-3), torch.optim.RAdam(theirs, lr=1e-3)
    for step in range(20):
        for optimiser in (fused, reference):
            optimiser.param_groups[0]["lr"] = 1e-3 / (step + 1)
        for parameters in (mine, theirs):
            for parameter, gradient in zip(parameters, _gradients(step), strict=True):
                parameter.grad = gradient.clone()
        fused.step()
        reference.step()
        assert fused.param_groups[0]["lr"] == 1e-3 / (step + 1)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_the_first_five_steps_are_not_adapted() -> None:
    assert [rectified(step, 0.999) is None for step in range(1, 8)] == [True] * 5 + [False] * 2


def test_a_parameter_without_a_gradient_stays() -> None:
    moved, still = _parameters(3)
    optimiser = RectifiedAdam([moved, still], 1e-2)
    before = still.detach().clone()
    for step in range(8):
        moved.grad = _gradients(step)[0]
        optimiser.step()
    assert torch.equal(still, before)
