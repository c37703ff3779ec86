"""An ECG as on paper: 25 mm a second and 10 mm a millivolt, in rows of four leads over a rhythm strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.modalities.signal import LEADS, Recordings
from benchmark.data.parts import Floats

MM_PER_SECOND, MM_PER_MV = 25.0, 10.0
LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",))
"""Rows of a 12-lead ECG: each lead is shown for its share of the time, all on one clock; the last row is the rhythm strip."""
ROW_MM = 30.0
PULSE_MM = 5.0
"""The calibration pulse: 1 mV for a fifth of a second."""
MARGINS_MM = (16.0, 4.0, 13.0, 11.0)
"""Left, right, bottom and top of the paper."""
PAPER, THIN, BOLD, INK = "#fffafa", "#f6d5d5", "#e9a3a3", "#1a1a1a"
DOTS_PER_INCH = 150


@dataclass(frozen=True, eq=False)
class Trace:
    """A further line over an ECG: (leads, samples), its colour and its name in the legend."""

    values: Floats
    colour: str
    name: str


def write_ecg(path: Path, recordings: Recordings, row: int, title: str, over: Sequence[Trace] = ()) -> Path:
    """Write one recording as PNG; returns the path. Lines of `over` have the same leads and samples."""
    from matplotlib.figure import Figure

    layout = LAYOUT if recordings.leads == LEADS else tuple((lead,) for lead in recordings.leads)
    width = PULSE_MM + recordings.shape[2] / recordings.hertz * MM_PER_SECOND
    height = ROW_MM * len(layout)
    zeros = [height - ROW_MM * (number + 0.5) for number in range(len(layout))]
    left, right, bottom, top = MARGINS_MM
    whole = (width + left + right, height + bottom + top)
    figure = Figure(figsize=(whole[0] / 25.4, whole[1] / 25.4), dpi=DOTS_PER_INCH)
    axes = figure.add_axes((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    _rule(axes, width, height)
    for leads, zero in zip(layout, zeros, strict=True):
        _row(axes, recordings, leads, zero, [Trace(recordings[row], INK, ""), *over])
    _label(axes, recordings, width, zeros)
    axes.set_title(f"{title}    25 mm/s, 10 mm/mV", fontsize=9, loc="left")
    if over:
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.07), ncols=len(over), fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    return path


def _rule(axes: Any, width: float, height: float) -> None:
    """Lines of a millimetre and of five."""
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_facecolor(PAPER)
    for step, colour, thickness in ((1, THIN, 0.3), (5, BOLD, 0.5)):
        axes.vlines(np.arange(0, width + 1, step), 0, height, colors=colour, linewidths=thickness, zorder=0)
        axes.hlines(np.arange(0, height + 1, step), 0, width, colors=colour, linewidths=thickness, zorder=0)


def _row(axes: Any, recordings: Recordings, leads: Sequence[str], zero: float, traces: Sequence[Trace]) -> None:
    """The calibration pulse, then each lead for its share of the time."""
    pulse = np.array([0, 0, MM_PER_MV, MM_PER_MV, 0, 0])
    axes.plot(np.array([0, 0.5, 0.5, PULSE_MM - 0.5, PULSE_MM - 0.5, PULSE_MM]), zero + pulse, color=INK, linewidth=0.7)
    samples = recordings.shape[2]
    at = PULSE_MM + np.arange(samples) / recordings.hertz * MM_PER_SECOND
    bounds = np.linspace(0, samples, len(leads) + 1).round().astype(int)
    for lead, start, stop in zip(leads, bounds[:-1], bounds[1:], strict=True):
        shown = slice(start, min(stop + 1, samples))
        number = recordings.leads.index(lead)
        for trace in traces:
            named = {"label": trace.name} if trace.name and lead == leads[0] and zero > axes.get_ylim()[1] - ROW_MM else {}
            axes.plot(at[shown], zero + trace.values[number, shown] * MM_PER_MV, color=trace.colour, linewidth=0.7, **named)
        if start:
            axes.vlines(at[start], zero - 4, zero + 4, colors=INK, linewidths=0.5)
        axes.text(at[start] + 1, zero + 9, lead, fontsize=8, fontweight="bold", color=INK)


def _label(axes: Any, recordings: Recordings, width: float, zeros: Sequence[float]) -> None:
    """Seconds below, and at the left of each row the unit of its scale."""
    seconds = np.arange(0, (width - PULSE_MM) / MM_PER_SECOND + 1e-9)
    axes.set_xticks(PULSE_MM + seconds * MM_PER_SECOND, [f"{second:g}" for second in seconds], fontsize=7)
    marks = [(zero + mv * MM_PER_MV, f"{mv:+d}" if mv else "0") for zero in zeros for mv in (-1, 0, 1)]
    axes.set_yticks([place for place, _ in marks], [text for _, text in marks], fontsize=7)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_ylabel(recordings.unit, fontsize=8)
    axes.tick_params(length=2)
