"""Signal: one recording of each case, (leads, samples), such as a 12-lead ECG, with its sampling rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import ArrayView, Bools, Index, Modality, Part, View, mapped
from benchmark.data.remarks import Remarks, quoted

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The leads of an ECG, named and ordered as in WFDB."""
BLOCK = 1024
"""Cases that are checked, digested and stored at a time."""
LARGEST_MV = 30.0
"""No lead of an ECG swings as far, in mV: values beyond are those of another unit."""
HERTZ, SECONDS = 50.0, 2.0


class Recordings(ArrayView):
    """The cases' recordings, (n, leads, samples) float32 when taken.

    Parameters
    ----------
    array : (N, leads, samples) numbers as stored, usually a memory map of all cases of the dataset: int16 with the scale .001
        holds microvolts exactly. A lead that was not recorded is NaN throughout, and zero after the intake.
    hertz : samples per second.
    leads : the name of each lead; those of an ECG as in `LEADS`.
    unit : of the values when taken.
    rows : (n,) positions in `array` of this view's cases; all by default.
    scale : factor applied after the cast to float32.
    notes : what was done when they were read, in words -> (N,) bool, to which recordings; the intake passes it on.
    """

    def __init__(
        self,
        array: NDArray[Any],
        hertz: float,
        leads: Sequence[str] = LEADS,
        unit: str = "mV",
        *,
        rows: Index | None = None,
        scale: float = 1.0,
        notes: Mapping[str, Bools] | None = None,
    ) -> None:
        super().__init__(array, rows, float(scale))
        self.hertz, self.leads, self.unit = float(hertz), tuple(leads), unit
        self.notes: Mapping[str, Bools] = notes or {}

    def over(self, array: NDArray[Any], rows: Index | None, scale: float) -> Recordings:
        """The same leads of another array."""
        notes = self.notes if array is self.array else None
        return Recordings(array, self.hertz, self.leads, self.unit, rows=rows, scale=scale, notes=notes)

    @property
    def kind(self) -> tuple[object, ...]:
        """The shape of one case, the sampling rate, leads and unit."""
        return self.shape[1:], f"at {self.hertz:g} Hz", self.leads, self.unit


class RecordingsPart(Part):
    """Recordings, none of which is read before it is asked for."""

    def take_in(self, value: Any, remarks: Remarks) -> Recordings | None:
        """Finite recordings of at least a second: a lead that is NaN throughout is zero, a gap in one a straight line."""
        recordings = _readable(self.name, value, remarks)
        if recordings is None:
            return None
        for note, where in value.notes.items():
            if where[value.rows].any():
                remarks.note(self.name, note, where[value.rows])
        extremes = _Extremes(recordings)
        if extremes.infinite.any():
            cases = extremes.infinite.any(axis=1)
            remarks.refuse(self.name, "infinite values: make the samples that are not known NaN", cases)
            return None
        if extremes.nan.any():
            recordings = _without_nan(self.name, recordings, extremes, remarks)
        recorded = remarks.having("signal", len(recordings)) & ~extremes.flat.all(axis=1)
        flat = extremes.flat & ~extremes.missing & recorded[:, None]
        if flat.any():
            remarks.note(self.name, f"one value in all samples of lead {_named(recordings, flat)}", flat.any(axis=1))
        swing = np.median(extremes.swing[recorded].max(axis=1)) if recorded.any() else 0.0
        if recordings.unit == "mV" and swing > LARGEST_MV:
            remarks.note(self.name, f"the leads swing by {swing:.0f} mV at the median: give microvolts the scale 0.001")
        return recordings

    def missing(self, value: Recordings) -> Bools:
        """The cases whose every sample is zero."""
        there = [block.any(axis=(1, 2)) for _, block in value.blocks(BLOCK)]
        return ~np.concatenate(there)

    def write(self, value: Recordings, folder: Path) -> object:
        """One array, a block of cases at a time; returns what else describes the recordings."""
        value.save(folder / f"{self.name}.npy")
        return {"hertz": value.hertz, "leads": list(value.leads), "unit": value.unit, "scale": value.scale}

    def read(self, folder: Path, written: Any) -> Recordings:
        """The recordings, memory-mapped."""
        return Recordings(mapped(folder / f"{self.name}.npy"), **written)

    def digested(self, value: Recordings | None) -> Iterator[tuple[str, object]]:
        """What describes the recordings, then the samples as stored."""
        if value is not None:
            yield self.name, [value.hertz, list(value.leads), value.unit, value.scale]
            for start, block in value.blocks(BLOCK):
                yield f"{self.name}.{start}", block


class _Extremes:
    """What is odd in the stored values of each case and lead, (n, leads) each; swing: from the least value to the greatest."""

    def __init__(self, recordings: Recordings) -> None:
        blocks = [_extremes(block) for _, block in recordings.blocks(BLOCK)]
        low, high, self.nan, self.missing, self.infinite = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        self.flat = self.missing | (low == high)
        self.swing = np.where(self.missing, 0, high - low) * recordings.scale


def _extremes(block: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Least and greatest known value; whether some samples are NaN, all are, and some infinite: (n, leads) each."""
    unknown = np.isnan(block)
    low = np.where(unknown, np.inf, block).min(axis=2) if unknown.any() else block.min(axis=2)
    high = np.where(unknown, -np.inf, block).max(axis=2) if unknown.any() else block.max(axis=2)
    every = unknown.all(axis=2)
    infinite = ~every & ~(np.isfinite(low) & np.isfinite(high))
    return low.astype(np.float64), high.astype(np.float64), unknown.any(axis=2), every, infinite


def _readable(place: str, value: Any, remarks: Remarks) -> Recordings | None:
    """Numbers of three axes, at a sampling rate and with a name for each lead; None where they are refused."""
    if not isinstance(value, Recordings):
        remarks.refuse(place, f"is a {type(value).__name__}: give Recordings(array, hertz, leads)")
        return None
    try:
        array = np.asarray(value.array)
    except ValueError:  # arrays of several shapes
        remarks.refuse(place, "recordings of different shapes: bring them to one length and the same leads")
        return None
    kind, shape = array.dtype, array.shape
    remarks.given[place] = str(kind)
    if kind.kind not in "uif" or len(shape) != 3:
        remarks.refuse(place, f"is {kind} of shape {shape}: give numbers of shape (cases, leads, samples)")
        return None
    wrong = [name for name, number in (("hertz", value.hertz), ("scale", value.scale)) if not 0 < number < np.inf]
    for name in wrong:
        remarks.refuse(place, f"{name} is {getattr(value, name):g}: give a positive number")
    folded = [lead.strip().casefold() for lead in value.leads]
    twice = [lead for lead, name in zip(value.leads, folded, strict=True) if folded.count(name) > 1]
    if twice:
        remarks.refuse(place, f"lead names {quoted(twice)} occur twice: give each lead its own")
    if len(folded) != shape[1]:
        remarks.refuse(place, f"{len(folded)} lead names for {shape[1]} leads: the array's second axis is that of the leads")
    if not wrong and shape[2] < value.hertz:
        seconds = f"{shape[2]} samples at {value.hertz:g} Hz, which is less than a second"
        remarks.refuse(place, f"{seconds}: no heartbeat fits; the array's last axis is that of the samples")
    if wrong or twice or len(folded) != shape[1] or shape[2] < value.hertz:
        return None
    exact = array.astype(np.float32) if kind.kind == "f" and kind.itemsize > 4 else array
    return Recordings(exact, value.hertz, value.leads, value.unit, rows=value.rows, scale=value.scale)


def _without_nan(place: str, recordings: Recordings, extremes: _Extremes, remarks: Remarks) -> Recordings:
    """Missing leads as zeros, and gaps as straight lines between the samples beside them."""
    if (lacking := extremes.missing & ~extremes.missing.all(axis=1, keepdims=True)).any():
        message = f"lead {_named(recordings, lacking)} missing: zero throughout"
        remarks.note(place, message, lacking.any(axis=1))
    gaps = extremes.nan & ~extremes.missing
    if gaps.any():
        remarks.note(place, f"NaN in lead {_named(recordings, gaps)}: a straight line takes its place", gaps.any(axis=1))
    values = recordings.array[recordings.rows]
    values[extremes.missing] = 0
    for case, lead in np.argwhere(gaps):
        bridge(values[case, lead])
    return recordings.over(values, None, recordings.scale)


def bridge(lead: NDArray[Any]) -> None:
    """Replace the NaN of a lead (samples,) in place: straight lines between the samples beside them, level at both ends."""
    unknown = np.isnan(lead)
    lead[unknown] = np.interp(np.flatnonzero(unknown), np.flatnonzero(~unknown), lead[~unknown])


def _named(recordings: Recordings, where: Bools) -> str:
    """The leads of (n, leads) flags."""
    return ", ".join(recordings.leads[lead] for lead in np.flatnonzero(where.any(axis=0)))


class Signal(Modality):
    """What was recorded of a case over time."""

    def views(self, parts: Mapping[str, Any]) -> Mapping[str, View]:
        """The recordings."""
        return {"ecg": parts["signals"]} if "signals" in parts else {}

    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """Beats of which the ST segment is higher in the chest leads the more severe; the heart's rate tells nothing."""
        time = np.arange(round(HERTZ * SECONDS)) / HERTZ
        beats = np.stack([_beats(time, *drawn) for drawn in zip(rng.uniform(0.6, 1.0, len(severity)), severity, strict=True)])
        values = beats + 0.03 * rng.normal(size=beats.shape)
        return {"signals": Recordings((1000 * values * present[:, None, None]).round().astype(np.int16), HERTZ, scale=0.001)}


def _beats(time: NDArray[np.float64], interval: float, severity: float) -> NDArray[np.float64]:
    """(12, samples) in mV: a beat every `interval` seconds. The limb leads follow from I and II."""
    elevation = 0.1 + 0.08 * severity
    waves = {"P": (-0.16, 0.03, 0.1), "R": (0.0, 0.025, 1.0), "ST": (0.12, 0.05, elevation), "T": (0.26, 0.05, 0.25)}
    since = (time + interval / 2) % interval - interval / 2
    shapes = {name: mv * np.exp(-((since - centre) ** 2) / (2 * width**2)) for name, (centre, width, mv) in waves.items()}
    plain, elevated = shapes["P"] + shapes["R"] + shapes["T"], shapes["ST"]
    one, two = 0.7 * plain, plain
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limbs, *(share * plain + elevated for share in (-0.5, 0.2, 0.8, 1.2, 1.1, 0.9))])


MODALITY = Signal((RecordingsPart("signals"),), alone=True)
