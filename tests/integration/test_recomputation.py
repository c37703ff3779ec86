"""docs/recomputation.md agrees with the published predictions: the new AUC of each row, and its nearly constant cells."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.cells.rows import Row, gathered
from benchmark.cells.task import Task
from benchmark.registry.discovery import discover
from benchmark.suites.suite import load_suite, suite_names
from benchmark.system.locations import ROOT

PROTOCOLS = {"leaving": "leave-one-site-out", "one rep": "repeated-cv[repeats=1]", "sensitivity": "repeated-cv[repeats=1]"}
"""By how the title of a table goes on after the dataset; `repeated-cv` otherwise."""
SECTION = re.compile(r"^### (\S+), (.*?)\n(.*?)(?=^### |\Z)", flags=re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(.*?)` \| .*? \| (.*?) \| .*? \| .*? \| (.*?) \| .* ?\|$", flags=re.MULTILINE)
"""A row's name, its new AUC and how many of its cells are nearly constant."""


def sections() -> list[tuple[str, str, str]]:
    """Dataset, title after it, and text of each of the page's tables."""
    return SECTION.findall((ROOT / "docs" / "recomputation.md").read_text(encoding="utf-8"))


def figures(task: Task, row: Row) -> tuple[str, str]:
    """The mean AUC over a row's cells, and how many of them have probabilities of an SD below .1, as the page writes them."""
    labels, narrow, areas = np.asarray(task.labels), 0, []
    for split in task.splits:
        if split.name in row.probabilities:
            areas.append(roc_auc_score(labels[split.test], row.probabilities[split.name]))
            narrow += row.probabilities[split.name].std() < 0.1
    return f"{np.mean(areas):.3f}".replace("0.", "."), f"{narrow} of {len(areas)}"


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "title", "text"), [pytest.param(*found, id=", ".join(found[:2])) for found in sections()])
def test_the_page_of_the_recomputation_says_what_is_published(dataset: str, title: str, text: str):
    protocol = next((PROTOCOLS[start] for start in PROTOCOLS if title.startswith(start)), "repeated-cv")
    said = {name: (after, narrow) for name, after, narrow in ROW.findall(text)}
    assert len(said) == text.count("\n| `")
    catalogue, published = discover(), {}
    for suite in map(load_suite, suite_names()):
        wanted = (said.keys() - published.keys()) & set(suite.methods)
        if wanted and dataset in suite.datasets:
            rows = gathered(suite, catalogue, dataset, protocol, local=False)
            published |= {row.method: figures(rows.task, row) for row in rows.complete if row.method in wanted} if rows else {}
    assert said == {name: published.get(name) for name in said}
