"""ist: the International Stroke Trial, table only, 19,285 patients of 36 countries; independence at six months."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark import Cohort, DataError, Sources, register_dataset
from datasets._row_ids import row_ids

FILE = "raw.githubusercontent.com/cran/RESIDE/0ce8b9fa9444f372caa210dda662738d6783b854/data/IST.rda"
NUMBERS = ("RDELAY", "AGE", "RSBP")
CATEGORIES = (
    *("RCONSC", "SEX", "RSLEEP", "RATRIAL", "RCT", "RVISINF", "RHEP24", "RASP3"),
    *(f"RDEF{sign}" for sign in range(1, 9)),
    *("STYPE", "RXASP", "RXHEP"),
)
INDEPENDENT, DEPENDENT = (3, 4), (1, 2)
"""Values of OCCODE: not recovered but independent, recovered; dead, dependent. 0 and 9 are missing."""
HOSPITAL_GROUPS = 20
COUNTRIES = {
    **{"ARGE": "Argentina", "AUSL": "Australia", "AUST": "Austria", "BELG": "Belgium", "BRAS": "Brazil", "CANA": "Canada"},
    **{"CHIL": "Chile", "CZEC": "Czech Republic", "DENM": "Denmark", "EIRE": "Ireland", "FINL": "Finland", "FRAN": "France"},
    **{"GREE": "Greece", "HONG": "Hong Kong", "HUNG": "Hungary", "INDI": "India", "ISRA": "Israel", "ITAL": "Italy"},
    **{"JAPA": "Japan", "NETH": "Netherlands", "NEW": "New Zealand", "NORW": "Norway", "POLA": "Poland", "PORT": "Portugal"},
    **{"ROMA": "Romania", "SING": "Singapore", "SLOK": "Slovakia", "SLOV": "Slovenia", "SOUT": "South Africa"},
    **{"SPAI": "Spain", "SRI": "Sri Lanka", "SWED": "Sweden", "SWIT": "Switzerland", "TURK": "Turkey", "UK": "United Kingdom"},
    "USA": "United States",
}


@register_dataset(
    "ist",
    title="International Stroke Trial: independence at six months",
    source="IST database (doi:10.7488/ds/104), as the R package RESIDE 0.3.2 carries it",
    license="ODC-By 1.0",
    citation="Sandercock PA, Niewada M, Czlonkowska A, IST Collaborative Group. The International Stroke Trial database. "
    "Trials 2011;12:101. doi:10.1186/1745-6215-12-101",
    label="OCCODE 3 or 4 against 1 or 2; the 150 patients without it (0, 9) are left out",
    label_time="six months after randomisation",
    positive="alive and independent at six months",
    negative="dead or dependent at six months",
    site="country",
    inputs={
        "table": "what was known at randomisation: delay, consciousness, sex, age, symptoms on waking, atrial fibrillation, CT "
        "before, infarct visible, heparin and aspirin before, systolic pressure, eight deficits, stroke type, and the "
        "allocated aspirin and heparin"
    },
    barred={
        "HOSPNUM, COUNTRY, CNTRYNUM": "the hospital and its country: sites are never inputs",
        "RDATE, HOURLOCAL, MINLOCAL, DAYLOCAL": "calendar time of randomisation: says nothing of a later patient",
        "DASP14, DASPLT, DLH14, DMH14, DHH14, ONDRUG, DSCH, DIVH, DAP, DOAC, DGORM, DSTER, DCAA, DHAEMD, DCAREND, DTHROMB, "
        "DMAJNCH, DMAJNCHD, DMAJNCHX": "treatment and bleeding in the 14 days after randomisation",
        "DSIDE, DSIDED, DSIDEX, DDIAGISC, DDIAGHA, DDIAGUN, DNOSTRK, DNOSTRKX, DRSISC, DRSISCD, DRSH, DRSHD, DRSUNK, DRSUNKD, "
        "DPE, DPED": "final diagnosis, side effects and further strokes within 14 days",
        "DALIVE, DALIVED, DPLACE, DDEAD, DDEADD, DDEADC, DDEADX": "state and death at 14 days",
        "FDEAD, FLASTD, FDEADD, FDEADC, FDEADX, FU1_RECD, FU2_DONE, FU1_COMP": "death and follow-up at six months",
        "FRECOVER, FDENNIS, FPLACE, FAP, FOAC": "recovery, place and treatment at six months",
        "NCCODE, CMPLASP, CMPLHEP": "compliance after randomisation",
        "DIED, TD, SET14D, ID14, OCCODE": "outcomes, or the label itself",
        "EXPDD, EXPD6, EXPD14": "risks predicted by a model that was fitted to these outcomes",
        "DEAD1, DEAD2, DEAD3, DEAD4, DEAD5, DEAD6, DEAD7, DEAD8": "causes of death",
        "H14, ISC14, NK14, STRK14, HTI14, PE14, DVT14, TRAN14, NCB14": "events within 14 days",
    },
    scope="A trial of 1991 to 1996, before thrombolysis and thrombectomy; no image, no report. Treatment (aspirin, heparin) "
    "was allocated at random and is an input.",
    modalities={"table"},
    cases=19285,
    sites=36,
)
@dataclass(frozen=True)
class InternationalStrokeTrial:
    """19,285 patients with an outcome at six months, 7,160 of them independent; 464 hospitals in 36 countries.

    site : what a site is: "country", "hospital" (464), or "hospital-group" (20 groups of whole hospitals of about equal size).
    """

    site: str = "country"

    def build(self, sources: Sources) -> Cohort:
        """Read the file, in about 20 s. Raises `DataError` where it is not as expected."""
        everyone = read_trial(sources)
        frame = everyone[everyone["OCCODE"].isin(INDEPENDENT + DEPENDENT)]
        countries = frame["COUNTRY"].map(COUNTRIES)
        if countries.isna().any():
            raise DataError(f"ist: country code '{frame['COUNTRY'][countries.isna()].iloc[0]}' is not known")
        ids = row_ids("ist", frame.index + 1)
        sexes = frame["SEX"].map({"F": "female", "M": "male"})
        strata = pd.DataFrame({"age": frame["AGE"], "sex": sexes, "stroke_type": frame["STYPE"], "country": countries})
        return Cohort(
            name="ist",
            case_ids=ids,
            labels=frame["OCCODE"].isin(INDEPENDENT).to_numpy().astype(np.int8),
            sites=self._sites(countries, frame["HOSPNUM"].to_numpy(np.int64)),
            groups=ids,
            table=_table(frame),
            strata=strata.astype({"age": np.float64}).reset_index(drop=True),
        )

    def _sites(self, countries: pd.Series[str], hospitals: NDArray[np.int64]) -> NDArray[Any]:
        if self.site == "country":
            return countries.to_numpy(dtype=object)
        if self.site == "hospital":
            return np.array([f"hospital {number:03d}" for number in hospitals])
        if self.site != "hospital-group":
            raise DataError(f"ist: site={self.site}: give 'country', 'hospital' or 'hospital-group'")
        from sklearn.model_selection import GroupKFold

        sites = np.empty(len(hospitals), dtype="U8")
        for group, (_, rows) in enumerate(GroupKFold(HOSPITAL_GROUPS).split(hospitals, groups=hospitals), 1):
            sites[rows] = f"group {group:02d}"
        return sites


def read_trial(sources: Sources) -> pd.DataFrame:
    """All 19,435 rows of the trial's database, in the file's order; empty text is missing."""
    import rdata

    path = sources.path(FILE)
    try:
        frame: pd.DataFrame = rdata.read_rda(path)["IST"]
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise DataError(f"ist: {path.name} cannot be read ({error!r}): fetch it again") from error
    for column in (*NUMBERS, *CATEGORIES, "OCCODE", "COUNTRY", "HOSPNUM"):
        if column not in frame:
            raise DataError(f"ist: {path.name} has no column '{column}': fetch it again")
    return frame.reset_index(drop=True)


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """The inputs: numbers as float64, categories with NaN where the file has an empty text."""
    table = frame[[*NUMBERS, *CATEGORIES]].reset_index(drop=True)
    texts = {name: table[name].astype(object).where(table[name] != "", np.nan).astype("category") for name in CATEGORIES}
    return table.assign(**{name: table[name].astype(np.float64) for name in NUMBERS}, **texts)
