"""How well findings can be told at best: AUCs of the known law on the labelled cases."""

from __future__ import annotations

from datasets.findings.people import FINDINGS, People


def oracle_facts(people: People) -> dict[str, float]:
    """AUCs on the labelled cases, rounded to 4 decimals.

    oracle_auc : of P(any finding | levels): given the levels, findings are called independently.
    oracle_auc_<finding> : of P(finding | level): no reader of scans is better but by luck, since a scan shows the level alone.
    oracle_auc_macro : the mean over findings.
    """
    from sklearn.metrics import roc_auc_score

    known, found = people.probabilities, people.findings
    aucs = {f"oracle_auc_{name.replace('-', '_')}": float(roc_auc_score(found[name], known[name])) for name in FINDINGS}
    every = float(roc_auc_score(found.any(axis=1), 1 - (1 - known).prod(axis=1)))
    return {
        name: round(auc, 4)
        for name, auc in {"oracle_auc": every, **aucs, "oracle_auc_macro": sum(aucs.values()) / len(aucs)}.items()
    }
