"""Questions of a suite: contrasts between ranked rows that are named in advance, and answered in words."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from benchmark.system.errors import BenchmarkError, check_known

Contrast = tuple[str, str]
EVERY_OTHER = "*"
"""Stands for every ranked row of the suite but those on the question's other side."""


@dataclass(frozen=True)
class Question:
    """Whether each row of `a` is better than each row of `b`.

    `ask` is the question in words, `named` says who named it and when. Questions of one `family` are adjusted together;
    `exploratory` ones were written after results were seen.
    """

    ask: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    named: str
    family: str = "questions"
    exploratory: bool = False

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """All pairs of a row of `a` with a row of `b`."""
        return tuple(product(self.a, self.b))


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Have an error's message begin with the place that is wrong."""
    try:
        yield
    except BenchmarkError as error:
        raise BenchmarkError(f"{place}: {error}") from error


def read_questions(field_name: str, value: Any) -> tuple[Question, ...]:
    """The tables `[[questions]]` of a suite file. Raises `BenchmarkError` with the question and the field that is wrong."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BenchmarkError(f"field '{field_name}' must be a list of tables: write [[{field_name}]]")
    return tuple(_question(number, content) for number, content in enumerate(value, 1))


def _question(number: int, content: Mapping[str, Any]) -> Question:
    with naming(f"question {number} ({content.get('ask', 'without ask')!r})"):
        check_known("field", content, {item.name for item in fields(Question)})
        for name in ("ask", "a", "b", "named"):
            if name not in content:
                raise BenchmarkError(f"field '{name}' is missing")
        return Question(**{name: READERS[name](name, value) for name, value in content.items()})


def _words(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BenchmarkError(f"field '{name}' must be words, not {value!r}")
    return " ".join(value.split())


def _rows(name: str, value: Any) -> tuple[str, ...]:
    rows = [value] if isinstance(value, str) else value
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) for row in rows):
        raise BenchmarkError(f"field '{name}' must be a row or a list of rows, not {value!r}")
    return tuple(rows)


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BenchmarkError(f"field '{name}' must be true or false, not {value!r}")
    return value


READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "ask": _words,
    "a": _rows,
    "b": _rows,
    "named": _words,
    "family": _words,
    "exploratory": _yes_or_no,
}
"""How the fields of a question are read."""


def validated_questions(
    questions: Sequence[Question], canonical: Callable[[str], str], ranked: Collection[str], descriptive: Collection[str]
) -> tuple[Question, ...]:
    """The questions with every row in its one spelling, and in place of `EVERY_OTHER` the rows that it stands for.

    Raises `BenchmarkError` for a row that is unknown or not ranked, for a row against itself, and for a contrast that a family
    asks twice.
    """

    def row(spelled: str) -> str:
        name = canonical(spelled)
        if name not in ranked:
            state = "descriptive" if name in descriptive else "not in the suite"
            raise BenchmarkError(f"row '{spelled}' is {state}: questions are about ranked rows")
        return name

    def side(spelled: tuple[str, ...], opposite: tuple[str, ...]) -> tuple[str, ...]:
        if spelled != (EVERY_OTHER,):
            return tuple(map(row, spelled))
        excepted = set(map(row, opposite))
        return tuple(name for name in ranked if name not in excepted)

    found, asked = [], set[tuple[str, frozenset[str]]]()
    for question in questions:
        with naming(f"question '{question.ask}'"):
            spelled = replace(question, a=side(question.a, question.b), b=side(question.b, question.a))
            for a, b in spelled.contrasts:
                if a == b:
                    raise BenchmarkError(f"row '{a}' stands on both sides")
                if (contrast := (spelled.family, frozenset((a, b)))) in asked:
                    raise BenchmarkError(f"'{a}' against '{b}' is asked twice in family '{spelled.family}'")
                asked.add(contrast)
        found.append(spelled)
    return tuple(found)
