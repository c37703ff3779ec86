"""Methods ranked over blocks that share no patient: the sites of a table, or several datasets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.leaderboard.standings import Standings
from benchmark.statistics.arrays import Floats
from benchmark.statistics.blocks import MIN_BLOCKS, BlockTest, block_test
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.sites import MIN_SITES


@dataclass(frozen=True, eq=False)
class Blocks:
    """Methods and their mean ranks, best first."""

    ranks: dict[str, float]
    test: BlockTest


def over_sites(table: Standings) -> Blocks | None:
    """The ranked rows over the held-out sites that are not small; None where no site is held out or too few are."""
    comparison = table.comparison
    if comparison is None or comparison.per_site is None or table.interim:
        return None
    counted = comparison.per_site[~comparison.per_site["small"].astype(bool)]
    if len(counted) < MIN_SITES:
        return None
    return _tested(table.ranked, counted[table.ranked].to_numpy(float), table.metric)


def over_datasets(tables: Sequence[Standings], protocol: str) -> tuple[Blocks | None, list[str]]:
    """The rows that are complete and ranked in all datasets that share no patient, and the names of these datasets.

    Datasets share a patient where one source gives both a case of the same id.
    """
    disjoint = list(_disjoint([table for table in tables if table.task.protocol == protocol and table.ranked]))
    names = [table.task.dataset for table in disjoint]
    if len(disjoint) < MIN_BLOCKS or any(table.interim for table in disjoint):
        return None, names
    shared = [name for name in disjoint[0].ranked if all(name in table.ranked for table in disjoint)]
    means = [table.comparison.metrics.loc[shared, table.metric] for table in disjoint if table.comparison is not None]
    return _tested(shared, np.array(means, dtype=np.float64), disjoint[0].metric), names


def _disjoint(tables: Sequence[Standings]) -> Iterator[Standings]:
    """The tables in order, without those that share a case with one before: two labels of one cohort are one block."""
    seen: set[tuple[str, str]] = set()
    for table in tables:
        source = table.rows.dataset.card.source
        cases = {(source, case) for case in table.task.case_ids.tolist()}
        if not cases & seen:
            yield table
        seen |= cases


def _tested(methods: list[str], scores: Floats, metric: str) -> Blocks | None:
    """The test of `scores`, a row per block; None with too few blocks or methods, or where a score is undefined."""
    if len(scores) < MIN_BLOCKS or len(methods) < 2 or np.isnan(scores).any():
        return None
    test = block_test(-scores if metric in LOWER_IS_BETTER else scores)
    ranks = sorted(zip(methods, test.ranks.tolist(), strict=True), key=lambda item: item[1])
    return Blocks(dict(ranks), test)
