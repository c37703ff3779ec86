"""Cine volumes: eight moments of a short-axis slice, with a wall that is thinner and moves less where some of it is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.cardiac.people import IMAGING, People, lost
from datasets.synthetic.hospitals import Hospital

FRAMES, EDGE, PIXEL_MM = 8, 24, 4
"""Moments of a beat, from the end of filling; rows and columns of the slice; size of a pixel."""
TOWARDS_DEGREES: Mapping[str, float] = {"anterior": 125.0, "inferior": 270.0, "lateral": 10.0}
"""Where the middle of each wall lies, counter-clockwise from the left of the person, which is on the right of the picture."""
HALF_WIDTH_DEGREES = 55.0
PAPILLARY_DEGREES = (-45.0, 220.0)
BLOOD, MUSCLE, LUNG, CHEST = 0.80, 0.35, 0.12, 0.50
"""Intensities; 1 = full scale."""
Numbers = NDArray[np.float64]


def image_people(people: People) -> NDArray[np.uint8]:
    """Volumes (n, 1, frames, rows, columns), 255 = full scale."""
    volumes = np.empty((len(people), 1, FRAMES, EDGE, EDGE), dtype=np.uint8)
    for k, (origin, (_, signs)) in enumerate(zip(people.origins, people.signs.iterrows(), strict=True)):
        rng = origin.generator(IMAGING)
        volumes[k, 0] = _imaged(rng, _painted(rng, draw_wall(rng, signs)), origin.centre)
    return volumes


@dataclass(frozen=True, eq=False)
class Wall:
    """A person's wall in pixels: its inner and outer border in the direction of each pixel, (frames, rows, columns).

    x (1, columns), y (rows, 1) : pixels from its middle. turn : of the heart, in radians.
    """

    x: Numbers
    y: Numbers
    inner: Numbers
    outer: Numbers
    turn: float


def draw_wall(rng: np.random.Generator, signs: pd.Series[float]) -> Wall:
    """The wall of a heart with these signs, at each moment of the beat."""
    pixels = np.arange(EDGE, dtype=np.float64) - (EDGE - 1) / 2
    x, y = pixels[None, :] - rng.normal(1.0, 1.2), -pixels[:, None] - rng.normal(0.0, 1.2)
    angle, turn = np.arctan2(y, x), np.radians(12) * rng.standard_normal()
    apart = angle - np.radians(TOWARDS_DEGREES[str(signs["wall"])]) - turn
    apart = np.degrees(np.abs((apart + np.pi) % (2 * np.pi) - np.pi))
    gone = lost(float(signs["mechanical"])) * np.exp(-0.5 * (apart / HALF_WIDTH_DEGREES) ** 2)
    squeeze = np.clip(rng.normal(0.34, 0.045), 0.15, 0.5) * (1 - gone) * (1 + 0.06 * _uneven(rng, angle))
    thick = rng.normal(2.3, 0.22) * np.exp(0.12 * float(signs["hypertrophy"])) * (1 - 0.55 * gone)
    shortening = _course(rng)[:, None, None] * squeeze
    inner = 5.0 * np.exp(0.10 * rng.standard_normal()) * (1 - shortening)
    outer = inner + thick * (1 + 0.05 * _uneven(rng, angle)) * (1 + 1.2 * shortening)
    return Wall(x, y, inner, outer, turn)


def _uneven(rng: np.random.Generator, angle: Numbers) -> Numbers:
    """A person's own smooth pattern around the wall, of mean 0."""
    waves = [rng.standard_normal() * np.sin(times * angle + rng.uniform(0, 2 * np.pi)) for times in (1, 2, 3)]
    return np.asarray(sum(waves))


def _course(rng: np.random.Generator) -> Numbers:
    """How far each moment is on the way from the end of filling (0) to the end of ejection (1)."""
    moments, peak = np.arange(FRAMES) / FRAMES, rng.normal(0.40, 0.03)
    warped = np.where(moments < peak, 0.5 * moments / peak, 0.5 + 0.5 * (moments - peak) / (1 - peak))
    return np.asarray(np.sin(np.pi * warped) ** 2)


def _painted(rng: np.random.Generator, wall: Wall) -> Numbers:
    """Chest, lung, right ventricle, wall, blood and papillary muscles, each over those before it: (frames, rows, columns)."""
    x, y, inner = wall.x, wall.y, wall.inner
    picture = np.broadcast_to(np.where(y > 8.5 + rng.normal(0, 0.7), CHEST, LUNG), inner.shape)
    right = np.hypot((x + 7.5 + rng.normal(0, 0.6)) / 5.0, (y - 0.5) / 6.5) * 5
    picture = _over(picture, BLOOD, 5.0 * np.exp(0.08 * rng.standard_normal()) - right)
    picture = _over(picture, MUSCLE, wall.outer - np.hypot(x, y))
    picture = _over(picture, BLOOD, inner - np.hypot(x, y))
    for degrees in PAPILLARY_DEGREES:
        where = np.radians(degrees) + wall.turn + 0.15 * rng.standard_normal()
        reach = 0.68 * inner.mean(axis=(1, 2), keepdims=True)
        picture = _over(picture, MUSCLE, 0.9 - np.hypot(x - reach * np.cos(where), y - reach * np.sin(where)))
    return picture


def _over(picture: Numbers, intensity: float, depth: Numbers) -> Numbers:
    """The picture with a structure over it; `depth` is how far inside of it a pixel lies, its border one pixel wide."""
    share = np.clip(depth + 0.5, 0, 1)
    return np.asarray(picture * (1 - share) + intensity * share)


def _imaged(rng: np.random.Generator, signal: Numbers, hospital: Hospital) -> Numbers:
    """The slice through a scanner with its gain, bias and noise, from 0 to 255."""
    gain, bias = hospital.gain * np.exp(0.08 * rng.standard_normal()), hospital.bias + 0.05 * rng.standard_normal()
    signal = signal * gain * (1 + bias * np.linspace(-1, 1, EDGE)[:, None])
    # A magnitude image has no negative values.
    signal = np.abs(signal + hospital.noise * rng.standard_normal(signal.shape))
    return np.asarray(np.minimum(signal * 255 + 0.5, 255))
