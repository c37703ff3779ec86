"""Malformed cohorts: one good cohort, and what users bring instead; writes docs/malformed-cohorts.md.

Each change is Python that overrides arguments of the good cohort, in the names of `good_cohort`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, ImageView, Recordings
from benchmark.data.intake import take_in
from benchmark.data.parts import Frame, Stored
from benchmark.system.locations import ROOT

CASES = 60
BARRED = {"mrs_90": "the label is made of it", "length_of_stay, discharge": "known only later"}
PAGE = ROOT / "docs" / "malformed-cohorts.md"
REFUSED, ALIKE, NOTED = "refused", "read alike", "noted"

CHANGES: tuple[tuple[str, str], ...] = (
    # ids, sites, groups
    (REFUSED, "case_ids=[None, *ids[1:]]"),
    (REFUSED, "case_ids=None"),
    (REFUSED, "case_ids=[]"),
    (REFUSED, "case_ids=['', *ids[1:]]"),
    (REFUSED, "case_ids=pd.Series(ids).where(pd.Series(ids) != 'P003').astype(str)"),
    (REFUSED, "case_ids=[ids[1], *ids[1:]]"),
    (REFUSED, "case_ids=['p002', *ids[1:]]"),
    (REFUSED, "case_ids=['P 002', *ids[1:]]"),
    (REFUSED, "case_ids=ids.astype('U2')"),
    (REFUSED, "case_ids=np.stack([ids, ids], axis=1)"),
    (ALIKE, "case_ids=[f' {name} ' for name in ids]"),
    (ALIKE, "case_ids=ids.tolist()"),
    (ALIKE, "case_ids=np.array(ids, dtype=object)"),
    (ALIKE, "case_ids=pd.Series(ids, index=range(9, 9 + n), dtype='string[pyarrow]')"),
    (ALIKE, "case_ids=pd.Categorical(ids)"),
    (ALIKE, "case_ids=np.char.encode(ids)"),
    (REFUSED, "sites=pd.Series(sites).where(np.arange(n) != 7).to_numpy(dtype=object)"),
    (REFUSED, "sites=np.where(np.arange(n) == 7, 'nan', sites)"),
    (REFUSED, "sites=pd.Series(['Tartu', None] * 30).to_numpy(dtype=object).astype('U1')"),
    (REFUSED, "sites=np.where(np.arange(n) == 7, 'NORTH', sites)"),
    (REFUSED, "sites=sites[:-1]"),
    (ALIKE, "sites=pd.Series(sites, dtype='category')"),
    (REFUSED, "groups=[np.nan, *ids[1:]]"),
    (REFUSED, "groups=np.where(np.arange(n) == 0, 'P002 x', np.where(np.arange(n) == 1, 'P002X', ids))"),
    (ALIKE, "groups=pd.Series(ids, dtype='string')"),
    (REFUSED, "groups=np.where(np.arange(n) == 7, '007', np.where(np.arange(n) == 8, '7', ids))"),
    (REFUSED, "groups=1e17 + np.arange(n) // 3"),
    (REFUSED, "case_ids=[chr(0xDCE9) + 'P', *ids[1:]]"),
    # labels
    (ALIKE, "labels=y.astype(bool)"),
    (ALIKE, "labels=y.astype(float)"),
    (ALIKE, "labels=y[:, None]"),
    (ALIKE, "labels=y.tolist()"),
    (ALIKE, "labels=pd.array(y, dtype='Int64')"),
    (ALIKE, "labels=pd.Series(y.astype(bool), dtype='bool[pyarrow]')"),
    (REFUSED, "labels=y + 1"),
    (REFUSED, "labels=np.where(y == 1, 'good', 'poor')"),
    (REFUSED, "labels=y.astype(str)"),
    (REFUSED, "labels=np.arange(n) % 7"),
    (REFUSED, "labels=np.where(np.arange(n) == 4, np.nan, y)"),
    (REFUSED, "labels=pd.array([pd.NA, *y[1:]], dtype='boolean')"),
    (REFUSED, "labels=np.zeros(n)"),
    (REFUSED, "labels=None"),
    (REFUSED, "labels=np.stack([1 - y, y], axis=1)"),
    (NOTED, "labels=(np.arange(n) < 3).astype(int)"),
    # table
    (ALIKE, "table=table.set_index(np.arange(n)[::-1] + 1000)"),
    (ALIKE, "table=table.convert_dtypes()"),
    (ALIKE, "table=table.convert_dtypes(dtype_backend='pyarrow')"),
    (ALIKE, "table=table.astype({'sex': object, 'age': object})"),
    (ALIKE, "table=table.assign(age=[None if pd.isna(a) else Decimal(str(a)) for a in table['age']])"),
    (ALIKE, "table=table.assign(grade=table['grade'].astype(int).astype('category'))"),
    (ALIKE, "table=table.assign(grade=table['grade'].astype(float).astype('category'))"),
    (ALIKE, "table=table.assign(smoker=table['smoker'] == 1)"),
    (ALIKE, "table=table.assign(smoker=pd.array(table['smoker'] == 1, dtype='boolean'))"),
    (ALIKE, "table=table.assign(sex=pd.Categorical(table['sex'], categories=['never', 'm', 'f'], ordered=True))"),
    (REFUSED, "table={name: table[name] for name in table}"),
    (ALIKE, "table=table.rename(columns={'age': ' age '})"),
    (REFUSED, "table=table.assign(glucose=table['age'].astype(str).str.replace('.', ','))"),
    (REFUSED, "table=table.assign(platelets=[f'{200 + i},000' for i in range(n)])"),
    (REFUSED, "table=table.assign(crp=['<1', '2', '7'] * 20)"),
    (REFUSED, "table=table.assign(crp=['N/A', '2', '7'] * 20)"),
    (REFUSED, "table=table.assign(crp=['NULL', '2.5', '7.1'] * 20)"),
    (REFUSED, "table=table.assign(crp=pd.Categorical(['1,5', '2,5', '7,1'] * 20))"),
    (REFUSED, "table=table.assign(stenosis=['50 %', '70 %', '99 %'] * 20)"),
    (REFUSED, "table=table.assign(crp=[1, '<1', 7] * 20)"),
    (REFUSED, "table=table.assign(seen=pd.date_range('2024-01-01', periods=n))"),
    (REFUSED, "table=table.assign(seen=pd.date_range('2024-01-01', periods=n).strftime('%d.%m.%Y'))"),
    (REFUSED, "table=table.assign(seen=[datetime.date(2024, 1, 1 + i % 28) for i in range(n)])"),
    (REFUSED, "table=table.assign(seen=pd.Categorical(pd.date_range('2024-01-01', periods=n)))"),
    (REFUSED, "table=table.assign(delay=pd.to_timedelta(range(n), 'h'))"),
    (REFUSED, "table=table.assign(age=table['age'].replace(table['age'].max(), np.inf))"),
    (REFUSED, "table=table.assign(z=table['age'].fillna(0) + 1j)"),
    (REFUSED, "table=table.assign(labs=[[1, 2]] * n)"),
    (REFUSED, "table=table.assign(sex=table['sex'].astype(object).where(np.arange(n) > 2).map(str))"),
    (REFUSED, "table=table.assign(sex=['', *table['sex'][1:]])"),
    (REFUSED, "table=table.assign(MRS_90=np.arange(n) % 7)"),
    (REFUSED, "table=table.assign(discharge=1.0)"),
    (REFUSED, "table=table.assign(outcome=y)"),
    (REFUSED, "table=table.assign(alive=np.where(y == 1, 'no', 'yes'))"),
    (REFUSED, "table=table.assign(death_day=np.where(y == 1, np.nan, 9.0))"),
    (REFUSED, "table=pd.concat([table, table[['age']]], axis=1)"),
    (REFUSED, "table=table.reset_index(names='Unnamed: 0')"),
    (REFUSED, "table=table.assign(labels=1.0)"),
    (REFUSED, "table=table.to_numpy()"),
    (REFUSED, "table=table[[]]"),
    (REFUSED, "table=table[:-1]"),
    (REFUSED, "labels=pd.Series(y, index=ids), table=table.set_index(ids).sort_values('age')"),
    (NOTED, "table=table.assign(k=1)"),
    (NOTED, "table=table.assign(k='same')"),
    (NOTED, "table=table.assign(k=np.nan)"),
    (NOTED, "table=table.assign(k=pd.Categorical([None] * n))"),
    (NOTED, "table=table.assign(remark=[f'text {i} of a visit' for i in range(n)])"),
    (NOTED, "table=table.assign(statin=['yes', 'no', 'unknown'] * 20)"),
    (NOTED, "table=table.assign(side=['left', 'Left ', 'right'] * 20)"),
    (NOTED, "table=table.assign(glucose=np.where(np.arange(n) % 7 == 0, -999, table['age']))"),
    (NOTED, "table=table.assign(glucose=np.where(np.arange(n) % 7 == 0, -1, 90 + np.arange(n) % 5))"),
    (REFUSED, "table=table.assign(glucose=np.where(np.arange(n) == 7, 1.797e308, table['age']))"),
    (REFUSED, "table=table.assign(side=pd.Series([chr(0xDCE9), 'left', 'right'] * 20, dtype=object))"),
    (REFUSED, "facts={'oracle_auc': 'high'}"),
    # derived, strata, present
    (REFUSED, "derived=derived.assign(volume=np.inf)"),
    (REFUSED, "derived=derived.assign(mrs_90=1.0)"),
    (ALIKE, "derived=derived.set_index(np.arange(n) + 5).astype('Float64')"),
    (REFUSED, "strata=pd.DataFrame({'ward': [1, 'a'] * 30})"),
    (REFUSED, "present={'images': np.ones(n)}"),
    (REFUSED, "present={'text': [None] + [True] * (n - 1)}"),
    (ALIKE, "present={'text': pd.Series([1] * n)}"),
    # reports
    (ALIKE, "reports=[drafts[0] for drafts in reports]"),
    (ALIKE, "reports=[list(drafts) for drafts in reports]"),
    (NOTED, "reports=[('',), *reports[1:]]"),
    (NOTED, "reports=[('as usual',)] * n"),
    (REFUSED, "reports=[(7,), *reports[1:]]"),
    (REFUSED, "reports=[(chr(0xDCE9),), *reports[1:]]"),
    (REFUSED, "reports='a small infarct'"),
    (REFUSED, "reports=reports[1:]"),
    (NOTED, "report_sets={'topics': [('',), *reports[1:]]}"),
    (REFUSED, "report_sets={'wording': reports}"),
    (REFUSED, "report_sets={'one, two': reports}"),
    (REFUSED, "report_sets={'topics': reports[1:]}"),
    (REFUSED, "report_sets={'topics': [(7,), *reports[1:]]}"),
    (REFUSED, "report_sets=reports"),
    (REFUSED, "reports=None, report_sets={'topics': reports}"),
    # findings
    (REFUSED, "findings=pd.DataFrame({'bleed': 1 - y}), queries={'bleed': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'left': 0 * y + 1, 'large': 1 - y}), queries={'left': ['left'], 'large': ['large']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': np.where(np.arange(n) == 3, np.nan, y)}), queries={'bleed': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y, 'mass': 2 * y}), queries={'bleed': ['a bleed'], 'mass': ['a mass']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y, 'mass': 0 * y}), queries={'bleed': ['a bleed'], 'mass': ['a mass']}"),
    (REFUSED, "findings=pd.DataFrame({'Old bleed': y}), queries={'Old bleed': ['an old bleed']}"),
    (REFUSED, "findings={'bleed': y}, queries={'bleed': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y})[:-1], queries={'bleed': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y, 'mass': y}), queries={'bleed': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y}), queries={'bleed': ['a bleed'], 'blead': ['a bleed']}"),
    (REFUSED, "findings=pd.DataFrame({'bleed': y}), queries={'bleed': ['a bleed', ' ']}"),
    (REFUSED, "queries={'bleed': ['a bleed']}"),
    (
        REFUSED,
        "table=table.assign(k=1.0 * (np.arange(n) < 9)), labels=y | (np.arange(n) < 9), "
        "findings=pd.DataFrame({'bleed': y, 'mass': np.arange(n) < 9}), queries={'bleed': ['a bleed'], 'mass': ['a mass']}",
    ),
    # images
    (ALIKE, "images={'mask': ImageView(mask.astype(bool)), 'flair': ImageView(flair)}"),
    (ALIKE, "images={'mask': ImageView(3 * mask), 'flair': ImageView(flair)}"),
    (ALIKE, "images={'mask': mask, 'flair': flair}"),
    (REFUSED, "images={'mask': ImageView(mask + np.arange(n)[:, None, None, None, None].astype('uint8'))}"),
    (REFUSED, "images={'mask': ImageView(-1.0 * mask)}"),
    (REFUSED, "images={'flair': ImageView(np.where(np.arange(n)[:, None, None, None, None] == 3, np.nan, flair))}"),
    (REFUSED, "images={'flair': ImageView(np.where(flair > 90, np.inf, flair).astype('float16'))}"),
    (REFUSED, "images={'flair': [volume[:, : 2 + i % 2] for i, volume in enumerate(flair)]}"),
    (REFUSED, "images={'flair': ImageView(flair[:-1])}"),
    (REFUSED, "images={'flair': ImageView(flair.astype(str))}"),
    (REFUSED, "images={'flair': ImageView(flair[:, 0, 0, 0, 0])}"),
    (REFUSED, "images={'flair': ImageView(flair, scale=np.nan)}"),
    (REFUSED, "images={'flair': ImageView(flair, scale=0.0)}"),
    (REFUSED, "images={'flair': ImageView(flair, axes='RAX')}"),
    (REFUSED, "images={'mask': ImageView(mask), 'flair': ImageView(flair, axes='LAS')}"),
    (REFUSED, "images={'mask': ImageView(mask[:, 0])}"),
    (REFUSED, "images={'mask': ImageView(np.moveaxis(mask, 1, -1))}"),
    (REFUSED, "images=flair"),
    (NOTED, "images={'mask': ImageView(mask * (np.arange(n) > 2)[:, None, None, None, None].astype('uint8'))}"),
    (NOTED, "images={'flair': ImageView(0 * flair)}"),
    (NOTED, "images={'flair': ImageView(flair * (np.arange(n) > 2)[:, None, None, None, None].astype('float16'))}"),
    # signals
    (ALIKE, "signals=Recordings(ecg.astype('float64'), 50, leads)"),
    (ALIKE, "signals=Recordings(ecg, 50.0, ['II', 'V2'])"),
    (NOTED, "signals=Recordings(np.where(at == 30, np.nan, ecg), 50.0, leads)"),
    (NOTED, "signals=Recordings(np.where((row == 3) & (lead == 1), np.nan, ecg), 50.0, leads)"),
    (NOTED, "signals=Recordings(np.where((row == 3) & (lead == 1), 0.2, ecg), 50.0, leads)"),
    (NOTED, "signals=Recordings(1000 * ecg, 50.0, leads)"),
    (REFUSED, "signals=Recordings(np.where((row == 3) & (at == 30), np.inf, ecg), 50.0, leads)"),
    (REFUSED, "signals=Recordings(ecg, 50.0, ('II', 'ii '))"),
    (REFUSED, "signals=Recordings(ecg, 50.0)"),
    (REFUSED, "signals=Recordings(ecg, 0, leads)"),
    (REFUSED, "signals=Recordings(ecg, np.nan, leads)"),
    (REFUSED, "signals=Recordings(ecg, 50.0, leads, scale=-1)"),
    (REFUSED, "signals=Recordings(ecg[:, 0], 50.0, leads)"),
    (REFUSED, "signals=Recordings(np.moveaxis(ecg, 1, 2), 50.0, leads)"),
    (REFUSED, "signals=Recordings(ecg[:, :, :49], 50.0, leads)"),
    (REFUSED, "signals=Recordings([beat[:, : 60 + i % 2] for i, beat in enumerate(ecg)], 50.0, leads)"),
    (REFUSED, "signals=Recordings(ecg.astype(str), 50.0, leads)"),
    (REFUSED, "signals=Recordings(ecg[1:], 50.0, leads)"),
    (REFUSED, "signals=ecg"),
    # pool
    (REFUSED, "pool=Cohort('p', case_ids=['P001'], reports=[('small',)])"),
    (REFUSED, "pool=Cohort('p', case_ids=['q1', 'q1'], reports=[('small',), ('large',)])"),
    (REFUSED, "pool=Cohort('p', case_ids=['p002', 'q2'], reports=[('small',), ('large',)])"),
    (REFUSED, "groups=ids[np.arange(n) // 2], pool=Cohort('p', case_ids=['q1', 'q2'], reports=[('small',), ('large',)])"),
    (REFUSED, "pool=Cohort('p', case_ids=['q1', 'q2'], labels=[0, 1], reports=[('small',), ('large',)])"),
    (REFUSED, "pool=Cohort('p', case_ids=['q1'], findings=pd.DataFrame({'bleed': [1]}), reports=[('small',)])"),
)
"""(class, change) of every malformed cohort."""


INTRODUCTION = """\
# Malformed cohorts

What becomes of a cohort that is not as [add-a-dataset.md](add-a-dataset.md) asks. One good cohort of 60 cases is changed in one
place each; the table holds the change and what the intake says of it. `python -m tools.malformed_cohorts` writes this page,
and a test holds it to the code.

- **refused**: the intended value cannot be known. Nothing is stored; all problems of a cohort come in one go, a line each.
- **read alike**: every reading gives the same value. What is stored is the good cohort, to the byte.
- **noted**: it may be intended. `run` prints it once, `show dataset NAME --columns` whenever it is asked.
"""


def good_cohort() -> dict[str, Any]:
    """The names that a change may use, and so the arguments of the good cohort."""
    rng = np.random.default_rng(5)
    n = CASES
    ids = np.array([f"P{i:03d}" for i in range(n)])
    mask = np.zeros((n, 1, 4, 4, 4), dtype=np.uint8)
    mask[:, :, 1:3, 1:3, 1] = 1
    return {
        "n": n,
        "ids": ids,
        "y": rng.permutation(np.repeat([0, 1], n // 2)).astype(np.int8),
        "sites": rng.choice(["North", "South"], n),
        "table": pd.DataFrame(
            {
                "age": np.where(np.arange(n) % 9 == 0, np.nan, rng.normal(70, 10, n).round(1)),
                "sex": pd.Categorical(rng.choice(["f", "m"], n)),
                "grade": pd.Categorical(rng.choice(["0", "1", "2"], n)),
                "smoker": rng.integers(0, 2, n).astype(float),
            }
        ),
        "derived": pd.DataFrame({"volume": rng.gamma(2, 10, n)}),
        "reports": tuple((f"A lesion of {size} ml.",) for size in rng.integers(1, 90, n)),
        "mask": mask,
        "flair": rng.integers(20, 120, mask.shape).astype(np.float16),
        "ecg": rng.normal(size=(n, 2, 100)).astype(np.float32),
        "leads": ("II", "V2"),
        **dict(zip(("row", "lead", "at"), np.ogrid[:n, :2, :100], strict=True)),
    }


def changed_cohort(change: str = "") -> Cohort:
    """The good cohort with one change."""
    names = good_cohort()
    given = {
        "case_ids": names["ids"],
        "labels": names["y"],
        "groups": names["ids"],
        "images": {"mask": ImageView(names["mask"]), "flair": ImageView(names["flair"])},
        "present": {"text": np.ones(names["n"], dtype=bool)},
        "signals": Recordings(names["ecg"], 50.0, names["leads"]),
        **{name: names[name] for name in ("sites", "table", "derived", "reports")},
    }
    known = {"np": np, "pd": pd, "Cohort": Cohort, "ImageView": ImageView, "Recordings": Recordings}
    known |= {"Decimal": Decimal, "datetime": datetime}
    return Cohort(name="lab-cohort", **{**given, **eval(f"dict({change})", {**known, **names})})  # the changes stand above


@cache
def outcome(change: str) -> tuple[str, str]:
    """What becomes of the good cohort with a change: refused, noted or read alike, and the lines that say so."""
    try:
        taken, remarks = take_in(changed_cohort(change), BARRED)
    except DataError as error:
        return REFUSED, str(error).replace("lab-cohort: ", "").replace("\n", "; ")
    noted = [str(line) for line in remarks.lines if line.state == NOTED]
    if noted:
        return NOTED, "; ".join(noted)
    whole, _ = take_in(changed_cohort(), BARRED)
    return (ALIKE if same(taken, whole) else "other values", "; ".join(map(str, remarks.lines)))


def same(one: Cohort, other: Cohort) -> bool:
    """Whether two cohorts hold the same, to the byte."""
    return parts(one) == parts(other)


def parts(cohort: Cohort) -> dict[str, Any]:
    """Part -> what of it is equal where the parts are."""
    held: dict[str, Any] = {}
    for part, value in cohort.contents():
        if isinstance(part, Frame):
            held[part.name] = {name: (str(value[name].dtype), value[name].astype(object).map(repr).tolist()) for name in value}
        else:
            digested = value.items() if part.name == "present" else list(part.digested(value)) or [(part.name, value)]
            held[part.name] = {name: _bytes(item) for name, item in digested}
    return held


def _bytes(item: Any) -> Any:
    """What is equal where two values are: the bytes of arrays."""
    if isinstance(item, Stored):
        return item.digest()
    return item.tobytes() if isinstance(item, np.ndarray) else item


def page() -> Iterator[str]:
    """The lines of docs/malformed-cohorts.md."""
    yield INTRODUCTION
    yield "| change | becomes | message |"
    yield "|---|---|---|"
    for expected, change in CHANGES:
        state, message = outcome(change)
        if state != expected:
            raise SystemExit(f"{change}: {state}, not {expected}: {message}")
        yield f"| `{change.replace('|', chr(92) + '|')}` | {state} | {message.replace('|', '/')} |"


if __name__ == "__main__":
    PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
    print(PAGE)
