"""The learned writer: a small network that reads the pictures and states what it believes, in the sentences of measured text.

It is no language model. It learns on the dataset's pool alone, as a stage, to tell volume, side and damage of territories from
the same pictures that a vision-language model would be shown; what it writes of a case is drawn from what it holds likely, at
temperature 0.7 as in the source paper. So its text is a noisy function of the image, with the mistakes of its own errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmark.data.cohort import Cohort
from benchmark.data.features import data_key
from benchmark.data.modalities.text import Reports
from benchmark.data.stages import Arrays, StageKey, rows_digest
from benchmark.learning.writers.fidelity import MAIN, truths
from benchmark.learning.writers.measurement import AREA_THRESHOLD, DEFAULT_TOPICS, Findings, write_topics
from benchmark.learning.writers.pictures import Rule, pictures, shown
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import code_digest, digest, library_versions

WRITER, STAGE = "learned", "pictures-to-findings"
EDGE = 64
"""Pixels along the edge of what the network sees."""
BANDS = (AREA_THRESHOLD, 0.05, 0.25, 0.5, 0.9)
"""Damaged shares between which measured text has other words; below the first a territory is not spoken of."""
MIDDLES = np.array([0.0, 0.03, 0.15, 0.375, 0.7, 0.95])
SIDES = ("left", "right", "both")
FEWEST = 50
"""Cases of the pool that it learns from at least."""
EPOCHS, BATCH, RATE, DECAY = 40, 32, 1e-3, 1e-2
HELD_OUT = 5
"""One in so many cases of the pool chooses the epoch whose weights are kept."""


@dataclass(frozen=True)
class LearnedWriter:
    """What it is shown, what it speaks of and how often, and how boldly it draws."""

    rule: Rule
    topics: tuple[str, ...] = DEFAULT_TOPICS
    drafts: int = 3
    temperature: float = 0.7
    seed: int = 0

    def stage(self, cohort: Cohort) -> StageKey:
        """The stage in which it learns. Raises `BenchmarkError` where the pool has too few cases for that."""
        pool, chosen = _learning(cohort, self.rule)
        path = Path(__file__)
        ingredients = {
            "data": data_key(pool),
            "pictures": self.rule.described(),
            "seen": {"pool": rows_digest(chosen)},
            "seed": self.seed,
            "code": code_digest(path),
            "libraries": library_versions(path),
        }
        return StageKey(WRITER, STAGE, cohort.name, ingredients)

    def learn(self, cohort: Cohort) -> Arrays:
        """The trained weights, trained where that was not done yet; of the pool alone."""
        stage = self.stage(cohort)
        if not stage.is_built:
            pool, chosen = _learning(cohort, self.rule)
            view = pool.only({"image"}).blind().take(chosen)
            stage.build(lambda: _trained(view, self.rule, self.seed), view.case_ids.tolist())
        return stage.arrays()

    def write(self, cohort: Cohort) -> Reports:
        """Per case a draft on each topic, `drafts` times; none where a case lacks the pictures."""
        weights = self.learn(cohort)
        there = np.flatnonzero(shown(cohort, self.rule))
        believed = _believed(cohort, self.rule, there, weights)
        drafts: list[tuple[str, ...]] = [()] * len(cohort)
        assert cohort.atlas is not None
        sizes = np.bincount(np.asarray(cohort.atlas.labels).ravel(), minlength=len(cohort.atlas.names) + 1)[1:]
        for place, case in enumerate(there):
            name = str(cohort.case_ids[case])
            spoken: list[str] = []
            for number in range(self.drafts):
                word = f"{self.seed}|{name}|{number}"
                rng = np.random.default_rng(int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big"))
                findings = self._drawn([part[place] for part in believed], cohort.atlas.names, sizes, rng)
                spoken += write_topics([name], [findings], seed=number, topics=self.topics)[0]
            drafts[case] = tuple(spoken)
        return tuple(drafts)

    def provenance(self, cohort: Cohort) -> dict[str, Any]:
        """Where a set comes from."""
        stage = self.stage(cohort)
        return {
            "writer": WRITER,
            "what": "a network trained on the pool, in sentences of measured text; no language model",
            "stage": stage.digest,
            "learned_from": f"{len(_learning(cohort, self.rule)[1])} cases of the pool, of no labelled case",
            "parameters": {
                "temperature": self.temperature,
                "drafts": self.drafts,
                "topics": list(self.topics),
                "seed": self.seed,
            },
            "pictures": self.rule.described(),
            "content_digest": cohort.content_digest,
        }

    def _drawn(
        self, believed: Sequence[NDArray[Any]], names: Sequence[str], sizes: NDArray[Any], rng: np.random.Generator
    ) -> Findings:
        """Findings drawn from what it holds likely: side first, then the damage of that side's territories, then volume."""
        volume, sides, damage = believed
        side = SIDES[self._choice(sides, rng)]
        shares = np.array([MIDDLES[self._choice(logits, rng)] for logits in damage])
        own = np.array([side == "both" or not name.endswith(("left", "right")) or name.endswith(side) for name in names])
        shares = np.where(own, shares, 0.0)
        ml = max(float(np.expm1(volume[0] + self.temperature * np.exp(volume[1] / 2) * rng.standard_normal())), 0.0)
        shares = shares if ml else np.zeros_like(shares)
        left = {"left": 1.0, "right": 0.0, "both": 0.5}[side]
        worse = np.array([name.endswith("right" if side == "right" else "left") for name in names])
        effect = float((shares * sizes)[worse].sum() / max(sizes[worse].sum(), 1))
        return Findings(ml, left * ml, (1 - left) * ml, dict(zip(names, shares.tolist(), strict=True)), effect)

    def _choice(self, logits: NDArray[Any], rng: np.random.Generator) -> int:
        scaled = logits.astype(np.float64) / self.temperature
        chances = np.exp(scaled - scaled.max())
        return int(rng.choice(len(chances), p=chances / chances.sum()))


def _learning(cohort: Cohort, rule: Rule) -> tuple[Cohort, NDArray[np.intp]]:
    """The pool, and which of its cases have pictures and a measured lesion."""
    pool = cohort.pool
    if pool is None or pool.atlas is None or pool.derived is None or rule.view not in pool.images:
        raise BenchmarkError(
            f"--writer {WRITER} learns on a pool with lesion masks, an atlas and '{rule.view}': {cohort.name} has none"
        )
    known = truths(pool) or []
    measured = np.array([truth is not None and truth.volume is not None and truth.left is not None for truth in known])
    chosen = np.flatnonzero(shown(pool, rule) & measured) if len(known) else np.zeros(0, np.intp)
    if len(chosen) < FEWEST:
        raise BenchmarkError(
            f"--writer {WRITER} learns on {FEWEST} cases at least: the pool of {cohort.name} has {len(chosen)}"
        )
    return pool, chosen


def _seen(cohort: Cohort, rule: Rule, cases: NDArray[np.intp]) -> Tensor:
    """(n, pictures, EDGE, EDGE) in [0, 1]."""
    blocks = [
        [
            np.asarray(Image.fromarray(each).resize((EDGE, EDGE), Image.Resampling.BOX))
            for each in pictures(cohort, rule, case, 1)
        ]
        for case in cases.tolist()
    ]
    return torch.from_numpy(np.array(blocks, dtype=np.float32) / 255)


class Reader(nn.Module):
    """Four convolutions of stride 2, whose places are kept, and a linear head for volume, side and each territory's damage."""

    def __init__(self, channels: int, territories: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for inside, outside in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
        self.territories = territories
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * (EDGE // 16) ** 2, 64), nn.ReLU())
        self.head = nn.Linear(64, 2 + len(SIDES) + territories * len(MIDDLES))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance of log(1 + ml) (n, 2), logits of sides (n, 3), logits of damage (n, territories, bands)."""
        out = self.head(self.body(seen))
        volume, sides, damage = out.split([2, len(SIDES), out.shape[1] - 2 - len(SIDES)], dim=1)
        return volume, sides, damage.view(len(out), self.territories, len(MIDDLES))


Targets = tuple[Tensor, Tensor, Tensor]


def _loss(given: tuple[Tensor, Tensor, Tensor], wanted: Targets) -> Tensor:
    """Gaussian likelihood of the volume, cross-entropy of the side, and of the damage of all territories."""
    volume, sides, damage = given
    spread = volume[:, 1].clamp(-4, 4)
    likelihood = 0.5 * (spread + (volume[:, 0] - wanted[0]).square() / spread.exp())
    return likelihood.mean() + cross_entropy(sides, wanted[1]) + 8 * cross_entropy(damage.flatten(0, 1), wanted[2].flatten())


def _targets(pool: Cohort) -> Targets:
    known = [truth for truth in truths(pool) or [] if truth is not None]
    volumes = torch.tensor([truth.volume for truth in known], dtype=torch.float32).log1p()
    left = np.array([0.5 if truth.left is None else truth.left for truth in known])
    sides = np.where(left >= MAIN, 0, np.where(left <= 1 - MAIN, 1, 2))
    shares = np.array([list(truth.territories.values()) for truth in known])
    return volumes, torch.from_numpy(sides), torch.from_numpy(np.digitize(shares, BANDS))


def _trained(pool: Cohort, rule: Rule, seed: int) -> Arrays:
    """The weights of the epoch with the least loss on the held-out fifth of the pool."""
    seen, wanted = _seen(pool, rule, np.arange(len(pool))), _targets(pool)
    order = np.random.default_rng(seed).permutation(len(pool))
    held, learning = order[::HELD_OUT], np.concatenate([order[part::HELD_OUT] for part in range(1, HELD_OUT)])
    with torch.random.fork_rng():
        torch.manual_seed(int(digest([WRITER, seed])[:7], 16))
        network = Reader(seen.shape[1], wanted[2].shape[1])
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        best, kept = float("inf"), {}
        for _ in range(EPOCHS):
            network.train()
            for some in torch.split(torch.from_numpy(learning)[torch.randperm(len(learning))], BATCH):
                if len(some) < 2:
                    continue
                loss = _loss(network(_varied(seen[some])), (wanted[0][some], wanted[1][some], wanted[2][some]))
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            network.eval()
            with torch.inference_mode():
                least = float(_loss(network(seen[held]), (wanted[0][held], wanted[1][held], wanted[2][held])))
            if least < best:
                best, kept = least, {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
    if not kept:
        raise BenchmarkError(f"--writer {WRITER}: the loss on {pool.name} is no finite number: check its images")
    return kept


def _varied(seen: Tensor) -> Tensor:
    """Shifted by up to 3 pixels, brighter or darker by a tenth, with a little noise."""
    down, right = torch.randint(-3, 4, (2,)).tolist()
    brightness = 1 + 0.1 * (2 * torch.rand(len(seen), 1, 1, 1) - 1)
    return seen.roll((down, right), (2, 3)) * brightness + 0.02 * torch.randn_like(seen)


def _believed(cohort: Cohort, rule: Rule, cases: NDArray[np.intp], weights: Arrays) -> list[NDArray[Any]]:
    """What the network says of the cases: volume (n, 2), sides (n, 3) and damage (n, territories, bands)."""
    seen = _seen(cohort, rule, cases)
    assert cohort.atlas is not None
    network = Reader(seen.shape[1], len(cohort.atlas.names))
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(np.array(weights[name])).reshape(shape) for name, shape in shapes.items()})
    network.eval()
    with torch.inference_mode():
        parts = zip(*(network(some) for some in torch.split(seen, 256)), strict=True)
        return [torch.cat(part).numpy() for part in parts]
