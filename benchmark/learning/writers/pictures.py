"""What a writer of reports is shown of a case: grey slices of one view of its images, chosen and rendered by one rule.

The rule. A view of plane pictures gives one picture for each of its planes. A volume gives axial slices, evenly spaced from the
first to the last that holds anything, the outermost left out; channels stand side by side. Grey runs from the 1st to the 99th
percentile of what is not zero in the case's channel. The patient's left is on the viewer's right, as radiologists see it, in
axial and coronal pictures, and anterior or superior is on top. Small pictures are enlarged to `EDGE` pixels. The lesion mask is
never shown: it is what reports are judged by.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import AXIS, MASK, ImageView
from benchmark.system.errors import BenchmarkError, UnknownNameError

Grey = NDArray[np.uint8]
SLICES = 6
EDGE = 336
"""Pixels that the longer edge of a picture has at least."""
LOW, HIGH = 1.0, 99.0
OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
WORDS = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}
PLANES = {frozenset("xy"): "axial", frozenset("yz"): "sagittal", frozenset("xz"): "coronal"}


@dataclass(frozen=True)
class Rule:
    """Which view is shown, and how many slices of a volume."""

    view: str
    slices: int = SLICES

    def described(self) -> dict[str, Any]:
        """All that the pictures depend on, besides the images."""
        return {**asdict(self), "edge": EDGE, "percentiles": [LOW, HIGH], "version": 1}


def rule_of(cohort: Cohort, view: str | None, slices: int = SLICES) -> Rule:
    """The rule for a cohort: the named view, or its first one besides the mask.

    Raises `BenchmarkError` for a dataset without images, for the mask, and for a view that there is not.
    """
    views = [name for name in sorted(cohort.images) if name != MASK]
    if not views:
        lacking = "no images" if not cohort.images else "no image but the lesion mask, by which reports are judged"
        raise BenchmarkError(f"{cohort.name} has {lacking}: there is nothing to show a model")
    if view == MASK:
        raise BenchmarkError(
            f"--view {MASK}: reports are judged by the mask, so no writer sees it: {', '.join(views)} can be shown"
        )
    if view is not None and view not in views:
        raise UnknownNameError(f"image view of {cohort.name}", view, views)
    return Rule(view or views[0], slices)


def shown(cohort: Cohort, rule: Rule) -> NDArray[np.bool_]:
    """(n,) the cases that have the view."""
    return np.asarray(cohort.having("image") & cohort.having(rule.view))


def pictures(cohort: Cohort, rule: Rule, case: int, edge: int = EDGE) -> list[Grey]:
    """The pictures of the case at a position, each (rows, columns) in 255ths of grey; enlarged to `edge` pixels at least."""
    view = cohort.images[rule.view]
    values = view[np.array([case])][0]
    if values.ndim == 3:
        turned = [_plane_turned(channel, where) for channel, where in zip(values, _planes(cohort, view), strict=True)]
        return [_enlarged(_grey(channel), edge) for channel in turned]
    if values.ndim != 4:
        raise BenchmarkError(f"{cohort.name}: view '{rule.view}' holds neither pictures nor volumes: name another --view")
    upright = _upright(values, view.axes)
    return [_enlarged(np.concatenate(list(each), axis=1), edge) for each in _slices(upright, rule.slices)]


def described(cohort: Cohort, rule: Rule) -> str:
    """The pictures in words, for a prompt."""
    view = cohort.images[rule.view]
    shape = view.shape[1:]
    if len(shape) == 3:
        planes = _planes(cohort, view)
        seen = [f"picture {number}: {_seen(where)}" for number, where in enumerate(planes, 1)]
        return f"{shape[0]} grey pictures of the brain ({rule.view}); " + "; ".join(seen)
    beside = f", each with {shape[0]} channels of the same slice side by side" if shape[0] > 1 else ""
    return (
        f"{rule.slices} axial slices of the brain ({rule.view}) from bottom to top{beside}; the patient's left is on the right "
        "side of each picture and anterior is on top"
    )


def as_png(picture: Grey) -> bytes:
    """The picture as PNG, which holds nothing but the pixels."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=False, compress_level=3)
    return stream.getvalue()


def _planes(cohort: Cohort, view: ImageView) -> list[tuple[str, str] | None]:
    """Of each plane picture where its columns and its rows run to, as letters; None where the view does not say."""
    axes = cohort.images[MASK].axes if MASK in cohort.images else view.axes
    if not view.slices:
        return [None] * view.shape[1]
    return [(_letter(plane.right, axes), _letter(plane.down, axes)) for plane in view.slices]


def _letter(direction: tuple[float, float, float], axes: str) -> str:
    """Where a direction in shares of a volume's axes points to."""
    axis = int(np.argmax(np.abs(direction)))
    return axes[axis] if direction[axis] > 0 else OPPOSITE[axes[axis]]


def _flips(where: tuple[str, str] | None) -> tuple[bool, bool]:
    """Whether columns, and rows, are turned round."""
    if where is None:
        return False, False
    right, down = where
    return right in "RA", down in "SA"


def _plane_turned(channel: NDArray[Any], where: tuple[str, str] | None) -> NDArray[Any]:
    columns, rows = _flips(where)
    return channel[:: -1 if rows else 1, :: -1 if columns else 1]


def _seen(where: tuple[str, str] | None) -> str:
    if where is None:
        return "of unknown orientation"
    (right, down), (columns, rows) = where, _flips(where)
    right, down = OPPOSITE[right] if columns else right, OPPOSITE[down] if rows else down
    plane = PLANES.get(frozenset((AXIS[right], AXIS[down])), "oblique")
    return f"{plane}, {_word(right)} is on its right side and {_word(OPPOSITE[down])} on top"


def _word(letter: str) -> str:
    return f"the patient's {WORDS[letter]}" if letter in "RL" else WORDS[letter]


def _upright(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """(c, x, y, z) whose x runs to the patient's left, y to posterior and z to superior."""
    order = [next(place for place, letter in enumerate(axes) if AXIS[letter] == axis) for axis in "xyz"]
    turned = values.transpose(0, *(1 + place for place in order))
    for place, wanted in enumerate("LPS"):
        if axes[order[place]] != wanted:
            turned = np.flip(turned, axis=1 + place)
    return turned


def _slices(volume: NDArray[Any], count: int) -> Iterator[list[Grey]]:
    """Evenly spaced axial slices of (c, x, y, z), each channel as grey (rows to posterior, columns to the left)."""
    held = np.flatnonzero(volume.any(axis=(0, 1, 2)))
    first, last = (held[0], held[-1]) if len(held) else (0, volume.shape[3] - 1)
    chosen = np.rint(np.linspace(first, last, count + 2)[1:-1]).astype(int)
    grey = [_grey(channel) for channel in volume]
    for place in chosen:
        yield [channel[:, :, place].T for channel in grey]


def _grey(channel: NDArray[Any]) -> Grey:
    known = channel[channel != 0]
    low, high = np.percentile(known, [LOW, HIGH]) if known.size else (0.0, 1.0)
    low = low if low < high else 0.0
    share = np.clip((channel - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.rint(255 * np.where(channel == 0, 0, share)), dtype=np.uint8)


def _enlarged(picture: Grey, edge: int) -> Grey:
    from PIL import Image

    factor = max(1, -(-edge // max(picture.shape)))
    if factor == 1:
        return np.ascontiguousarray(picture)
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BICUBIC))
