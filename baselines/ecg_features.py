"""ECG features: logistic regression on statistics of each lead, the median beat and the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark import BenchmarkError, Cohort, register_method
from benchmark.learning.design_matrix import DesignMatrix
from benchmark.learning.recordings import steady

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
PERCENTILES = (1, 5, 25, 75, 95, 99)
BEFORE, AFTER = 0.25, 0.45
"""Seconds of a beat before and after its R peak [A]."""
APART = 0.3
"""Seconds that R peaks are apart at least: 200 beats a minute [A]."""
CASES_AT_ONCE = 256
MODALITIES = ("signal", "signal+table")


@register_method(
    "ecg-features",
    family="classical",
    reference="Cox 1958, on statistics of each lead and principal components of the median beat",
    differences="[A] baseline below 0.5 Hz taken out; of each lead mean, deviation, skewness, kurtosis, six percentiles and "
    "mean step; heart rate and its variation; 20 components of the median beat over R peaks that are found in all leads; "
    "C by the validation part's log loss. `modalities=signal` leaves the table out",
    fit_modalities={"signal", "table"},
    predict_modalities={"signal", "table"},
    validation="selection",
    variants={"modalities": {"signal": {"signal"}}},
)
@dataclass
class ECGFeatures:
    """L2-penalised logistic regression.

    components : of the median beat. modalities : "signal" without the table.
    """

    stochastic = False

    components: int = 20
    modalities: str = "signal+table"

    def __post_init__(self) -> None:
        """Raises `BenchmarkError` for options that mean nothing."""
        if self.modalities not in MODALITIES:
            raise BenchmarkError(f"ecg-features: modalities={self.modalities}: give one of {', '.join(MODALITIES)}")
        if type(self.components) is not int or self.components < 1:
            raise BenchmarkError(
                f"ecg-features: components={self.components}: give a number of principal components such as 20"
            )

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit imputation, components and classifier on the training part; the penalty by the validation part's log loss."""
        from sklearn.compose import ColumnTransformer
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss
        from sklearn.preprocessing import StandardScaler

        self._matrix = DesignMatrix("table").fit(train) if self.modalities == "signal+table" else None
        others, beats = self._features(train)
        numbers = np.arange(others.shape[1] + beats.shape[1])
        count = min(self.components, beats.shape[1], len(train))
        self._columns = ColumnTransformer(
            [
                ("others", StandardScaler(), numbers[: others.shape[1]]),
                ("beat", PCA(count, whiten=True, random_state=0), numbers[others.shape[1] :]),
            ]
        ).fit(np.concatenate([others, beats], axis=1))
        x, y = self._columns.transform(np.concatenate([others, beats], axis=1)), np.asarray(train.labels)
        held_out = self._columns.transform(np.concatenate(self._features(validation), axis=1))
        fitted = [LogisticRegression(C=penalty, max_iter=1000).fit(x, y) for penalty in PENALTIES]
        losses = [log_loss(validation.labels, model.predict_proba(held_out)[:, 1], labels=[0, 1]) for model in fitted]
        self._fitted = fitted[int(np.argmin(losses))]
        self.chosen = {"C": self._fitted.C}

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        x = self._columns.transform(np.concatenate(self._features(cases), axis=1))
        return np.asarray(self._fitted.predict_proba(x)[:, 1])

    def _features(self, cases: Cohort) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Statistics and table, (n, p), and median beats, (n, q)."""
        statistics, beats = recording_features(cases)
        table = [] if self._matrix is None else [self._matrix.transform(cases)]
        return np.concatenate([statistics, *table], axis=1), beats


def recording_features(cases: Cohort) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Statistics of the leads and the rate, (n, p), and the leads' median beats one after the other, (n, q).

    Raises `BenchmarkError` where the cohort has no signals.
    """
    if cases.signals is None:
        raise BenchmarkError(f"{cases.name} has no signal, which this method reads")
    hertz = cases.signals.hertz
    found = []
    for start in range(0, len(cases), CASES_AT_ONCE):
        rows = np.arange(start, min(start + CASES_AT_ONCE, len(cases)))
        recordings = steady(np.asarray(cases.signals[rows], dtype=np.float64), hertz)
        beats = [median_beat(recording, hertz) for recording in recordings]
        rates = np.array([rate for rate, _ in beats])
        found.append((np.concatenate([lead_statistics(recordings), rates], axis=1), np.stack([beat for _, beat in beats])))
    statistics, medians = (np.concatenate(part) for part in zip(*found, strict=True))
    return statistics, medians


def lead_statistics(recordings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, deviation, skewness, kurtosis, percentiles and mean step of each lead: (n, leads, samples) -> (n, 11 leads)."""
    from scipy.stats import kurtosis, skew

    flat = recordings.std(axis=2) < 1e-6
    with np.errstate(invalid="ignore"):
        shapes = [np.where(flat, 0.0, moment(recordings, axis=2)) for moment in (skew, kurtosis)]
    levels = np.percentile(recordings, PERCENTILES, axis=2)
    steps = np.abs(np.diff(recordings, axis=2)).mean(axis=2)
    return np.concatenate([recordings.mean(axis=2), recordings.std(axis=2), *shapes, *levels, steps], axis=1)


def median_beat(recording: NDArray[np.float64], hertz: float) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Heart rate in beats per second with its variation, and the median over beats of all leads, flattened.

    A recording without two whole beats has rate 0 and a beat of zeros.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    before, after = round(BEFORE * hertz), round(AFTER * hertz)
    steep = uniform_filter1d(np.square(np.gradient(recording, axis=1)).sum(axis=0), max(round(0.08 * hertz), 1))
    peaks, _ = find_peaks(steep, height=0.3 * np.percentile(steep, 98), distance=max(round(APART * hertz), 1))
    whole = peaks[(peaks >= before) & (peaks + after <= recording.shape[1])]
    if len(whole) < 2:
        return (0.0, 0.0), np.zeros(len(recording) * (before + after))
    beats = np.stack([recording[:, peak - before : peak + after] for peak in whole])
    intervals = np.diff(peaks) / hertz
    return (float(1 / intervals.mean()), float(intervals.std())), np.median(beats, axis=0).ravel()
