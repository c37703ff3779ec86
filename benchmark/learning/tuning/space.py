"""Search spaces: what a method's `search_space()` says, checked, and a method configured with values out of it.

A space is made of plain values, so that a method's file needs no import for it:

    def search_space(self):
        return {"layers": [1, 2, 3], "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}

A list holds the values to choose from; a range has `low` and `high`, both included, and may be `log`; it holds whole numbers
where both ends are whole. A name is a field of the method, or `estimator.NAME` for a parameter of the scikit-learn estimator
that an `EstimatorMethod` returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from math import isfinite, prod
from typing import Any, cast

import numpy as np

from benchmark.learning.method import Method
from benchmark.registry.cards import MethodCard
from benchmark.registry.catalogue import ConfiguredMethod
from benchmark.registry.entries import Entry
from benchmark.system.errors import BenchmarkError, UnknownNameError

ESTIMATOR = "estimator."


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, whole ones where both are whole; even on the logarithm's scale if `log`."""

    low: float
    high: float
    log: bool = False


Domain = tuple[Any, ...] | Range
Space = Mapping[str, Domain]


def read_space(configured: ConfiguredMethod) -> dict[str, Domain]:
    """What is searched of a method: its `search_space()` but for the fields that are given.

    Raises `BenchmarkError` where it has none, where nothing is left to search, or where it names what cannot be searched.
    """
    entry, fixed = configured.entry, configured.fixed
    method = entry.make(fixed)
    if not hasattr(method, "search_space"):
        raise BenchmarkError(f"{entry.name} has no search_space(): let its class return field -> values to try")
    space = method.search_space()
    if not isinstance(space, Mapping):
        raise BenchmarkError(f"search_space() of {entry.name} gave a {type(space).__name__}: it must return field -> values")
    searched = {str(name): domain for name, domain in space.items() if name not in fixed}
    if not searched:
        raise BenchmarkError(f"nothing of {entry.name} is left to search: every field of its search_space() is given")
    for name in searched:
        _check_name(name, entry, method)
    return {name: _domain(f"'{name}' of {entry.name}'s search_space()", searched[name]) for name in sorted(searched)}


def _check_name(name: str, entry: Entry[MethodCard], method: Any) -> None:
    """Raises `BenchmarkError` for what is no field, and for a field that decides which data the method sees."""
    kind = f"field in search_space() of {entry.name}"
    if name.startswith(ESTIMATOR):
        if not callable(getattr(method, "estimator", None)):
            raise BenchmarkError(f"'{name}' in search_space(): {entry.name} is no EstimatorMethod")
        known = {ESTIMATOR + parameter for parameter in method.estimator(0).get_params()}
    else:
        known = {item.name for item in fields(method) if item.init} if is_dataclass(method) else set()
    if name not in known:
        raise UnknownNameError(kind, name, known)
    if name.endswith("_encoder") or any(entry.card.variants.get(name, {}).values()):
        raise BenchmarkError(f"{kind} '{name}' decides which data the method sees: tune each of its variants instead")


def _domain(name: str, values: Any) -> Domain:
    if isinstance(values, Mapping):
        return _range(name, values)
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise BenchmarkError(f"{name} is {values!r}: give a list of values, or low and high")
    for value in values:
        if not (value is None or type(value) in (bool, int, str) or (type(value) is float and isfinite(value))):
            raise BenchmarkError(f"{name} holds {value!r}: values are numbers, strings, True, False or None")
    if len({repr(value) for value in values}) < len(values):
        raise BenchmarkError(f"{name} names a value twice: {list(values)}")
    return tuple(values)


def _range(name: str, values: Mapping[str, Any]) -> Range:
    for key in values:
        if key not in ("low", "high", "log"):
            raise UnknownNameError(f"key of {name}:", str(key), ("low", "high", "log"))
    low, high, log = values.get("low"), values.get("high"), values.get("log", False)
    if any(type(end) not in (int, float) or not isfinite(float(end or 0)) for end in (low, high)) or type(log) is not bool:
        raise BenchmarkError(f"{name} is {dict(values)}: low and high are numbers, log is True or False")
    assert low is not None and high is not None
    if low >= high or (log and low <= 0):
        raise BenchmarkError(f"{name} runs from {low} to {high}: low must lie below high, and above 0 where log is True")
    return Range(low, high, log)


def plain(space: Space) -> dict[str, Any]:
    """The space as JSON has it."""
    return {name: asdict(domain) if isinstance(domain, Range) else list(domain) for name, domain in space.items()}


def grid_size(space: Space, method: str) -> int:
    """How many points the grid has. Raises `BenchmarkError` for a range, which has no grid."""
    for name, domain in space.items():
        if isinstance(domain, Range):
            raise BenchmarkError(
                f"'{name}' of {method}'s search_space() is a range, which has no grid: search by tpe or random"
            )
    return prod(len(domain) for domain in space.values() if not isinstance(domain, Range))


def grid_point(space: Space, most: int, seed: int, place: int) -> dict[str, Any]:
    """The point at a place of the grid, in order; of a larger grid than `most`, of `most` points drawn evenly by the seed."""
    lists = {name: domain for name, domain in space.items() if not isinstance(domain, Range)}
    shape = [len(values) for values in lists.values()]
    size = prod(shape)
    row = place if size <= most else int(np.random.default_rng(seed).choice(size, most, replace=False)[place])
    return {name: values[int(i)] for (name, values), i in zip(lists.items(), np.unravel_index(row, shape), strict=True)}


def with_values(configured: ConfiguredMethod, values: Mapping[str, Any]) -> Method:
    """A fresh method with the fields that are given and the values chosen."""
    inner = {name.removeprefix(ESTIMATOR): value for name, value in values.items() if name.startswith(ESTIMATOR)}
    own = {name: value for name, value in values.items() if not name.startswith(ESTIMATOR)}
    method = configured.entry.make({**configured.fixed, **own})
    if inner:
        plain_estimator = method.estimator
        method.estimator = lambda seed: plain_estimator(seed).set_params(**inner)
    return cast(Method, method)
