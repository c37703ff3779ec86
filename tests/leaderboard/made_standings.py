"""Made rows of a leaderboard: a task of 200 cases, rows of a chosen strength on it, and the table that ranks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.task import Task, TaskSplit
from benchmark.leaderboard.standings import Standings, standings
from benchmark.registry.cards import DatasetCard
from benchmark.registry.entries import Entry
from benchmark.suites.questions import Question

CARD = DatasetCard(
    "made",
    title="Made",
    source="made",
    license="none",
    citation="none",
    label="made",
    label_time="never",
    positive="good outcome",
    negative="poor outcome",
    site="hospital",
    inputs={},
    barred={},
    scope="Made for tests.",
    modalities=set(),
)
INFERENCE = {"repeated-cv": "fold", "leave-one-site-out": "site", "holdout": "held-out", "label-efficiency": "few-labels"}
LABELS = (np.arange(200) % 2).astype(np.int8)


def made_task(protocol: str = "repeated-cv", sites: int = 0) -> Task:
    parts = []
    if protocol == "repeated-cv":
        for seed in (39, 40, 41, 42):
            order = np.random.default_rng(seed).permutation(200)
            parts += [
                TaskSplit(f"seed{seed}-fold{fold}", seed, "", np.sort(order[fold::5]), f"{seed}{fold}") for fold in range(5)
            ]
    else:
        for seed in (39, 40):
            parts += [
                TaskSplit(
                    f"site-{k}-seed{seed}", seed, f"s{k}", np.arange(200)[(np.arange(200) // 2) % sites == k], f"{seed}{k}"
                )
                for k in range(sites)
            ]
    ids = np.array([f"c{k:03d}" for k in range(200)])
    return Task("made", protocol, "d", ids, LABELS, None, tuple(parts), {})


def row(task: Task, name: str, strength: float, *, splits: int | None = None, failed: str = "") -> Row:
    """A row whose scores carry the label with the given strength."""
    noise = np.random.default_rng(sum(name.encode())).normal(size=200)
    p = 1 / (1 + np.exp(-(strength * (2 * LABELS - 1) + noise)))
    names = [split.name for split in task.splits][:splits]
    outcomes = Counter(ok=len(names))
    failures = ()
    if failed:
        rest = [split.name for split in task.splits][len(names) :]
        failures = tuple((split, "failed", failed) for split in rest)
        outcomes["failed"] = len(rest)
    probabilities = {split: p[task.by_name[split].test] for split in names}
    return Row(name, "local", len(task.splits), probabilities, dict.fromkeys(names, 0.5), outcomes, failures)


def table(
    task: Task,
    rows: list[Row],
    descriptive: tuple[str, ...] = (),
    *,
    questions: Sequence[Question] = (),
    not_applicable: tuple[str, ...] = (),
    metric: str = "auc",
) -> Standings:
    entry: Entry[DatasetCard] = Entry("dataset", "made", Path("made.py"), "Made", CARD)
    complete = tuple(item for item in rows if item.complete)
    partial = tuple(item for item in rows if not item.complete)
    ranked = tuple(item.method for item in rows if item.method not in descriptive)
    barred = tuple((name, "made has no image") for name in not_applicable)
    inference = INFERENCE.get(task.protocol.partition("[share=")[0], "")
    return standings(
        TableRows(task, entry, inference, complete, partial, barred, (*ranked, *not_applicable)), metric, questions
    )
