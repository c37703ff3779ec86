"""A fidelity report in lines to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any


def lines(judged: Mapping[str, Any]) -> Iterator[str]:
    """What was judged: drafts against the mask, against each other and against the lists, and what they say of the label."""
    fidelity, counts = judged["fidelity"], judged["counts"]
    drafts = f"{fidelity['drafts']:,} drafts ({fidelity['distinct_drafts']:,} distinct)"
    yield f"Fidelity of {judged['what']}: {drafts} of {fidelity['cases_with_drafts']} of {fidelity['cases']} cases"
    if fidelity["against_mask"] is None:
        yield "  there is no lesion mask: whether the drafts are true of the image is not known"
    else:
        yield from _against_mask(fidelity["against_mask"])
    alike = ", ".join(f"{thing} {_share(share)}" for thing, share in fidelity["agreement"].items() if share is not None)
    yield f"  drafts of a case agree: {alike or 'no two of them speak of the same thing'}"
    if counts:
        yield from _filtered(counts)
    yield from (f"  warning: {line}" for line in judged["speaks_of_label"])
    if not judged["speaks_of_label"]:
        yield "  label        no draft speaks of what it is made of"


def _against_mask(against: Mapping[str, Any]) -> Iterator[str]:
    """A line for each thing that some draft claims and the mask shows."""
    volume, side, aspects = against["volume"], against["side"], against["aspects"]
    if volume["claims"]:
        near = f"{_share(volume['true'])} true and {_share(volume['within_half'])} within half of it"
        error = f"median error {_number(volume['median_absolute_error_ml'])} ml"
        alike = f"rank correlation {_number(volume['rank_correlation'])}"
        yield f"  volume       {near}, of {volume['claims']:,} claims; {error}, {alike}"
    if side["claims"]:
        yield f"  side         {_share(side['true'])} true of {side['claims']:,} claims"
    for kind in ("territories", "arteries"):
        if against[kind]["drafts"]:
            precision, recall = (_share(against[kind][figure]) for figure in ("precision", "recall"))
            yield f"  {kind:12} precision {precision} of {against[kind]['named']:,} named, recall {recall}"
    if aspects["claims"]:
        error = f"mean error {_number(aspects['mean_absolute_error'])}"
        yield f"  ASPECTS      {_share(aspects['true'])} true of {aspects['claims']:,} claims; {error}"
    if not any((volume["claims"], side["claims"], against["territories"]["drafts"], aspects["claims"])):
        yield "  no draft claims anything that the mask could show"


def _filtered(counts: Mapping[str, Any]) -> Iterator[str]:
    filtered: Counter[str] = Counter()
    for by_reason in counts["filtered"].values():
        filtered.update(by_reason)
    share = _share(filtered.total() / max(counts["answers"], 1))
    yield f"  filtered     {share} of {counts['answers']:,} answers: {_listed(filtered)}"
    lost = counts["drafts"] - counts["kept"]
    left = f"{counts['cases_without_a_draft']} cases are left without any"
    if counts["cases_not_asked_about"]:
        left += f", and {counts['cases_not_asked_about']} were not asked about"
    yield f"  dropped      {lost:,} of {counts['drafts']:,} drafts: {_listed(counts['dropped'])}; {left}"
    tokens = counts["tokens"]
    spent = f"{tokens['prompt_tokens']:,} in and {tokens['completion_tokens']:,} out"
    yield f"  tokens       {spent}, as the endpoint counts them"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items())) or "none"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
