"""Reading PTB-XL: the table of its records, their superclasses, and the records themselves."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, Recordings
from benchmark.data.recordings import collected, prepared
from benchmark.data.wfdb_records import read_record
from datasets._row_ids import row_ids

SUPERCLASSES = ("NORM", "STTC", "CD", "MI", "HYP")
"""From the most frequent to the rarest of the 500 records."""
HERTZ, SECONDS = 100.0, 10.0
SEXES = {0: "male", 1: "female"}
NUMBERS = ("age", "height", "weight")
OVER_89 = 300
"""What the table has for the age of people of 90 and over."""
NEEDED = ("ecg_id", "patient_id", *NUMBERS, "sex", "site", "scp_codes", "strat_fold", "filename_lr")
FEW = 10
"""Records of a combination of superclasses below which it counts as its rarest class alone."""


def read_database(path: Path) -> pd.DataFrame:
    """The table's records, by `ecg_id`. Raises `DataError`; in messages the header is row 1."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"ptbxl: {path.name} cannot be read ({error}): fetch it again") from error
    for column in NEEDED:
        if column not in frame:
            raise DataError(f"ptbxl: {path.name} has no column '{column}': expected {', '.join(NEEDED)}")
    allowed = {"sex": frame["sex"].isin(SEXES), "strat_fold": frame["strat_fold"].between(1, 10)}
    allowed |= {column: frame[column].notna() for column in ("ecg_id", "patient_id", "filename_lr", "scp_codes")}
    for column, right in allowed.items():
        if not right.all():
            row = int((~right).to_numpy().argmax())
            raise DataError(f"ptbxl: {path.name}, row {row + 2}: {column} '{frame[column][row]}' is not as PTB-XL has it")
    return frame.set_index("ecg_id")


def superclasses(frame: pd.DataFrame, statements: Path) -> pd.DataFrame:
    """(n, 5) bool: which superclasses a record has, whatever the likelihood that the cardiologist gave the statement.

    A record has none where its statements are of form and rhythm alone. Raises `DataError`.
    """
    try:
        classes = pd.read_csv(statements, index_col=0)["diagnostic_class"].dropna()
        stated = [set(ast.literal_eval(text)) for text in frame["scp_codes"]]
    except (OSError, ValueError, KeyError, SyntaxError, TypeError) as error:
        raise DataError(f"ptbxl: {statements.name} or scp_codes cannot be read ({error!r}): fetch it again") from error
    codes = {name: set(classes.index[classes == name]) for name in SUPERCLASSES}
    return pd.DataFrame({name: [bool(own & each) for each in stated] for name, own in codes.items()}, index=frame.index)


def joint_classes(classes: pd.DataFrame) -> pd.Series[str]:
    """The superclasses of each record in one word, such as `CD+MI`; `other` where it has none.

    A combination of fewer than 10 records counts as its rarest class alone: no cut could keep so few in proportion.
    """
    held = [[name for name, has in zip(SUPERCLASSES, row, strict=True) if has] or ["other"] for row in classes.to_numpy()]
    joint = pd.Series(["+".join(names) for names in held], index=classes.index)
    rarest = pd.Series([names[-1] for names in held], index=classes.index)
    return joint.where(joint.groupby(joint).transform("size") >= FEW, rarest)


def read_records(paths: Sequence[Path]) -> Recordings:
    """The records of the header files, 12 leads x 10 s at 100 Hz in microvolts. Raises `DataError`, with the record's name."""
    return collected((prepared(read_record(path), HERTZ, SECONDS) for path in paths), len(paths), HERTZ)


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Age (90 for 90 and over), sex, height in cm and weight in kg."""
    numbers = frame[list(NUMBERS)].astype(np.float64).replace({"age": {OVER_89: 90.0}})
    return numbers.assign(sex=frame["sex"].map(SEXES).astype("category")).reset_index(drop=True)


def ptbxl(name: str, folder: str, source: Callable[[str], Path], label: str) -> Cohort:
    """The cohort of a folder of PhysioNet's form, labelled by one superclass; `source` gives the path of a file in it.

    Raises `DataError` for an unknown label, or where a file is not as expected.
    """
    if label.upper() not in SUPERCLASSES:
        raise DataError(f"{name}: label={label}: give one of {', '.join(sorted(SUPERCLASSES)).lower()}")
    frame = read_database(source(f"{folder}ptbxl_database.csv"))
    classes = superclasses(frame, source(f"{folder}scp_statements.csv"))
    inputs = table(frame)
    return Cohort(
        name=name,
        case_ids=row_ids("ptbxl", frame.index),
        labels=classes[label.upper()].to_numpy().astype(np.int8),
        sites=np.array(["unknown" if np.isnan(site) else f"site {site:.0f}" for site in frame["site"]]),
        groups=np.array([f"{patient:05.0f}" for patient in frame["patient_id"]]),
        table=inputs,
        signals=read_records([source(f"{folder}{record}.hea") for record in frame["filename_lr"]]),
        balanced=joint_classes(classes).to_numpy(dtype=np.str_),
        own_folds=own_folds(frame["strat_fold"]),
        strata=inputs[["age", "sex"]],
    )


def own_folds(folds: pd.Series[int]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Folds 1 to 8 for training, 9 for validation and 10 for the test, as the authors of PTB-XL propose."""
    return np.where(folds == 10, "test", np.where(folds == 9, "validation", "train"))
