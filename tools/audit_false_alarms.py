"""How often the audit cries wolf: every check of a cohort and of its splits on clean made cohorts.

    python -m tools.audit_false_alarms [--cohorts 100]

Prints each finding, and for each code the number of cohorts with one. A cohort has 60 to 960 cases and 4 to 24 columns, some
continuous, some rounded and some categories, which go with one hidden severity as the label does, with values missing; two to
six sites that differ in severity; and every second one a pool.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.audit.leaks.checks import CHECKS
from benchmark.audit.leaks.subject import Subject
from benchmark.data.cohort import Cohort
from benchmark.registry.cards import DatasetCard
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from benchmark.system.threads import limit_threads

SIZES = (60, 120, 240, 480, 960)
COLUMNS = (4, 8, 16, 24)
CARD = DatasetCard(
    "clean",
    title="Clean",
    source="made",
    license="none",
    citation="none",
    label="made of a hidden severity and noise",
    label_time="never",
    positive="good",
    negative="poor",
    site="hospital",
    inputs={},
    barred={},
    scope="Made to count false alarms.",
    modalities={"table"},
)


def clean_cohort(number: int) -> Cohort:
    """The cohort of that number, always the same."""
    rng = np.random.default_rng([14, number])
    n = SIZES[number % len(SIZES)]
    total = n + (n // 3 if number % 2 else 0)
    sites = rng.integers(0, rng.integers(2, 7), size=total)
    severity = rng.normal(size=total) + 0.3 * sites
    columns = {f"x{j}": _column(severity, j % 4, rng) for j in range(COLUMNS[number // len(SIZES) % len(COLUMNS)])}
    ids = np.array([f"case-{case:05d}" for case in range(total)])
    labels = (severity + 1.5 * rng.normal(size=total) > np.median(severity)).astype(np.int8)
    everyone = Cohort("clean", ids, sites=np.char.add("hospital ", sites.astype(str)), groups=ids, table=pd.DataFrame(columns))
    pool = replace(everyone.take(np.arange(n, total)), rows=None) if total > n else None
    return replace(everyone.take(np.arange(n)), labels=labels[:n], pool=pool, rows=None)


def _column(severity: np.ndarray, kind: int, rng: np.random.Generator) -> pd.Series[float] | pd.Categorical:
    """A measure, a measure that is rounded and often missing, a yes or no, or a category of four words."""
    value = rng.uniform(0, 0.8) * severity + rng.normal(size=len(severity))
    if kind == 0:
        return pd.Series(np.exp(value))
    if kind == 1:
        return pd.Series(np.round(50 + 10 * value)).mask(rng.random(len(value)) < 0.1)
    if kind == 2:
        return pd.Series((value > 0.8).astype(np.float64))
    return pd.Categorical(np.array(["none", "mild", "moderate", "severe"])[np.digitize(value, (-1, 0, 1))])


def main() -> None:
    """Audit them, and count."""
    limit_threads()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=100)
    cohorts, catalogue = parser.parse_args().cohorts, discover()
    alarms: Counter[tuple[str, str]] = Counter()
    for number in range(cohorts):
        cohort = clean_cohort(number)
        subjects = [Subject(cohort, CARD, catalogue)]
        subjects += [Subject(cohort, CARD, catalogue, catalogue.protocol(entry.name)) for entry in catalogue.protocols]
        found = set()
        for subject in subjects:
            for code, check in CHECKS.items():
                if check.of_splits != (subject.protocol is not None):
                    continue
                try:
                    for seen in check.look(subject):
                        found.add((code, seen.state))
                        print(f"{number} ({len(cohort)} cases): {code} {seen.state}: {seen.what} ({seen.evidence})", flush=True)
                except DataError as error:
                    print(f"{number}: {error}", flush=True)
        alarms.update(found)
    print(
        f"{cohorts} cohorts: " + (", ".join(f"{code} {state} in {n}" for (code, state), n in sorted(alarms.items())) or "none")
    )


if __name__ == "__main__":
    main()
