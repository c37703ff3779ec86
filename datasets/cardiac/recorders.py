"""Electrocardiograms: the dipole's potentials at nine electrodes, with their noise and faults, as a recorder stores them.

All that disturbs is added at the electrodes, and the recorder stores eight channels of which it computes the other four leads
in whole microvolts: so Einthoven's and Goldberger's laws hold exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from datasets.cardiac.beats import HERTZ, SAMPLES, Beating, Numbers, draw_beats
from datasets.cardiac.people import RECORDING, People

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1 to V6
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""The eight channels that a dipole gives (Dower et al., J Electrocardiol 1980;13:182)."""
ELECTRODES = 9
"""RA, LA, LL, V1 to V6."""
ARM_SWAP, LOOSE = 0.015, 0.06
"""Shares of the recordings with the arms' electrodes exchanged, and with one electrode that is loose."""
TIMES = np.arange(SAMPLES) / HERTZ


@dataclass(frozen=True)
class Recorder:
    """A hospital's recorder and its surroundings.

    high_pass, low_pass : its filter in Hz; no low-pass where None. mains : median amplitude of the mains in mV. muscle,
    wander : factors on the noise of muscles and on slow drifts. step : microvolts between two stored values, an even number.
    """

    high_pass: float
    low_pass: float | None
    mains: float
    muscle: float = 1.0
    wander: float = 1.0
    step: int = 2


RECORDERS: Mapping[str, Recorder] = {
    "Hospital A": Recorder(0.05, 40, 0.004),
    "Hospital B": Recorder(0.15, None, 0.010, muscle=1.3, wander=1.2),
    "Hospital C": Recorder(0.5, 35, 0.004, muscle=0.8, step=4),
    "Hospital D": Recorder(0.05, None, 0.016, wander=1.6, step=10),
}


def record_people(people: People) -> NDArray[np.int16]:
    """Recordings (n, 12, samples) in microvolts."""
    recordings = np.empty((len(people), len(LEADS), SAMPLES), dtype=np.int16)
    pulses = people.visit.table["pulse_bpm"]
    for k, (origin, (_, signs)) in enumerate(zip(people.origins, people.signs.iterrows(), strict=True)):
        rng = origin.generator(RECORDING)
        beating = draw_beats(rng, signs, float(pulses.iloc[k]))
        recordings[k] = _recorded(rng, beating, RECORDERS[origin.centre.name])
    return recordings


def _recorded(rng: np.random.Generator, beating: Beating, recorder: Recorder) -> NDArray[np.int64]:
    """The twelve leads in whole microvolts, (12, samples)."""
    potentials = beating.dipole @ _potentials().T + _disturbance(rng, beating.breath, recorder)
    if rng.random() < ARM_SWAP:
        potentials[:, [0, 1]] = potentials[:, [1, 0]]
    right, left, foot = potentials[:, :3].T
    chest = potentials[:, 3:].T - (right + left + foot) / 3
    channels = _filtered(np.vstack([left - right, foot - right, chest]), recorder)
    stored = np.round(1000 / recorder.step * channels).astype(np.int64) * recorder.step
    first, second = stored[:2]
    limbs = [first, second, second - first, -(first + second) // 2, first - second // 2, second - first // 2]
    return np.vstack([*limbs, stored[2:]])


def _potentials() -> Numbers:
    """(9, 3): what each electrode sees of the dipole, where the three limbs' potentials add up to zero."""
    first, second = DOWER[:2]
    right = -(first + second) / 3
    return np.vstack([right, right + first, right + second, DOWER[2:]])


def _disturbance(rng: np.random.Generator, breath: Numbers, recorder: Recorder) -> Numbers:
    """What the electrodes pick up besides the heart, (samples, 9) in mV; a loose one picks up much more of it."""
    loose = np.ones(ELECTRODES)
    if rng.random() < LOOSE:
        loose[rng.integers(ELECTRODES)] = rng.uniform(5, 20)
    slow = 0.025 * _uneven(rng) * breath[:, None] + 0.03 * loose * _uneven(rng) * _drift(rng)
    muscles = 0.006 * np.sqrt(loose) * _uneven(rng) * _tension(rng)[:, None] * rng.standard_normal((SAMPLES, ELECTRODES))
    hertz = 50 + 0.03 * rng.standard_normal()
    hum = np.exp(0.5 * rng.standard_normal()) * np.sin(2 * np.pi * (hertz * TIMES + rng.random()))
    mains = loose * _uneven(rng) * hum[:, None]
    return np.asarray(recorder.wander * slow + recorder.muscle * muscles + recorder.mains * mains)


def _uneven(rng: np.random.Generator) -> Numbers:
    """How much of a disturbance each electrode picks up, (9,) around 1."""
    return np.exp(0.4 * rng.standard_normal(ELECTRODES))


def _drift(rng: np.random.Generator) -> Numbers:
    """Slow waves of each electrode's own, (samples, 9)."""
    periods, phases = rng.uniform(4, 16, (3, ELECTRODES)), rng.random((3, ELECTRODES))
    return np.asarray(np.sin(2 * np.pi * (TIMES[:, None, None] / periods + phases)).sum(axis=1))


def _tension(rng: np.random.Generator) -> Numbers:
    """How tense the person is, (samples,) around 1: for some seconds more than for the rest."""
    for_a_while = np.clip(np.sin(2 * np.pi * (TIMES / 10 + rng.random())), 0, 1)
    return np.asarray(np.exp(0.5 * rng.standard_normal()) * (1 + 2 * rng.random() * for_a_while))


def _filtered(channels: Numbers, recorder: Recorder) -> Numbers:
    """The channels (8, samples) through the recorder's filters, which delay nothing."""
    from scipy.signal import sosfiltfilt

    for sections in _filters(recorder):
        channels = sosfiltfilt(sections, channels)
    return channels


@lru_cache
def _filters(recorder: Recorder) -> list[Numbers]:
    """Its Butterworth filters as second-order sections."""
    from scipy.signal import butter

    passes = [butter(1, recorder.high_pass, "highpass", fs=HERTZ, output="sos")]
    return passes if recorder.low_pass is None else [*passes, butter(2, recorder.low_pass, "lowpass", fs=HERTZ, output="sos")]
