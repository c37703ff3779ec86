"""The further metrics of task retrieval, of one method's answers in one test part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics.arrays import Floats, Labels
from benchmark.statistics.metric_names import ERROR_METRICS, RETRIEVAL_METRICS
from benchmark.statistics.ordering import auc, order_cases

DEPTHS = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a method says of the n cases of a test part; values are NaN where there is nothing, and None where it says nothing.

    findings : finding -> its scores (n,).
    rank, precision : of each case's own report among those of the part, 1 the best, and the average precision (n,).
    similarity : to the own report (n,).
    altered : kind of error -> the similarities to the report with it (n,); `held-out-wording` -> those to the own report in
        words that no report has, `held-out-wording-exchanged` to the exchanged one in such words.
    """

    findings: Mapping[str, Floats]
    rank: Floats | None = None
    precision: Floats | None = None
    similarity: Floats | None = None
    altered: Mapping[str, Floats] = field(default_factory=dict)


def score(findings: Mapping[str, Labels], answers: Answers, specificity: float) -> dict[str, float]:
    """Every metric of `RETRIEVAL_METRICS`, NaN where it is undefined.

    Parameters
    ----------
    findings : name -> (n,)
        0 or 1.
    answers : Answers
        Of the same cases.
    specificity : float
        That of label 1, any finding, at the threshold that finds 95 % of it elsewhere: the share of label 0 that is ruled out.

    Returns
    -------
    dict
        `zero_shot_auc_macro` is the mean AUC over the findings of which the part holds both classes. `recall_at_K` is the share
        of cases whose own report is among the first K, `median_rank` the median of its rank, `map` the mean average precision.
        `error_auc_KIND` is the AUC of the similarity to a case's own report against that to its report with an error, of the
        cases that have both; `error_auc` is the mean over the kinds. `held_out_wording_auc` likewise is the AUC of the own
        report against the exchanged one, both in held-out wording, so that style tells nothing.
    """
    rank = np.zeros(0) if answers.rank is None else known(answers.rank)
    similar = answers.similarity
    altered = {f"error_auc_{kind.replace('-', '_')}": values for kind, values in answers.altered.items()}
    wrong = {name: altered[name] for name in ERROR_METRICS if name in altered}
    errors = {name: told_apart(similar, values) for name, values in wrong.items() if similar is not None}
    own, others = (answers.altered.get(kind) for kind in ("held-out-wording", "held-out-wording-exchanged"))
    found = {
        "zero_shot_auc_macro": _mean([_auc(findings[name], scores) for name, scores in answers.findings.items()]),
        **{f"recall_at_{depth}": _mean(rank <= depth) for depth in DEPTHS},
        "median_rank": float(np.median(rank)) if len(rank) else np.nan,
        "map": np.nan if answers.precision is None else _mean(answers.precision),
        "ruled_out_at_95_sensitivity": specificity,
        "error_auc": _mean(list(errors.values())),
        **errors,
        "held_out_wording_auc": np.nan if own is None or others is None else told_apart(own, others),
    }
    return {name: found.get(name, np.nan) for name in RETRIEVAL_METRICS}


def told_apart(own: Floats, wrong: Floats) -> float:
    """The AUC of similarities to own reports (n,) against those to wrong ones (n,), of the cases that have both."""
    both = ~np.isnan(own) & ~np.isnan(wrong)
    return _auc(np.repeat([1, 0], both.sum()).astype(np.int8), np.r_[own[both], wrong[both]])


def chance(sizes: Sequence[int], relevant: Sequence[ArrayLike]) -> dict[str, float]:
    """What reports in a random order reach, the mean over test parts: `sizes` of the galleries, `relevant` counts of each case.

    Of n reports of which r are relevant the expected average precision is (r - 1) / (n - 1) (1 - H / n) + H / n with the
    harmonic number H of n (Bestgen, Prague Bulletin of Mathematical Linguistics 103, 2015), and .5 the AUC of a finding.

    Errors have no chance level: a wrong report differs from the case's own in what it says, whichever image stands beside it.
    One from which a finding was removed sounds healthier, one with an invented finding less so, and an exchanged one has other
    findings, so that a taste for healthy reports alone tells it from the own one, in held-out wording too. Nor has the share
    of label 0 ruled out, which depends on how many cases the threshold was chosen by: of n with a finding it is
    (floor(n / 20) + 1) / (n + 1).
    """
    drawn = {f"recall_at_{depth}": _mean([min(depth / size, 1.0) for size in sizes]) for depth in DEPTHS}
    precisions = [
        _mean(list(_drawn_precisions(size, np.asarray(counts)))) for size, counts in zip(sizes, relevant, strict=True)
    ]
    return {
        "zero_shot_auc_macro": 0.5,
        **drawn,
        "median_rank": _mean([(size + 1) / 2 for size in sizes]),
        "map": _mean(precisions),
    }


def known(values: Floats) -> Floats:
    """The values that are not NaN."""
    return values[~np.isnan(values)]


def _drawn_precisions(size: int, counts: Floats) -> Iterator[float]:
    harmonic = float(np.sum(1 / np.arange(1, size + 1))) / size
    for count in counts.ravel():
        share = (count - 1) / (size - 1) if size > 1 else 1.0
        yield float(share * (1 - harmonic) + harmonic)


def _auc(labels: Labels, scores: Floats) -> float:
    return float(auc(order_cases(labels, scores[None]))[0]) if len(scores) else np.nan


def _mean(values: ArrayLike) -> float:
    """The mean of the values that are defined; NaN where none is."""
    defined = known(np.asarray(values, dtype=np.float64))
    return float(defined.mean()) if len(defined) else np.nan
