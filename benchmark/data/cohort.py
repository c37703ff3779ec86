"""Cohort: the cases of a dataset as methods see them, and Features: what an encoder makes of a modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.system.errors import BenchmarkError

if TYPE_CHECKING:
    import pandas as pd

MODALITIES = ("image", "table", "text")
LESION_VOLUME = "lesion_volume_ml"
"""The derived column that holds the lesion's volume in millilitres, in every dataset that measures it."""

Index = NDArray[np.intp]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Reports = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Slice:
    """Where a plane picture lies: pixel (row, column) has the position `origin + row * down + column * right`.

    Positions are shares of the mask volume's axes, 0 to 1 from its first face to its last.
    """

    origin: tuple[float, float, float]
    down: tuple[float, float, float]
    right: tuple[float, float, float]


class ImageView:
    """One named view of the cases' images, read from disk when taken.

    Parameters
    ----------
    array : (N, c, *spatial) uint8 or float16, usually a memory map of all cases of the dataset.
    rows : (n,) positions in `array` of this view's cases; all by default.
    scale : factor applied after the cast to float32 (1/255 for fractions stored as bytes).
    axes : where the axes of a volume point to, as in NIfTI: "RAS" is right, anterior, superior.
    slices : of a view of plane pictures, where the picture of each channel lies in the mask's volume.
    """

    def __init__(
        self,
        array: NDArray[Any],
        rows: Index | None = None,
        scale: float = 1.0,
        *,
        axes: str = "RAS",
        slices: tuple[Slice, ...] = (),
    ) -> None:
        self.array = array
        self.rows: Index = np.arange(len(array)) if rows is None else rows
        self.scale, self.axes, self.slices = scale, axes, slices

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, *spatial)."""
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Floats:
        """Images of the given cases as float32 `(n, c, *spatial)`, or `(c, *spatial)` for a single integer."""
        taken = np.asarray(self.array[self.rows[index]], dtype=np.float32)
        return taken * np.float32(self.scale) if self.scale != 1.0 else taken

    def load(self) -> Floats:
        """All images of the view, `(n, c, *spatial)` float32."""
        return self[np.arange(len(self))]

    def take(self, index: Index) -> ImageView:
        """The view of the cases at `index`."""
        return self.at_rows(self.rows[index])

    def at_rows(self, rows: Index) -> ImageView:
        """The view of the cases at `rows` of the array."""
        return ImageView(self.array, rows, self.scale, axes=self.axes, slices=self.slices)


@dataclass(frozen=True, eq=False)
class Atlas:
    """Named territories on the voxel grid of a dataset's masks.

    `labels` (x, y, z) uint8, 0 = none, k = `names[k - 1]`; `voxel_mm` edge length of a voxel in millimetres.
    Names end in " left" or " right" where a territory has a side.
    """

    labels: NDArray[np.uint8]
    names: tuple[str, ...]
    voxel_mm: float


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder makes of a modality.

    tokens (n, drafts, t, d) float32; mask (n, drafts, t) bool, false where there is no token (a missing modality is
    all false); pooled (n, drafts, p) float32. Images have one draft. `grid` is the token grid's shape for images on a
    grid; `lesion_share` (n, t) the share of lesion in each token where a mask exists.
    """

    tokens: Floats
    mask: Bools
    pooled: Floats
    grid: tuple[int, ...] | None = None
    lesion_share: Floats | None = None

    def take(self, index: Index) -> Features:
        """The features of the cases at `index`."""
        share = None if self.lesion_share is None else np.asarray(self.lesion_share[index])
        return Features(
            np.asarray(self.tokens[index], dtype=np.float32),
            np.asarray(self.mask[index]),
            np.asarray(self.pooled[index], dtype=np.float32),
            self.grid,
            share,
        )


FeatureSource = Callable[[str, "str | None", "Index | None"], Features]
"""(modality, encoder or None for the dataset's default, positions in the dataset or None for all) -> features."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """The cases of a dataset.

    Attributes
    ----------
    name : the dataset, with its configuration.
    case_ids : (n,) strings, unique, sorted as strings.
    labels : (n,) int8 of 0 and 1, or None in a blind view or a pool.
    sites : (n,) strings in the dataset's own word for a site; never an input. None in a blind view.
    groups : (n,) strings: what no split may part (the patient). None in a blind view.
    table : typed columns (float64 for numbers, `category` for categories), NaN where missing; or None.
    reports : per case a tuple of text drafts, or None.
    images : named views, each lazily loaded to (n, c, *spatial) float32; empty where there are none.
    derived : named features computed from the image (lesion volume, territory fractions); the image modality. Or None.
    strata : attributes of the cases by which results are broken down (`subgroups`), never inputs: n rows of float64 numbers
        (`age` in years is banded) or categories in words, NaN where unknown; or None. No method's view holds them.
    present : modality -> (n,) bool: which case has it (where a case has not: `derived` is NaN, images are zero, there is no
        draft). A modality that is not named is there for every case.
    atlas : the territories on which `derived` and the reports were measured, or None.
    pool : further cases without this dataset's label, for self-supervised pre-training, or None.
    encoders : modality -> the dataset's default encoder.
    facts : named figures that describe the whole dataset (a synthetic cohort's oracle AUC, for one).
    source_digest : digest of the source files (filled in by the engine), or the generator's version.
    task_digest : decides whether stored predictions of two machines may be compared (ids, labels, sites, sources).
    content_digest : decides whether something must be recomputed (every array as computed).
    folder : where the prepared arrays lie on this machine; labels lie there, so no method's view tells it.
    """

    name: str
    case_ids: NDArray[np.str_]
    labels: NDArray[np.int8] | None = None
    sites: NDArray[np.str_] | None = None
    groups: NDArray[np.str_] | None = None
    table: pd.DataFrame | None = None
    reports: Reports | None = None
    images: Mapping[str, ImageView] = field(default_factory=dict)
    derived: pd.DataFrame | None = None
    strata: pd.DataFrame | None = None
    present: Mapping[str, Bools] = field(default_factory=dict)
    atlas: Atlas | None = None
    pool: Cohort | None = None
    encoders: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    source_digest: str = ""
    task_digest: str = ""
    content_digest: str = ""
    folder: str = ""
    rows: Index | None = None
    feature_source: FeatureSource | None = None

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities that this view holds."""
        held = {
            "table": self.table is not None,
            "text": self.reports is not None,
            "image": bool(self.images) or self.derived is not None,
        }
        return frozenset(name for name, there in held.items() if there)

    @property
    def absent(self) -> dict[str, int]:
        """Modality -> the number of cases without it, for the modalities that some case lacks."""
        counts = {name: int((~there).sum()) for name, there in self.present.items() if name in self.modalities}
        return {name: count for name, count in counts.items() if count}

    def take(self, index: Index | Sequence[int]) -> Cohort:
        """The cases at `index` (positions in this view, or a mask over it), in that order; the pool is left as it is."""
        given = np.asarray(index)
        index = np.flatnonzero(given) if given.dtype == bool else given.astype(np.intp)
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return replace(
            self,
            case_ids=self.case_ids[index],
            labels=None if self.labels is None else self.labels[index],
            sites=None if self.sites is None else self.sites[index],
            groups=None if self.groups is None else self.groups[index],
            table=None if self.table is None else self.table.iloc[index].reset_index(drop=True),
            reports=None if self.reports is None else tuple(self.reports[i] for i in index),
            images={name: view.take(index) for name, view in self.images.items()},
            derived=None if self.derived is None else self.derived.iloc[index].reset_index(drop=True),
            strata=None if self.strata is None else self.strata.iloc[index].reset_index(drop=True),
            present={name: there[index] for name, there in self.present.items()},
            facts=dict(self.facts),
            rows=rows[index],
        )

    def only(self, modalities: frozenset[str] | set[str]) -> Cohort:
        """The view that holds just these modalities (the pool likewise), neither strata nor folder."""
        image = "image" in modalities
        return replace(
            self,
            table=self.table if "table" in modalities else None,
            reports=self.reports if "text" in modalities else None,
            images=self.images if image else {},
            derived=self.derived if image else None,
            strata=None,
            folder="",
            atlas=self.atlas if image else None,
            present={name: there for name, there in self.present.items() if name in modalities},
            encoders={name: encoder for name, encoder in self.encoders.items() if name in modalities},
            pool=None if self.pool is None else self.pool.only(modalities),
        )

    def blind(self) -> Cohort:
        """The label-free view that prediction receives: no labels, sites, groups, strata, pool or folder."""
        return replace(self, labels=None, sites=None, groups=None, strata=None, pool=None, facts={}, folder="")

    def sealed(self, rows: Index | None = None) -> Cohort:
        """The same view, whose features can be had of its own modalities and of `rows` alone (by default its own cases)."""
        source, modalities = self.feature_source, self.modalities
        if source is None:
            return self
        allowed = rows if rows is not None else self.rows
        said = f"{self.name}: these features belong to no view of the method's: it may use {', '.join(sorted(modalities))}"

        def bounded(modality: str, encoder: str | None, rows: Index | None) -> Features:
            inside = allowed is None or (rows is not None and bool(np.isin(rows, allowed).all()))
            if modality not in modalities or not inside:
                raise BenchmarkError(said)
            return source(modality, encoder, rows)

        return replace(self, feature_source=bounded)

    def join(self, other: Cohort) -> Cohort:
        """Both views of the same dataset as one, in the order of the dataset's cases (train + validation)."""
        if self.rows is None or other.rows is None or self.name != other.name:
            raise ValueError("join needs two views taken from the same cohort")
        import pandas as pd

        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(rows, kind="stable")

        def both(mine: Any, theirs: Any) -> Any:
            return None if mine is None or theirs is None else np.concatenate([mine, theirs])[order]

        def frames(mine: pd.DataFrame | None, theirs: pd.DataFrame | None) -> pd.DataFrame | None:
            if mine is None or theirs is None:
                return None
            return pd.concat([mine, theirs], ignore_index=True).iloc[order].reset_index(drop=True)

        reports = None
        if self.reports is not None and other.reports is not None:
            drafts = self.reports + other.reports
            reports = tuple(drafts[i] for i in order)
        return replace(
            self,
            case_ids=both(self.case_ids, other.case_ids),
            labels=both(self.labels, other.labels),
            sites=both(self.sites, other.sites),
            groups=both(self.groups, other.groups),
            table=frames(self.table, other.table),
            reports=reports,
            images={name: view.at_rows(both(view.rows, other.images[name].rows)) for name, view in self.images.items()},
            derived=frames(self.derived, other.derived),
            strata=frames(self.strata, other.strata),
            present={name: both(there, other.present[name]) for name, there in self.present.items()},
            rows=rows[order],
        )

    def features(self, modality: str, encoder: str | None = None) -> Features:
        """The features of this view's cases, from the feature cache.

        Raises `BenchmarkError` where the view does not hold the modality or no encoder is known for it.
        """
        if modality not in self.modalities:
            raise BenchmarkError(f"{self.name}: this view holds no {modality}: declare it in the method's modalities")
        if self.feature_source is None:
            raise BenchmarkError(f"{self.name}: no encoders at hand: use benchmark.data.preparation.load_cohort")
        return self.feature_source(modality, encoder, self.rows)
