"""Do images and tables of the same people lie together? Before and after pre-training, on cases that it did not see.

`python -m tools.embeddings DATASET [METHOD] [--output FOLDER]` pre-trains a row on the first split of `repeated-cv` and prints,
for the validation cases, alignment, uniformity and how often the own table is found from the image. The figure shows the first
two principal components of both: a line joins image and table of one case, positives are filled.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn.functional import normalize

from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.leaderboard.tables import grid
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.learning.self_supervised.method import SelfSupervised, agreement
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError


def main() -> None:
    """Print the table, and draw the figure where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("method", nargs="?", default="ssmsrpm")
    parser.add_argument("--output", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    method, validation = pretrained(options.dataset, options.method)
    figures = {when: agreement(*pair) for when, pair in method.projections.items()}
    rows = [(name.replace("_", " "), *(f"{figures[when][name]:.3f}" for when in figures)) for name in figures["after"]]
    chance = [f"{among / len(validation):.3f}" for among in (1, 10)]
    print(grid(("on the validation cases", *figures), rows))
    print(f"By chance the own table is found in {chance[0]} at 1 and {chance[1]} at 10, of {len(validation)} cases.")
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        path = options.output / f"{method_name(options.method)}-on-{method_name(options.dataset)}.png"
        draw(method, np.asarray(validation.labels), path)
        print(path)


def pretrained(dataset: str, spelled: str) -> tuple[SelfSupervised, Cohort]:
    """A row fitted on the first split, and the validation cases. Raises `BenchmarkError` for a row that compares no two."""
    catalogue = discover()
    cohort = load_cohort(dataset, catalogue)
    method = catalogue.method(spelled)
    split = RepeatedCV().splits(cohort)[0]
    views = views_of(cohort, split, method.modalities)
    fitted: Any = fit_and_predict(method, views, split.seed).method
    if not getattr(fitted, "projections", {}):
        raise BenchmarkError(f"{spelled} does not compare images with tables: give ssmsrpm, mmcl or tip")
    return fitted, cohort.take(split.validation)


def draw(method: SelfSupervised, labels: np.ndarray[Any, Any], path: Path) -> None:
    """The first two principal components of images and tables together, before and after."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(method.projections), figsize=(10, 5), layout="constrained")
    for axis, (when, pair) in zip(axes, method.projections.items(), strict=True):
        image, table = (normalize(side, dim=1).numpy() for side in pair)
        both = PCA(2).fit(np.concatenate([image, table]))
        points = [both.transform(side) for side in (image, table)]
        axis.plot(*np.stack(points, axis=1).T, color="0.85", linewidth=0.5, zorder=0)
        for place, (name, mark) in enumerate((("image", "o"), ("table", "^"))):
            colour = f"C{place}"
            face = [colour if label else "none" for label in labels]
            axis.scatter(*points[place].T, s=14, marker=mark, facecolors=face, edgecolors=colour, linewidths=0.6, label=name)
        found = agreement(*map(torch.as_tensor, pair))["retrieval_at_10"]
        axis.set_title(f"{when} pre-training: own table among the nearest 10 in {found:.2f}")
        axis.set_xlabel("first principal component")
        axis.set_ylabel("second")
    axes[0].legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def method_name(spelled: str) -> str:
    """A spelling as part of a file's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in spelled).strip("-")


if __name__ == "__main__":
    main()
