"""What a search may spend: `tpe-20`, or `grid-50-600s` with a limit of its time."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmark.registry.spelling import TUNED, parse_spelling
from benchmark.system.errors import BenchmarkError

SAMPLERS = ("grid", "tpe", "random")
_SPELLED = re.compile(rf"({'|'.join(SAMPLERS)})-(\d{{1,6}})(?:-(\d{{1,7}})s)?")


@dataclass(frozen=True)
class Budget:
    """Who proposes the trials of a search, how many there are, and the seconds after which no further one begins, if any."""

    sampler: str
    trials: int
    seconds: int | None = None

    def __post_init__(self) -> None:
        """Raises `BenchmarkError` where there is nothing to spend."""
        for amount, unit in ((self.trials, "trials"), (self.seconds, "seconds")):
            if amount is not None and amount < 1:
                raise BenchmarkError(f"a search of {amount} {unit}: give 1 or more")

    def __str__(self) -> str:
        """As it is spelled."""
        return f"{self.sampler}-{self.trials}" + ("" if self.seconds is None else f"-{self.seconds}s")

    @property
    def fits(self) -> int:
        """How many times a tuned cell fits the method at most: every trial, and then with the values chosen."""
        return self.trials + 1


def read_budget(spelled: Any) -> Budget:
    """The budget that the value of `tuned` spells. Raises `BenchmarkError`."""
    found = _SPELLED.fullmatch(str(spelled))
    if found is None:
        raise BenchmarkError(
            f"{TUNED}={spelled} is no budget: write {TUNED} alone, or SAMPLER-TRIALS such as {TUNED}=grid-50, with a limit of "
            f"time {TUNED}=tpe-50-600s (samplers: {', '.join(SAMPLERS)})"
        )
    sampler, trials, seconds = found.groups()
    return Budget(sampler, int(trials), None if seconds is None else int(seconds))


def budget_of(method: str) -> Budget | None:
    """The budget of a row's search; None of a row that is not tuned."""
    parameters = parse_spelling(method)[1]
    return read_budget(parameters[TUNED]) if TUNED in parameters else None


def check_equal(suite: str, methods: Iterable[str]) -> None:
    """Tuned rows that are compared have had equally many trials, and equal time. Raises `BenchmarkError` that names two."""
    budgets = {method: budget for method in methods if (budget := budget_of(method)) is not None}
    for (one, mine), (other, theirs) in pairwise(budgets.items()):
        if (mine.trials, mine.seconds) != (theirs.trials, theirs.seconds):
            mend = f"(`clean --suite {suite} --member '{one}'` takes a member of this machine out)"
            raise BenchmarkError(
                f"suite {suite}: {one} ({mine}) and {other} ({theirs}) have different budgets: "
                f"give all tuned rows of a table equally many trials and equal time {mend}"
            )
