"""A suite's questions at one table: which of their contrasts apply there, and what they still wait for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.cells.rows import TableRows
from benchmark.suites.questions import Contrast, Question


@dataclass(frozen=True)
class Asked:
    """A question at a table.

    `contrasts` are those whose rows both apply there; `waits_for` are the rows of its whole family that are still to be
    computed, `failed` those that were tried and have failed cells: their contrasts are not tested, and hold up no other.
    """

    question: Question
    contrasts: tuple[Contrast, ...]
    waits_for: tuple[str, ...]
    failed: tuple[str, ...]


def asked(questions: Sequence[Question], rows: TableRows) -> tuple[Asked, ...]:
    """The questions at a table. No contrast is tested before every row of its family is complete: no optional stopping."""
    absent = {method for method, _ in rows.not_applicable}
    failed = [row.method for row in rows.incomplete if not row.in_progress]
    known = {row.method for row in rows.complete}.union(failed)
    applying = [tuple(pair for pair in question.contrasts if absent.isdisjoint(pair)) for question in questions]
    missing: dict[str, dict[str, None]] = {}
    for question, contrasts in zip(questions, applying, strict=True):
        waiting = missing.setdefault(question.family, {})
        waiting.update(dict.fromkeys(row for pair in contrasts for row in pair if row not in known))
    return tuple(
        Asked(question, contrasts, tuple(missing[question.family]), tuple(failed))
        for question, contrasts in zip(questions, applying, strict=True)
    )


def families(questions: Iterable[Asked]) -> dict[str, list[Contrast]]:
    """Family -> its contrasts, of the families that can be tested."""
    found: dict[str, list[Contrast]] = {}
    for each in questions:
        tested = [pair for pair in each.contrasts if not set(pair) & set(each.failed)]
        if tested and not each.waits_for:
            found.setdefault(each.question.family, []).extend(tested)
    return found
