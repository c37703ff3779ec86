"""Preprocessing of tables and pooled vectors, fitted on the training part only."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.system.errors import BenchmarkError

PARTS = {"table": "table", "derived": "image", "image": "image", "text": "text"}
"""Block of the design matrix -> the modality that it is of."""
Matrix = NDArray[np.float64]


class DesignMatrix:
    """The cases as rows of numbers: table, derived columns and pooled embeddings side by side.

    Numbers of the table: missing values take the training part's most frequent value (image-derived ones and vectors: the
    mean), then zero mean and unit variance. Categories: likewise the most frequent, then one-hot; a category that training
    never saw is all zeros. A modality that some training case lacks adds a last column, 1 where the case lacks it.
    """

    def __init__(self, features: str) -> None:
        self.parts = parts_of(features)

    def fit(self, cases: Cohort) -> Self:
        """Learn imputation, categories and scales from `cases`."""
        self._tables = {part: _fitted_transformer(part, _columns(cases, part)) for part in self.parts}
        modalities = dict.fromkeys(PARTS[part] for part in self.parts)
        self._missing = [modality for modality in modalities if not cases.having(modality).all()]
        self.measured = np.concatenate([*map(self._measured, self.parts), np.zeros(len(self._missing), dtype=bool)])
        """(p,) which columns are measured numbers of the table: neither indicators nor flags, image nor text."""
        self.measured &= np.array([len(np.unique(column)) > 2 for column in self.transform(cases).T], dtype=bool)
        return self

    def transform(self, cases: Cohort) -> Matrix:
        """(n, p) float64 without missing values."""
        blocks = [np.asarray(self._tables[part].transform(_columns(cases, part)), dtype=np.float64) for part in self.parts]
        absent = [~cases.having(modality)[:, None] for modality in self._missing]
        return np.concatenate([*blocks, *absent], axis=1, dtype=np.float64)

    def _measured(self, part: str) -> NDArray[np.bool_]:
        """Which columns of a block are numbers of the table."""
        places = self._tables[part].output_indices_
        flags = np.zeros(max(place.stop for place in places.values()), dtype=bool)
        flags[places["numbers"]] = part == "table"
        return flags


def parts_of(features: str) -> tuple[str, ...]:
    """`table+derived` -> its blocks. Raises `BenchmarkError` for an unknown block and for one that is named twice."""
    parts = tuple(features.split("+"))
    for part in parts:
        if part not in PARTS:
            raise BenchmarkError(f"features={features}: '{part}' is not one of {', '.join(PARTS)} (join them by +)")
        if parts.count(part) > 1:
            raise BenchmarkError(f"features={features}: '{part}' is named twice")
    return parts


def _columns(cases: Cohort, part: str) -> pd.DataFrame:
    """One block of the design matrix before preprocessing, as a frame of n rows, NaN where a case lacks the modality."""
    if part in ("image", "text"):
        features = cases.features(part)
        present = np.any(features.mask, axis=2)
        means = (features.pooled * present[..., None]).sum(axis=1) / np.maximum(present.sum(axis=1), 1)[:, None]
        return pd.DataFrame(np.where(cases.having(part)[:, None], means, np.nan)).add_prefix(f"{part}_")
    frame = {"table": cases.table, "derived": cases.derived}[part]
    if frame is None:
        raise BenchmarkError(f"{cases.name}: the method's view holds no {part}")
    return frame


def _fitted_transformer(part: str, frame: pd.DataFrame) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numeric = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    numbers = make_pipeline(
        FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": float}),
        SimpleImputer(strategy="most_frequent" if part == "table" else "mean", keep_empty_features=True),
        StandardScaler(),
    )
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    categorical = [name for name in frame if name not in numeric]
    return ColumnTransformer([("numbers", numbers, numeric), ("categories", categories, categorical)]).fit(frame)
