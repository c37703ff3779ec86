"""framingham: exams of the Framingham Heart Study, table only; a stroke within ten years of the exam."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, Sources, register_dataset
from datasets._row_ids import row_ids

FILE = "raw.githubusercontent.com/cran/riskCommunicator/75069529af988807b3f205cb0409353cad2c5acc/data/framingham.rda"
LIPIDS = ("HDLC", "LDLC")
"""Measured at the third exam alone."""
NUMBERS = (
    *("AGE", "TOTCHOL", *LIPIDS, "SYSBP", "DIABP", "BPMEDS", "CURSMOKE", "CIGPDAY", "BMI", "DIABETES", "HEARTRTE", "GLUCOSE"),
    *("PREVCHD", "PREVAP", "PREVMI", "PREVHYP"),
)
SEXES = {1: "male", 2: "female"}
EDUCATION = {1: "1", 2: "2", 3: "3", 4: "4"}
EXAMS = {1: "first", 2: "second", 3: "third"}
FOLLOWED = ("RANDID", "SEX", "PERIOD", "PREVSTRK", "TIME", "STROKE", "TIMESTRK", "DEATH", "TIMEDTH")
"""What every exam must say: the label is made of it."""
TEN_YEARS = 3652.5
"""Days."""


@register_dataset(
    "framingham",
    title="Framingham Heart Study: stroke within ten years",
    source="teaching data set of the Framingham Heart Study (NHLBI), as the R package riskCommunicator 1.0.1 carries it",
    license="GPL-3 (of the package); the NHLBI gives the data for teaching, not for inference about the real cohort",
    citation="Dawber TR, Meadors GF, Moore FE. Epidemiological approaches to heart disease: the Framingham Study. American "
    "Journal of Public Health 1951;41:279-281. doi:10.2105/ajph.41.3.279",
    label="a first stroke (STROKE, TIMESTRK) within 3,652.5 days of the exam, among exams before which there was none "
    "(PREVSTRK 0); death without a stroke in these days has label 0; the 26 exams whose follow-up for stroke ends within them, "
    "by no stroke and no death, are left out",
    label_time="within ten years after the exam",
    positive="stroke within ten years",
    negative="no stroke within ten years: alive or dead",
    site="town (there is one: Framingham)",
    inputs={
        "table": "what was known at the exam: sex, age, education, blood pressure and its drugs, cholesterol (HDL and LDL at "
        "the third exam alone), smoking, body mass index, heart rate, glucose, diabetes, and prevalent coronary heart disease, "
        "angina, myocardial infarction and hypertension"
    },
    barred={
        "RANDID": "the person: several exams are of one, and no split parts them",
        "PERIOD": "the number of the exam: calendar time says nothing of a later person",
        "PREVSTRK": "0 in every case: who had a stroke before the exam is left out",
        "STROKE, TIMESTRK": "the label is made of them",
        "DEATH, TIMEDTH": "death during follow-up",
        "ANGINA, HOSPMI, MI_FCHD, ANYCHD, CVD, HYPERTEN": "whether the event occurred at any time of the 24 years, most often "
        "after the exam",
        "TIMEAP, TIMEMI, TIMEMIFC, TIMECHD, TIMECVD, TIMEHYP": "days to the event, or to the end of follow-up",
        "TIME": "days from the first exam to this one: calendar time says nothing of a later person",
    },
    scope="Exams of about 1956 to 1968 in one town; no image, no report. A person has up to three exams "
    "with overlapping windows: splits and tests go by person. Death is a competing risk, counted as no stroke. The data set is "
    "a teaching version, altered to protect its people: it says nothing of the real cohort.",
    modalities={"table"},
    cases=11449,
    sites=1,
    variants={
        "exam=first": {
            "cases": 4386,
            "scope": "The first exam of each person, about 1956, in one town; no image, no report. "
            "Death is a competing risk, counted as no stroke. The data set is a teaching version, altered to protect its "
            "people: it says nothing of the real cohort.",
        },
        "deaths=excluded": {
            "cases": 10120,
            "label": "a first stroke (STROKE, TIMESTRK) within 3,652.5 days of the exam, among exams before which there was "
            "none (PREVSTRK 0); exams whose follow-up for stroke ends within them without one, by death or otherwise, are "
            "left out",
            "negative": "no stroke within ten years, and followed so long",
            "descriptive": "who dies without a stroke within ten years is left out, and nobody knows at the exam who that is",
        },
    },
)
@dataclass(frozen=True)
class Framingham:
    """11,449 exams of 4,386 people, 440 of them within ten years before a stroke.

    exam : "all", or "first" for each person's first one (4,386 exams, 111 before a stroke). deaths : "counted" takes who died
        without a stroke as free of it; "excluded" leaves these 1,329 exams out, and so conditions on survival: descriptive.
    """

    exam: str = "all"
    deaths: str = "counted"

    def build(self, sources: Sources) -> Cohort:
        """Read the file. Raises `DataError` where it is not as expected."""
        if self.exam not in ("all", "first"):
            raise DataError(f"framingham: exam={self.exam}: give 'all' or 'first'")
        if self.deaths not in ("counted", "excluded"):
            raise DataError(f"framingham: deaths={self.deaths}: give 'counted' or 'excluded'")
        exams = read_exams(sources)
        followed = exams["TIMESTRK"] - exams["TIME"]
        stroke = (exams["STROKE"] == 1) & (followed <= TEN_YEARS)
        ended = ~stroke & (followed < TEN_YEARS)
        died = (exams["DEATH"] == 1) & (exams["TIMEDTH"] - exams["TIME"] <= TEN_YEARS)
        kept = (exams["PREVSTRK"] == 0) & ~(ended if self.deaths == "excluded" else ended & ~died)
        if self.exam == "first":
            kept &= exams["PERIOD"] == 1
        frame = exams[kept]
        table = _table(frame)
        people = frame["RANDID"].map("{:06.0f}".format)
        strata = {"age": table["AGE"], "sex": table["SEX"], "exam": frame["PERIOD"].map(EXAMS).reset_index(drop=True)}
        return Cohort(
            name="framingham",
            case_ids=row_ids("framingham", frame.index + 1),
            labels=stroke[kept].to_numpy().astype(np.int8),
            sites=np.full(len(frame), "Framingham"),
            groups=people.to_numpy(dtype=np.str_),
            table=table.drop(columns=list(LIPIDS)) if self.exam == "first" else table,
            strata=pd.DataFrame(strata),
        )


def read_exams(sources: Sources) -> pd.DataFrame:
    """All 11,627 exams of the file in its order, numbers as float64."""
    import rdata

    path = sources.path(FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes of R that only say how the file was parsed
            frame: pd.DataFrame = rdata.read_rda(path)["framingham"]
        exams = frame[[*FOLLOWED, *NUMBERS, "educ"]].astype(np.float64).reset_index(drop=True)
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise DataError(f"framingham: {path.name} cannot be read ({error!r}): fetch it again") from error
    for column in FOLLOWED:
        if exams[column].isna().any():
            row = int(exams[column].isna().to_numpy().argmax()) + 1
            raise DataError(f"framingham: {path.name}, row {row}: {column} is missing: fetch it again")
    return exams


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """The inputs: numbers, 0 and 1 among them, as float64; sex and education as categories."""
    table = frame[list(NUMBERS)].reset_index(drop=True)
    words = {"SEX": SEXES, "educ": EDUCATION}
    coded = {name: frame[name].map(levels).astype("category").reset_index(drop=True) for name, levels in words.items()}
    return table.assign(**coded)
