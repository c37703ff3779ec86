"""One table of the leaderboard in Markdown: its conclusion, rows, sites, metrics, notes and failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.cells.rows import stored_figures
from benchmark.leaderboard.conclusions import conclusion, metric_name, of_the_proposed
from benchmark.leaderboard.critical_difference import Blocks, over_sites
from benchmark.leaderboard.remarks import causes, notes, progress, scope
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure, grid
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison

WHOLE = ("accuracy", "balanced_accuracy", "mcc", "brier", "calibration_intercept", "calibration_slope")
TESTS = {"p": "p", "p_holm": "p (Holm)", "p_delong": "p (DeLong, second opinion)", "p_equivalent": "P(equal)"}
FEW_SITES = 10
"""More sites than these are folded away."""
BY_CLASS = ("auprc", "precision", "recall", "specificity", "f1")


def table_parts(table: Standings, catalogue: Catalogue) -> list[str]:
    """The paragraphs and tables below its heading; empty strings where there is nothing to say."""
    interim = progress(table)
    parts = [
        f"**{interim}**" if interim else "",
        scope(table),
        f"**What this shows.** {conclusion(table)}{of_the_proposed(table, catalogue)}",
    ]
    if table.comparison is not None:
        parts += [_ranked(table), _descriptive(table), _sites(table), _secondary(table), _stored(table)]
    remarks = "\n".join(f"- {note}" for note in notes(table))
    return [*parts, remarks, _incomplete(table)]


def _ranked(table: Standings) -> str:
    """The ranked rows; columns of tests only where there are tests."""
    found, leader = table.comparison, next(iter(table.ranked), "")
    assert found is not None
    tested = bool(found.pairs["p"].notna().any())
    tests_there = [key for key in TESTS if found.pairs[key].notna().any()]
    rows = []
    pairs = table.against(leader)
    for name in table.ranked:
        row, pair = table.row(name), pairs.get(name)
        cells = [f"`{name}`", _estimate(found, name, table.metric), "" if pair is None else _difference(pair)]
        if tested:
            tests = [""] * len(tests_there) if pair is None else [_p(pair[key]) for key in tests_there]
            best = {True: "yes", False: "no"}.get(found.best_set[name], "n/a")
            cells = [_rank(found.rank_low[name], found.rank_high[name]), *cells, found.letters[name], *tests, best]
        rows.append([*cells, figure(found.ensemble_auc[name]), f"{row.cells_ok}/{row.cells}", row.source])
    shown = " (95 % CI)" if np.isfinite(found.low[table.metric]).any() else ""
    estimate = f"{metric_name(table.metric)}{shown}"
    head = ["method", estimate, f"difference to the first row{' (95 % CI)' if tested else ''}"]
    if tested:
        head = ["rank", *head, "letters", *(TESTS[key] for key in tests_there), "best set"]
    return grid([*head, "AUC, seeds averaged", "cells", "source"], rows) if rows else ""


def _descriptive(table: Standings) -> str:
    found = table.comparison
    assert found is not None
    if not table.descriptive:
        return ""
    rows = [
        [
            f"`{name}`",
            _estimate(found, name, table.metric),
            f"{table.row(name).cells_ok}/{table.row(name).cells}",
            table.row(name).source,
        ]
        for name in table.descriptive
    ]
    shown = " (95 % CI)" if np.isfinite(found.low[table.metric]).any() else ""
    table_text = grid(["method", f"{metric_name(table.metric)}{shown}", "cells", "source"], rows)
    return f"Descriptive rows (shown, never ranked or tested against the family):\n\n{table_text}"


def _sites(table: Standings) -> str:
    """The ranked rows (all, where none is) by held-out site; folded away where the sites are many."""
    found = table.comparison
    assert found is not None
    if found.per_site is None:
        return ""
    sites = found.per_site
    names = table.ranked or table.descriptive
    rows = [
        [f"{site}{' (small: left out of the mean)' if row['small'] else ''}", str(int(row["n"])), str(int(row["positives"]))]
        + [figure(row[name]) for name in names]
        for site, row in sites.iterrows()
    ]
    by_site = grid([f"site ({table.site})", "n", "label 1", *(f"`{name}`" for name in names)], rows)
    said = f"{metric_name(table.metric)} by held-out site (mean over training seeds):"
    if len(rows) > FEW_SITES:
        summary = f"{metric_name(table.metric)} by held-out site, {len(rows)} sites (mean over training seeds)"
        by_site, said = f"{by_site}\n\n</details>", f"<details><summary>{summary}</summary>"
    return "\n\n".join(filter(None, [said, by_site, _heterogeneity(found, names), mean_ranks(over_sites(table), "sites")]))


def _heterogeneity(found: Comparison, names: Sequence[str]) -> str:
    """How much the AUC differs between sites: tau, I2 and the worst site; nothing where there are too few sites."""
    if found.heterogeneity is None or not np.isfinite(found.heterogeneity["tau"].astype(float)).any():
        return ""
    between = found.heterogeneity.loc[list(names)]
    intervals = bool(np.isfinite(between["random_effects_low"].astype(float)).any())
    rows = []
    for name, row in between.iterrows():
        low, high = row["random_effects_low"], row["random_effects_high"]
        mean = [f"{figure(row['random_effects_auc'])} ({low:.3f} to {high:.3f})"] if intervals else []
        worst = f"{row['worst_site']} ({figure(row['worst_auc'])})"
        rows.append([f"`{name}`", *mean, figure(row["tau"]), f"{100 * row['i2']:.0f} %", worst])
    head = ["random-effects mean (Hartung-Knapp 95 % CI)"] if intervals else []
    return "AUC between sites:\n\n" + grid(["method", *head, "tau", "I2", "worst site"], rows)


def mean_ranks(blocks: Blocks | None, unit: str) -> str:
    """Mean ranks over sites or datasets with Friedman's test and the critical difference; nothing where there is no test."""
    if blocks is None:
        return ""
    test = blocks.test
    rows = [[f"`{name}`", f"{rank:.2f}"] for name, rank in zip(blocks.methods, test.ranks, strict=True)]
    said = (
        f"Mean ranks over {test.blocks} {unit}: Iman-Davenport F = {test.f:.2f}, p {_p(test.f_p)}. Rows whose mean ranks "
        f"differ by less than {test.critical_difference:.2f} (Nemenyi's critical difference) are not shown to differ "
        "by rank. A second look, which decides nothing: ranks and letters come from the tests above."
    )
    return f"{said}\n\n" + grid(["method", "mean rank"], rows)


def _secondary(table: Standings) -> str:
    found = table.comparison
    assert found is not None
    names = [str(name) for name in found.metrics.index]
    whole = grid(
        ["method", *(metric_name(metric) for metric in WHOLE), "ECE (10 equal bins)"],
        [
            [
                f"`{name}`",
                *(figure(found.metrics.at[name, metric], metric) for metric in WHOLE),
                figure(found.calibration_error[name]),
            ]
            for name in names
        ],
    )
    card = table.rows.dataset.metadata
    blocks = [f"<details><summary>Secondary metrics, both classes as positive</summary>\n\n{whole}"]
    for suffix, said in (("", card["positive"]), ("_label0", card["negative"])):
        base = found.auprc_baseline if not suffix else 1 - found.auprc_baseline
        table_text = grid(
            ["method", *(metric_name(metric) for metric in BY_CLASS)],
            [[f"`{name}`", *(figure(found.metrics.at[name, metric + suffix]) for metric in BY_CLASS)] for name in names],
        )
        blocks.append(f"Positive = {said} (AUPRC of a constant: {base:.3f}):\n\n{table_text}")
    return "\n\n".join(blocks) + "\n\n</details>"


def _stored(table: Standings) -> str:
    """Numbers that methods stored with their cells (what was chosen in training, angles, shares), folded away."""
    lines = []
    for row in table.rows.complete:
        figures = stored_figures(row)
        if figures:
            told = ", ".join(f"{name} {mean:.4g} ({deviation:.2g})" for name, (mean, deviation) in figures.items())
            lines.append(f"- `{row.method}`: {told}")
    if not lines:
        return ""
    summary = "Figures that methods stored with their cells, mean (SD over cells)"
    return f"<details><summary>{summary}</summary>\n\n" + "\n".join(sorted(lines)) + "\n\n</details>"


def _incomplete(table: Standings) -> str:
    if not table.partial:
        return ""
    rows = []
    for partial in table.partial:
        ranked = "" if partial.place is None else f"{figure(partial.penalised)} (place {partial.place})"
        rows.append(
            [
                f"`{partial.row.method}`",
                f"{partial.row.cells_ok}/{partial.row.cells}",
                figure(partial.mean),
                "" if partial.best is None else f"{figure(partial.best_mean)} (`{partial.best}`)",
                ranked,
                "; ".join(causes(partial)),
            ]
        )
    name = metric_name(table.metric)
    head = [
        "method",
        "cells ok",
        f"{name} on these cells",
        "first row on the same cells",
        "with missing cells at their worst",
        "why",
    ]
    said = (
        "Incomplete rows (estimates on the cells they have; never ranked). *At their worst*: each missing cell counts as the "
        "worse of .5 and the majority baseline; beside it the place that the row would have among the ranked ones."
    )
    return f"{said}\n\n{grid(head, rows)}"


def _estimate(found: Any, name: str, metric: str) -> str:
    low, high, spread = (frame.at[name, metric] for frame in (found.low, found.high, found.spread))
    interval = f" ({low:.3f} to {high:.3f})" if np.isfinite(low) and np.isfinite(high) else ""
    seeds = f", SD over seeds {spread:.3f}" if np.isfinite(spread) else ""
    return figure(found.metrics.at[name, metric], metric) + interval + seeds


def _difference(pair: dict[str, Any]) -> str:
    interval = f" ({pair['low']:+.3f} to {pair['high']:+.3f})" if np.isfinite(pair["low"]) else ""
    return f"{pair['difference']:+.3f}{interval}" if np.isfinite(pair["difference"]) else "n/a"


def _rank(low: float, high: float) -> str:
    if not np.isfinite(low):
        return "n/a"
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "n/a"
    return "<.001" if value < 0.001 else f"{value:.3f}"
