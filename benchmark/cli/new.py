"""`new`: write the file of a new method, dataset or suite, or the folder of a cohort of one's own; each runs as it is."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmark.cli.selection import PLUGIN, Options, argument
from benchmark.registry.folders import NAME
from benchmark.system.errors import BenchmarkError

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


COHORT = """\
# A cohort of your own: say here what the folder holds. `python -m benchmark check folder:.` lists what is wrong with it,
# `python -m benchmark run --dataset folder:.` runs on it. docs/your-own-cohort.md explains every line.
name = "{name}"                     # how tables and pages call it: lower case, hyphens
title = "{title}"
source = "made rows: replace them by an export of your own"
scope = "Nobody: these rows are made."    # whose patients, and what they do not stand for

[table]
file = "clinical.csv"               # or .xlsx, .tsv, .sav (SPSS); a REDCap export is a .csv
case = "case"                       # the column that names each row, and its folder of images and reports
site = "hospital"                   # what leave-one-site-out holds out; never an input
# patient = "patient"               # where one patient has several rows: they are never split
# missing = ["-99", "unknown"]      # what else means that there is no value
# decimal = ","                     # only where 1,234 could be read in two ways
# sheet = "Sheet1"                  # of an Excel file with several
# only = {{ redcap_event_name = "admission_arm_1" }}    # only rows with this value

[label]
column = "mrs_90"
positive = "<= 2"                   # what is label 1: `<= 2`, `>= 3`, `== good`, `in 0, 1, 2`
means = ["poor outcome: mRS 3-6", "good outcome: mRS 0-2"]    # label 0, label 1
time = "90 days"

[columns]                           # every column of the table stands under one of these
admission = ["age", "nihss", "sex"] # known when the prediction is made: the inputs
later = ["length_of_stay"]          # known afterwards: never inputs
identifiers = ["surname"]           # never stored; taken out of the reports as well
# categories = ["ward"]             # inputs whose numbers are codes

# [images]
# space = "scanner"                 # or "template", where all images lie in one space, such as MNI
# voxel_mm = 4                      # all are brought to one grid about their middle
# grid = [48, 56, 48]
# [images.views]                    # {{case}} stands for the id; a lesion is called `mask`, a brain mask `brain`
# flair = "images/{{case}}/flair.nii.gz"
# mask = "images/{{case}}/mask.nii.gz"

# [reports]
# files = "reports/{{case}}/*.txt"  # each file is a draft
"""


SUITE = """\
# {title}: say in one line what is asked. docs/add-a-suite.md has every field.
# `python -m benchmark run --suite {name}.toml` runs it.
title = "{title}"
datasets = ["synthetic-stroke"]     # every pairing with a protocol is a table
protocols = ["repeated-cv"]
primary_metric = "auc"
ranked = [                          # a family: all pairs are tested, and corrected for together
    "lesion-volume",
    "logistic-regression",
    "logistic-regression[features=table+derived]",
]
descriptive = ["majority"]          # shown, and neither ranked nor tested

[limits]                            # of a cell
seconds = 300
memory_gib = 4

[[questions]]                       # a contrast that is named before the results are seen, answered first
ask = "Does the lesion's volume add to the clinical table?"
a = "logistic-regression[features=table+derived]"
b = "logistic-regression"
named = "say who named it, and when"
"""


ARGUMENTS = (
    argument("kind", choices=["method", "dataset", "suite", "cohort"], help="what to write"),
    argument("name", help="its name, in lower case with hyphens; of a cohort the folder"),
    argument("--folder", type=Path, default=None, help="where to (default: methods/ of the checkout; else this folder)"),
    argument("--from", dest="source", default="", metavar="DATASET", help="a cohort: write this dataset in such a form"),
    PLUGIN,
)


def run(options: Options) -> int:
    """Exit code 0. Raises `BenchmarkError` where the name is taken or not a name."""
    from benchmark.registry.discovery import discover
    from benchmark.system.locations import ROOT

    name, kind = options.name, options.kind
    if kind == "cohort":
        return _cohort(Path(name).expanduser().resolve(), options)
    if options.source:
        raise BenchmarkError("--from goes with `new cohort DIR`")
    if not NAME.fullmatch(name):
        raise BenchmarkError(f"'{name}' is no name for a {kind}: use lower-case words joined by hyphens, such as my-{kind}")
    if kind == "suite":
        return _suite(name, options.folder or Path.cwd())
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


def _suite(name: str, folder: Path) -> int:
    """Write a suite of three quick rows to edit."""
    from benchmark.suites.suite import suite_names

    path = folder / f"{name}.toml"
    if name in suite_names():
        raise BenchmarkError(f"suite '{name}' is one of the checkout: choose another name")
    if path.exists():
        raise BenchmarkError(f"{path} exists already: choose another name, or edit it")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(SUITE.format(name=name, title=" ".join(name.split("-")).capitalize()), encoding="utf-8")
    print(f"{path}\nIt runs as it is: python -m benchmark run --suite {shlex.quote(str(path))}")
    return 0


def _cohort(folder: Path, options: Options) -> int:
    """Write a folder that can be read as a cohort: a dataset in that form, or made rows and a description to edit."""
    from benchmark.registry.folders import FILE

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchmarkError(f"{folder} is there already, and is no empty folder: give another place")
    name = "-".join(re.findall(r"[a-z0-9]+", folder.name.lower())) or "my-cohort"
    name = name if NAME.fullmatch(name) else f"cohort-{name}"
    if options.source:
        from benchmark.data.folder.writing import write_folder
        from benchmark.data.preparation import load_cohort
        from benchmark.registry.discovery import discover

        catalogue = discover(options.plugin)
        dataset = catalogue.dataset(options.source)
        name = name if name not in catalogue.datasets else f"my-{name}"
        for line in write_folder(load_cohort(options.source, catalogue), dataset.card, folder, name):
            print(f"not written: {line}")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        title = " ".join(name.split("-")).capitalize()
        (folder / FILE).write_text(COHORT.format(name=name, title=title), encoding="utf-8")
        (folder / "clinical.csv").write_text("".join(_cohort_rows()), encoding="utf-8")
    print(f"{folder / FILE}\nIt runs as it is: python -m benchmark run --dataset {shlex.quote(f'folder:{folder}')}")
    return 0


def _cohort_rows() -> Iterator[str]:
    """The lines of a table of 200 patients who never lived, with a column of each kind."""
    from random import Random

    draw, rows = Random(2), _made_rows()
    next(rows)
    yield "case,hospital,surname,age,nihss,sex,length_of_stay,mrs_90\n"
    for row in rows:
        case, hospital, *inputs, outcome = row.split(",")
        surname = "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7)).capitalize()
        yield ",".join([case, hospital, surname, *inputs, str(draw.randint(2, 40)), outcome])


def _made_rows() -> Iterator[str]:
    """The lines of a table of 200 patients who never lived."""
    from random import Random

    draw = Random(1)
    yield "patient,hospital,age,nihss,sex,mrs_90\n"
    for number in range(1, 201):
        nihss = draw.randint(0, 25)
        rankin = min(6, max(0, round(nihss / 5 + draw.gauss(0, 1.5))))
        yield f"{number:03d},{draw.choice(['North', 'South'])},{draw.randint(40, 90)},{nihss},{draw.choice('fm')},{rankin}\n"
