"""Whether what a method gave can be stored as its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np


def what_is_invalid(probabilities: Any, cases: int) -> str:
    """Why what a method gave is no probability for each of `cases` cases; empty where it is."""
    if np.ma.is_masked(probabilities):
        return "predict_proba gave masked values"
    if hasattr(probabilities, "iloc") and list(probabilities.index) != list(range(cases)):
        return "predict_proba gave a Series in an order of its own: give an array in the order of the cases"
    values = np.asarray(probabilities)
    if values.shape != (cases,):
        return f"predict_proba gave shape {values.shape} for {cases} cases: it must be ({cases},)"
    if not np.issubdtype(values.dtype, np.floating) and not np.issubdtype(values.dtype, np.integer):
        return f"predict_proba gave {values.dtype}, not numbers"
    if not np.isfinite(values).all():
        return f"{int((~np.isfinite(values)).sum())} of {cases} probabilities are NaN or infinite"
    if values.min() < 0 or values.max() > 1:
        return f"probabilities lie between {values.min():.4g} and {values.max():.4g}: they must lie in [0, 1]"
    return ""
