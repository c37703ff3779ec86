"""The task of a dataset under a protocol: all that ranking needs besides predictions."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.splits import Split, binding_groups
from benchmark.system import provenance
from benchmark.system.errors import StoreError
from benchmark.system.files import with_digest, without_digest, write_if_changed

FEW = 10
"""With fewer labelled cases of a class in a training part a table says so."""
LATER = ("groups", "fewest", "findings", "fewest_of", "refused")
"""Fields that a task file holds only where they say something: it stays as it was where they do not."""


@dataclass(frozen=True)
class TaskSplit:
    """A split as ranking sees it: its test cases are positions in `Task.case_ids`."""

    name: str
    seed: int
    site: str
    test: NDArray[np.intp]
    digest: str


@dataclass(frozen=True)
class Task:
    """Cases, labels, sites and splits of a dataset under a protocol.

    `digest` is the cohort's task digest; `absent` says of how many cases a modality is missing; `columns` are those of the
    table, none where they are not known; `groups` says whose each case is, None where each patient has one case. `fewest` is
    how many cases of the smaller class the training part holds that has fewest of them, None from `FEW` on. `findings` is name
    -> (n,) int8 of 0 and 1, None where the cohort has none; `fewest_of` is finding -> what `fewest` is of it. `refused` is what
    a row would see of the images -> why it cannot.
    """

    dataset: str
    protocol: str
    digest: str
    case_ids: NDArray[np.str_]
    labels: NDArray[np.int8]
    sites: NDArray[np.str_] | None
    splits: tuple[TaskSplit, ...]
    facts: dict[str, float]
    absent: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    groups: NDArray[np.str_] | None = None
    fewest: int | None = None
    findings: dict[str, NDArray[np.int8]] | None = None
    refused: dict[str, str] | None = None
    fewest_of: dict[str, int] | None = None

    @cached_property
    def by_name(self) -> dict[str, TaskSplit]:
        """The splits by name."""
        return {split.name: split for split in self.splits}

    @cached_property
    def comparable(self) -> str:
        """Equal for two machines whose predictions may be compared: same task digest, same splits."""
        return provenance.digest([self.digest, [split.digest for split in self.splits]])

    @cached_property
    def tested(self) -> NDArray[np.intp]:
        """Positions of the cases that stand in a test part: all of them where every case is held out once."""
        return np.unique(np.concatenate([np.arange(0), *(split.test for split in self.splits)])).astype(np.intp)

    def expected(self, *, stochastic: bool) -> tuple[TaskSplit, ...]:
        """The splits that a method runs: a deterministic method runs once where seeds change the training only."""
        first = tuple(split for split in self.splits if split.seed == self.splits[0].seed)
        seeds_repeat_the_cut = set(self.first_with_test.values()) <= {split.name for split in first}
        return first if seeds_repeat_the_cut and not stochastic else self.splits

    @cached_property
    def first_with_test(self) -> dict[str, str]:
        """Split -> the first split with the same test part: where a method that the seed does not change ran once."""
        firsts: dict[bytes, str] = {}
        return {split.name: firsts.setdefault(split.test.tobytes(), split.name) for split in self.splits}

    def frame(self) -> pd.DataFrame:
        """One row per split and test case, in split order: split, seed, site, case, label, and group where groups bind."""
        sizes = [len(split.test) for split in self.splits]
        rows = np.concatenate([split.test for split in self.splits]) if self.splits else np.arange(0)
        codes = np.repeat(np.arange(len(self.splits)), sizes)
        frame = pd.DataFrame(
            {
                "split": pd.Categorical.from_codes(codes, categories=pd.Index([split.name for split in self.splits])),
                "seed": np.repeat([split.seed for split in self.splits], sizes),
                "site": np.repeat(np.array([split.site for split in self.splits], dtype=object), sizes),
                "case": pd.Categorical.from_codes(rows, categories=pd.Index(self.case_ids.tolist())),
                "label": self.labels[rows],
            }
        )
        return frame if self.groups is None else frame.assign(group=self.groups[rows])


def make_task(cohort: Cohort, protocol: str, splits: list[Split]) -> Task:
    """The task of a cohort under a protocol."""
    if cohort.labels is None:
        raise ValueError(f"{cohort.name} has no labels")
    findings = None if cohort.findings is None else {str(name): column.to_numpy() for name, column in cohort.findings.items()}
    few = {name: count for name, shown in (findings or {}).items() if (count := _fewest(shown, splits)) is not None}
    parts = tuple(
        TaskSplit(split.name, split.seed, split.site or "", split.test, digest(split, cohort.task_digest)) for split in splits
    )
    return Task(
        cohort.name,
        protocol,
        cohort.task_digest,
        cohort.case_ids,
        cohort.labels,
        cohort.sites,
        parts,
        dict(cohort.facts),
        cohort.absent,
        cohort.columns,
        binding_groups(cohort),
        _fewest(cohort.labels, splits),
        findings,
        fewest_of=few or None,
    )


def _fewest(labels: NDArray[np.int8], splits: Sequence[Split]) -> int | None:
    counts = [int(np.bincount(labels[split.train], minlength=2).min()) for split in splits]
    return min(filter(lambda count: count < FEW, counts), default=None)


def digest(split: Split, task_digest: str) -> str:
    """Digest of a split: the task's digest, the split's name and seed, and the index of every part, the pool's included.

    Cases without label enter where there are some, so that no other split's digest changes by them.
    """
    parts = (split.train, split.validation, split.test, split.pool, *([split.unlabelled] if len(split.unlabelled) else []))
    return provenance.digest(
        [task_digest, split.name, split.seed, *(sha256(part.astype("<i8").tobytes()).hexdigest() for part in parts)]
    )


def write_task(task: Task, path: Path) -> None:
    """Store a task as JSON with its digest; an equal file is left alone."""
    fields = {name: value for name, value in asdict(task).items() if name not in LATER or value is not None}
    content = json.dumps(fields, default=np.ndarray.tolist, separators=(",", ":"), ensure_ascii=False)
    write_if_changed(path, with_digest(f"{content}\n".encode()))


def read_task(path: Path) -> Task | None:
    """A stored task, or None where there is none. Raises `StoreError` for a file that is not one."""
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(without_digest(path.read_bytes()))
        splits = tuple(
            TaskSplit(**{**split, "test": np.array(split["test"], dtype=np.intp)}) for split in content.pop("splits")
        )
        types = {"case_ids": np.str_, "labels": np.int8, "sites": np.str_, "groups": np.str_}
        arrays: dict[str, Any] = {
            name: np.array(content[name], dtype) for name, dtype in types.items() if content.get(name) is not None
        }
        if content.get("findings") is not None:
            arrays["findings"] = {name: np.array(column, np.int8) for name, column in content["findings"].items()}
        return Task(**{**content, **arrays, "splits": splits, "columns": tuple(content.get("columns", ()))})
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is not a task file ({error}): restore it with git, or delete it and run again") from error
