"""Preprocessing of tables and pooled vectors, fitted on the training part only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cohort import Cohort
from benchmark.errors import BenchmarkError

PARTS = ("table", "derived", "image", "text")
Matrix = NDArray[np.float64]


class DesignMatrix:
    """The cases as rows of numbers: table, derived columns and pooled embeddings side by side.

    Numbers: missing values take the training part's most frequent value, then zero mean and unit variance. Categories:
    likewise imputed, then one-hot; a category that training never saw is all zeros.
    """

    def __init__(self, features: str) -> None:
        self.parts = tuple(features.split("+"))
        for part in self.parts:
            if part not in PARTS:
                raise BenchmarkError(f"features={features}: '{part}' is not one of {', '.join(PARTS)} (join them by +)")
        self._tables: dict[str, Any] = {}

    def fit(self, cases: Cohort) -> DesignMatrix:
        """Learn imputation, categories and scales from `cases`."""
        for part in self.parts:
            self._tables[part] = _column_transformer(_columns(cases, part)).fit(_columns(cases, part))
        return self

    def transform(self, cases: Cohort) -> Matrix:
        """(n, p) float64 without missing values."""
        blocks = [np.asarray(self._tables[part].transform(_columns(cases, part)), dtype=np.float64) for part in self.parts]
        return np.concatenate(blocks, axis=1)


def _columns(cases: Cohort, part: str) -> pd.DataFrame:
    """One block of the design matrix before preprocessing, as a frame of n rows."""
    frame = {"table": cases.table, "derived": cases.derived}.get(part)
    if part in ("image", "text"):
        pooled = cases.features(part).pooled.mean(axis=1)
        return pd.DataFrame(pooled, columns=[f"{part}_{i}" for i in range(pooled.shape[1])])
    if frame is None:
        raise BenchmarkError(f"{cases.name}: the method's view holds no {part}")
    return frame


def _column_transformer(frame: pd.DataFrame) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numeric = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    categorical = [name for name in frame if name not in numeric]
    impute = {"strategy": "most_frequent", "keep_empty_features": True}
    numbers = make_pipeline(
        FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": float}), SimpleImputer(**impute), StandardScaler()
    )
    categories = make_pipeline(SimpleImputer(**impute), OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    return ColumnTransformer([("numbers", numbers, numeric), ("categories", categories, categorical)])
