"""Controls of `synthetic-findings`: what its law, simple readers of scans and words, and a small network make of a draw.

`python -m tools.findings_controls SEED` prints AUCs on the labelled cases of that draw, for each finding and for any finding:
those of the known law, and those of models without a network over five stratified folds. With a further word, `network`, it
prints those of a small supervised network on the test cases of the first fold. docs/synthetic-findings.md has what it printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark import Cohort, Sources
from datasets.risk.brain import load_brain
from datasets.synthetic_findings import HELD_OUT_WORDING, SyntheticFindings

Numbers = NDArray[np.float64]
Read = NDArray[np.floating[Any]]
NEIGHBOURS = (1, 5, 20, 50)


@dataclass(frozen=True, eq=False)
class Draw:
    """The labelled cases of a draw."""

    cohort: Cohort

    @cached_property
    def findings(self) -> NDArray[np.int8]:
        """(n, 5), as called."""
        assert self.cohort.findings is not None
        return np.asarray(self.cohort.findings)

    @cached_property
    def volumes(self) -> NDArray[np.float32]:
        """(n, 2, x, y, z), DWI-like and FLAIR-like, each divided by its scan's median inside the head."""
        views = [self.cohort.images[name].load()[:, 0] for name in ("dwi", "flair")]
        inside = views[1].mean(axis=0) > 0.25
        return np.stack([view / np.median(view[:, inside], axis=1)[:, None, None, None] for view in views], axis=1)

    def folds(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Five folds, stratified by any finding."""
        return iter(StratifiedKFold(5, shuffle=True, random_state=0).split(self.findings, self.findings.any(axis=1)))


def main(seed: str, *words: str) -> None:
    """Print a line for each control."""
    draw = Draw(SyntheticFindings(seed=int(seed)).build(Sources(Path(), {}, "")))
    names = [] if draw.cohort.findings is None else list(map(str, draw.cohort.findings))
    counts = ", ".join(f"{name} {int(count)}" for name, count in zip(names, draw.findings.sum(axis=0), strict=True))
    print(f"seed {seed}: {int(draw.findings.any(axis=1).sum())} of {len(draw.findings)} cases have a finding: {counts}")
    for name, auc in draw.cohort.facts.items():
        print(f"{name}: {auc:.3f}")
    for name, scores, cases in networks(draw) if "network" in words else controls(draw):
        print(line(name, draw.findings[cases], scores), flush=True)


def line(name: str, findings: NDArray[np.int8], scores: Numbers) -> str:
    """AUCs of each finding, of their mean, and of any finding."""
    aucs = [float(roc_auc_score(findings[:, k], scores[:, k])) for k in range(findings.shape[1])]
    every = float(roc_auc_score(findings.any(axis=1), 1 - (1 - scores).prod(axis=1)))
    return f"{name}: {' '.join(f'{auc:.3f}' for auc in aucs)}; macro {np.mean(aucs):.3f}, any {every:.3f}"


def controls(draw: Draw) -> Iterator[tuple[str, Numbers, slice]]:
    """What is read, P(finding) of each case as models that did not see it tell it (n, 5), and the cases."""
    everyone = slice(None)
    pixels = draw.volumes.reshape(len(draw.findings), -1)
    components = PCA(60, svd_solver="randomized", random_state=0).fit_transform(pixels)
    readings = np.hstack([brightest(draw.volumes), white_matter(draw.volumes)])
    for k, scores in zip(NEIGHBOURS, alike(draw, pixels), strict=True):
        yield f"nearest neighbours of pixels, k = {k}", scores, everyone
    yield "logistic regression on 60 principal components", predicted(draw, components, lambda: regression(0.01)), everyone
    yield "boosted trees on readings of the voxels", predicted(draw, np.hstack([readings, components[:, :10]]), trees), everyone
    assert draw.cohort.reports is not None
    own, other = (
        [drafts[0] for drafts in reports] for reports in (draw.cohort.reports, draw.cohort.report_sets[HELD_OUT_WORDING])
    )
    counted = TfidfVectorizer(ngram_range=(1, 2)).fit(own)
    yield "words of the report", predicted(draw, counted.transform(own).toarray(), lambda: regression(1.0)), everyone
    others = counted.transform(other).toarray()
    yield (
        "the same, asked of the held-out wording",
        predicted(draw, counted.transform(own).toarray(), lambda: regression(1.0), others),
        everyone,
    )


def predicted(draw: Draw, features: Read, model: Callable[[], BaseEstimator], asked: Read | None = None) -> Numbers:
    """P(finding) of each case (n, 5), of models fitted on the other folds; `asked` are other features of the test cases."""
    scores = np.zeros_like(draw.findings, dtype=np.float64)
    tested = features if asked is None else asked
    for rest, test in draw.folds():
        for k in range(scores.shape[1]):
            scores[test, k] = model().fit(features[rest], draw.findings[rest, k]).predict_proba(tested[test])[:, 1]
    return scores


def alike(draw: Draw, features: Read) -> list[Numbers]:
    """For each number of `NEIGHBOURS`, the share of a case's nearest ones in the other folds that have each finding, (n, 5)."""
    scores = [np.zeros_like(draw.findings, dtype=np.float64) for _ in NEIGHBOURS]
    for rest, test in draw.folds():
        nearest = rest[NearestNeighbors(n_neighbors=max(NEIGHBOURS)).fit(features[rest]).kneighbors(features[test])[1]]
        for k, shares in zip(NEIGHBOURS, scores, strict=True):
            shares[test] = draw.findings[nearest[:, :k]].mean(axis=1)
    return scores


def regression(c: float) -> BaseEstimator:
    """On standardised columns."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))


def trees() -> BaseEstimator:
    """Small trees, few of them."""
    return HistGradientBoostingClassifier(max_iter=60, learning_rate=0.06, max_leaf_nodes=6, random_state=0)


def brightest(volumes: NDArray[np.float32]) -> Numbers:
    """(n, 32): how far the brightest and the darkest voxels of each view lie from the mean scan, fine and smoothed."""
    columns: list[Read] = []
    for view in (volumes[:, 0], volumes[:, 1]):
        mean = view.mean(axis=0)
        core = np.asarray(gaussian_filter((mean > 0.5).astype(np.float32), 1)) > 0.8
        for width in (0.6, 1.2):
            apart = np.sort(np.stack([np.asarray(gaussian_filter(scan - mean, width))[core] for scan in view]), axis=1)
            columns += [apart[:, :count].mean(axis=1) for count in (1, 10, 40, 150)]
            columns += [apart[:, -count:].mean(axis=1) for count in (1, 10, 40, 150)]
    return np.column_stack(columns)


def white_matter(volumes: NDArray[np.float32]) -> Numbers:
    """(n, 8): how far FLAIR-like voxels of the white matter lie above the mean scan, near the ventricles and deep."""
    flair = volumes[:, 1] - volumes[:, 1].mean(axis=0)
    regions = [load_brain().region(name) for name in ("periventricular white matter", "deep white matter")]
    excess = [np.maximum(flair[:, region] - least, 0).sum(axis=1) for region in regions for least in (0.1, 0.2, 0.3, 0.4)]
    return np.asarray(np.log(0.1 + np.column_stack(excess)), dtype=np.float64)


def networks(draw: Draw, epochs: int = 30) -> Iterator[tuple[str, Numbers, NDArray[np.intp]]]:
    """A small 3D network with an output for each finding, on the first fold: test cases and what it gives them."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    rest, test = next(draw.folds())
    mean, spread = draw.volumes[rest].mean(axis=0), draw.volumes[rest].std(axis=0) + 0.05
    scans = torch.from_numpy((draw.volumes - mean) / spread).float()
    called = torch.from_numpy(draw.findings.astype(np.float32))
    network = nn.Sequential(
        *(nn.Conv3d(2, 24, 3, stride=2, padding=1), nn.BatchNorm3d(24), nn.ReLU()),
        *(nn.Conv3d(24, 32, 3, stride=2, padding=1), nn.BatchNorm3d(32), nn.ReLU()),
        *(nn.Conv3d(32, 48, 3, padding=1), nn.BatchNorm3d(48), nn.ReLU(), nn.AdaptiveMaxPool3d((2, 2, 2))),
        *(nn.Flatten(), nn.Dropout(0.4), nn.Linear(384, called.shape[1])),
    )
    rate = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(rate, 2e-3, epochs * -(-len(rest) // 32))
    order = np.random.default_rng(0)
    for epoch in range(1, epochs + 1):
        network.train()
        for batch in np.array_split(order.permutation(rest), -(-len(rest) // 32)):
            shift = [int(step) for step in order.integers(-1, 2, 3)]
            moved = torch.roll(scans[batch], shift, dims=(2, 3, 4))
            rate.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(moved), called[batch]).backward()  # type: ignore[no-untyped-call]
            rate.step()
            schedule.step()
        if epoch % 10 == 0:
            network.eval()
            with torch.no_grad():
                yield f"network, epoch {epoch}", torch.sigmoid(network(scans[test])).numpy().astype(np.float64), test


if __name__ == "__main__":
    main(*sys.argv[1:])
