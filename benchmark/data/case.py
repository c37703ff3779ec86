"""One case of a cohort in words: its label, and what each modality holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.data.cohort import Cohort
from benchmark.system.errors import UnknownNameError


def find_case(cohort: Cohort, case: str) -> tuple[Cohort, int]:
    """The cohort or its pool, and the case's position in it. Raises `UnknownNameError`."""
    for part in (cohort, cohort.pool):
        if part is not None and case in part.case_ids:
            return part, int(np.flatnonzero(part.case_ids == case)[0])
    raise UnknownNameError(f"case of {cohort.name}", case, map(str, cohort.case_ids))


def described(cohort: Cohort, row: int, meaning: Mapping[int, str]) -> dict[str, Any]:
    """What is known of the case at `row`, JSON-able; `meaning` : label -> what it is in words.

    Values of frames are None where they are missing; of images and recordings only the size is given.
    """
    content: dict[str, Any] = {"case": str(cohort.case_ids[row]), "dataset": cohort.name}
    if cohort.labels is not None:
        label = int(cohort.labels[row])
        content |= {"label": label, "meaning": meaning[label]}
    if cohort.findings is not None:
        content["findings"] = [str(name) for name, there in cohort.findings.iloc[row].items() if there]
    if cohort.sites is not None:
        content["site"] = str(cohort.sites[row])
    lacking = sorted(name for name, there in cohort.present.items() if not there[row])
    content |= {"missing": lacking} if lacking else {}
    for name in ("table", "derived"):
        frame: pd.DataFrame | None = getattr(cohort, name)
        if frame is not None:
            content[name] = {str(column): _plain(value) for column, value in frame.iloc[row].items()}
    if cohort.reports is not None:
        content["reports"] = list(cohort.reports[row])
    if cohort.images:
        content["images"] = {name: _size(view.shape[1:]) for name, view in cohort.images.items()}
    if cohort.signals is not None:
        signals = cohort.signals
        size, leads = _size(signals.shape[1:]), ", ".join(signals.leads)
        content["signals"] = f"{size} at {signals.hertz:g} Hz, in {signals.unit}: {leads}"
    return content


def _plain(value: Any) -> float | str | None:
    """A number or a word, None where it is missing."""
    if pd.isna(value):
        return None
    return float(value) if isinstance(value, int | float | np.number) else str(value)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
