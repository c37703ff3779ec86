"""Answers in words to the questions that a suite names in advance; a difference in favour of `a` has the sign +."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.leaderboard.contrasts import Asked
from benchmark.leaderboard.standings import Standings
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.multiplicity import ALPHA, POWER
from benchmark.statistics.sites import MIN_SITES
from benchmark.suites.questions import Question

BETTER, WORSE, OPEN, UNTESTED = "yes", "no: the reverse", "not shown", "not tested"
"""What the test of one contrast says of "a is better than b"."""
INAPPLICABLE = "does not apply"
NUMBERS = ("difference", "low", "high", "p", "p_adjusted", "detectable", "identical", "degenerate", "near_chance")
"""What is taken of a contrast from `Comparison.families`."""
NEAR_CHANCE = "neither AUC is shown to be above .5"
MOST_NAMED = 8


@dataclass(frozen=True, eq=False)
class Answer:
    """A question with its answer at one table.

    `contrasts` has a line for each contrast that applies: a, b, `NUMBERS` (difference = a - b; NaN where nothing is tested),
    `favour`, `favour_low` and `favour_high` (the same, turned so that + is in favour of a), and `call`: `BETTER`, `WORSE`,
    `OPEN` or `UNTESTED`. `tested` says whether any is tested.
    """

    ask: str
    family: str
    named: str
    exploratory: bool
    verdict: str
    contrasts: pd.DataFrame
    tested: bool

    @property
    def origin(self) -> str:
        """Who named it, and that it was written after results were seen, where it was."""
        return f"named by {self.named}" + ("; written after results were seen: exploratory" if self.exploratory else "")


def answers(table: Standings) -> list[Answer]:
    """The answers of a table, in the order of its suite's questions."""
    return [_answer(table, each) for each in table.asked]


def _answer(table: Standings, asked: Asked) -> Answer:
    question, contrasts = asked.question, _contrasts(table, asked)
    tested = bool((contrasts["call"] != UNTESTED).any())
    verdict = _verdict(table, question, contrasts) if tested else _untested(table, asked)
    return Answer(question.ask, question.family, question.named, question.exploratory, verdict, contrasts, tested)


def _contrasts(table: Standings, asked: Asked) -> pd.DataFrame:
    """The contrasts of a question as `Answer.contrasts` has them."""
    families = {} if table.comparison is None else table.comparison.families
    known = families.get(asked.question.family, pd.DataFrame(columns=["a", "b", *NUMBERS]))
    found = pd.DataFrame(list(asked.contrasts), columns=["a", "b"], dtype=object)
    return judged(found.merge(known[["a", "b", *NUMBERS]], on=["a", "b"], how="left"), table.metric)


def judged(found: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Contrasts with what `Answer.contrasts` adds: the differences turned in favour of a, and the call."""
    turned = metric in LOWER_IS_BETTER
    sign, low, high = (-1.0, "high", "low") if turned else (1.0, "low", "high")
    favour = sign * found["difference"].astype(float)
    called = found["p_adjusted"].astype(float) < ALPHA
    call = np.select([called & (favour > 0), called, found["p_adjusted"].notna()], [BETTER, WORSE, OPEN], UNTESTED)
    return found.assign(favour=favour, favour_low=sign * found[low], favour_high=sign * found[high], call=call)


def _untested(table: Standings, asked: Asked) -> str:
    """Why none of a question's contrasts is tested."""
    if not asked.contrasts:
        return INAPPLICABLE
    if barred := _barred(table):
        return barred
    if asked.waits_for:
        return f"waits for {some([f'`{name}`' for name in asked.waits_for])}"
    failed = [f"`{name}`" for name in asked.failed if any(name in pair for pair in asked.contrasts)]
    if failed:
        return f"not tested here: cells of {some(failed)} failed"
    return why_untested(table)


def why_untested(table: Standings) -> str:
    """Why a pair of complete rows is not tested at a table."""
    if barred := _barred(table):
        return barred
    if table.interim:
        return "waits until every ranked row is complete"
    return "not tested here: the metric or its variance is undefined"


def _barred(table: Standings) -> str:
    """Why nothing is ever tested at a table; nothing where something can be."""
    if table.rows.descriptive:
        return f"not tested here: {table.rows.descriptive}"
    sites = None if table.comparison is None else table.comparison.counted_sites
    if sites is not None and sites < MIN_SITES:
        return f"not tested here: fewer than {MIN_SITES} sites"
    if not table.rows.inference:
        return f"not tested here: `{table.task.protocol}` is descriptive"
    return ""


def _verdict(table: Standings, question: Question, contrasts: pd.DataFrame) -> str:
    several = len(question.contrasts) > 1
    verdict = _counted(question, contrasts) if several else one_contrast(contrasts.to_dict("records")[0])
    return verdict + (" (conditional on the trained models)" if table.rows.inference == "held-out" else "")


def one_contrast(pair: Mapping[Any, Any]) -> str:
    """The answer to one contrast, a line of `Answer.contrasts`."""
    if pair["call"] == UNTESTED:
        return UNTESTED
    if pair["call"] == OPEN and pair["degenerate"]:
        return f"{OPEN}: {'identical predictions, the same run' if pair['identical'] else 'no difference in any part'}"
    estimate = signed(pair["favour"]) + interval(pair["favour_low"], pair["favour_high"])
    if pair["call"] == OPEN:
        why = NEAR_CHANCE if pair["near_chance"] else _power(pair["detectable"])
        return f"{OPEN}: {estimate}; {why}"
    return f"{pair['call']}{',' if pair['call'] == WORSE else ':'} {estimate}"


def _counted(question: Question, contrasts: pd.DataFrame) -> str:
    """The answer to several contrasts: how many are better and worse, by how much, and what the others may have missed."""
    than = " than" if len(question.a) == 1 else ":"
    ordered = contrasts.sort_values("favour", ascending=False, kind="stable")
    better, worse, unshown, untested = (ordered[ordered["call"] == call] for call in (BETTER, WORSE, OPEN, UNTESTED))
    parts = [f"better{than} {len(better) or 'none'} of {len(contrasts)}{_sizes(question, better)}"]
    if len(worse):
        parts.append(f"worse{than} {len(worse)}{_sizes(question, worse[::-1])}")
    if len(unshown):
        parts.append(f"{'the others not' if len(unshown) < len(contrasts) else 'no difference'} shown{_missed(unshown)}")
    if len(untested):
        parts.append(f"{len(untested)} not tested")
    return "; ".join(parts)


def _missed(unshown: pd.DataFrame) -> str:
    """The difference that each of the contrasts would have shown, or why there is none."""
    silent = unshown["near_chance"].astype(bool)
    able = unshown[~unshown["degenerate"].astype(bool) & ~silent]
    if len(able):
        but = f", but for {int(silent.sum())} of them: {NEAR_CHANCE} there" if silent.any() else ""
        return f": {_power(able['detectable'].max())}{but}"
    return f": {NEAR_CHANCE}" if silent.all() else ""


def _sizes(question: Question, contrasts: pd.DataFrame) -> str:
    """The contrasts that a count is about, each by the row that varies and its difference."""
    sides = [side for side, rows in (("a", question.a), ("b", question.b)) if len(rows) > 1]
    pairs = contrasts.to_dict("records")
    words = [" over ".join(f"`{pair[side]}`" for side in sides) + f" {signed(pair['favour'])}" for pair in pairs]
    return f" ({some(words)})" if words else ""


def _power(detectable: float) -> str:
    return f"a difference of {short(detectable)} would have been found (probability {POWER:.1g})".replace("0.", ".")


def some(words: Sequence[str]) -> str:
    """The first few words, and how many more there are."""
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(words[:MOST_NAMED]) + more


def signed(value: float) -> str:
    """`+.031`: three decimals with the sign, without the leading zero."""
    return f"{value + 0.0:+.3f}".replace("0.", ".", 1)


def short(value: float) -> str:
    """`.031`: likewise without the sign +."""
    return signed(value).removeprefix("+")


def interval(low: float, high: float) -> str:
    """` (.010 to .052)`; nothing where it is undefined."""
    return f" ({short(low)} to {short(high)})" if np.isfinite(low) and np.isfinite(high) else ""
