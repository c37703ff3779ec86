"""A sheet of a cohort's images, a row per case, the strangest first: what was turned, cut or scaled wrongly is seen there."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import MASK
from benchmark.leaderboard.case_pictures import HEIGHT, picture

MOST = 200
"""Cases on a sheet."""
WORDS = 460
"""Pixels that the words beside a row take."""
MAD = 1.4826
"""Median absolute deviations in a standard deviation of normal values."""


def quality_sheet(cohort: Cohort) -> bytes | None:
    """A PNG of at most 200 cases, those first that lie farthest from the others; None of a cohort without a volume."""
    measures = measured(cohort)
    if not measures:
        return None
    names, values = list(measures), np.stack([*measures.values()], axis=1)
    imaged = np.flatnonzero(cohort.having("image") & np.isfinite(values).all(axis=1))
    if not len(imaged):
        return None
    apart = strangeness(values[imaged])
    order = np.argsort(-apart.max(axis=1), kind="stable")[:MOST]
    rows = []
    for place in order:
        most = int(apart[place].argmax())
        said = f"{names[most]} {values[imaged[place], most]:.3g}, median {np.median(values[imaged, most]):.3g}"
        rows.append((int(imaged[place]), said))
    return _drawn(cohort, rows)


def measured(cohort: Cohort) -> dict[str, NDArray[np.float64]]:
    """Name -> (n,) of every volume: the share of it that is not zero, its mean there, and where its middle is."""
    found: dict[str, NDArray[np.float64]] = {}
    for view, images in sorted(cohort.images.items()):
        if len(images.shape) != 5:
            continue
        shares, means, middles = [], [], []
        for row in range(len(cohort)):
            values = images[np.array([row])][0, 0]
            there = values > 0
            shares.append(float(there.mean()))
            means.append(float(values[there].mean()) if there.any() else 0.0)
            places = np.argwhere(there)
            middles.append(places.mean(axis=0) / values.shape if len(places) else np.full(3, 0.5))
        found[f"{view}: share that is not zero"] = np.array(shares)
        if view == MASK:
            continue
        found[f"{view}: mean"] = np.array(means)
        for axis, name in enumerate("xyz"):
            found[f"{view}: middle along {name}"] = np.array([middle[axis] for middle in middles])
    return found


def strangeness(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, k) how far each value lies from the median of its column, in robust standard deviations; 0 where all are alike."""
    apart = np.abs(values - np.median(values, axis=0))
    spread = MAD * np.median(apart, axis=0)
    return np.asarray(apart / np.where(spread > 0, spread, np.inf), dtype=np.float64)


def _drawn(cohort: Cohort, rows: list[tuple[int, str]]) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    strips = []
    for row, _ in rows:
        source = picture(cohort, row).source
        content = base64.b64decode(source.partition(",")[2])
        strips.append(Image.open(io.BytesIO(content)) if content else Image.new("RGB", (HEIGHT, HEIGHT)))
    sheet = Image.new("RGB", (WORDS + max(strip.width for strip in strips), HEIGHT * len(strips)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for number, (strip, (row, said)) in enumerate(zip(strips, rows, strict=True)):
        sheet.paste(strip, (WORDS, number * HEIGHT))
        draw.text((8, number * HEIGHT + 30), f"{cohort.case_ids[row]}\n{said}", fill="black", font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()
