"""Methods that read an ECG, a table or both: encoders, pre-trained or not, and one linear head on their embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.cohort import Cohort
from benchmark.data.stages import Arrays
from benchmark.learning.self_supervised.finetuning import (
    Recipe,
    finetune,
    fit_heads,
    log_odds,
    settle,
    shifted,
    unsmoothed,
)
from benchmark.learning.self_supervised.networks import TableMLP
from benchmark.learning.self_supervised.signals import Signals, altered_signals
from benchmark.learning.self_supervised.table import TableCoder
from benchmark.system.errors import BenchmarkError, UnknownNameError

MODES = ("trainable", "frozen")
READ = 128
"""Cases that are encoded at once."""


@dataclass
class SignalTable:
    """A subclass gives the encoder of signals, and what the encoders start from.

    mode : "frozen" trains the head alone, "trainable" the encoders too.
    width : of the signal's embedding. table_width : of the table's.
    epochs, samples, labelled_batch, learning_rate, decay, patience : AdamW's in the training with labels with `mode=trainable`,
        an epoch of which sees `samples` cases, half of either label. The head starts as the logistic regression on all
        embeddings that it is with `mode=frozen`. smoothing : of the labels.
    """

    mode: str = "trainable"
    width: int = 64
    table_width: int = 64
    epochs: int = 30
    samples: int = 512
    labelled_batch: int = 16
    patience: int = 10
    decay: float = 1e-3
    learning_rate: float = 1e-3
    smoothing: float = 0.1
    stages: Mapping[str, Arrays] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Name -> result of the stage that this row builds on."""

    def __post_init__(self) -> None:
        """Raises `UnknownNameError` for a mode that there is not."""
        if self.mode not in MODES:
            raise UnknownNameError("mode", self.mode, MODES)

    def signal_encoder(self, leads: int, samples: int) -> nn.Module:
        """From (b, leads, samples) to tokens (b, t, width)."""
        raise NotImplementedError(f"{type(self).__name__} must define signal_encoder(leads, samples)")

    def starts(self) -> dict[str, Mapping[str, NDArray[Any]]]:
        """Encoder, "signal" or "table" -> its weights after pre-training, named as the encoder names them."""
        return {}

    def coder(self, train: Cohort) -> TableCoder:
        """How tables become numbers: as in pre-training, if there was one on tables."""
        return TableCoder.of(train)

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train the head, and the encoders unless these are frozen; stop by the validation AUC. Images are not looked at."""
        starts = self.starts()
        self._signal = "signal" in train.modalities
        self._coder = self.coder(train) if "table" in train.modalities else None
        learning, held_out = self._inputs(train), self._inputs(validation)
        torch.manual_seed(seed)
        self._network = Network(self._encoders(learning))
        for name, weights in starts.items():
            load(self._network.encoders[name], weights)
        if self.mode == "frozen" and (untrained := sorted(self._network.encoders.keys() - starts.keys())):
            raise BenchmarkError(f"mode=frozen: the encoder of the {untrained[0]} was not pre-trained")
        labels = [torch.from_numpy(np.asarray(part.labels, dtype=np.float32)) for part in (train, validation)]
        network = self._network
        network.eval()
        pretrained = [network.encoders[name] for name in starts]
        settle((each for name, each in network.encoders.items() if name not in starts), lambda: network.embedded(learning))
        seen, unseen = (network.embedded(part) for part in (learning, held_out))
        self.chosen: dict[str, Any] = fit_heads([network.head], [seen], labels[0], [unseen], labels[1])
        self._smoothing, self._log_odds = 0.0, 0.0
        if self.mode == "frozen":
            return
        self._log_odds = log_odds(labels[0])
        with torch.no_grad():
            network.head.bias.sub_(self._log_odds)

        def logits_of(rows: Tensor, rng: np.random.Generator) -> Tensor:
            signals, table = learning.at(rows)
            logits: Tensor = network(None if signals is None else altered_signals(signals, rng), table)
            return logits

        rate, batch = self.learning_rate, self.labelled_batch
        recipe = Recipe(self.epochs, self.samples, self.patience, batch, rate, self.decay, self.smoothing)

        def chances() -> Tensor:
            return torch.sigmoid(network.read(held_out))

        self.history, chosen = finetune(network, logits_of, labels[0], chances, labels[1], recipe, seed, pretrained)
        self._smoothing = self.smoothing if chosen["best_epoch"] else 0.0
        self.chosen |= chosen

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        with torch.inference_mode():
            chances = torch.sigmoid(self._network.read(self._inputs(cases)))
            return np.asarray(shifted(unsmoothed(chances, self._smoothing), self._log_odds).double().numpy())

    def _inputs(self, cases: Cohort) -> Recordings:
        signals = Signals(cases) if self._signal else None
        return Recordings(signals, None if self._coder is None else self._coder.transform(cases), len(cases))

    def _encoders(self, inputs: Recordings) -> dict[str, nn.Module]:
        encoders: dict[str, nn.Module] = {}
        if inputs.signals is not None:
            encoders["signal"] = self.signal_encoder(*inputs.signals.shape)
        if inputs.table is not None:
            encoders["table"] = TableMLP(inputs.table.shape[1], self.table_width)
        return encoders


@dataclass(frozen=True, eq=False)
class Recordings:
    """So many cases as tensors: their signals, and their table (n, p); None for what the method does not read."""

    signals: Signals | None
    table: Tensor | None
    cases: int

    def at(self, rows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Signals (b, leads, samples) and table (b, p) of the cases at `rows`."""
        return None if self.signals is None else self.signals.at(rows), None if self.table is None else self.table[rows]

    def portions(self) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """All cases, some at a time."""
        places = np.array_split(np.arange(self.cases), max(-(-self.cases // READ), 1))
        return (self.at(torch.from_numpy(rows)) for rows in places)


class Network(nn.Module):
    """Encoders, by name, and a linear head on their embeddings side by side."""

    def __init__(self, encoders: Mapping[str, Any]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.head = nn.Linear(sum(each.width for each in encoders.values()), 1)

    def forward(self, signals: Tensor | None, table: Tensor | None) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.head(self.embedding(signals, table))[:, 0]
        return logits

    def embedding(self, signals: Tensor | None, table: Tensor | None) -> Tensor:
        """The mean of the signal's tokens and the table's embedding, (b, widths)."""
        found = [] if signals is None else [self.encoders["signal"](signals).mean(1)]
        found += [] if table is None else [self.encoders["table"](table)[:, 0]]
        return torch.cat(found, dim=1)

    @torch.no_grad()
    def embedded(self, inputs: Recordings) -> Tensor:
        """The embeddings of all cases, (n, widths)."""
        return torch.cat([self.embedding(*portion) for portion in inputs.portions()])

    @torch.no_grad()
    def read(self, inputs: Recordings) -> Tensor:
        """The logits of all cases, (n,)."""
        logits: Tensor = self.head(self.embedded(inputs))[:, 0]
        return logits


def some(cases: Cohort, modalities: set[str], count: int) -> Cohort:
    """Those that have all of these modalities; `count` of them, by an order that is always the same; 0 for all."""
    there = np.flatnonzero(np.all([cases.having(modality) for modality in sorted(modalities)], axis=0))
    if count:
        there = np.sort(np.random.default_rng(0).permutation(there)[:count])
    return cases.take(there)


def groups_of(cases: Cohort) -> Tensor:
    """Whose recordings they are, as numbers (n,)."""
    groups = cases.case_ids if cases.groups is None else cases.groups
    return torch.from_numpy(np.unique(groups, return_inverse=True)[1])


def state_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """The module's weights as named arrays."""
    return {f"state.{name}": value.numpy() for name, value in module.state_dict().items()}


def part_of(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """Of kept weights those of the module at `prefix`, named as that module names them."""
    whole = f"state.{prefix}"
    return {name.removeprefix(whole): array for name, array in arrays.items() if name.startswith(whole)}


def load(module: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Give a module kept weights; without any it stays as it is."""
    if weights:
        module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
