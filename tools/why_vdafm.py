"""Why the proposed model falls below its own table on `synthetic-stroke`, and which checkpoint the training loop keeps.

`make why-vdafm` trains on fresh patients of the cohort's law (`tools/fresh_patients.py`), scores on 3,000 others, and prints
the tables of docs/why-vdafm.md; on `soop` it scores on a fifth that is cut from each training part. No test part is read. Fits
are kept in `results/why-vdafm/`, so that a second call goes on where the first ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.splits import Split, inner_cut
from benchmark.learning.fitting import Views, fresh, views_of
from benchmark.learning.neural import NeuralMethod
from benchmark.learning.neural.loop import CHECKPOINTS, History, Recipe, best_epoch
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.locations import results_folder
from tools.fresh_patients import Piece, cohort_of, joined, piece

SEED, TESTED, FITS = 2003, 3000, 10
SIZES = {600: (0, 751), 1500: (0, 751, 1875), 3000: (0, 751, 1875, 3750)}
"""Training cases (about) -> where the pieces of a sample begin and end; a fifth of a sample is validation."""
STARTS = tuple(TESTED + 3750 * fit for fit in range(FITS))
LEVELS = (0, 750, 1500, 2250, 3000)
PLACES = ((600, "fresh patients"), (0, "soop"))
FIXED = 20
"""An epoch that is read whatever the validation part says: shown, never a candidate."""
NEARLY_CONSTANT = 0.1
SHIPPED = Recipe().checkpoint
"""The rule that the benchmark keeps a checkpoint by, under which the inputs and the sizes are compared."""

REDUCED = "[components=30]"
CHECKPOINT_ROWS = ("mlp", "image-net", "concat", "joint-transformer", "vdafm")
INPUT_ROWS = (
    "vdafm",
    "vdafm[image=permuted,text=permuted]",
    "vdafm[image=constant,text=constant]",
    "vdafm[modalities=table]",
    "vdafm[components=30]",
    "concat",
    "concat[components=30]",
    "image-net",
    "image-net[components=30]",
)
REDUCED_ROWS = ("vdafm", "concat", "image-net")
"""Rows whose pooled vectors are also reduced on `soop`."""
SIZE_ROWS = ("ridge", "concat", "vdafm[layers=0]", "vdafm")
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Fit:
    """One training: a row, on the fit-th sample of so many cases of the law, or (`cases` = 0) on a training part of `soop`.

    `all_epochs`: it goes on to the last one, and the scores are read under every rule; else it ends as in the benchmark.
    """

    row: str
    cases: int
    number: int
    all_epochs: bool = False


def main() -> None:
    """Train what is not trained yet, and print the tables."""
    wanted = sys.argv[1:] or ["checkpoint", "inputs", "sizes"]
    plans = {
        "checkpoint": [
            Fit(row, cases, k, all_epochs=True) for row in CHECKPOINT_ROWS for cases in (600, 0) for k in range(FITS)
        ],
        "inputs": [Fit(row, 600, k) for row in INPUT_ROWS for k in range(FITS)]
        + [Fit(f"{row}{reduced}", 0, k) for row in REDUCED_ROWS for reduced in ("", REDUCED) for k in range(FITS)],
        "sizes": [Fit(row, cases, k) for cases in SIZES for row in SIZE_ROWS for k in range(FITS)],
    }
    fits = list(dict.fromkeys(fit for name in wanted for fit in plans[name]))
    known = dict(computed(sorted(fits, key=lambda fit: (fit.cases, fit.number))))
    for name in wanted:
        print(f"\n## {name}\n")
        TABLES[name](known)


def computed(fits: Sequence[Fit]) -> Iterator[tuple[Fit, Mapping[str, Any]]]:
    """Every fit with what was read from it, in two processes."""
    folder = results_folder() / "why-vdafm"
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for fit in fits:
        if (path := _path(folder, fit)).is_file():
            yield fit, json.loads(path.read_text("utf-8"))
        else:
            missing.append(fit)
    drawn = dict.fromkeys(pair for fit in missing if fit.cases for pair in _pieces(fit.cases, fit.number))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_drawn, drawn, repeat(str(folder))))  # before any fit, lest two fits draw the same patients
        futures = {pool.submit(_readings, fit, str(folder)): fit for fit in missing}
        for future in as_completed(futures):
            fit, readings = futures[future], future.result()
            _path(folder, fit).write_text(json.dumps(readings), encoding="utf-8")
            print(fit, {name: round(each["auc"], 3) for name, each in readings.items()}, file=sys.stderr, flush=True)
            yield fit, readings


def _path(folder: Path, fit: Fit) -> Path:
    return folder / f"{fit.cases}-{fit.number}-{fit.row}{'-all-epochs' if fit.all_epochs else ''}.json"


def _readings(fit: Fit, folder: str) -> dict[str, dict[str, float]]:
    """Way of choosing the epoch -> AUC and deviation of the probabilities on the scored cases, and the epoch kept."""
    catalogue = _catalogue()
    cohort, split = _soop(fit.number) if fit.cases == 0 else _sample(fit.cases, fit.number, folder)
    scored = np.asarray(cohort.labels)[split.test]
    if fit.row == "ridge":
        method = catalogue.method("concat")
        return {SHIPPED: _score(scored, ridge(method.make(), views_of(cohort, split, method.modalities), split.seed), 0)}
    method = catalogue.method(fit.row)
    views = views_of(cohort, split, method.modalities)
    instance = fresh(method, split.seed, None, forgetting=False)
    assert isinstance(instance, NeuralMethod)
    states: list[dict[str, Any]] = []
    if fit.all_epochs:
        instance.patience = instance.epochs
        instance.on_epoch = lambda *_: states.append(deepcopy(instance._module.state_dict()))
    instance.fit(views.train, views.validation, split.seed)
    cases, read = instance.inputs(views.test), {}
    if not fit.all_epochs:
        return {SHIPPED: _score(scored, instance.probabilities(cases), best_epoch(instance.history, Recipe()))}
    kept = {rule: stopped(instance.history, replace(Recipe(), checkpoint=rule)) for rule in CHECKPOINTS}
    for rule, epoch in {**kept, "fixed": FIXED - 1, "last": len(states) - 1}.items():
        instance._module.load_state_dict(states[epoch])
        read[rule] = _score(scored, instance.probabilities(cases), epoch)
    return read


def stopped(history: History, recipe: Recipe) -> int:
    """The epoch that is kept where training ends by the recipe's patience, of a training that went on to the last epoch."""
    for epoch in range(len(history["loss"])):
        so_far = {name: values[: epoch + 1] for name, values in history.items()}
        best = best_epoch(so_far, recipe)
        if epoch - best >= recipe.patience:
            break
    return best


def ridge(method: NeuralMethod, views: Views, seed: int) -> Scores:
    """P(label 1) by logistic regression with an L2 penalty, chosen by validation log loss, on what `concat` sees."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    method._prepare(views.train, views.validation, seed)
    batches = [method.inputs(cases) for cases in (views.train, views.validation, views.test)]
    parts = [np.column_stack([vector.cpu().numpy() for vector in batch.vectors]) for batch in batches]
    y, held_out = np.asarray(views.train.labels), np.asarray(views.validation.labels)
    models = [LogisticRegression(C=c, max_iter=2000).fit(parts[0], y) for c in np.logspace(-5, 1, 13)]
    best = min(models, key=lambda model: log_loss(held_out, model.predict_proba(parts[1])[:, 1]))
    return np.asarray(best.predict_proba(parts[2])[:, 1])


def _score(labels: NDArray[np.int8], chances: Scores, epoch: int) -> dict[str, float]:
    return {"auc": float(roc_auc_score(labels, chances)), "deviation": float(np.std(chances)), "epoch": epoch + 1}


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    return discover()


def _pieces(cases: int, number: int) -> list[tuple[int, int]]:
    """Where the pieces of the tested patients and of a sample begin and end."""
    return [*pairwise(LEVELS), *((STARTS[number] + start, STARTS[number] + stop) for start, stop in pairwise(SIZES[cases]))]


def _draw(pair: tuple[int, int], folder: str) -> Piece:
    return piece(*pair, SEED, _catalogue(), Path(folder) / "patients")


def _drawn(pair: tuple[int, int], folder: str) -> bool:
    """Draw a piece into the folder, and do not send its patients to another process."""
    return len(_draw(pair, folder).labels) > 0


@lru_cache(maxsize=1)
def _sample(cases: int, number: int, folder: str) -> tuple[Cohort, Split]:
    """The tested patients and a sample to learn from, a fifth of it validation."""
    patients = [_draw(pair, folder) for pair in _pieces(cases, number)]
    cohort = cohort_of(joined(patients))
    learning = np.arange(TESTED, len(cohort))
    large, small = inner_cut(cohort.take(learning), 39 + number)
    return cohort, Split("fresh", 39 + number, learning[large], learning[small], np.arange(TESTED), np.arange(0))


def _soop(number: int) -> tuple[Cohort, Split]:
    """A training part of `soop`, a fifth of which neither trains nor stops: it is scored in place of the test part."""
    cohort = load_cohort("soop", _catalogue())
    split = _catalogue().protocol("repeated-cv").make().splits(cohort)[number]
    large, small = inner_cut(cohort.take(split.train), split.seed)
    return cohort, replace(split, train=split.train[large], test=split.train[small])


Known = Mapping[Fit, Mapping[str, Mapping[str, float]]]


def _checkpoint_table(known: Known) -> None:
    """Every rule on every row, the AUC gained over the first rule, and how many fits gave nearly constant predictions."""
    gained: dict[str, list[list[float]]] = {rule: [] for rule in CHECKPOINTS[1:]}
    rules = [f"`{rule}`" for rule in CHECKPOINTS] + [f"epoch {FIXED}"] + [f"`{rule}` gains" for rule in gained]
    print("| scored on | row | " + " | ".join(rules) + " |")
    print("|---" * (2 + len(CHECKPOINTS) + 1 + len(gained)) + "|")
    for cases, place in PLACES:
        for row in CHECKPOINT_ROWS:
            fits = [known[Fit(row, cases, number, True)] for number in range(FITS)]
            cells = [_spoken(fits, rule) for rule in (*CHECKPOINTS, "fixed")]
            for rule, rows in gained.items():
                rows.append([fit[rule]["auc"] - fit[CHECKPOINTS[0]]["auc"] for fit in fits])
                cells.append(interval(rows[-1]))
            print(f"| {place} | {row} | " + " | ".join(cells) + " |")
    for rule, rows in gained.items():
        print(f"\n{rule} over {CHECKPOINTS[0]}, the mean over rows and places: {interval(np.mean(rows, axis=0).tolist())}")


def _inputs_table(known: Known) -> None:
    """What `vdafm` makes of other inputs, and every row of its vectors reduced to 30 components."""
    aucs = {fit: readings[SHIPPED]["auc"] for fit, readings in known.items() if not fit.all_epochs}
    print("| row | AUC | over `vdafm` |")
    print("|---" * 3 + "|")
    for row in INPUT_ROWS:
        own, base = ([aucs[Fit(name, 600, number)] for number in range(FITS)] for name in (row, "vdafm"))
        over = "" if row == "vdafm" else interval(np.subtract(own, base).tolist())
        print(f"| `{row}` | {interval(own)} | {over} |")
    print("\n30 components over the whole vectors:\n")
    print("| scored on | row | whole vectors | 30 components | difference |")
    print("|---" * 5 + "|")
    for cases, place in PLACES:
        for row in REDUCED_ROWS:
            whole, less = ([aucs[Fit(name, cases, number)] for number in range(FITS)] for name in (row, row + REDUCED))
            means = f"{short(float(np.mean(whole)))} | {short(float(np.mean(less)))}"
            print(f"| {place} | `{row}` | {means} | {interval(np.subtract(less, whole).tolist())} |")


def _sizes_table(known: Known) -> None:
    """AUC by the number of training cases, and what a row gains over ridge regression."""
    aucs = {fit: readings[SHIPPED]["auc"] for fit, readings in known.items() if not fit.all_epochs}
    print("| row | " + " | ".join(map(str, SIZES)) + " | " + " | ".join(f"over ridge, {cases}" for cases in SIZES) + " |")
    print("|---" * (1 + 2 * len(SIZES)) + "|")
    for row in SIZE_ROWS:
        own, base = ([[aucs[Fit(name, cases, k)] for k in range(FITS)] for cases in SIZES] for name in (row, "ridge"))
        over = ["" if row == "ridge" else interval(np.subtract(*pair).tolist()) for pair in zip(own, base, strict=True)]
        print(f"| `{row}` | " + " | ".join([*map(interval, own), *over]) + " |")
    gains = (
        interval([aucs[Fit("vdafm", cases, k)] - aucs[Fit("vdafm[layers=0]", cases, k)] for k in range(FITS)])
        for cases in SIZES
    )
    print(f"\n`vdafm` over `vdafm[layers=0]`: {', '.join(gains)}")


def _spoken(fits: Sequence[Mapping[str, Mapping[str, float]]], rule: str) -> str:
    """Mean AUC (mean epoch; how many fits were nearly constant)."""
    constant = sum(fit[rule]["deviation"] < NEARLY_CONSTANT for fit in fits)
    auc, epoch = (float(np.mean([fit[rule][name] for fit in fits])) for name in ("auc", "epoch"))
    return f"{short(auc)} ({epoch:.0f}; {constant})"


def interval(values: Sequence[float]) -> str:
    """The mean of the fits, and its 95 % interval by Student's t."""
    mean, half = float(np.mean(values)), stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{short(mean)} ({short(mean - half)} to {short(mean + half)})"


def short(value: float) -> str:
    """Three digits, without the zero before the point: .787, -.012."""
    return f"{value:.3f}".replace("0.", ".", 1).replace("-.000", ".000")


TABLES: Mapping[str, Callable[[Known], None]] = {
    "checkpoint": _checkpoint_table,
    "inputs": _inputs_table,
    "sizes": _sizes_table,
}

if __name__ == "__main__":
    main()
