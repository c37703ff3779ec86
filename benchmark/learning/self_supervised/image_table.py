"""What image and table of one person teach each other: contrast, and matching of hard pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmark.learning.self_supervised.losses import clip_loss, hard_negatives, similarities
from benchmark.learning.self_supervised.networks import projection
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled


class Contrast(Objective):
    """Projections of image and table, which are partners among the batch by their cosine over `temperature`."""

    temperature: ClassVar[float]

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.of_image, self.of_table = projection(network.image.width), projection(network.table.width)

    def projected(self, views: Mapping[str, Tensor], table: Tensor | None) -> tuple[Tensor, Tensor]:
        """What is compared."""
        return self._projected(self.network.image(views), self.network.table(table))

    def similarities(self, image: Tensor, table: Tensor) -> Tensor:
        """Of the tokens of all images with those of all tables, (b, b)."""
        return similarities(*self._projected(image, table), self.temperature)

    def _projected(self, image: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        return self.of_image(image.mean(1)), self.of_table(table[:, 0])


class ContrastAndMatching(Contrast):
    """ITC and ITM: find the partner; and is this the person's own table, where the others are hard to tell?"""

    temperature: ClassVar[float] = 0.08

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.matching = nn.Linear(network.fusion.width, 2)

    def forward(self, batch: Unlabelled) -> Tensor:
        """(ITC + ITM) / 2."""
        contrast, matching = self.both(batch, self.network.image(batch.views))
        return (contrast + matching) / 2

    def both(self, batch: Unlabelled, image: Tensor) -> tuple[Tensor, Tensor]:
        """ITC, and ITM over the pairs of the batch, a false table for each image and a false image for each table."""
        table = self.network.table(batch.table)
        logits, alike = self.similarities(image, table), same_person(batch)
        images, false_tables = hard_negatives(logits, alike, batch.generator)
        tables, false_images = hard_negatives(logits.T, alike, batch.generator)
        of_image = torch.cat([image, image[images], image[false_images]])
        of_table = torch.cat([table, table[false_tables], table[tables]])
        true = torch.arange(len(of_image), device=image.device) < len(image)
        return clip_loss(logits), cross_entropy(self.matching(self.network.fused(of_image, of_table)[:, 0]), true.long())


def same_person(batch: Unlabelled) -> Tensor:
    """(b, b) bool: pairs of one group or of equal tables, which are no negatives."""
    groups = batch.groups[:, None] == batch.groups
    return groups | (batch.table[:, None] == batch.table).all(dim=2)
