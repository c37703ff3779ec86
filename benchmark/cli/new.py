"""`new`: write the file of a new method or dataset, one that runs as it is."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmark.cli.selection import Options, argument
from benchmark.system.errors import BenchmarkError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
METHOD = '''\
"""{title}: say in one line what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "{name}",
    family="mine",
    reference="where the recipe comes from",
    fit_modalities={{"table", "image"}},
    predict_modalities={{"table", "image"}},
)
@dataclass
class {cls}(EstimatorMethod):
    """Gradient-boosted trees on the table and the image-derived columns: replace this by your own method.

    The fields are the hyper-parameters: `python -m benchmark run --method "{name}[learning_rate=0.1]"` changes one.
    """

    features: str = "table+derived"
    learning_rate: float = 0.05

    def estimator(self, seed: int) -> Any:
        """Any classifier with scikit-learn's interface."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(learning_rate=self.learning_rate, random_state=seed)
'''


DATASET = '''\
"""{title}: say in one line whose patients these are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark import Cohort, Sources, register_dataset

NUMBERS, CATEGORIES = ["age", "nihss"], ["sex"]


@register_dataset(
    "{name}",
    title="{title}",
    source="where the file comes from, and its date",
    license="who may use it",
    citation="none yet",
    label="what is 1, and how it was observed",
    label_time="90 days",
    positive="good outcome: mRS 0-2",
    negative="poor outcome: mRS 3-6",
    site="hospital",
    inputs={{"table": "age, NIHSS on arrival, sex"}},
    barred={{"mrs_90": "the label is made of it", "hospital": "the site: never an input"}},
    scope="whose patients, and what they do not stand for",
    modalities={{"table"}},
)
@dataclass(frozen=True)
class {cls}:
    """The patients with an outcome; `csv` is where the table lies: replace these made rows by your own."""

    csv: str = str(Path(__file__).with_suffix(".csv"))

    def files(self) -> list[str]:
        """What is read: an edited file makes the cohort anew."""
        return [self.csv]

    def build(self, sources: Sources) -> Cohort:
        """One row per patient."""
        frame = pd.read_csv(self.csv, dtype={{"patient": str}})
        frame = frame[frame["mrs_90"].notna()]
        return Cohort(
            name="{name}",
            case_ids=frame["patient"],
            labels=frame["mrs_90"] <= 2,
            sites=frame["hospital"],
            groups=frame["patient"],
            table=frame[NUMBERS + CATEGORIES].astype(dict.fromkeys(CATEGORIES, "category")),
            strata=frame[["age", "sex"]],
        )
'''


ARGUMENTS = (
    argument("kind", choices=["method", "dataset"], help="what to write"),
    argument("name", help="its name, in lower case with hyphens"),
    argument("--folder", type=Path, default=None, help="where to (default: methods/ of the checkout; a dataset: this folder)"),
)


def run(options: Options) -> int:
    """Exit code 0. Raises `BenchmarkError` where the name is taken or not a name."""
    from benchmark.registry.discovery import discover
    from benchmark.system.locations import ROOT

    name, kind = options.name, options.kind
    if not NAME.fullmatch(name):
        raise BenchmarkError(f"'{name}' is no name for a {kind}: use lower-case words joined by hyphens, such as my-{kind}")
    registry = discover().registry(kind)
    folder: Path = options.folder or (ROOT / "methods" if kind == "method" else Path.cwd())
    path = folder / f"{name.replace('-', '_')}.py"
    if name in registry:
        raise BenchmarkError(f"{kind} '{name}' is registered already in {registry.get(name).path}: choose another name")
    table = path.with_suffix(".csv")
    for taken in (path, table) if kind == "dataset" else (path,):
        if taken.exists():
            raise BenchmarkError(f"{taken} exists already: choose another name, or edit it")
    folder.mkdir(parents=True, exist_ok=True)
    words = name.split("-")
    template = METHOD if kind == "method" else DATASET
    named = {"name": name, "title": " ".join(words).capitalize(), "cls": "".join(word.capitalize() for word in words)}
    path.write_text(template.format(**named), encoding="utf-8")
    if kind == "dataset":
        table.write_text("".join(_made_rows()), encoding="utf-8")
    plugin = "" if folder == ROOT / "methods" else f" --plugin {shlex.quote(str(path))}"
    print(f"{path}\nIt runs as it is: python -m benchmark run --{kind} {name}{plugin}")
    return 0


def _made_rows() -> Iterator[str]:
    """The lines of a table of 200 patients who never lived."""
    from random import Random

    draw = Random(1)
    yield "patient,hospital,age,nihss,sex,mrs_90\n"
    for number in range(1, 201):
        nihss = draw.randint(0, 25)
        rankin = min(6, max(0, round(nihss / 5 + draw.gauss(0, 1.5))))
        yield f"{number:03d},{draw.choice(['North', 'South'])},{draw.randint(40, 90)},{nihss},{draw.choice('fm')},{rankin}\n"
