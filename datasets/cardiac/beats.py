"""The heart's dipole: a sum of Gaussian waves for every beat, in the manner of ECGSYN and of its form for several leads.

McSharry et al., IEEE Trans Biomed Eng 2003;50:289 (waves as Gaussians, rhythm with respiration); Sameni et al., EURASIP J Adv
Signal Process 2007:43407 (the same for a dipole in three dimensions). Axes are Frank's: x left, y towards the feet, z back.
Amplitudes were set by eye so that the leads look as a cardiologist expects, and measured on nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Floats
from datasets.cardiac.people import lost

HERTZ, SAMPLES = 100, 1000
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Wave:
    """A Gaussian wave: its middle, in seconds from the R peak, and its width in seconds; `late` ones follow the heart rate.

    spread : standard deviation of the logarithm of a person's amplitude.
    """

    middle: float
    width: float
    spread: float = 0.25
    late: bool = False


HEALTHY = {
    "right atrium": (Wave(-0.165, 0.020), (0.03, 0.07, -0.04)),
    "left atrium": (Wave(-0.135, 0.020), (0.05, 0.05, 0.03)),
    "septum": (Wave(-0.034, 0.009, 0.35), (-0.12, 0.00, -0.22)),
    "apex": (Wave(-0.014, 0.011, 0.30), (0.40, 0.30, -0.38)),
    "free wall": (Wave(0.000, 0.013, 0.20), (0.95, 0.65, 0.45)),
    "base": (Wave(0.028, 0.011, 0.30), (-0.18, -0.10, 0.42)),
    "plateau": (Wave(0.120, 0.045, 0.60), (0.02, 0.02, -0.05)),
    "early recovery": (Wave(0.235, 0.045, 0.30, late=True), (0.10, 0.08, -0.07)),
    "recovery": (Wave(0.290, 0.032, 0.30, late=True), (0.20, 0.15, -0.14)),
}
"""Waves of every beat, each with its dipole in mV."""
ACTIVATION = ("septum", "apex", "free wall", "base")
"""Those that a thick wall makes larger."""
TOWARDS = {"anterior": (0.25, 0.0, -0.95), "inferior": (0.0, 1.0, 0.15), "lateral": (0.90, -0.25, 0.35)}
"""From the middle of the heart to each wall."""
LOSS = {
    "Q": (Wave(-0.027, 0.013, 0.30), -0.60),
    "R loss": (Wave(-0.004, 0.014, 0.30), -0.45),
    "ST elevation": (Wave(0.130, 0.050, 0.80), 0.10),
    "T inversion": (Wave(0.280, 0.042, 0.50, late=True), -0.42),
}
"""What a wall that is lost adds along the direction towards it, in mV: missing forces, and a recovery that points away."""
STRAIN = (Wave(0.275, 0.045, late=True), (-0.26, -0.12, 0.08))
"""What a hypertrophic heart adds to its recovery."""
DELAY = (Wave(0.055, 0.017), (-0.42, 0.0, -0.42))
"""What a right bundle branch that conducts late adds."""
EXTRASYSTOLE = ((Wave(0.0, 0.038), 1.0), (Wave(0.32, 0.065), -0.45))
"""A ventricular extrasystole and its recovery, along a direction of its own."""
EARLY = 0.22
"""By how many seconds it comes early."""
WANDERING = 0.15
"""Deviation of a person's own direction of each wave, as a share of its length."""
TURN_DEGREES = (14.0, 12.0)
"""Deviation of the heart's turn in the frontal and in the horizontal plane."""


@dataclass(frozen=True, eq=False)
class Beating:
    """The dipole of one person, (samples, 3) in mV, and the breath at each sample, from -1 to 1."""

    dipole: Numbers
    breath: Numbers


def draw_beats(rng: np.random.Generator, signs: pd.Series[float], bpm: float) -> Beating:
    """Ten seconds of a heart with these signs, which beats about `bpm` times a minute."""
    rate, phase = rng.uniform(0.17, 0.33), rng.uniform(0, 2 * np.pi)
    breath = np.sin(2 * np.pi * rate * np.arange(SAMPLES) / HERTZ + phase)
    peaks = _peaks(rng, bpm, rate, phase)
    beat, turn, outward = _beat(rng, signs), _turn(rng), _direction(rng)
    extrasystole = [(wave, size * outward) for wave, size in EXTRASYSTOLE]
    early = rng.random(len(peaks)) < (0.12 if rng.random() < 0.08 else 0)
    waves = [
        (peak - EARLY * extra, wave, dipole)
        for peak, extra in zip(peaks, early, strict=True)
        for wave, dipole in (extrasystole if extra else beat)
    ]
    stretch = np.sqrt(60 / bpm / 0.86)
    late = [stretch if wave.late else 1.0 for _, wave, _ in waves]
    middles = np.array([peak + wave.middle * by for (peak, wave, _), by in zip(waves, late, strict=True)])
    widths = np.array([wave.width * by for (_, wave, _), by in zip(waves, late, strict=True)])
    dipoles = np.array([dipole for *_, dipole in waves], dtype=np.float32)
    swing = 1 + rng.uniform(0.02, 0.10) * breath
    return Beating(_bells(middles, widths) @ dipoles @ turn.T * swing[:, None], breath)


def _bells(middles: Numbers, widths: Numbers) -> Floats:
    """Gaussian waves of height 1, (samples, waves); cut at exp(-20), for processors are slow with the least numbers."""
    times = np.arange(SAMPLES, dtype=np.float32)[:, None] / np.float32(HERTZ)
    apart = (times - middles.astype(np.float32)) / widths.astype(np.float32)
    return np.exp(np.maximum(np.float32(-0.5) * apart**2, np.float32(-20)))


def _peaks(rng: np.random.Generator, bpm: float, rate: float, phase: float) -> Sequence[float]:
    """Times of the R peaks in seconds: the rate follows the breath and, more slowly, the blood pressure."""
    mean = 60 / (bpm * np.exp(0.08 * rng.standard_normal()))
    depth, slow = np.exp(rng.normal(-3.5, 0.5, 2))
    shift = rng.uniform(0, 2 * np.pi)
    peaks = [-mean * rng.random() - 0.5]
    while peaks[-1] < SAMPLES / HERTZ + 0.5:
        t = peaks[-1]
        vary = depth * np.sin(2 * np.pi * rate * t + phase) + slow * np.sin(2 * np.pi * 0.1 * t + shift)
        peaks.append(t + mean * (1 + vary + 0.008 * rng.standard_normal()))
    return peaks


def _beat(rng: np.random.Generator, signs: pd.Series[float]) -> list[tuple[Wave, Numbers]]:
    """The waves of this person's beats, each with its dipole."""
    gain, hypertrophy = np.exp(0.15 * rng.standard_normal()), float(signs["hypertrophy"])
    share, towards = lost(float(signs["electrical"])), np.array(TOWARDS[str(signs["wall"])])
    delay = 0.1 * abs(rng.standard_normal()) + (rng.random() < 0.05) * rng.uniform(0.5, 1.1)
    thick = {name: np.exp(0.15 * hypertrophy) for name in ACTIVATION}
    waves = [
        *((wave, thick.get(name, 1.0) * np.array(dipole)) for name, (wave, dipole) in HEALTHY.items()),
        *((wave, share * size * towards) for wave, size in LOSS.values()),
        (STRAIN[0], max(hypertrophy - 0.7, 0) * np.array(STRAIN[1])),
        (DELAY[0], delay * np.array(DELAY[1])),
    ]
    return [(wave, gain * _own(rng, wave, dipole)) for wave, dipole in waves]


def _own(rng: np.random.Generator, wave: Wave, dipole: Numbers) -> Numbers:
    """The wave's dipole as this person has it: longer or shorter, and a little off its direction."""
    off = WANDERING * np.linalg.norm(dipole) * rng.standard_normal(3)
    return np.asarray((dipole + off) * np.exp(wave.spread * rng.standard_normal()))


def _direction(rng: np.random.Generator) -> Numbers:
    """A direction at random, (3,)."""
    along = rng.standard_normal(3)
    return np.asarray(along / np.linalg.norm(along))


def _turn(rng: np.random.Generator) -> Numbers:
    """How the heart lies in the chest: a rotation (3, 3)."""
    frontal, horizontal = np.radians(TURN_DEGREES) * rng.standard_normal(2)
    c, s, d, t = np.cos(frontal), np.sin(frontal), np.cos(horizontal), np.sin(horizontal)
    return np.asarray(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[d, 0, -t], [0, 1, 0], [t, 0, d]]))
