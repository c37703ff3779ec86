"""The union of views of a cohort and of its pool: their cases as one view without labels, in one order of cases.

Images and recordings stay on disk: a stack of memory maps is read case by case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features, FeatureSource
from benchmark.data.modalities import known_parts
from benchmark.data.parts import ArrayView, Bools, Floats, Index
from benchmark.data.splits import Split
from benchmark.system.errors import BenchmarkError


class Stack:
    """Arrays one after the other, each multiplied by its factor; only the cases that are asked for are read.

    Arrays of one factor are given as they are stored.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], factors: Sequence[float]) -> None:
        self._arrays, self._factors = arrays, factors
        self._ends = np.cumsum([len(array) for array in arrays])
        self._alike = len(set(factors)) == 1
        self.dtype = np.result_type(*arrays) if self._alike else np.dtype(np.float32)
        self.shape = (int(self._ends[-1]), *arrays[0].shape[1:])
        self.ndim = len(self.shape)

    @property
    def factor(self) -> float:
        """What its values are still to be multiplied by."""
        return self._factors[0] if self._alike else 1.0

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        rows = np.asarray(np.arange(len(self))[index])
        flat = rows.ravel()
        values = np.empty((len(flat), *self.shape[1:]), self.dtype)
        whose = np.searchsorted(self._ends, flat, side="right")
        for number in np.unique(whose):
            array, here = self._arrays[number], whose == number
            taken = array[flat[here] - (self._ends[number] - len(array))]
            values[here] = taken if self._alike else taken * np.float32(self._factors[number])
        return values.reshape(*rows.shape, *self.shape[1:])


def union(views: Sequence[Cohort]) -> Cohort:
    """The cases of all views, without labels, strata and divisions, sorted by id; one of several views is that of the first.

    A case whose view lacks a modality, or an image view, lacks it: `present` says so. Sites are kept where all views have them,
    and groups where any has: a case is its own group where its view names none. Raises `BenchmarkError` for image views or
    features of different shapes.
    """
    first = views[0]
    ids = np.concatenate([view.case_ids for view in views])
    order = np.unique(ids, return_index=True)[1]
    parts: dict[str, Any] = {name: first.parts.get(name) for name, part in known_parts().items() if not part.of_cases}
    for name, part in known_parts().items():
        values = [view.parts.get(name) for view in views]
        if part.of_cases and any(value is not None for value in values):
            parts[name] = _united(name, values, [len(view) for view in views], order)
    return replace(
        first,
        **parts,
        case_ids=ids[order],
        labels=None,
        findings=None,
        sites=None if any(view.sites is None for view in views) else np.concatenate([view.sites for view in views])[order],
        groups=_groups(views, order),
        balanced=None,
        own_folds=None,
        strata=None,
        present=_present(views, order),
        pool=None,
        facts={},
        folder="",
        rows=np.arange(len(order)),
        feature_source=_features_of(views, order),
    )


def hidden(cohort: Cohort, split: Split) -> Cohort:
    """The training cases of a cohort whose label the split hides, without labels and pool."""
    return replace(cohort.take(split.unlabelled).without_labels(), strata=None, pool=None, facts={})


def pooled(cohort: Cohort, split: Split) -> tuple[Cohort, Split]:
    """The cohort whose pool holds all cases without label that the split allows, and the split of it.

    They are those of the dataset's pool and the training cases whose label the split hides.
    """
    if not len(split.unlabelled):
        return cohort, split
    parts = [hidden(cohort, split), *([] if cohort.pool is None else [cohort.pool.take(split.pool)])]
    pool = union(parts)
    return replace(cohort, pool=pool), replace(split, pool=np.arange(len(pool)), unlabelled=np.arange(0))


def _groups(views: Sequence[Cohort], order: Index) -> NDArray[np.str_] | None:
    if all(view.groups is None for view in views):
        return None
    return np.concatenate([view.case_ids if view.groups is None else view.groups for view in views])[order]


def _present(views: Sequence[Cohort], order: Index) -> dict[str, Bools]:
    """Who has what: of each modality and image view that some case lacks."""
    held = [view.modalities | view.images.keys() for view in views]
    names = sorted({*frozenset().union(*held), *(name for view in views for name in view.present)})
    there = {
        name: np.concatenate([view.having(name) & (name in own) for view, own in zip(views, held, strict=True)])[order]
        for name in names
    }
    return {name: flags for name, flags in there.items() if not flags.all()}


def _united(name: str, values: Sequence[Any], sizes: Sequence[int], order: Index) -> Any:
    """The values of a part, one after the other, then in the given order; None stands for a view that lacks the part."""
    known = next(value for value in values if value is not None)
    match known:
        case pd.DataFrame():
            return _frame(values, sizes).iloc[order].reset_index(drop=True)
        case tuple():
            every = [item for value, size in zip(values, sizes, strict=True) for item in (value or ((),) * size)]
            return tuple(every[case] for case in order)
        case Mapping():
            names = dict.fromkeys(key for value in values for key in value or {})
            return {
                key: _united(f"{name} '{key}'", [(value or {}).get(key) for value in values], sizes, order) for key in names
            }
        case ArrayView():
            return _stacked(name, values, sizes, order)
    raise TypeError(f"{name}: no union of values of type {type(known).__name__}")


def _frame(values: Sequence[pd.DataFrame | None], sizes: Sequence[int]) -> pd.DataFrame:
    """The frames one below the other, categories in one sorted set; NaN where a view has no such column."""
    frames = [pd.DataFrame(index=range(size)) if value is None else value for value, size in zip(values, sizes, strict=True)]
    columns: dict[str, Any] = {}
    for column in dict.fromkeys(str(name) for frame in frames for name in frame):
        held = [frame[column] if column in frame else pd.Series(np.nan, index=frame.index) for frame in frames]
        levels = {level for each in held if isinstance(each.dtype, pd.CategoricalDtype) for level in each.cat.categories}
        if levels and any(each.notna().any() for each in held if not isinstance(each.dtype, pd.CategoricalDtype)):
            raise BenchmarkError(f"column '{column}' holds numbers in the cohort and words in the pool, or the other way round")
        everyone = pd.concat([each.astype(object) for each in held], ignore_index=True)
        columns[column] = pd.Categorical(everyone, sorted(levels)) if levels else everyone.astype(np.float64)
    return pd.DataFrame(columns)


def _stacked(name: str, values: Sequence[ArrayView | None], sizes: Sequence[int], order: Index) -> ArrayView:
    """A view of the stacked arrays, of which one that several views share is stacked once."""
    known = [value for value in values if value is not None]
    kinds = dict.fromkeys(value.kind for value in known)
    if len(kinds) > 1:
        shapes = " and ".join(f"{shape} {more}" for shape, more, *_ in kinds)
        raise BenchmarkError(f"{name}: cohort and pool hold {shapes}: bring them to one grid")
    arrays: list[NDArray[Any]] = []
    factors: list[float] = []
    rows: list[Index] = []
    for value, size in zip(values, sizes, strict=True):
        nothing = np.broadcast_to(np.zeros((), known[0].array.dtype), (size, *known[0].shape[1:]))
        array, scale, own = (
            (nothing, known[0].scale, np.arange(size)) if value is None else (value.array, value.scale, value.rows)
        )
        number = next((at for at, other in enumerate(arrays) if other is array and factors[at] == scale), len(arrays))
        if number == len(arrays):
            arrays.append(array)
            factors.append(scale)
        rows.append(own + sum(map(len, arrays[:number])))
    every = np.concatenate(rows)[order]
    if len(arrays) == 1:
        return known[0].at_rows(every)
    stack: Any = Stack(arrays, factors)
    return known[0].over(stack, every, stack.factor)


def _features_of(views: Sequence[Cohort], order: Index) -> FeatureSource | None:
    """Where the features of the union's cases come from: each view's own source."""
    sources = [view.feature_source for view in views]
    if any(source is None for source in sources):
        return None
    whose = np.repeat(np.arange(len(views)), [len(view) for view in views])[order]
    place = np.concatenate([np.arange(len(view)) if view.rows is None else view.rows for view in views])[order]

    def source(modality: str, encoder: str | None, rows: Index | None, *reports: str) -> Features:
        chosen = np.arange(len(order)) if rows is None else np.asarray(rows)
        pieces: list[tuple[Index, Features]] = []
        for number, (view, own) in enumerate(zip(views, sources, strict=True)):
            here = np.flatnonzero(whose[chosen] == number)
            if modality in view.modalities and (len(here) or not len(chosen)):
                assert own is not None
                pieces.append((here, own(modality, encoder, place[chosen[here]], *reports)))
        if not pieces:
            raise BenchmarkError(f"{views[0].name}: none of these cases has a {modality}")
        return _together(views[0].name, modality, pieces, len(chosen))

    return source


def _together(cohort: str, modality: str, pieces: Sequence[tuple[Index, Features]], cases: int) -> Features:
    """Features of so many cases from pieces of them; masked and zero where there is none."""
    every = [piece for _, piece in pieces]
    if len({(piece.tokens.shape[3], piece.pooled.shape[2]) for piece in every}) > 1:
        raise BenchmarkError(f"{cohort}: the features of {modality} of cohort and pool have different widths")
    shares = None if any(piece.lesion_share is None for piece in every) else [piece.lesion_share for piece in every]
    index = [here for here, _ in pieces]

    def spread(arrays: Sequence[Any]) -> Any:
        shape = np.max([array.shape[1:] for array in arrays], axis=0)
        whole = np.zeros((cases, *shape), arrays[0].dtype)
        for here, array in zip(index, arrays, strict=True):
            inside: tuple[Any, ...] = tuple(slice(size) for size in array.shape[1:])
            whole[(here, *inside)] = array
        return whole

    tokens: Floats = spread([piece.tokens for piece in every])
    mask: Bools = spread([piece.mask for piece in every])
    pooled: Floats = spread([piece.pooled for piece in every])
    return Features(tokens, mask, pooled, every[0].grid, None if shares is None else spread(shares))
