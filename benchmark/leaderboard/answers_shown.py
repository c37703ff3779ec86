"""How answers are shown: as sentences grouped by who asked, as a table of their contrasts, as Markdown and as JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.leaderboard.answers import INAPPLICABLE, UNTESTED, Answer, answers, interval, signed
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import folded, grid, p_value

FEW = 2
HEAD = ("family", "a", "b", "difference, + in favour of a (95 % CI)", "p", "p in its family", "a better than b?")


def sentences(answered: Sequence[Answer]) -> dict[str, list[str]]:
    """Who named the questions -> a sentence for each that is tested, and one for all that are not for the same reason.

    Such questions are counted where they are more than `FEW`.
    """
    origins = dict.fromkeys(answer.origin for answer in answered)
    return {origin: _sentences([answer for answer in answered if answer.origin == origin]) for origin in origins}


def _sentences(answered: Sequence[Answer]) -> list[str]:
    waiting: dict[str, list[str]] = {}
    for answer in answered:
        if not answer.tested:
            waiting.setdefault(answer.verdict, []).append(f"*{answer.ask}*")
    tested = [f"*{answer.ask}* {answer.verdict}." for answer in answered if answer.tested]
    return [*tested, *(_together(asks, verdict) for verdict, asks in waiting.items())]


def _together(asks: Sequence[str], verdict: str) -> str:
    """One sentence for questions that are open for one reason."""
    if len(asks) <= FEW:
        return f"{' '.join(asks)} {verdict}."
    return f"{len(asks)} questions do not apply." if verdict == INAPPLICABLE else f"{len(asks)} questions: {verdict}."


def contrast_rows(answered: Sequence[Answer]) -> list[list[str]]:
    """The tested contrasts, below `HEAD`."""
    return [
        [
            answer.family,
            f"`{pair['a']}`",
            f"`{pair['b']}`",
            signed(pair["favour"]) + interval(pair["favour_low"], pair["favour_high"]),
            p_value(pair["p"]),
            p_value(pair["p_adjusted"]),
            pair["call"],
        ]
        for answer in answered
        for pair in answer.contrasts.to_dict("records")
        if pair["call"] != UNTESTED
    ]


def as_markdown(answered: Sequence[Answer], *, contrasts: bool = True) -> str:
    """The sentences as lists, the `contrasts` folded away; nothing where nothing is asked."""
    lists = [
        "\n".join([f"**Questions** {origin}:", "", *(f"- {sentence}" for sentence in said)])
        for origin, said in sentences(answered).items()
    ]
    rows = contrast_rows(answered) if contrasts else []
    each = [folded(f"Each contrast of these questions ({len(rows)})", grid(HEAD, rows))] if rows else []
    return "\n\n".join([*lists, *each])


def as_records(table: Standings) -> list[dict[str, Any]]:
    """The documented JSON: a record for each contrast; one without rows for a question that does not apply."""
    inflation = None if table.comparison is None else table.comparison.question_inflation
    return [
        {
            "ask": answer.ask,
            "family": answer.family,
            "named": answer.named,
            "exploratory": answer.exploratory,
            "inflation": _number(inflation),
            "a": pair.get("a"),
            "b": pair.get("b"),
            "difference": _number(pair.get("difference")),
            "ci": _ci(pair.get("low"), pair.get("high")),
            "p": _number(pair.get("p")),
            "p_adjusted": _number(pair.get("p_adjusted")),
            "answer": answer.verdict,
        }
        for answer in answers(table)
        for pair in answer.contrasts.to_dict("records") or [{}]
    ]


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _ci(low: Any, high: Any) -> list[float] | None:
    bounds = [bound for bound in map(_number, (low, high)) if bound is not None]
    return bounds if len(bounds) == 2 else None
