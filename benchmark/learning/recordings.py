"""Recordings as methods read them: without their baseline, and on one scale by group of leads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BASELINE = 0.5
"""Below so many hertz a signal wanders: it is taken out."""
CLIP = 4.0
"""Standard deviations of a whole recording at which its leads are cut."""
GROUPS = (("I", "II", "III"), ("aVR", "aVL", "aVF"))
"""Leads that are scaled together; chest leads are another group, and leads of other names one more."""


def lead_groups(leads: tuple[str, ...]) -> list[NDArray[np.intp]]:
    """Places of the leads that are scaled together: limb, augmented, chest, and any others."""
    known = [*GROUPS, tuple(name for name in leads if name.upper().startswith("V") and name[1:].isdigit())]
    known.append(tuple(set(leads).difference(*known)))
    places = [np.flatnonzero([name in group for name in leads]) for group in known]
    return [each for each in places if len(each)]


def prepared(signals: NDArray[np.float64], hertz: float, groups: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Signals (n, leads, samples) cut, then without their baseline, then each group of leads of unit deviation.

    The order is that of Turgut et al. 2023, arXiv 2308.05764.
    """
    whole = steady(cut(signals), hertz)
    for places in groups:
        deviation = whole[:, places].std(axis=(1, 2), keepdims=True)
        whole[:, places] /= np.where(deviation > 1e-6, deviation, 1.0)
    return whole


def cut(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signals (n, leads, samples) within 4 standard deviations, over all leads of a recording, of each lead's median.

    About the median and not about 0, so that nothing is lost of an electrode whose zero lies elsewhere.
    """
    level = np.median(signals, axis=2, keepdims=True)
    most = CLIP * (signals - level).std(axis=(1, 2), keepdims=True)
    return np.clip(signals, level - most, level + most)


def steady(signals: NDArray[np.float64], hertz: float) -> NDArray[np.float64]:
    """Signals (n, leads, samples) without what is slower than 0.5 Hz: their baseline."""
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(2, BASELINE, "highpass", fs=hertz, output="sos"), signals, axis=2, padtype="constant"))
