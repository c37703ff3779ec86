"""Controls of `synthetic-cardiac`: what its law, and simple readers of table, ECG and volume, make of a draw.

`python -m tools.cardiac_controls SEED` prints AUCs on the labelled cases of that draw: those of the known law, and those of
models without a network, as the mean of three times five stratified folds, with the lowest and the highest of the three.
docs/synthetic-cardiac.md has what it printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import find_peaks
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from datasets.cardiac.cine import EDGE, image_people
from datasets.cardiac.oracle import oracle_facts
from datasets.cardiac.people import HOSPITALS, People, draw_people, lost
from datasets.cardiac.recorders import record_people
from datasets.risk.people import LABELLED, POOL, origins

Numbers = NDArray[np.float64]
BEFORE, AFTER = 30, 40
"""Samples of a beat before and from the middle of its QRS complex."""
REPEATS = 3


@dataclass(frozen=True, eq=False)
class Draw:
    """The labelled cases: recordings (n, 12, samples) in mV and volumes (n, frames, rows, columns) from 0 to 1."""

    people: People
    recordings: Numbers
    volumes: Numbers

    @property
    def labels(self) -> NDArray[np.int8]:
        """The outcome."""
        return self.people.infarction.astype(np.int8)


def main(seed: str) -> None:
    """Print a line for each control."""
    labelled, pool = (draw_people(origins(int(seed), purpose, HOSPITALS)) for purpose in (LABELLED, POOL))
    draw = draw_of(labelled)
    print(f"seed {seed}: {draw.labels.sum()} of {len(draw.labels)} cases have label 1")
    for name, auc in oracle_facts(labelled, pool).items():
        print(f"{name}: {auc:.3f}")
    for name, features, model in controls(draw):
        aucs = [cross_validated_auc(features, draw.labels, model, repeat) for repeat in range(REPEATS)]
        print(_line(name, aucs), flush=True)
    for name, readings in (
        ("electrical", read_beats(median_beats(draw.recordings))),
        ("mechanical", read_volumes(draw.volumes)),
    ):
        aucs = [taught_auc(readings, draw, name, repeat) for repeat in range(REPEATS)]
        print(_line(f"{name} level, as its readings tell it", aucs), flush=True)


def _line(name: str, aucs: list[float]) -> str:
    """Mean, lowest and highest."""
    return f"{name}: {np.mean(aucs):.3f} ({min(aucs):.3f} to {max(aucs):.3f})"


def draw_of(people: People) -> Draw:
    """What is recorded and imaged of these people."""
    return Draw(people, record_people(people) / 1000, image_people(people)[:, 0] / 255)


def controls(draw: Draw) -> Iterator[tuple[str, Numbers, BaseEstimator]]:
    """What is read, its numbers (n, columns), and the model on them."""
    n, regression, neighbours = len(draw.labels), logistic_regression(), KNeighborsClassifier(50)
    table, latent = as_numbers(draw.people.charts()), as_numbers(draw.people.visit.table)
    beats, motion = median_beats(draw.recordings), read_volumes(draw.volumes)
    waves = read_beats(beats)
    yield "latent state and complete table", np.column_stack([draw.people.signs["extent"], latent]), logistic_regression(1.0)
    yield "table", table, regression
    yield "ECG: 50 nearest neighbours of samples", draw.recordings[:, :, ::2].reshape(n, -1), neighbours
    yield "ECG: ten statistics of each lead", statistics(draw.recordings), regression
    yield "ECG: 50 nearest neighbours of median beats", beats.reshape(n, -1), neighbours
    yield "ECG: nine readings of each lead's median beat", waves, regression
    yield "ECG: the same, boosted trees", waves, boosted_trees()
    yield "image: 50 nearest neighbours of pixels", draw.volumes.reshape(n, -1), neighbours
    yield "image: four readings of each twelfth of the wall", motion, regression
    yield "image: the same, boosted trees", motion, boosted_trees()
    yield "ECG statistics and table", np.hstack([statistics(draw.recordings), table]), regression
    yield "ECG readings and table", np.hstack([waves, table]), regression
    yield "image readings and table", np.hstack([motion, table]), regression
    yield "ECG readings, image readings and table", np.hstack([waves, motion, table]), regression


def cross_validated_auc(features: Numbers, labels: NDArray[np.int8], model: BaseEstimator, repeat: int = 0) -> float:
    """Mean AUC over five stratified folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=repeat).split(features, labels)
    fitted = ((model.fit(features[rest], labels[rest]), test) for rest, test in folds)
    return float(np.mean([roc_auc_score(labels[test], fit.predict_proba(features[test])[:, 1]) for fit, test in fitted]))


def taught_auc(readings: Numbers, draw: Draw, level: str, repeat: int = 0) -> float:
    """AUC of the share of the wall that is lost, as a support vector regression that knows it of other people reads it."""
    share = draw.people.signs[level].map(lost).to_numpy()
    model = make_pipeline(StandardScaler(), SVR(C=1, gamma=0.3 / readings.shape[1], epsilon=0.05))
    read = cross_val_predict(model, readings, share, cv=KFold(5, shuffle=True, random_state=repeat))
    return float(roc_auc_score(draw.labels, read))


def logistic_regression(c: float = 0.01) -> BaseEstimator:
    """On standardised columns."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))


def boosted_trees() -> BaseEstimator:
    """Small trees, few of them: there are 270 people with label 1."""
    return HistGradientBoostingClassifier(max_iter=80, learning_rate=0.05, max_leaf_nodes=8, random_state=0)


def as_numbers(table: pd.DataFrame) -> Numbers:
    """Categories one-hot, medians where a number is missing."""
    numbers = pd.get_dummies(table).astype(float)
    return np.asarray(numbers.fillna(numbers.median()))


def statistics(recordings: Numbers) -> Numbers:
    """(n, 120): mean, deviation, extremes, five quantiles and mean step of each lead."""
    quantiles = np.percentile(recordings, [5, 25, 50, 75, 95], axis=2)
    steps = np.abs(np.diff(recordings, axis=2)).mean(axis=2)
    moments = [recordings.mean(axis=2), recordings.std(axis=2), recordings.min(axis=2), recordings.max(axis=2)]
    return np.hstack([*moments, *quantiles, steps])


def median_beats(recordings: Numbers) -> Numbers:
    """(n, 12, 70): the median over the beats of each recording, zero just before its P wave."""
    beats = np.stack([_median_beat(recording) for recording in recordings])
    return np.asarray(beats - beats[:, :, 5:12].mean(axis=2, keepdims=True))


def _median_beat(recording: Numbers) -> Numbers:
    """(12, 70): beats are found where all leads change fast."""
    changes = np.convolve(np.abs(np.diff(recording, axis=1)).sum(axis=0), np.ones(7) / 7, mode="same")
    peaks, _ = find_peaks(changes, distance=40, height=0.45 * np.percentile(changes, 98))
    whole = peaks[(peaks >= BEFORE) & (peaks < recording.shape[1] - AFTER)]
    return np.asarray(np.median([recording[:, peak - BEFORE : peak + AFTER] for peak in whole], axis=0))


def read_beats(beats: Numbers) -> Numbers:
    """(n, 108): depth of Q, height of R, depth of S, ST level, largest and least T, and three moments of the QRS complex."""
    q, qrs, t = beats[:, :, 22:30].min(axis=2), beats[:, :, 22:40], beats[:, :, 50:68]
    parts = [beats[:, :, start:stop].mean(axis=2) for start, stop in ((38, 44), (24, 27), (27, 30), (30, 33))]
    return np.hstack([q, qrs.max(axis=2), qrs.min(axis=2), t.max(axis=2), t.min(axis=2), *parts])


def read_volumes(volumes: Numbers) -> Numbers:
    """(n, 48): of each twelfth of the wall how far its inner border moves and lies out, and how thick it is and grows."""
    return np.stack([_read_volume(volume) for volume in volumes])


def _read_volume(volume: Numbers) -> Numbers:
    """(48,): readings along twelve directions from the middle of the blood."""
    blood = np.clip((volume / np.percentile(volume, 90) - 0.45) / 0.45, 0, 1)
    y, x = (EDGE - 1) / 2 - np.arange(EDGE)[:, None], np.arange(EDGE)[None, :] - (EDGE - 1) / 2
    middle = np.array([1.0, 0.0])
    for _ in range(3):
        inside = (np.hypot(x - middle[0], y - middle[1]) < 5.5) * blood[0]
        middle = np.array([(inside * x).sum(), (inside * y).sum()]) / inside.sum()
    angle, distance = np.degrees(np.arctan2(y - middle[1], x - middle[0])), np.hypot(x - middle[0], y - middle[1])
    apart = (angle - np.arange(0, 360, 30)[:, None, None] + 180) % 360 - 180
    sectors, rings = (
        np.exp(-0.5 * (apart / 20) ** 2),
        np.exp(-0.5 * ((distance - np.arange(1, 9, 0.5)[:, None, None]) / 0.5) ** 2),
    )
    shares = sectors[:, None] * rings * (distance < 9)
    profile = np.einsum("fyx,sryx->fsr", blood, shares) / shares.sum(axis=(2, 3))
    reach, wall = profile[:, :, :12].sum(axis=2), (1 - profile)[:, :, 4:14].sum(axis=2)
    return np.concatenate([np.ptp(reach, axis=0), reach.max(axis=0), wall[0], np.ptp(wall, axis=0)])


if __name__ == "__main__":
    main(*sys.argv[1:])
