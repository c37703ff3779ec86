"""NeuralMethod: a method made of a PyTorch module; the rest is the suite's, from views of a cohort to tensors."""

import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.cohort import Cohort, Features
from benchmark.data.stages import Arrays
from benchmark.learning.design_matrix import DesignMatrix
from benchmark.learning.neural.inputs import CLIP, Batch, Drafts, Shapes, Tokens, Unread
from benchmark.learning.neural.loop import History, Recipe, Training, best_epoch, fit_module, probabilities
from benchmark.learning.neural.views import UnreadViews, ViewScaler
from benchmark.learning.replication import replicate
from benchmark.learning.stages import TRAINING, Seen, stage
from benchmark.system.errors import BenchmarkError
from benchmark.system.threads import device

TREATMENTS = ("own", "permuted", "constant")
"""What a case's image, text or table may be: its own; that of a training case; the training part's mean, the same for all."""


@dataclass
class NeuralMethod(Recipe):
    """A method made of a module: subclass it, and return the module from `module(shapes)`.

    The module takes a `Batch` and gives logits (b,) or an `Output`. The views' modalities decide what a batch holds. The class
    attribute `needs_tokens = True` asks for tokens beside pooled vectors, `unencoded = {"image"}` for the modality's views as
    they are (`Batch.views`) in place of what an encoder makes of it. The fields that every such method has beside those of
    `Recipe`, with the same values for every row:

    smote : neighbours of replication SMOTE on the training part; 0 for none.
    table_features : blocks of the design matrix that stand for the table.
    image_encoder : of all neural rows, so that those of tokens and those of pooled vectors see the same of the image.
    text_encoder : in place of the dataset's default.
    reports : the set of reports that is read: the cohort's own drafts, or a further set by its name.
    components : principal components of the training part, of unit variance, to which pooled vectors are reduced; 0 keeps them.
    image, text, table : "own"; "permuted" gives each case those of a training case, "constant" the training mean (of the table
        no category), in training and prediction: controls.
    """

    smote: int = 1
    table_features: str = "table"
    image_encoder: str = "lesion-grid"
    text_encoder: str = ""
    reports: str = "wording"
    components: int = 0
    image: str = "own"
    text: str = "own"
    table: str = "own"
    stages: Mapping[str, Arrays] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Name -> result of the stages that this row builds on."""
    on_epoch: Callable[[int, float], None] | None = field(default=None, init=False, repr=False, compare=False)
    """Called after each epoch with its number from 0 and the validation AUC; what it raises ends the fit."""

    needs_tokens: ClassVar[bool] = False

    @property
    def unencoded(self) -> Set[str]:
        """The modalities whose views the module sees as they are; no encoder runs for them. A class attribute will do."""
        return frozenset()

    @property
    def edge(self) -> int:
        """Volumes are averaged to at most so many voxels along an axis, slices to twice as many; 0 leaves them as they are."""
        return 0

    @property
    def treatments(self) -> Mapping[str, str]:
        """Modality -> one of `TREATMENTS`."""
        return {"image": self.image, "text": self.text, "table": self.table}

    def module(self, shapes: Shapes) -> nn.Module:
        """The untrained module for inputs of these sizes."""
        raise NotImplementedError(f"{type(self).__name__} must define module(shapes)")

    def weights(self, epoch: int) -> Mapping[str, float]:
        """The weights of the module's further losses in an epoch, counted from 0; 1 for those not named."""
        return {}

    def finish(self, module: nn.Module, train: Batch, validation: Batch) -> dict[str, Any]:
        """What is done once after training, on training and validation cases; what it returns is stored with the cell.

        Views are still unread there: `at` reads those of some cases.
        """
        return {}

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train, and stop by the validation part. Raises `InvalidTraining` where the loss is no finite number.

        A training that other rows share is taken from the stage of that name.
        """
        held_out = self._prepare(train, validation, seed)
        if TRAINING in self.stages:
            self._restore(self.stages[TRAINING], self.inputs(train))
        else:
            self._learn(train, held_out, validation, seed)
        scores = self.history["validation_auc"]
        best = best_epoch(self.history, self)
        self.chosen = {"best_epoch": best + 1, "epochs": len(scores), "validation_auc": scores[best]}
        with torch.inference_mode():
            self.chosen |= self.finish(self._module, self.inputs(train), held_out)

    @stage(sees={"train", "validation", "pool"}, labels=True)
    def training(self, seen: Seen, seed: int) -> Arrays:
        """The trained module, the figures of its training, and where its generators stand: what `fit` goes on from."""
        held_out = self._prepare(seen.train, seen.validation, seed)
        self._learn(seen.train, held_out, seen.validation, seed)
        arrays = {f"module.{name}": value.cpu().numpy() for name, value in self._module.state_dict().items()}
        arrays |= {f"history.{name}": np.array(values) for name, values in self.history.items()}
        return arrays | {f"generator.{name}": state.numpy() for name, state in _generators().items()}

    def _prepare(self, train: Cohort, validation: Cohort, seed: int) -> Batch:
        """Fit imputation, categories and scales; returns the validation cases as the module sees them."""
        self._preparation = Preparation(
            train,
            self.table_features,
            {"image": self.image_encoder, "text": self.text_encoder},
            self.treatments,
            tokens=self.needs_tokens,
            seed=seed,
            unencoded=self.unencoded,
            edge=self.edge,
            reports=self.reports,
            components=self.components,
        )
        return self.inputs(validation)

    def _learn(self, train: Cohort, held_out: Batch, validation: Cohort, seed: int) -> None:
        learning = LearningCases(self._preparation, train, self.smote, seed)
        torch.manual_seed(seed)
        self._module = self.module(learning.shapes).to(device())
        data = Training(learning.epoch, learning.labels, held_out, tensor(np.asarray(validation.labels)))
        self.history: History = fit_module(self._module, data, self, self.weights, seed, self.on_epoch)

    def _restore(self, kept: Arrays, cases: Batch) -> None:
        """Go on from a training that was kept, with the shapes of these cases."""
        parts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in kept.items():
            part, _, inner = name.partition(".")
            parts.setdefault(part, {})[inner] = array
        self._module = self.module(Shapes.of(cases)).to(device())
        self._module.load_state_dict({name: torch.from_numpy(array) for name, array in parts["module"].items()})
        self._module.eval()
        self.history = {name: array.tolist() for name, array in parts["history"].items()}
        torch.set_rng_state(torch.from_numpy(parts["generator"]["cpu"]))
        if "cuda" in parts["generator"]:
            torch.cuda.set_rng_state(torch.from_numpy(parts["generator"]["cuda"]), device())

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1), (n,)."""
        return self.probabilities(self.inputs(cases))

    def inputs(self, cases: Cohort) -> Batch:
        """The cases as the fitted module sees them, with the mean of their drafts."""
        return self._preparation.batch(cases)

    def probabilities(self, cases: Batch) -> NDArray[np.floating[Any]]:
        """The fitted module's P(label = 1) of prepared cases, (n,)."""
        return probabilities(self._module, cases).numpy().astype(np.float64)


def _generators() -> dict[str, Tensor]:
    """The states of torch's generators that a module draws from."""
    states = {"cpu": torch.get_rng_state()}
    return states if device() == "cpu" else {**states, "cuda": torch.cuda.get_rng_state(device())}


class Preparation:
    """Imputation, categories and scales of the training part, applied to any cases.

    Parameters
    ----------
    train : the training part; its view's modalities are those that the method uses.
    table : blocks of the design matrix that stand for the table ("table", or "table+derived" and so on).
    encoders : modality -> encoder, "" for the dataset's default.
    treatments : modality -> one of `TREATMENTS`, for controls.
    tokens : whether tokens are wanted beside pooled vectors.
    seed : decides whose image or text a case is given where they are permuted.
    unencoded : modalities whose views are wanted as they are; edge, components, reports : see `NeuralMethod`.
    """

    def __init__(
        self,
        train: Cohort,
        table: str,
        encoders: Mapping[str, str],
        treatments: Mapping[str, str],
        *,
        tokens: bool,
        seed: int,
        unencoded: Set[str] = frozenset(),
        edge: int = 0,
        reports: str = "wording",
        components: int = 0,
    ) -> None:
        for modality, treatment in treatments.items():
            if treatment not in TREATMENTS:
                raise BenchmarkError(f"{modality}={treatment}: give one of {', '.join(TREATMENTS)}")
        self._encoders, self._treatments, self._seed, self._reports = encoders, treatments, seed, reports
        self._matrix = DesignMatrix(table).fit(train) if "table" in train.modalities else None
        permuted = treatments.get("table") == "permuted"
        self._donor_rows = self._matrix.transform(train) if self._matrix is not None and permuted else None
        self._scalers: dict[str, _Scaler] = {}
        self._donors: dict[str, Drafts] = {}
        self._view_scalers = {name: ViewScaler(train, name, edge) for name in sorted(train.modalities & unencoded)}
        self._view_donors = {name: scaler.cases(train) for name, scaler in self._view_scalers.items()}
        for modality in sorted(train.modalities - {"table"} - unencoded):
            features = self._features(train, modality)
            self._scalers[modality] = _Scaler(features, tokens=tokens, components=components)
            if treatments.get(modality) == "permuted":
                self._donors[modality] = self._scalers[modality].transform(features)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(p,) which columns of the table are measured numbers: what SMOTE may interpolate."""
        return np.zeros(0, dtype=bool) if self._matrix is None else self._matrix.measured

    def table(self, cases: Cohort) -> NDArray[np.float64] | None:
        """(n, p) float64; None where the method does not use the table."""
        if self._matrix is None:
            return None
        if self._donor_rows is not None:
            return self._donor_rows[self._donors_of(cases, "table", len(self._donor_rows))]
        own = self._matrix.transform(cases)
        return np.zeros_like(own) if self._treatments.get("table") == "constant" else own

    def drafts(self, cases: Cohort) -> dict[str, Drafts]:
        """Standardised features of image and text, as far as the method uses them."""
        return {modality: self._drafts(cases, modality) for modality in self._scalers}

    def views(self, cases: Cohort) -> tuple[UnreadViews, ...]:
        """The views that the method wants as they are, unread, of one modality each."""
        return tuple(self._views(cases, modality) for modality in self._view_scalers)

    def batch(self, cases: Cohort) -> Batch:
        """The cases with the mean of their drafts, as prediction sees them."""
        averaged = {modality: drafts.averaged() for modality, drafts in self.drafts(cases).items()}
        return batch_of(self.table(cases), averaged, self.views(cases))

    def _drafts(self, cases: Cohort, modality: str) -> Drafts:
        if modality in self._donors:
            donors = self._donors[modality]
            return donors.at(torch.from_numpy(self._donors_of(cases, modality, len(donors.present))))
        drafts = self._scalers[modality].transform(self._features(cases, modality))
        return drafts.constant() if self._treatments.get(modality) == "constant" else drafts

    def _views(self, cases: Cohort, modality: str) -> UnreadViews:
        treatment, donors = self._treatments.get(modality), self._view_donors[modality]
        if treatment == "permuted":
            return donors.of(self._donors_of(cases, modality, len(donors)))
        return replace(self._view_scalers[modality].cases(cases), constant=treatment == "constant")

    def _features(self, cases: Cohort, modality: str) -> Features:
        return cases.reading(self._reports).features(modality, self._encoders.get(modality) or None)

    def _donors_of(self, cases: Cohort, modality: str, donors: int) -> NDArray[np.intp]:
        """(n,) whose image or text each case is given: it depends on the case and the seed alone."""
        seeds = ([self._seed, zlib.crc32(f"{modality} of {case}".encode())] for case in cases.case_ids)
        return np.array([np.random.default_rng(seed).integers(donors) for seed in seeds], dtype=np.intp)


class LearningCases:
    """The training part with its replicated cases, from which each epoch draws one draft per case.

    labels (n,) float32. `smote` neighbours of replication SMOTE; 0 for none.
    """

    def __init__(self, preparation: Preparation, train: Cohort, smote: int, seed: int) -> None:
        table, self._drafts = preparation.table(train), preparation.drafts(train)
        self._views, self._seeds = preparation.views(train), np.random.default_rng([seed, zlib.crc32(b"augmentation")])
        labels = np.asarray(train.labels, dtype=np.float32)
        shapes = {modality: drafts.shape for modality, drafts in self._drafts.items()}
        width = None if table is None else table.shape[1]
        views = {name: shape for part in self._views for name, shape in part.shapes.items()}
        self.shapes = Shapes(width, shapes.get("image"), shapes.get("text"), views)
        if smote:
            # a column of row numbers says whose image and text a copy of the smaller class has
            numbered = np.column_stack([np.zeros((len(labels), 0)) if table is None else table, np.arange(len(labels))])
            rows, labels = replicate(numbered, labels, np.append(preparation.measured, False), smote, seed)
            whose = torch.from_numpy(rows[:, -1].astype(np.int64))
            table = None if table is None else rows[:, :-1]
            self._drafts = {modality: drafts.at(whose) for modality, drafts in self._drafts.items()}
            self._views = tuple(views.of(whose.numpy()) for views in self._views)
        self._table, self.labels = table, tensor(labels)

    def epoch(self, rng: np.random.Generator) -> Batch:
        """All cases, each with a draft drawn at random (the source paper's regulariser), views to be augmented when read.

        Augmentation has seeds of its own: it is the same in each epoch, however the cases are dealt into batches.
        """
        drawn = {modality: drafts.drawn(rng) for modality, drafts in self._drafts.items()}
        views = [views.augmented(int(self._seeds.integers(2**32))) for views in self._views]
        return batch_of(self._table, drawn, views)


class _Scaler:
    """Zero mean and unit variance over the cases, drafts and tokens of the training part.

    Tokens beyond the last place that a training case fills are left out: the length of a text that was not trained on decides
    nothing.
    """

    def __init__(self, features: Features, *, tokens: bool, components: int) -> None:
        there = features.pooled[features.mask.any(axis=2)]
        self._pooled = _moments(there)
        self._axes = _principal_axes(_standardised(there, self._pooled), components) if components else None
        self._tokens = _moments(features.tokens[features.mask]) if tokens else None
        self._places = 1 + int(np.flatnonzero(features.mask.any(axis=(0, 1))).max(initial=-1))

    def transform(self, features: Features) -> Drafts:
        present = np.asarray(features.mask.any(axis=2))
        vectors = _standardised(features.pooled, self._pooled)
        pooled = torch.from_numpy((vectors if self._axes is None else vectors @ self._axes) * present[..., None])
        if self._tokens is None:
            return Drafts(Tokens(pooled, grid=features.grid), torch.from_numpy(present))
        mask, share = np.array(features.mask[:, :, : self._places]), features.lesion_share
        whole = Tokens(
            pooled,
            torch.from_numpy(_standardised(features.tokens[:, :, : self._places], self._tokens) * mask[..., None]),
            torch.from_numpy(mask),
            None if share is None else torch.from_numpy(np.array(share[:, : self._places], dtype=np.float32)),
            features.grid,
        )
        return Drafts(whole, torch.from_numpy(present))


def _moments(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Mean and deviation of each column; a constant column has deviation 1."""
    mean, deviation = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1).astype(np.float32)


def _principal_axes(vectors: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """(p, k) axes of the most variance of vectors (n, p), along which they have unit variance; k at most the rank."""
    _, deviations, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    kept = min(components, int((deviations > 1e-3 * deviations[:1]).sum()))
    return np.asarray(axes[:kept].T / deviations[:kept] * np.sqrt(len(vectors)), dtype=np.float32)


def _standardised(vectors: NDArray[np.float32], moments: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    mean, deviation = moments
    return np.asarray(np.clip((vectors - mean) / deviation, -CLIP, CLIP))


def batch_of(table: NDArray[np.float64] | None, tokens: Mapping[str, Tokens], unread: Sequence[Unread] = ()) -> Batch:
    """The table and the tokens of image and text on the chosen device, None for what there is not, and views to be read."""
    placed = {modality: part.to(device()) for modality, part in tokens.items()}
    return Batch(None if table is None else tensor(table), placed.get("image"), placed.get("text"), unread=tuple(unread))


def tensor(values: NDArray[Any]) -> Tensor:
    """The values as float32 on the chosen device."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device())
