"""How a configuration is spelled: `name[a=1,b=2]`, keys sorted."""

import ast
from collections.abc import Mapping
from typing import Any

from benchmark.system.errors import BenchmarkError

TUNED = "tuned"
DEFAULT_BUDGET = "tpe-20"
"""`method[tuned=SAMPLER-TRIALS]`: the values that are not given are searched; `method[tuned]` with this budget."""


def parse_spelling(spelled: str) -> tuple[str, dict[str, Any]]:
    """`name[a=1,b=two]` -> ("name", {"a": 1, "b": "two"}); values are Python literals where they read as such.

    A value may be a spelling itself: `name[text_encoder=other[weights=/x,layers=4]]`.
    """
    name, bracket, rest = spelled.partition("[")
    if not bracket:
        return spelled, {}
    if not rest.endswith("]"):
        raise BenchmarkError(f"'{spelled}' lacks its closing bracket: write name[a=1,b=2]")
    parameters: dict[str, Any] = {}
    for part in filter(None, divided(rest[:-1], whole=spelled)):
        key, equals, value = part.partition("=") if part.strip() != TUNED else (TUNED, "=", DEFAULT_BUDGET)
        if not equals or not key.strip():
            raise BenchmarkError(f"'{spelled}': '{part}' is not key=value: write name[a=1,b=2]")
        if key.strip() in parameters:
            raise BenchmarkError(f"'{spelled}' gives '{key.strip()}' twice")
        parameters[key.strip()] = _literal(value.strip())
    return name, parameters


def spell(name: str, parameters: Mapping[str, Any]) -> str:
    """The canonical spelling `name[a=1,b=2]`, keys sorted; the plain name where there are no parameters."""
    if not parameters:
        return name
    items = sorted(parameters.items())
    parts = (key if (key, value) == (TUNED, DEFAULT_BUDGET) else f"{key}={value}" for key, value in items)
    return f"{name}[{','.join(parts)}]"


def divided(text: str, separator: str = ",", whole: str = "") -> list[str]:
    """The parts between separators, but for those within brackets; an error names `whole`, of which the text is a part."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise BenchmarkError(f"'{whole or text}': its brackets do not match: write name[a=other[b=1],c=2]")
    return parts


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.capitalize() if text.lower() in ("true", "false", "none") else text)
    except (ValueError, SyntaxError):
        return text
