"""Parts: the attributes of a cohort that are stored, digested and, where they hold something of each case, taken and joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Index = NDArray[np.intp]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

T = TypeVar("T")
LAST = 70


@dataclass(frozen=True)
class Part(ABC, Generic[T]):
    """An attribute of a cohort whose value is a T, or None where the cohort lacks it.

    place : when it enters the content digest. Keys of published results rest on that digest, so the places of what existed
        then never change, and a later part comes last, where it changes no cohort that lacks it. None: it does not enter.
    """

    name: str
    place: int | None = LAST

    def empty(self) -> T | None:
        """What a cohort without it answers."""
        return None

    @abstractmethod
    def write(self, value: T, folder: Path) -> object:
        """Store it in files of a folder that bear its name; returns what else `read` needs, as JSON knows it."""

    @abstractmethod
    def read(self, folder: Path, written: Any) -> T:
        """The value as stored; `written` is what `write` returned."""

    @abstractmethod
    def digested(self, value: T | None) -> Iterator[tuple[str, object]]:
        """Named arrays and JSON-able values that stand for the whole value."""

    def undigested(self, value: T) -> object:
        """What else features are made of: JSON-able, and known only since keys rest on what is digested."""
        return None


class CasePart(Part[T]):
    """A part that holds something of each case; one that does not is the whole dataset's, and its pool's too."""

    @abstractmethod
    def lengths(self, value: T) -> Iterator[tuple[str, int]]:
        """What must have a row for each case, in words, and the rows that it has; nothing where it is empty."""

    @abstractmethod
    def take(self, value: T, index: Index) -> T:
        """The value of the cases at `index`."""

    @abstractmethod
    def join(self, first: T, second: T, order: Index) -> T:
        """The cases of both, one after the other, then in the given order."""


@dataclass(frozen=True)
class Column(CasePart[NDArray[Any]]):
    """One value per case, (n,)."""

    dtype: type = np.str_

    def lengths(self, value: NDArray[Any]) -> Iterator[tuple[str, int]]:
        """Its own."""
        yield self.name, len(value)

    def take(self, value: NDArray[Any], index: Index) -> NDArray[Any]:
        """The values of the cases at `index`."""
        return value[index]

    def join(self, first: NDArray[Any], second: NDArray[Any], order: Index) -> NDArray[Any]:
        """Both, in the given order."""
        return np.concatenate([first, second])[order]

    def write(self, value: NDArray[Any], folder: Path) -> object:
        """One array."""
        np.save(folder / f"{self.name}.npy", np.asarray(value, dtype=self.dtype))
        return None

    def read(self, folder: Path, written: Any) -> NDArray[Any]:
        """The array, in memory."""
        return np.asarray(np.load(folder / f"{self.name}.npy"))

    def digested(self, value: NDArray[Any] | None) -> Iterator[tuple[str, object]]:
        """Words, or None where there is no column."""
        if value is not None:
            yield self.name, [str(item) for item in value]


@dataclass(frozen=True)
class Flags(CasePart[Mapping[str, Bools]]):
    """Named columns of yes and no."""

    def empty(self) -> Mapping[str, Bools]:
        """No column."""
        return {}

    def lengths(self, value: Mapping[str, Bools]) -> Iterator[tuple[str, int]]:
        """Every column's."""
        return ((f"{self.name}['{name}']", len(flags)) for name, flags in value.items())

    def take(self, value: Mapping[str, Bools], index: Index) -> Mapping[str, Bools]:
        """The flags of the cases at `index`."""
        return {name: flags[index] for name, flags in value.items()}

    def join(self, first: Mapping[str, Bools], second: Mapping[str, Bools], order: Index) -> Mapping[str, Bools]:
        """Both, column by column."""
        return {name: np.concatenate([flags, second[name]])[order] for name, flags in first.items()}

    def write(self, value: Mapping[str, Bools], folder: Path) -> object:
        """One table."""
        pd.DataFrame(dict(value)).to_parquet(folder / f"{self.name}.parquet")
        return None

    def read(self, folder: Path, written: Any) -> Mapping[str, Bools]:
        """The columns, in memory."""
        return {str(name): flags.to_numpy(bool) for name, flags in pd.read_parquet(folder / f"{self.name}.parquet").items()}

    def digested(self, value: Mapping[str, Bools] | None) -> Iterator[tuple[str, object]]:
        """Every column."""
        return ((f"{self.name}.{name}", np.asarray(flags)) for name, flags in (value or {}).items())


@dataclass(frozen=True)
class Frame(CasePart[pd.DataFrame]):
    """A table of n rows: float64 for numbers, `category` for categories, NaN where missing."""

    def lengths(self, value: pd.DataFrame) -> Iterator[tuple[str, int]]:
        """Its own."""
        yield self.name, len(value)

    def take(self, value: pd.DataFrame, index: Index) -> pd.DataFrame:
        """The rows at `index`, numbered from zero."""
        return value.iloc[index].reset_index(drop=True)

    def join(self, first: pd.DataFrame, second: pd.DataFrame, order: Index) -> pd.DataFrame:
        """The rows of both; categories stay categories."""
        return self.take(pd.concat([first, second], ignore_index=True), order)

    def write(self, value: pd.DataFrame, folder: Path) -> object:
        """One Parquet file."""
        value.reset_index(drop=True).to_parquet(folder / f"{self.name}.parquet")
        return None

    def read(self, folder: Path, written: Any) -> pd.DataFrame:
        """The table, in memory."""
        return pd.read_parquet(folder / f"{self.name}.parquet")

    def digested(self, value: pd.DataFrame | None) -> Iterator[tuple[str, object]]:
        """Every column, categories in words."""
        for name, column in () if value is None else value.items():
            numeric = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
            words = [None if pd.isna(item) else str(item) for item in column]
            yield f"{self.name}.{name}", column.to_numpy() if numeric else words


@dataclass(frozen=True)
class Modality(ABC):
    """A kind of input: the parts of a cohort in which it lies, and how it is made for tests.

    alone, optional : whether datasets often have it alone, or lack it: made cohorts have such shapes.
    encoder : the encoder of made cohorts, "" where it needs none.
    """

    parts: tuple[Part[Any], ...]
    alone: bool = False
    optional: bool = False
    encoder: str = ""

    @abstractmethod
    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """Part -> a small made value that follows the cases' latent severity (n,), empty where a case is not `present`."""


def mapped(path: Path) -> NDArray[Any]:
    """An array on disk, without the name of its file: labels lie beside it."""
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
