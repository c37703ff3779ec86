"""Recordings brought to one form: leads by name and in one order, one sampling rate and length, gaps and artefacts mended.

Data in, data out: what reads files calls `prepared` for each recording, and `collected` for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmark.data.modalities.signal import LEADS, Recordings, bridge
from benchmark.data.parts import Bools
from benchmark.system.errors import DataError

FORMULAS = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
"""Limb lead -> its shares of I and II, by Einthoven's law and Goldberger's definition."""
SHORTEST = 0.9
"""The share of the length from which on a recording is padded; a shorter one is refused."""
CLIP_MV = 10.0
"""A larger voltage is no heart's: a loose electrode, or a jump of the amplifier."""
STEP = 0.001
"""What one unit of a stored sample stands for: of mV a microvolt, the resolution of the machines."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording as its file holds it: (leads, samples) in mV, NaN where not known; samples per second; lead names."""

    name: str
    values: NDArray[np.float64]
    hertz: float
    leads: Sequence[str]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recording in one form, (leads, samples) float64 in mV, NaN where a lead is missing, and what was done, in words."""

    values: NDArray[np.float64]
    notes: Sequence[str]


def prepared(
    recording: Recording, hertz: float, seconds: float, leads: Sequence[str] = LEADS, clip: float = CLIP_MV
) -> Prepared:
    """The recording with these leads in this order, so many samples per second and so many seconds.

    Leads are found by name, whatever the case; others are left out. Limb leads that are missing follow from I and II; any other
    missing lead is NaN. A gap is bridged by a straight line, and values beyond `clip` are clipped. What is longer is cut at
    the end; what lacks at most a tenth is padded with each lead's last value. Raises `DataError`, with the recording's name,
    where more is lacking, a lead occurs twice, or none of the leads is there.
    """
    notes: list[str] = []
    held = _by_name(recording, leads)
    _compute_limb_leads(held, leads, notes)
    missing = [lead for lead in leads if lead not in held]
    if len(missing) == len(leads):
        raise DataError(
            f"recording {recording.name}: none of its leads ({', '.join(recording.leads)}) is one of {', '.join(leads)}"
        )
    values = np.stack([held.get(lead, np.full(recording.values.shape[1], np.nan)) for lead in leads])
    known = ~np.isnan(values).all(axis=1)
    gaps = np.isnan(values[known])
    if gaps.any():
        notes.append("NaN bridged by a straight line")
        for lead in np.flatnonzero(known):
            bridge(values[lead])
    if (np.abs(values[known]) > clip).any():
        notes.append(f"clipped at {clip:g}")
    at_rate = resampled(values[known].clip(-clip, clip), recording.hertz, hertz)
    whole = np.full((len(leads), round(hertz * seconds)), np.nan)
    whole[known] = _of_length(at_rate, whole.shape[1], recording.name, hertz, notes)
    return Prepared(whole, notes)


def collected(
    recordings: Iterable[Prepared], count: int, hertz: float, leads: Sequence[str] = LEADS, unit: str = "mV"
) -> Recordings:
    """All of them, `count` in number, one read after the other; leads that are missing are zero.

    They are stored as int16 in thousandths of the unit: microvolts.

    Each remark names the recordings that it is of; the intake passes it on.
    """
    values: NDArray[np.int16] = np.zeros((0, 0, 0), dtype=np.int16)
    notes: dict[str, Bools] = {}
    for place, recording in enumerate(recordings):
        if not place:
            values = np.zeros((count, *recording.values.shape), dtype=np.int16)
        values[place] = np.rint(np.nan_to_num(recording.values) / STEP)
        for note in recording.notes:
            notes.setdefault(note, np.zeros(count, dtype=bool))[place] = True
    return Recordings(values, hertz, leads, unit, scale=STEP, notes=notes)


def resampled(values: NDArray[np.float64], hertz: float, wanted: float) -> NDArray[np.float64]:
    """(leads, samples) at another rate, by a polyphase filter with the ratio of the rates as a fraction."""
    from scipy.signal import resample_poly

    if hertz == wanted:
        return values
    ratio = Fraction(wanted / hertz).limit_denominator(1000)
    level = values.mean(axis=1, keepdims=True)
    waves: NDArray[np.float64] = resample_poly(values - level, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    return np.asarray(waves + level)


def _by_name(recording: Recording, leads: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Lead -> its samples, of those leads that are asked for or from which one follows."""
    standard = {lead.casefold(): lead for lead in (*LEADS, *leads)}
    named = [standard.get(_plain(name), "") for name in recording.leads]
    twice = sorted({name for name in named if name and named.count(name) > 1})
    if twice:
        raise DataError(f"recording {recording.name}: lead {', '.join(twice)} occurs twice")
    return {name: values for name, values in zip(named, recording.values, strict=True) if name and not np.isnan(values).all()}


def _plain(name: str) -> str:
    """`Lead aVR`, `AVR` and ` avr ` are one lead."""
    return name.strip().casefold().removeprefix("lead").removeprefix("ecg").strip(" _")


def _compute_limb_leads(held: dict[str, NDArray[np.float64]], leads: Sequence[str], notes: list[str]) -> None:
    """Add the limb leads that are missing where I and II are there."""
    computed = [lead for lead in FORMULAS if lead in leads and lead not in held and {"I", "II"} <= held.keys()]
    for lead in computed:
        of_one, of_two = FORMULAS[lead]
        held[lead] = of_one * held["I"] + of_two * held["II"]
    if computed:
        notes.append(f"lead {', '.join(computed)} computed from I and II")


def _of_length(values: NDArray[np.float64], samples: int, name: str, hertz: float, notes: list[str]) -> NDArray[np.float64]:
    """(leads, samples), cut or padded at the end."""
    lacking = samples - values.shape[1]
    if values.shape[1] < SHORTEST * samples:
        given = f"{values.shape[1] / hertz:g} s for {samples / hertz:g} s"
        raise DataError(f"recording {name}: {given}: what lacks more than a tenth is refused")
    if lacking > 0:
        notes.append("too short: padded with the last value of each lead")
        return np.pad(values, ((0, 0), (0, lacking)), mode="edge")
    if lacking < 0:
        notes.append("too long: cut at the end")
    return values[:, :samples]
