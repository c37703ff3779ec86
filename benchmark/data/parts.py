"""Parts: the attributes of a cohort, and how their values are taken, joined, measured, stored and digested.

A value is an array, a frame, a tuple, a mapping of such, or an object with `len`, `take(index)` and `join(other, order)`.
"""

from __future__ import annotations

import json
import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.columns import read_frame
from benchmark.data.remarks import Remarks
from benchmark.data.words import read_flags, read_labels, read_words

Index = NDArray[np.intp]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

LAST = 70
BLOCK = 256
"""Cases that are digested and stored at a time."""
LARGE = 2**28
"""Bytes of an array on disk that is not left in memory once a block of it was used."""


def take(value: Any, index: Index) -> Any:
    """The value of the cases at `index`, in that order."""
    match value:
        case np.ndarray():
            return value[index]
        case pd.DataFrame():
            return value.iloc[index].reset_index(drop=True)
        case tuple():
            return tuple(value[i] for i in index)
        case Mapping():
            return {name: take(item, index) for name, item in value.items()}
    return value.take(index)


def join(first: Any, second: Any, order: Index) -> Any:
    """The cases of both, one after the other, then in the given order."""
    match first:
        case np.ndarray():
            return np.concatenate([first, second])[order]
        case pd.DataFrame():
            return take(pd.concat([first, second], ignore_index=True), order)
        case tuple():
            return take(first + second, order)
        case Mapping():
            return {name: join(item, second[name], order) for name, item in first.items()}
    return first.join(second, order)


def lengths(name: str, value: Any) -> Iterator[tuple[str, int]]:
    """What has a row for each case, in words, and its number of rows; nothing where there is nothing of any case."""
    if isinstance(value, Mapping):
        return ((f"{name}['{key}']", len(item)) for key, item in value.items())
    return iter([(name, len(value))])


@dataclass(frozen=True, eq=False)
class Part:
    """An attribute of a cohort.

    place : when it enters the content digest. Keys of published results rest on that digest, so the places of what existed
        then never change, and a later part comes last, where it changes no cohort that lacks it. None: it does not enter.
    of_cases : whether it holds something of each case; else it is the whole dataset's, and its pool's too.
    by_name : whether rows choose one of its values by name: what does not use that value does not depend on it.
    beside : the part that must be there too, "" for none.
    empty : what a cohort without it answers; never changed.
    """

    name: str
    place: int | None = LAST
    of_cases: bool = True
    by_name: bool = False
    beside: str = ""
    empty: Mapping[str, Any] | None = None

    def take_in(self, value: Any, remarks: Remarks) -> Any:
        """The value by position, as the engine keeps it, whatever form it came in; what is wrong with it goes to `remarks`.

        None where nothing can be read.
        """
        return value

    def missing(self, value: Any) -> Bools | None:
        """(n,) the cases without anything of this part, where the part shows it by itself; else None."""
        return None

    def write(self, value: Any, folder: Path) -> object:
        """Store it in files of a folder that bear its name; returns what `read` needs, as JSON knows it."""
        path = folder / self.name
        match value:
            case np.ndarray():
                np.save(path.with_suffix(".npy"), value)
            case pd.DataFrame():
                value.reset_index(drop=True).to_parquet(path.with_suffix(".parquet"))
            case _:
                text = json.dumps(value, ensure_ascii=False, default=np.ndarray.tolist)
                path.with_suffix(".json").write_text(text, encoding="utf-8")
        return None

    def read(self, folder: Path, written: Any) -> Any:
        """The value as stored, in memory; `written` is what `write` returned."""
        path = folder / self.name
        if path.with_suffix(".npy").is_file():
            return np.load(path.with_suffix(".npy"))
        if path.with_suffix(".parquet").is_file():
            return pd.read_parquet(path.with_suffix(".parquet"))
        return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    def digested(self, value: Any) -> Iterator[tuple[str, object]]:
        """Named arrays and JSON-able values that stand for the whole value; nothing for None."""
        if isinstance(value, np.ndarray):
            yield self.name, value
        elif value is not None:
            for name, column in value.items():
                numeric = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
                words = [None if pd.isna(item) else str(item) for item in column]
                yield f"{self.name}.{name}", np.asarray(column) if numeric else words

    def undigested(self, value: Any) -> object:
        """What else features are made of: JSON-able, and known only since keys rest on what is digested."""
        return None


class Words(Part):
    """A column of names: strings, none of which is missing."""

    def take_in(self, value: Any, remarks: Remarks) -> NDArray[np.str_] | None:
        """The names without the blanks around them."""
        return read_words(self.name, value, remarks)

    def write(self, value: NDArray[Any], folder: Path) -> object:
        """As strings, whatever kind of objects they are."""
        return super().write(np.asarray(value, dtype=np.str_), folder)

    def digested(self, value: NDArray[np.str_] | None) -> Iterator[tuple[str, object]]:
        """As a list."""
        if value is not None:
            yield self.name, [str(item) for item in value]


class Labels(Part):
    """The label of each case."""

    def take_in(self, value: Any, remarks: Remarks) -> NDArray[np.int8] | None:
        """0 and 1."""
        return read_labels(self.name, value, remarks)


@dataclass(frozen=True, eq=False)
class Frame(Part):
    """A data frame of float64 numbers and of categories in words; `inputs` says whether methods see it."""

    inputs: bool = True

    def take_in(self, value: Any, remarks: Remarks) -> pd.DataFrame | None:
        """Every column read as one of the two."""
        return read_frame(self.name, value, remarks, inputs=self.inputs)


class Flags(Part):
    """Named columns of yes and no."""

    def take_in(self, value: Any, remarks: Remarks) -> Mapping[str, Bools]:
        """The columns that can be read."""
        columns = {str(name): read_flags(f"{self.name}['{name}']", flags, remarks) for name, flags in value.items()}
        return {name: flags for name, flags in columns.items() if flags is not None}

    def read(self, folder: Path, written: Any) -> Mapping[str, Bools]:
        """The columns."""
        return {name: np.array(flags, dtype=bool) for name, flags in super().read(folder, written).items()}


class View(Protocol):
    """Something of each case as it is: (n, channels, *spatial) of images, (n, leads, samples) of signals.

    `view[index]`, with an array of positions, reads those cases alone, as float32; zero throughout where a case has nothing.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all cases."""

    def __getitem__(self, index: Any, /) -> Floats: ...


class ArrayView(ABC):
    """One array of all cases of a dataset, usually on disk, of which a view reads its own cases when they are taken.

    Parameters
    ----------
    array : (N, ...) numbers as stored, usually a memory map of all cases of the dataset.
    rows : (n,) positions in `array` of this view's cases; all by default.
    scale : factor applied after the cast to float32 (1/255 for fractions stored as bytes).
    """

    def __init__(self, array: NDArray[Any], rows: Index | None = None, scale: float = 1.0) -> None:
        self.array = array
        self.rows: Index = np.arange(len(array)) if rows is None else rows
        self.scale = scale

    @abstractmethod
    def over(self, array: NDArray[Any], rows: Index | None, scale: float) -> Self:
        """The same view of another array."""

    @property
    @abstractmethod
    def kind(self) -> tuple[object, ...]:
        """The shape of one case, and what else two views must share to be stacked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all cases, (n, ...)."""
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Floats:
        """The given cases as float32 `(n, ...)`, or one without the first axis for a single integer."""
        taken = np.asarray(self.array[self.rows[index]], dtype=np.float32)
        return taken * np.float32(self.scale) if self.scale != 1.0 else taken

    def load(self) -> Floats:
        """All cases of the view as float32, `(n, ...)`."""
        return self[np.arange(len(self))]

    def take(self, index: Index) -> Self:
        """The view of the cases at `index`."""
        return self.at_rows(self.rows[index])

    def join(self, other: Self, order: Index) -> Self:
        """Both views in the given order; taken from the same cohort, they share their array."""
        return self.at_rows(np.concatenate([self.rows, other.rows])[order])

    def at_rows(self, rows: Index) -> Self:
        """The view of the cases at `rows` of the array."""
        return self.over(self.array, rows, self.scale)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """The values as stored, at most `size` cases at a time, each with the position of its first case."""
        for start in range(0, len(self), size):
            yield start, self.array[self.rows[start : start + size]]
            let_go(self.array)

    def save(self, path: Path) -> None:
        """Store the values of these cases as one array, a block at a time: no more is in memory."""
        stored = np.lib.format.open_memmap(path, mode="w+", dtype=self.array.dtype, shape=self.shape)
        for start, block in self.blocks(BLOCK):
            stored[start : start + len(block)] = block
            let_go(stored)
        stored.flush()


def let_go(array: Any) -> None:
    """Have a large array on disk leave the memory: what was written stays in the file, and is read back when it is asked."""
    if getattr(array, "nbytes", 0) < LARGE or not hasattr(mmap, "MADV_DONTNEED"):
        return
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "_mmap", None) or getattr(array, "base", None)
    if array is not None:
        array.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Stored:
    """The values of a view as they are stored, for a digest: the same as that of their array, read a block at a time."""

    view: ArrayView

    def add_to(self, total: Any) -> None:
        """Add type, shape and values to a hash."""
        total.update(f"{self.view.array.dtype.str}{self.view.shape}".encode())
        for _, block in self.view.blocks(BLOCK):
            total.update(np.ascontiguousarray(block))

    def digest(self) -> str:
        """sha256 of type, shape and values."""
        total = sha256()
        self.add_to(total)
        return total.hexdigest()


@dataclass(frozen=True)
class Modality(ABC):
    """A kind of input: the parts of a cohort in which it lies, and how it is made for tests.

    alone, optional : whether datasets often have it alone, or lack it: made cohorts have such shapes.
    encoder : the encoder of made cohorts, "" where it needs none.
    shares : the views that hold shares from 0 to 1, which networks see unscaled.
    """

    parts: tuple[Part, ...]
    alone: bool = False
    optional: bool = False
    encoder: str = ""
    shares: frozenset[str] = frozenset()

    def views(self, parts: Mapping[str, Any]) -> Mapping[str, View]:
        """What networks can see as it is, of the values of a cohort's parts by name; by default nothing."""
        return {}

    @abstractmethod
    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """Part -> a small made value that follows the cases' latent severity (n,), empty where a case is not `present`."""


def mapped(path: Path) -> NDArray[Any]:
    """An array on disk, without the name of its file: labels lie beside it."""
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
