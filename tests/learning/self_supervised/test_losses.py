"""The losses of self-supervised pre-training against their equations, on small tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from benchmark.learning.self_supervised.losses import (
    alignment,
    byol_loss,
    clip_loss,
    hard_negatives,
    nt_xent,
    retrieval,
    similarities,
    uniformity,
    vime_loss,
)

RNG = np.random.default_rng(0)


def embeddings(rows: int = 5, width: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(RNG.normal(size=(rows, width))), torch.from_numpy(RNG.normal(size=(rows, width)))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_clip_is_the_mean_cross_entropy_of_rows_and_columns(share: float):
    a, b = embeddings()
    logits = np.array([[cosine(x, y) / 0.08 for y in b.numpy()] for x in a.numpy()])
    rows = -np.mean([logits[i, i] - np.log(np.exp(logits[i]).sum()) for i in range(5)])
    columns = -np.mean([logits[i, i] - np.log(np.exp(logits[:, i]).sum()) for i in range(5)])
    assert float(clip_loss(similarities(a, b, 0.08), share)) == pytest.approx(share * rows + (1 - share) * columns)


def test_nt_xent_is_the_simclr_papers_equation():
    a, b = embeddings(4)
    both = [*a.numpy(), *b.numpy()]
    terms = []
    for i in range(8):
        j = (i + 4) % 8
        below = sum(np.exp(cosine(both[i], both[k]) / 0.5) for k in range(8) if k != i)
        terms.append(-np.log(np.exp(cosine(both[i], both[j]) / 0.5) / below))
    assert float(nt_xent(a, b, 0.5, torch.arange(4))) == pytest.approx(np.mean(terms))


def test_byol_is_the_squared_distance_of_unit_vectors_and_does_not_train_the_target():
    predicted, target = (each.requires_grad_() for each in embeddings())
    loss = byol_loss(predicted, target)
    exact = (normalize(predicted, dim=1) - normalize(target, dim=1)).square().sum(1).mean()
    assert loss.item() == pytest.approx(exact.item())
    loss.backward()
    assert target.grad is None and predicted.grad is not None


def test_vime_is_cross_entropy_of_the_mask_and_weighted_squared_error():
    logits, values = embeddings(4, 2)
    masked, restored = torch.tensor([[1, 0], [0, 0], [1, 1], [0, 1]]).bool(), values + 0.5
    p = 1 / (1 + np.exp(-logits.numpy()))
    entropy = -np.mean(np.where(masked.numpy(), np.log(p), np.log(1 - p)))
    assert float(vime_loss(logits, masked, restored, values, 2.0)) == pytest.approx(entropy + 2 * 0.25)


def test_a_hard_negative_is_neither_the_partner_nor_alike_and_follows_the_similarities():
    logits = torch.tensor([[0.0, 2.0, 1.0, 9.0], [0.5, 0.0, 0.5, 0.5], [3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    alike = torch.eye(4, dtype=torch.bool)
    alike[0, 3] = alike[3, 0] = True
    alike[2] = True
    generator, counts = torch.Generator().manual_seed(1), np.zeros((4, 4))
    for _ in range(4000):
        rows, drawn = hard_negatives(logits, alike, generator)
        assert rows.tolist() == [0, 1, 3]
        counts[rows, drawn] += 1
    weights = logits.softmax(1).numpy() + 1e-4
    expected = weights[0, 1] / (weights[0, 1] + weights[0, 2])
    assert counts[0, [0, 3]].sum() == 0 and counts[3, [0, 3]].sum() == 0 and counts[1, 1] == 0
    assert counts[0, 1] / 4000 == pytest.approx(expected, abs=float(4 * np.sqrt(expected * (1 - expected) / 4000)))


def test_where_everyone_is_alike_there_is_no_negative():
    rows, drawn = hard_negatives(torch.zeros(3, 3), torch.ones(3, 3, dtype=torch.bool), torch.Generator())
    assert len(rows) == len(drawn) == 0


def test_alignment_uniformity_and_retrieval():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    b = torch.tensor([[2.0, 0.0], [0.0, -1.0], [-3.0, 0.1]])
    on_circle = [normalize(each, dim=1) for each in (a, b)]
    assert alignment(a, b) == pytest.approx(float((on_circle[0] - on_circle[1]).square().sum(1).mean()))
    assert uniformity(a) == pytest.approx(np.log(np.mean(np.exp(-2 * np.array([2.0, 4.0, 2.0])))))
    assert retrieval(a, b, 1) == pytest.approx(2 / 3) and retrieval(a, b, 3) == 1
    assert retrieval(torch.ones(8, 2), torch.ones(8, 2), 1) == pytest.approx(1 / 8), "what lies at one point tells nothing"
    assert retrieval(torch.ones(8, 2), torch.ones(8, 2), 4) == pytest.approx(1 / 2)
