"""Image: named views of each case, the columns derived from them, and the atlas on which these were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import ArrayView, Bools, Frame, Index, Modality, Part, Stored, View, mapped
from benchmark.data.remarks import Remarks

LESION_VOLUME = "lesion_volume_ml"
"""The derived column that holds the lesion's volume in millilitres, in every dataset that measures it."""
AXIS = dict(zip("RLAPSI", "xxyyzz", strict=True))
"""Letter of an orientation -> the axis that it is of."""
MASK = "mask"
"""The view that holds the lesion."""
TERRITORIES = ("ACA left", "ACA right", "MCA left", "MCA right")
GRID, VOXEL_MM = 8, 8.0


@dataclass(frozen=True)
class Slice:
    """Where a plane picture lies: pixel (row, column) has the position `origin + row * down + column * right`.

    Positions are shares of the mask volume's axes, 0 to 1 from its first face to its last.
    """

    origin: tuple[float, float, float]
    down: tuple[float, float, float]
    right: tuple[float, float, float]


class ImageView(ArrayView):
    """One named view of the cases' images, (n, c, *spatial) float32 when taken.

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
        super().__init__(array, rows, scale)
        self.axes, self.slices = axes, slices

    def over(self, array: NDArray[Any], rows: Index | None, scale: float) -> ImageView:
        """The same view of another array."""
        return ImageView(array, rows, scale, axes=self.axes, slices=self.slices)

    @property
    def kind(self) -> tuple[object, ...]:
        """The shape of one case, where the axes point to, and where the pictures lie."""
        return self.shape[1:], self.axes, self.slices

    def holding(self, array: NDArray[Any], scale: float | None = None) -> ImageView:
        """The same view of other values."""
        return self.over(array, self.rows, self.scale if scale is None else scale)


@dataclass(frozen=True, eq=False)
class Atlas:
    """Named territories on the voxel grid of a dataset's masks.

    `labels` (x, y, z) uint8, 0 = none, k = `names[k - 1]`; `voxel_mm` edge length of a voxel in millimetres.
    Names end in " left" or " right" where a territory has a side.
    """

    labels: NDArray[np.uint8]
    names: tuple[str, ...]
    voxel_mm: float


Views = Mapping[str, ImageView]


class ViewsPart(Part):
    """Named views, none of which is read before it is asked for."""

    def take_in(self, value: Any, remarks: Remarks) -> Views | None:
        """Every view as an `ImageView` of finite numbers; a mask of 0 and one other value is one of 0 and 1."""
        if not isinstance(value, Mapping):
            remarks.refuse(self.name, f"is a {type(value).__name__}: give named views, such as {{'mask': ImageView(array)}}")
            return None
        read = {str(name): _view_taken_in(str(name), view, remarks) for name, view in value.items()}
        views = {name: view for name, view in read.items() if view is not None}
        grids: dict[tuple[int, ...], str] = {}
        for name, view in views.items():
            other = grids.setdefault(view.shape[2:], name)
            if not view.slices and not views[other].slices and view.axes != views[other].axes:
                axes = f"its axes are {view.axes}, those of '{other}' on the same grid {views[other].axes}"
                remarks.refuse(f"image view '{name}'", f"{axes}: bring both into one orientation")
        return views

    def write(self, value: Views, folder: Path) -> object:
        """An array for each view; returns view -> scale and geometry."""
        for name, view in value.items():
            view.save(folder / f"image-{name}.npy")
        return {
            name: {"scale": view.scale, "axes": view.axes, "slices": [asdict(part) for part in view.slices]}
            for name, view in value.items()
        }

    def read(self, folder: Path, written: Any) -> Views:
        """The views, memory-mapped."""
        return {name: _view(folder / f"image-{name}.npy", **described) for name, described in written.items()}

    def digested(self, value: Views | None) -> Iterator[tuple[str, object]]:
        """Every view's voxels as stored."""
        return ((f"image.{name}.{view.scale}", Stored(view)) for name, view in (value or {}).items())

    def undigested(self, value: Views) -> object:
        """Where volumes and slices lie."""
        return {name: [view.axes, [astuple(part) for part in view.slices]] for name, view in value.items()}


def _view_taken_in(name: str, value: Any, remarks: Remarks) -> ImageView | None:
    """A view as it is kept; None where it is refused."""
    place = f"image view '{name}'"
    try:
        view = value if isinstance(value, ImageView) else ImageView(value)
        view = view.holding(np.asarray(view.array))
    except ValueError:  # arrays of several shapes
        remarks.refuse(place, "images of different shapes: bring them to one grid")
        return None
    kind, shape = view.array.dtype, view.array.shape
    remarks.given[place] = str(kind)
    if kind.kind not in "buif" or len(shape) < 3:
        grid = "give numbers of shape (cases, channels, *spatial), all on one grid"
        remarks.refuse(place, f"is {kind} of shape {shape}: {grid}")
        return None
    if not np.isfinite(view.scale) or view.scale <= 0:
        remarks.refuse(place, f"has the scale {view.scale:g}: give a positive number")
        return None
    if len(shape) == 5 and sorted(AXIS.get(letter, "") for letter in view.axes) != ["x", "y", "z"]:
        remarks.refuse(place, f"has the axes '{view.axes}': give one of R and L, of A and P, and of S and I, such as RAS")
        return None
    if name == MASK and shape[1] != 1:
        remarks.refuse(place, f"has the shape {shape}: give a mask one channel, (cases, 1, *spatial)")
        return None
    if kind.kind == "b":
        view = view.holding(view.array.view(np.uint8))
    elif kind.kind == "f" and kind.itemsize > 4:
        view = view.holding(view.array.astype(np.float32))
    low, high = _extremes(view)
    imaged = remarks.having("image", len(view)) & remarks.having(name, len(view))
    infinite = ~np.isfinite(low + high)
    if infinite.any():
        mend = "mend them, or give zeros and say in `present` that the case has no image"
        remarks.refuse(place, f"NaN or infinite voxels: {mend}", infinite)
        return None
    if name == MASK:
        return _mask_taken_in(place, view, low, high, remarks)
    if not high[imaged].any() and not low[imaged].any():
        remarks.note(place, "zero in every case")
    elif (constant := imaged & (low == high)).any():
        remarks.note(place, "one value in all voxels: where a case has no image, `present` says so", constant)
    return view


def _stored(view: ImageView) -> Iterator[NDArray[Any]]:
    """The view's values as stored, some cases at a time, (cases, voxels)."""
    for _, block in view.blocks(64):
        yield block.reshape(len(block), -1)


def _extremes(view: ImageView) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest stored value of each case, NaN where a voxel is."""
    pairs = [(block.min(axis=1), block.max(axis=1)) for block in _stored(view)]
    low, high = (np.concatenate(values).astype(np.float64) for values in zip(*pairs, strict=True))
    return low, high


def _values(view: ImageView) -> NDArray[Any]:
    """The different stored values of all cases."""
    return np.unique(np.concatenate([np.unique(block) for block in _stored(view)]))


def _mask_taken_in(
    place: str, view: ImageView, low: NDArray[np.float64], high: NDArray[np.float64], remarks: Remarks
) -> ImageView | None:
    """A mask of fractions from 0 to 1 as it is, one of 0 and another value as 0 and 1."""
    there = remarks.having("image", len(view))
    if low.min() < 0 or high.max() * view.scale > 1 + 1e-6:
        values = _values(view)
        if len(values) > 2 or values[0] != 0:
            shown = ", ".join(f"{value:g}" for value in values[:4])
            remarks.refuse(place, f"holds the values {shown}: give 0 and one foreground value, or fractions from 0 to 1")
            return None
        view = view.holding(np.asarray(view.array == values[1], dtype=np.uint8), 1.0)
        remarks.read(place, f"0 and {values[1]:g} read as 0 and 1")
    if (there & (high == 0)).any():
        remarks.note(place, "empty", there & (high == 0))
    return view


def _view(path: Path, scale: float, axes: str, slices: list[dict[str, list[float]]]) -> ImageView:
    pictures = [Slice(**{name: (x, y, z) for name, (x, y, z) in picture.items()}) for picture in slices]
    return ImageView(mapped(path), scale=scale, axes=axes, slices=tuple(pictures))


class AtlasPart(Part):
    """An atlas: one for all cases."""

    def write(self, value: Atlas, folder: Path) -> object:
        """Its labels; returns names and size of a voxel."""
        np.save(folder / f"{self.name}.npy", value.labels)
        return [list(value.names), value.voxel_mm]

    def read(self, folder: Path, written: Any) -> Atlas:
        """The atlas, memory-mapped."""
        names, voxel_mm = written
        return Atlas(mapped(folder / f"{self.name}.npy"), tuple(names), voxel_mm)

    def digested(self, value: Atlas | None) -> Iterator[tuple[str, object]]:
        """Labels, names and size."""
        if value is not None:
            yield "atlas", value.labels
            yield "atlas.names", [*value.names, value.voxel_mm]


class Image(Modality):
    """What was imaged of a case, and what was measured on it."""

    def views(self, parts: Mapping[str, Any]) -> Mapping[str, View]:
        """Masks, volumes and slices, by their names."""
        return dict(sorted(parts.get("images", {}).items()))

    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """A lesion that is larger the more severe, FLAIR, four territories, and what was measured on them."""
        lesions, atlas = _lesions(severity, rng), _atlas()
        lesions[~present] = 0
        flair = (rng.integers(20, 120, size=lesions.shape) + 100 * lesions).astype(np.uint8)
        flair[~present] = 0
        derived = {LESION_VOLUME: lesions.sum(axis=(1, 2, 3, 4)) * (VOXEL_MM / 10) ** 3}
        for number, name in enumerate(TERRITORIES, start=1):
            derived[name] = lesions[:, 0, atlas == number].mean(axis=1)
        return {
            "images": {"mask": ImageView(lesions * np.uint8(255), scale=1 / 255), "flair": ImageView(flair, scale=1 / 255)},
            "derived": pd.DataFrame(derived).mask(pd.Series(~present)),
            "atlas": Atlas(atlas, TERRITORIES, VOXEL_MM),
        }


def _atlas() -> NDArray[np.uint8]:
    """Four blocks of the grid: left or right by the first axis, ACA or MCA by the second; the rim belongs to none."""
    x, y, _ = np.indices((GRID - 2,) * 3)
    return np.pad(1 + (x >= GRID // 2 - 1) + 2 * (y >= GRID // 2 - 1), 1).astype(np.uint8)


def _lesions(severity: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(n, 1, x, y, z) balls, the larger the more severe, around centres drawn at random."""
    centres = rng.uniform(2, GRID - 2, size=(len(severity), 3))
    radii = np.clip(2.2 + 0.7 * severity + 0.2 * rng.normal(size=len(severity)), 0.9, 4)
    voxels = np.moveaxis(np.indices((GRID, GRID, GRID)), 0, -1) + 0.5
    distance = np.linalg.norm(voxels[None] - centres[:, None, None, None], axis=-1)
    return np.asarray(distance <= radii[:, None, None, None], dtype=np.uint8)[:, None]


MODALITY = Image(
    (ViewsPart("images", place=40, empty={}), Frame("derived", place=20), AtlasPart("atlas", place=60, of_cases=False)),
    encoder="territories",
    shares=frozenset({MASK}),
)
