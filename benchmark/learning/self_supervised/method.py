"""A method whose encoders are pre-trained without labels, then read frozen or trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.cohort import Cohort
from benchmark.data.stages import Arrays
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.neural.inputs import Batch
from benchmark.learning.self_supervised.finetuning import Recipe, finetune, fit_heads, log_odds, settle, shifted
from benchmark.learning.self_supervised.images import altered
from benchmark.learning.self_supervised.losses import alignment, retrieval, uniformity
from benchmark.learning.self_supervised.networks import Fusion, ImageEncoder, TableMLP, TableTokens, resnet_of
from benchmark.learning.self_supervised.pretraining import Encoding, Inputs, Objective, Schedule, pretrain
from benchmark.learning.stages import Seen, stage
from benchmark.system.errors import UnknownNameError

MODES = ("trainable", "frozen")
STARTS = ("pretrained", "scratch")
TOKENS = ("pooled", "all")
FEATURES = ("table", "table+derived")
READ = 128
"""Cases that are encoded at once."""
RATES = {"pretrained": 3e-4, "scratch": 1e-3}
"""Of training with labels, by what the encoders start from; chosen on another draw of `synthetic-risk` [A]."""
LEAST = 512
"""Cases that an epoch of pre-training sees at least [A]."""
FIELDS = (
    *("size", "width", "table_width", "edge", "tokens", "layers", "start", "cases", "features"),
    *("pretraining_epochs", "pretraining_rate", "batch", "decay"),
)
"""What pre-training depends on, and what the sizes of the network depend on."""


@dataclass
class SelfSupervised:
    """Encoders that are pre-trained without labels, and a linear head on each embedding, whose logits are averaged.

    A subclass names its `heads`, of "image", "table" and "both"; its `objective` is what is learned without labels.

    mode : "frozen" trains the heads alone, "trainable" the encoders too.
    start : "pretrained" on training cases and pool without their labels; "scratch" for the same network that was not.
    cases : how many of these cases are used, drawn at random; 0 for all.
    size : "paper" for the source's widths. width : channels of the ResNet's first convolution. table_width : of the table's
    embedding. edge : voxels along an axis that volumes are averaged to. layers : of transformers.
    features : "table+derived" puts what the cohort measures on images behind the table's columns. A method of image and table
        has them there anyway.
    tokens : what the multimodal block sees: "pooled" one token of each modality, "all" the places of the image's last maps
        and a token for each column.
    pretraining_epochs, pretraining_rate, batch, decay : Adam's, under a warm-up and a cosine.
    epochs, samples, labelled_batch, learning_rate, patience : AdamW's in the training with labels with `mode=trainable`, an
        epoch of which sees `samples` cases, half of either label. The heads start as the logistic regression on all embeddings
        that they are with `mode=frozen`. A learning rate of 0 stands for 3e-4 after pre-training and 1e-3 from scratch.
    """

    mode: str = "trainable"
    start: str = "pretrained"
    cases: int = 0
    size: str = "small"
    width: int = 16
    table_width: int = 128
    edge: int = 28
    layers: int = 2
    features: str = "table"
    tokens: str = "pooled"
    pretraining_epochs: int = 20
    pretraining_rate: float = 1e-3
    batch: int = 64
    decay: float = 1e-3
    epochs: int = 30
    samples: int = 512
    labelled_batch: int = 16
    patience: int = 10
    learning_rate: float = 0.0
    stages: Mapping[str, Arrays] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Name -> result of the stage that this row builds on."""
    projections: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """"before" and "after" pre-training -> what is compared of image and of table of the validation cases, each (n, d)."""

    heads: ClassVar[tuple[str, ...]] = ()
    column_tokens: ClassVar[bool] = False
    """Whether the table is a token for each column, whatever `tokens` says."""

    def __post_init__(self) -> None:
        """Set the sizes. Raises `UnknownNameError` for a mode, pre-training or tokens that there are not."""
        for name, known in (("mode", MODES), ("start", STARTS), ("tokens", TOKENS), ("features", FEATURES)):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, str(getattr(self, name)), known)
        set_size(self, self.size, width=64, table_width=2048, edge=128)

    def objective(self, network: Network) -> Objective:
        """What is learned without labels."""
        raise NotImplementedError(f"{type(self).__name__} must define objective(network)")

    def block(self, image: int, table: int) -> nn.Module:
        """From tokens of an image (b, t, image) and of a table (b, s, table) to tokens (b, ., width) of both."""
        return Fusion(image, table, self.table_width, self.layers)

    @stage(sees={"unlabelled"}, fields=FIELDS, seconds=3600.0)
    def pretraining(self, seen: Seen, seed: int) -> Arrays:
        """How tables become numbers; the objective's parts after pre-training, if any, and the mean loss of each epoch."""
        cases = self._chosen(seen.unlabelled)
        if self.start == "scratch":  # numbers as after pre-training, where there are such cases
            return {"loss": np.zeros(0), **(self._encoding(cases).as_arrays() if len(cases) else {})}
        encoding = self._encoding(cases)
        inputs = encoding.inputs(cases)
        objective = self._objective(encoding, inputs, seed)
        schedule = Schedule(self.pretraining_epochs, self.batch, self.pretraining_rate, self.decay, LEAST)
        loss = pretrain(objective, inputs, schedule, seed)
        state = {f"state.{name}": value.numpy() for name, value in objective.state_dict().items()}
        return {"loss": loss, **encoding.as_arrays(), **state}

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train the heads, and the encoders unless these are frozen; stop by the validation AUC.

        Images are read in double precision afterwards: heads on thousands of weak features would magnify by how much these
        depend on which cases are read together.
        """
        self._learn(train, validation, seed)
        if self._network.image is not None:
            self._network.double()

    def _learn(self, train: Cohort, validation: Cohort, seed: int) -> None:
        arrays = self.stages["pretraining"]
        coded = "table" in arrays or "table" not in self._modalities
        self._coded = Encoding.from_arrays(arrays, self._modalities, self.edge) if coded else self._encoding(train)
        learning, held_out = self._coded.inputs(train), self._coded.inputs(validation)
        objective = self._objective(self._coded, learning, seed)
        self.chosen: dict[str, Any] = {}
        if self.start == "pretrained":
            before = projections(objective, held_out)
            states = {name: torch.from_numpy(arrays[f"state.{name}"].copy()) for name in objective.state_dict()}
            objective.load_state_dict(states)
            after = projections(objective, held_out)
            self.projections = {"before": before, "after": after} if before and after else {}
            self.chosen = {
                f"{name}_{when}": float(f"{value:.4g}")
                for when, pair in self.projections.items()
                for name, value in agreement(*pair).items()
            }
        network = self._network = objective.network
        labels = [torch.from_numpy(np.asarray(part.labels, dtype=np.float32)) for part in (train, validation)]
        network.eval()
        if self.start == "scratch":
            settle([network], lambda: network.embedded(learning))
        seen, unseen = ([network.embedded(part)[name] for name in network.heads] for part in (learning, held_out))
        heads: Any = list(network.heads.values())
        self.chosen |= fit_heads(heads, seen, labels[0], unseen, labels[1])
        self._log_odds = 0.0
        if self.mode == "frozen":
            return
        self._log_odds = log_odds(labels[0])
        with torch.no_grad():
            for head in heads:
                head.bias.sub_(self._log_odds)

        def logits_of(rows: Tensor, rng: np.random.Generator) -> Tensor:
            views, table = learning.at(rows)
            logits: Tensor = network(altered(views, rng) if views else {}, table)
            return logits

        rate = self.learning_rate or RATES[self.start]
        recipe = Recipe(self.epochs, self.samples, self.patience, self.labelled_batch, rate, self.decay)

        def chances() -> Tensor:
            return torch.sigmoid(network.read(held_out))

        kept = [network] if self.start == "pretrained" else []
        self.history, chosen = finetune(network, logits_of, labels[0], chances, labels[1], recipe, seed, kept)
        self.chosen |= chosen

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        with torch.inference_mode():
            chances = torch.sigmoid(self._network.read(self._coded.inputs(cases)))
            return np.asarray(shifted(chances, self._log_odds).double().numpy())

    def explainable(self, cases: Cohort) -> tuple[nn.Module, Batch]:
        """The fitted network as a function of a batch, and the cases as it sees them: what `explain-image` shows."""
        inputs = self._coded.inputs(cases)
        views, table = inputs.at(torch.arange(len(inputs)))
        return OfBatch(self._network, self._log_odds), Batch(table, None, None, views)

    @property
    def _modalities(self) -> frozenset[str]:
        return frozenset({"image", "table"} if "both" in self.heads else self.heads)

    def _encoding(self, cases: Cohort) -> Encoding:
        derived = "image" in self._modalities or self.features == "table+derived"
        return Encoding.of(cases, self._modalities, self.edge, derived=derived)

    def _objective(self, encoding: Encoding, inputs: Inputs, seed: int) -> Objective:
        torch.manual_seed(seed)
        shapes = None if inputs.images is None else inputs.images.shapes
        columns = None if encoding.coder is None else encoding.coder.of_column
        return self.objective(Network(self, shapes, columns))

    def _chosen(self, cases: Cohort) -> Cohort:
        """Those that have what the method sees; `cases` of them, by an order that is always the same."""
        held = [cases.having(modality) & (modality in cases.modalities) for modality in self._modalities]
        there = np.flatnonzero(np.all(held, axis=0))
        if self.cases:
            there = np.sort(np.random.default_rng(0).permutation(there)[: self.cases])
        return cases.take(there)


class OfBatch(nn.Module):
    """A network as a function of a batch, with what is added to its logits."""

    def __init__(self, network: Network, added: float) -> None:
        super().__init__()
        self.network, self.added = network, added

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.network(batch.views, batch.table) + self.added
        return logits


class Network(nn.Module):
    """Encoders of image and table, the block where the table looks at the image, and a linear head for each embedding.

    shapes : view -> (c, *spatial) of one case, or None. columns (p,) : which column each value of the table is of, or None.
    """

    def __init__(self, method: SelfSupervised, shapes: Mapping[str, tuple[int, ...]] | None, columns: Tensor | None) -> None:
        super().__init__()
        self.image = None if shapes is None else ImageEncoder(shapes, resnet_of(method.size, method.width))
        self.table: TableMLP | TableTokens | None = None
        if columns is not None:
            by_column = method.column_tokens or method.tokens == "all"
            self.table = (
                TableTokens(columns, method.table_width, method.layers)
                if by_column
                else TableMLP(len(columns), method.table_width)
            )
        self.fusion: Any = None
        if "both" in method.heads:
            assert self.image is not None and self.table is not None
            self.fusion = method.block(self.image.width, self.table.width)
        self.columns: Tensor = nn.Buffer(torch.zeros(0, dtype=torch.int64) if columns is None else columns)
        self._pooled = method.tokens == "pooled" and not method.column_tokens
        parts = {"image": self.image, "table": self.table, "both": self.fusion}
        self.heads = nn.ModuleDict({name: nn.Linear(parts[name].width, 1) for name in method.heads})

    def forward(self, views: Mapping[str, Tensor], table: Tensor | None) -> Tensor:
        """Logits (b,)."""
        return self.logits(self.embeddings(views, table))

    def embeddings(self, views: Mapping[str, Tensor], table: Tensor | None) -> dict[str, Tensor]:
        """Name of a head -> what it reads, (b, width)."""
        kind = next(self.parameters()).dtype
        of_image = None if self.image is None else self.image({name: view.to(kind) for name, view in views.items()})
        of_table = None if self.table is None or table is None else self.table(table.to(kind))
        found = {} if of_image is None else {"image": of_image.mean(1)}
        found |= {} if of_table is None else {"table": of_table[:, 0]}
        if of_image is not None and of_table is not None and self.fusion is not None:
            found["both"] = self.fused(of_image, of_table)[:, 0]
        return found

    def fused(self, image: Tensor, table: Tensor) -> Tensor:
        """What the table's tokens see of the image, from the tokens of both: (b, s, width)."""
        if self._pooled:
            image, table = image.mean(1, keepdim=True), table[:, :1]
        fused: Tensor = self.fusion(image, table)
        return fused

    def logits(self, embeddings: Mapping[str, Tensor]) -> Tensor:
        """The mean of the heads' logits, (b,)."""
        return torch.cat([head(embeddings[name]) for name, head in self.heads.items()], dim=1).mean(1)

    @torch.no_grad()
    def embedded(self, inputs: Inputs) -> dict[str, Tensor]:
        """The embeddings of all cases."""
        parts = [self.embeddings(*inputs.at(rows)) for rows in _portions(len(inputs))]
        return {name: torch.cat([part[name] for part in parts]) for name in self.heads}

    @torch.no_grad()
    def read(self, inputs: Inputs) -> Tensor:
        """The logits of all cases, (n,)."""
        return torch.cat([self(*inputs.at(rows)) for rows in _portions(len(inputs))])


def _portions(cases: int) -> Iterator[Tensor]:
    return (torch.from_numpy(rows) for rows in np.array_split(np.arange(cases), max(-(-cases // READ), 1)))


@torch.no_grad()
def projections(objective: Objective, inputs: Inputs) -> tuple[Tensor, Tensor] | None:
    """What the objective compares of image and of table of some cases, each (n, d); None where it compares no two."""
    objective.eval()
    pairs = [objective.projected(*inputs.at(rows)) for rows in _portions(len(inputs))]
    known = [pair for pair in pairs if pair is not None]
    return (torch.cat([image for image, _ in known]), torch.cat([table for _, table in known])) if known else None


def agreement(image: Tensor, table: Tensor) -> dict[str, float]:
    """How close image and table of one case lie, how evenly all cases lie, and how often a case's own table is found."""
    return {
        "alignment": alignment(image, table),
        "uniformity_image": uniformity(image),
        "uniformity_table": uniformity(table),
        "retrieval_at_1": retrieval(image, table, 1),
        "retrieval_at_10": retrieval(image, table, 10),
    }
