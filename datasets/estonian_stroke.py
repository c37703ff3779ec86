"""estonian-stroke: the stroke register of Tartu, table only, 829 patients; alive one year after the stroke."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, Sources, register_dataset
from datasets._row_ids import row_ids

FILE = "raw.githubusercontent.com/cran/ISwR/b841213021ddcd8bb0ca07bc511da5a511dae69b/inst/rawdata/stroke.csv"
INPUTS = ("AGE", "COMA", "DIAB", "MINF", "HAN", "SEX", "DGN")


@register_dataset(
    "estonian-stroke",
    title="Stroke register of Tartu 1991-1993: survival of one year",
    source="data set `stroke` of the R package ISwR 2.0-12",
    license="GPL-2 or later (of the package)",
    citation="Korv J, Roose M, Kaasik AE. Stroke registry of Tartu, Estonia, from 1991 through 1993. Cerebrovascular Diseases "
    "1997;7:154-162",
    label="no death within 365 days of the stroke; follow-up ran to 1 January 1996, so nobody is censored before one year",
    label_time="one year after the stroke",
    positive="alive one year after the stroke",
    negative="dead within one year of the stroke",
    site="town (there is one: Tartu)",
    inputs={
        "table": "sex, age, diagnosis (infarction, haemorrhage, subarachnoid haemorrhage, unidentified), coma, diabetes, "
        "earlier myocardial infarction, hypertension"
    },
    barred={
        "DIED": "date of death: the label is made of it",
        "DSTR": "date of the stroke: the label is made of it, and calendar time says nothing of a later patient",
    },
    scope="One town of the early 1990s; no image, no report; few variables, and the diagnosis is the final one.",
    modalities={"table"},
    cases=829,
    sites=1,
)
@dataclass(frozen=True)
class EstonianStroke:
    """829 patients, 446 of them alive after a year."""

    def build(self, sources: Sources) -> Cohort:
        """Read the file. Raises `DataError` where it is not as expected."""
        frame = read_register(sources)
        days = (frame["DIED"] - frame["DSTR"]).dt.days
        ids = row_ids("tartu", range(1, len(frame) + 1))
        categories = {"SEX": frame["SEX"].map({0: "female", 1: "male"}), "DGN": frame["DGN"]}
        table = frame[list(INPUTS)].astype({name: np.float64 for name in INPUTS if name not in categories})
        table = table.assign(**{name: values.astype("category") for name, values in categories.items()})
        return Cohort(
            name="estonian-stroke",
            case_ids=ids,
            labels=(~(days <= 365)).to_numpy().astype(np.int8),
            sites=np.full(len(ids), "Tartu"),
            groups=ids,
            table=table,
            strata=pd.DataFrame({"age": table["AGE"], "sex": table["SEX"], "diagnosis": table["DGN"]}),
        )


def read_register(sources: Sources) -> pd.DataFrame:
    """The file's rows in its order: semicolons, `.` for missing, dates as day.month.year."""
    path = sources.path(FILE)
    try:
        frame = pd.read_csv(path, sep=";", na_values=".")
        dates = {name: pd.to_datetime(frame[name], format="%d.%m.%Y") for name in ("DSTR", "DIED")}
        return frame[list(INPUTS)].assign(**dates)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"estonian-stroke: {path.name} cannot be read ({error}): fetch it again") from error
