"""A super learner: three unlike members on table, image and text, stacked by how they predict cases that they did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from baselines._intensity_components import IntensityComponents
from benchmark import LESION_VOLUME, BenchmarkError, Cohort, register_method
from benchmark.learning.design_matrix import DesignMatrix

Matrix = NDArray[np.float64]
MODALITIES = ("image", "table", "text")
AMPLITUDE = 16.0
"""Prior variance of the Gaussian process's latent values [A]."""
SUREST = 0.005
"""Logits are taken of probabilities no nearer to 0 or 1 than this: one sure mistake would rule the weights."""


@register_method(
    "super-learner",
    family="classical",
    reference="van der Laan, Polley and Hubbard 2007, Stat Appl Genet Mol Biol 6:25; members: logistic regression, "
    "Gaussian-process classification (Rasmussen and Williams 2006), gradient-boosted trees",
    differences="stacked on logits, weights pulled towards their mean; [A] the three members, their penalties and columns, and "
    "that pull; imputation, scales and principal components are found once on the learning part, without labels, and not anew "
    "in each inner fold. Members, columns and penalties were chosen by cross-validation inside the training parts of soop, "
    "which together hold every case: the figure on soop is slightly optimistic about that choice",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    variants={"modalities": {"image+table": {"image", "table"}, "table+text": {"table", "text"}, "table": {"table"}}},
    accepts_missing=True,
)
@dataclass
class SuperLearner:
    """A weighted sum of the members' logits; members and weights are fitted on train + validation.

    linear : ridge logistic regression on smooth columns.
    kernel : Gaussian-process classification on the same ones, for curves and interactions.
    trees : boosted trees on the plain columns and the first principal components of the intensities.

    Smooth columns are the table, with log(1 + score) beside each score that starts at zero; log(1 + lesion volume) and the
    square roots of the damaged shares, in which the first few per cent of a territory count most; principal components of the
    intensities' ranks; principal components of the text vectors.

    modalities : what the members see, joined by "+".
    components, tree_components : principal components of intensities and of text vectors; of intensities for the trees.
    C : the inverse strength of the linear member's L2 penalty.
    length : the kernel's length in the unit of the root of the columns' total variance.
    pull : the penalty on the squared distance of the weights from their mean.
    """

    stochastic = False
    max_cases = 3000
    max_cases_reason = "the Gaussian process's time grows with the cube of the cases"

    modalities: str = "image+table+text"
    components: int = 100
    tree_components: int = 10
    C: float = 0.05
    length: float = 1.8
    pull: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what the options cannot mean. Raises `BenchmarkError`."""
        if "table" not in self.modalities.split("+") or set(self.modalities.split("+")) - set(MODALITIES):
            raise BenchmarkError(
                f"modalities={self.modalities}: give 'table', alone or with 'image' or 'text' (join them by +)"
            )

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit columns, weights and members on train + validation; no seed changes the inner folds."""
        cases = train.join(validation)
        self._columns = Columns(self.modalities.split("+"), self.components, self.tree_components).fit(cases)
        columns, y = self._columns.transform(cases), np.asarray(cases.labels)
        library = self._library(columns["smooth"])
        self._intercept, self._weights = stacked(logits(out_of_fold(library, columns, y)), y, self.pull)
        self._members = {name: make().fit(columns[kind], y) for name, (kind, make) in library.items()}
        self._kinds = {name: kind for name, (kind, _) in library.items()}
        self.chosen = {f"weight_{name}": round(float(w), 4) for name, w in zip(library, self._weights, strict=True)}

    def predict_proba(self, cases: Cohort) -> Matrix:
        """P(label = 1), (n,)."""
        from scipy.special import expit

        columns = self._columns.transform(cases)
        each = [_of_label_1(member, columns[self._kinds[name]]) for name, member in self._members.items()]
        probabilities: Matrix = expit(self._intercept + self._weights @ logits(np.stack(each)))
        return probabilities

    def _library(self, smooth: Matrix) -> Library:
        """Name of a member -> the columns that it sees, and how it is made."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.gaussian_process import GaussianProcessClassifier
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel
        from sklearn.linear_model import LogisticRegression

        length = self.length * float(np.sqrt(smooth.var(axis=0).sum()))
        return {
            "linear": ("smooth", lambda: LogisticRegression(C=self.C, max_iter=1000)),
            "kernel": ("smooth", lambda: GaussianProcessClassifier(ConstantKernel(AMPLITUDE) * RBF(length), optimizer=None)),
            "trees": (
                "plain",
                lambda: HistGradientBoostingClassifier(
                    learning_rate=0.05,
                    max_iter=100,
                    max_leaf_nodes=4,
                    min_samples_leaf=15,
                    early_stopping=False,
                    random_state=0,
                ),
            ),
        }


Library = Mapping[str, tuple[str, Callable[[], Any]]]
"""Name of a member -> the kind of columns that it sees, and how an unfitted one is made."""


class Columns:
    """The cases as the members see them: "smooth" columns and "plain" ones, learnt from the learning part without labels."""

    def __init__(self, modalities: list[str], components: int, tree_components: int) -> None:
        named = "table+derived" if "image" in modalities else "table"
        self.tree_components = tree_components
        self._plain, self._bent = DesignMatrix(named), DesignMatrix(named)
        self._intensities = IntensityComponents(components, ranks=True, whiten=False) if "image" in modalities else None
        self._text = TextComponents(components) if "text" in modalities else None

    def fit(self, cases: Cohort) -> Columns:
        """Learn scales and components."""
        self._scores = scores_from_zero(cases)
        self._plain.fit(cases)
        self._bent.fit(bent(cases, self._scores))
        if self._intensities is not None:
            self._intensities.fit(cases)
        if self._text is not None:
            self._text.fit(cases)
        return self

    def transform(self, cases: Cohort) -> dict[str, Matrix]:
        """Kind of columns -> (n, p)."""
        intensities = np.zeros((len(cases), 0)) if self._intensities is None else self._intensities.transform(cases)
        text = np.zeros((len(cases), 0)) if self._text is None else self._text.transform(cases)
        smooth = [self._bent.transform(bent(cases, self._scores)), intensities, text]
        plain = [self._plain.transform(cases), intensities[:, : self.tree_components]]
        return {"smooth": np.concatenate(smooth, axis=1), "plain": np.concatenate(plain, axis=1)}


class TextComponents:
    """Principal components of the pooled text vectors, the first of unit variance, the others with their share of it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def fit(self, cases: Cohort) -> TextComponents:
        """Learn them from `cases`."""
        from sklearn.decomposition import PCA

        self._matrix = DesignMatrix("text").fit(cases)
        vectors = self._matrix.transform(cases)
        self._components = PCA(min(self.count, len(vectors) - 1, vectors.shape[1]), svd_solver="full").fit(vectors)
        self._unit = float(np.sqrt(self._components.explained_variance_[0])) or 1.0
        return self

    def transform(self, cases: Cohort) -> Matrix:
        """(n, count)."""
        return np.asarray(self._components.transform(self._matrix.transform(cases)), dtype=np.float64) / self._unit


def scores_from_zero(cases: Cohort) -> list[str]:
    """The numbers of the table that are at least zero, reach it, and take more than two values: scores such as the NIHSS."""
    table = cases.table if cases.table is not None else pd.DataFrame()
    numbers = [str(name) for name in table if pd.api.types.is_numeric_dtype(table[name])]
    return [name for name in numbers if table[name].min() == 0 and table[name].nunique() > 2]


def bent(cases: Cohort, scores: list[str]) -> Cohort:
    """The cases with log(1 + score) beside each score, log(1 + volume), and the square root of other derived columns."""
    assert cases.table is not None
    logs = {f"log {name}": np.log1p(cases.table[name].astype(float).clip(lower=0)) for name in scores}
    return replace(cases, table=cases.table.assign(**logs), derived=None if cases.derived is None else _bent(cases.derived))


def _bent(derived: pd.DataFrame) -> pd.DataFrame:
    bend = {name: np.log1p if name == LESION_VOLUME else np.sqrt for name in derived}
    return derived.clip(lower=0).transform(bend)


def out_of_fold(library: Library, columns: Mapping[str, Matrix], y: NDArray[Any]) -> Matrix:
    """Each member's probability of each case from the four inner folds that lack it, (members, n)."""
    from sklearn.model_selection import StratifiedKFold

    held_out_probabilities = np.zeros((len(library), len(y)))
    for fit, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(y, y):
        for row, (kind, make) in zip(held_out_probabilities, library.values(), strict=True):
            row[held_out] = _of_label_1(make().fit(columns[kind][fit], y[fit]), columns[kind][held_out])
    return held_out_probabilities


def logits(probabilities: Matrix) -> Matrix:
    """log(p / (1 - p)) of probabilities kept off 0 and 1."""
    from scipy.special import logit

    return np.asarray(logit(np.clip(probabilities, SUREST, 1 - SUREST)), dtype=np.float64)


def stacked(z: Matrix, y: NDArray[Any], pull: float) -> tuple[float, Matrix]:
    """Intercept and weights, none negative, of the members' logits `z` (members, n).

    They have the least log loss, summed over the cases, plus `pull` times the squared distance of the weights from their mean:
    a few hundred cases can tell how sure the members should be together, and hardly which one is best.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(at: Matrix) -> tuple[float, Matrix]:
        sums, apart = at[0] + at[1:] @ z, at[1:] - at[1:].mean()
        wrong = expit(sums) - y
        value = np.logaddexp(0, np.where(y == 1, -sums, sums)).sum() + pull * (apart**2).sum()
        return float(value), np.r_[wrong.sum(), z @ wrong + 2 * pull * apart]

    start = np.r_[0.0, np.full(len(z), 1 / len(z))]
    bounds = [(None, None)] + [(0, None)] * len(z)
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8}).x
    return float(solution[0]), np.asarray(solution[1:], dtype=np.float64)


def _of_label_1(model: Any, columns: Matrix) -> Matrix:
    probabilities: Matrix = model.predict_proba(columns)[:, list(model.classes_).index(1)]
    return probabilities
