"""Section matching: a twin network brings Findings and Summary of one report together, against the others of the batch.

The form is Sentence-BERT's (Reimers and Gurevych 2019, arXiv 1908.10084); the loss is assumed [A]: the published card of
arXiv 2405.02782 does not give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.learning.self_supervised.losses import clip_loss, similarities
from benchmark.learning.text_vision.language import LanguageModel, Schedule, descent, step
from benchmark.system.errors import InvalidTraining

HEADINGS = re.compile(r"\bfindings\s*:(?P<findings>.*?)\b(?:summary|impression)\s*:(?P<summary>.*)", re.IGNORECASE | re.DOTALL)
TEMPERATURE = 0.05
"""SimCSE's (Gao et al. 2021, arXiv 2104.08821) [A]."""


@dataclass(frozen=True)
class Sections:
    """What a report finds, and what it concludes."""

    findings: str
    summary: str


def sections_of(report: str) -> Sections | None:
    """The two sections of a report under their headings; None where one of them is missing or empty."""
    if (found := HEADINGS.search(report)) is None:
        return None
    findings, summary = found["findings"].strip(), found["summary"].strip()
    return Sections(findings, summary) if findings and summary else None


def sections_in(drafts: Iterable[str]) -> list[Sections]:
    """Those of all drafts that have both, each distinct draft once, in their order."""
    return [sections for draft in dict.fromkeys(drafts) if (sections := sections_of(draft)) is not None]


def match_sections(model: LanguageModel, pairs: Sequence[Sections], schedule: Schedule, seed: int) -> NDArray[np.float64]:
    """Train the model in place; returns the mean loss of each epoch, of none where there are no two pairs.

    `schedule.pieces` counts pairs. Raises `InvalidTraining` where the loss is no finite number.
    """
    if len(pairs) < 2:
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    count = max(round(len(pairs) / schedule.pieces), 1)
    optimiser, falling = descent(model.network.roberta, schedule.rate, schedule.epochs * count)
    model.network.train()
    losses = []
    for epoch in range(schedule.epochs):
        total = 0.0
        for rows in np.array_split(rng.permutation(len(pairs)), count):
            findings, summaries = ([getattr(pairs[row], name) for row in rows] for name in ("findings", "summary"))
            loss = matching_loss(model.pooled(findings), model.pooled(summaries), alike(findings) | alike(summaries))
            step(model.network.roberta, optimiser, falling, loss)
            total += float(loss.detach()) / count
        if not np.isfinite(total):
            raise InvalidTraining(f"section matching, epoch {epoch + 1}: the loss is {total}: lower the learning rate")
        losses.append(total)
    model.network.eval()
    return np.array(losses)


def matching_loss(findings: Tensor, summaries: Tensor, same: Tensor) -> Tensor:
    """Each section must find its partner among the others of the batch, by cosine / 0.05, in both directions.

    findings, summaries (b, d); same (b, b) bool: pairs of equal words, which are no negatives.
    """
    others = same & ~torch.eye(len(same), dtype=torch.bool)
    return clip_loss(similarities(findings, summaries, TEMPERATURE).masked_fill(others, -torch.inf))


def alike(texts: Sequence[str]) -> Tensor:
    """(b, b) bool: which texts are equal."""
    numbers = torch.tensor([texts.index(text) for text in texts])
    return numbers[:, None] == numbers
