"""What the page and the figures show of a table, as plain columns: rounded, without NaN, ready for JSON.

A record of a chart is one position of its columns. Nothing is computed here that `Comparison` and `curves` do not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.leaderboard.charts import SHOWN, sites_chart
from benchmark.leaderboard.conclusions import conclusion, metric_name, of_the_proposed
from benchmark.leaderboard.critical_difference import over_sites
from benchmark.leaderboard.remarks import causes, notes, progress, scope
from benchmark.leaderboard.standings import Standings, frames
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import SECONDARY, Comparison
from benchmark.statistics.curves import Curve, Curves, curves
from benchmark.statistics.evaluation import evaluate
from benchmark.statistics.metric_names import LOWER_IS_BETTER, METRICS, UNORDERED
from benchmark.statistics.multiplicity import ALPHA
from benchmark.suites.suite import Suite

Columns = dict[str, Any]

DECIMALS = 4
FLAGGED = ("identical", "near_chance")
UNCHANGED = "as registered"


def suite_data(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, *, with_curves: bool = True) -> Columns:
    """A suite and its tables."""
    return {
        "name": suite.name,
        "spelled": suite.spelled,
        "title": suite.title,
        "note": suite.note,
        "metrics": [_metric(key) for key in METRICS],
        "methods": _methods(suite, catalogue),
        "datasets": _datasets(tables),
        "tables": [table_data(suite, table, catalogue, with_curves=with_curves) for table in tables],
    }


def table_data(suite: Suite, table: Standings, catalogue: Catalogue, *, with_curves: bool = True) -> Columns:
    """One table: what its rows are, their estimates, tests, sites and curves."""
    found, card = table.comparison, table.rows.dataset.metadata
    data: Columns = {
        "dataset": table.task.dataset,
        "protocol": table.task.protocol,
        "metric": table.metric,
        "positive": card["positive"],
        "site": table.site,
        "stamp": progress(table),
        "scope": scope(table),
        "conclusion": conclusion(table) + of_the_proposed(table, catalogue),
        "partial": _partial(table),
        "not_applicable": [list(item) for item in table.rows.not_applicable],
        "notes": notes(table),
        "rows": {"method": []},
    }
    if found is None:
        return data
    names = [*table.ranked, *table.descriptive]
    pairs = _pairs(found, names)
    return data | {
        "tested": bool(found.pairs["p"].notna().any()),
        "comparisons": int(found.pairs["p"].notna().sum()),
        "corrected": max(found.power.pairs, int(found.pairs["p"].notna().sum())),
        "rows": _rows(suite, table, names, catalogue),
        "metrics": _estimates(found, names),
        "splits": _splits(table, names),
        "pairs": pairs,
        "forest": _forest(pairs, names),
        "sites": _sites(found, names),
        "ranks": _ranks(table),
        "curves": _curves(table, names) if with_curves else None,
    }


def shown_rows(data: Columns, most: int = 5) -> list[str]:
    """The rows whose curves are shown unasked: the first four, and a baseline that everyone knows."""
    names: list[str] = data["rows"]["method"]
    kinds: list[str] = data["rows"]["kind"]
    ranked = [name for name, kind in zip(names, kinds, strict=True) if kind == "ranked"] or names
    chosen = ranked[: most - 1]
    baseline = next((name for name in ("logistic-regression", *ranked) if name in names and name not in chosen), None)
    return chosen if baseline is None else [*chosen, baseline]


def rounded(values: ArrayLike) -> list[Any]:
    """Nested lists of numbers with `DECIMALS` decimals, None for what is not finite."""
    array = np.asarray(values, dtype=np.float64)
    plain = (np.round(array, DECIMALS) + 0.0).astype(object)
    plain[~np.isfinite(array)] = None
    nested: list[Any] = plain.tolist()
    return nested


def _significant(values: ArrayLike) -> list[float | None]:
    """Numbers with four significant digits: a p of 3e-7 must not become 0, nor one of .049999 reach the level."""
    told = []
    for value in np.asarray(values, dtype=np.float64).tolist():
        short = float(f"{value:.4g}")
        told.append(None if not np.isfinite(value) else short if (short < ALPHA) == (value < ALPHA) else value)
    return told


def _metric(key: str) -> Columns:
    return {"key": key, "name": metric_name(key), "lower": key in LOWER_IS_BETTER, "unordered": key in UNORDERED}


def _methods(suite: Suite, catalogue: Catalogue) -> list[Columns]:
    """Family, reference and departures of every method of the suite."""
    said = []
    for name in dict.fromkeys(parse_spelling(method)[0] for method in suite.methods):
        entry = catalogue.methods.get(name)
        card = {key: str(entry.metadata.get(key, "")) for key in ("family", "reference", "differences")}
        said.append({"name": name, **card, "error": entry.error or ""})
    return said


def _datasets(tables: Sequence[Standings]) -> list[Columns]:
    cards = {table.task.dataset: table.rows.dataset.metadata for table in tables}
    keys = ("title", "source", "license", "citation")
    return [{"name": name, **{key: str(card.get(key, "")) for key in keys}} for name, card in cards.items()]


def _rows(suite: Suite, table: Standings, names: Sequence[str], catalogue: Catalogue) -> Columns:
    found = table.comparison
    assert found is not None
    ranked = set(table.rows.ranked)
    rows = [table.row(name) for name in names]
    told = [_told(name, catalogue) for name in names]
    return {
        "method": list(names),
        "kind": ["ranked" if name in ranked else "descriptive" for name in names],
        "order": [suite.methods.index(name) for name in names],
        "family": [family for family, _ in told],
        "inputs": [inputs for _, inputs in told],
        "group": _groups(names),
        "source": [row.source for row in rows],
        "cells": [f"{row.cells_ok}/{row.cells}" for row in rows],
        "seconds": rounded([np.nan if row.seconds is None else row.seconds for row in rows]),
        "rank_low": rounded(found.rank_low.loc[list(names)]),
        "rank_high": rounded(found.rank_high.loc[list(names)]),
        "best": [None if name not in ranked or found.best_set[name] is None else bool(found.best_set[name]) for name in names],
        "letters": [str(found.letters[name]) for name in names],
        "ensemble": rounded(found.ensemble_auc.loc[list(names)]),
    }


def _told(spelled: str, catalogue: Catalogue) -> tuple[str, str]:
    """Family and modalities."""
    method = catalogue.method(spelled)
    inputs = frozenset[str]().union(*method.modalities)
    return "" if method.entry.error else method.card.family, ", ".join(sorted(inputs))


def _groups(names: Sequence[str]) -> list[str]:
    """The parameters that each row's spelling changes, with those that any row changes together with them."""
    changed = [frozenset(parse_spelling(name)[1]) for name in names]
    groups: list[frozenset[str]] = []
    for parameters in changed:
        touched = [group for group in groups if group & parameters]
        groups = [group for group in groups if group not in touched] + [parameters.union(*touched)]
    together = {name: ", ".join(sorted(group)) for group in groups for name in group}
    return [together[min(parameters)] if parameters else UNCHANGED for parameters in changed]


def _estimates(found: Comparison, names: Sequence[str]) -> dict[str, Columns]:
    """Metric -> mean, low and high of every row."""
    parts = {"mean": found.metrics, "low": found.low, "high": found.high}
    values = {part: rounded(frame.loc[list(names), list(METRICS)].to_numpy().T) for part, frame in parts.items()}
    return {key: {part: values[part][i] for part in parts} for i, key in enumerate(METRICS)}


def _splits(table: Standings, names: Sequence[str]) -> Columns:
    """Each split's name, seed and site, and the primary metric of every row in it."""
    found, splits = table.comparison, table.task.splits
    assert found is not None
    values = found.per_split[table.metric].loc[list(names), [split.name for split in splits]]
    return {
        "name": [split.name for split in splits],
        "seed": [int(split.seed) for split in splits],
        "site": [split.site or "" for split in splits],
        "values": rounded(values),
    }


def _pairs(found: Comparison, names: Sequence[str]) -> Columns:
    """The tested family; a and b are positions among the rows, the better mean first."""
    place = {name: i for i, name in enumerate(names)}
    first = np.array([place[name] for name in found.pairs["a"]], dtype=int)
    second = np.array([place[name] for name in found.pairs["b"]], dtype=int)
    turned = first > second
    sign = np.where(turned, -1.0, 1.0)
    low, high = found.pairs["low"].to_numpy(float), found.pairs["high"].to_numpy(float)
    columns = {
        "a": np.where(turned, second, first).tolist(),
        "b": np.where(turned, first, second).tolist(),
        "difference": rounded(sign * found.pairs["difference"].to_numpy(float)),
        "low": rounded(np.where(turned, -high, low)),
        "high": rounded(np.where(turned, -low, high)),
    }
    tests = {key: _significant(found.pairs[key]) for key in ("p", "p_holm", *SECONDARY) if found.pairs[key].notna().any()}
    flags = {key: found.pairs[key].astype(int).tolist() for key in FLAGGED if found.pairs[key].any()}
    return columns | tests | flags


def _forest(pairs: Columns, names: Sequence[str]) -> Columns | None:
    """Differences to the first ranked row, which is the first of all; None where nothing is tested."""
    if not any(p is not None for p in pairs.get("p", ())):
        return None
    columns: Columns = {"method": [names[0]], "difference": [0.0], "low": [None], "high": [None], "shown": [SHOWN[0]]}
    against = {b: i for i, (a, b) in enumerate(zip(pairs["a"], pairs["b"], strict=True)) if a == 0}
    for place, i in sorted(against.items()):
        difference, low, high = (None if pairs[key][i] is None else -pairs[key][i] for key in ("difference", "high", "low"))
        p = pairs["p_holm"][i]
        shown = SHOWN[3] if p is None else SHOWN[1] if p < ALPHA else SHOWN[2]
        for key, value in zip(columns, (names[place], difference, low, high, shown), strict=True):
            columns[key].append(value)
    return columns


def _sites(found: Comparison, names: Sequence[str]) -> Columns | None:
    """Every row's primary metric by held-out site, and how much the AUC differs between sites."""
    sites = found.per_site
    if sites is None:
        return None
    columns: Columns = {
        "chart": sites_chart(len(sites)),
        "site": [str(site) for site in sites.index],
        "n": [int(n) for n in sites["n"]],
        "positives": [int(n) for n in sites["positives"]],
        "small": [bool(small) for small in sites["small"]],
        "values": rounded(sites[list(names)].to_numpy(dtype=float)),
    }
    between = found.heterogeneity
    if between is not None and np.isfinite(between["tau"].astype(float)).any():
        between = between.loc[list(names)]
        columns["tau"], columns["i2"] = rounded(between["tau"]), rounded(between["i2"])
        columns["worst"] = [str(site) for site in between["worst_site"]]
        columns["worst_auc"] = rounded(between["worst_auc"])
    return columns


def _ranks(table: Standings) -> Columns | None:
    """Mean ranks over the sites with their critical difference; None where sites are too few."""
    blocks = over_sites(table)
    if blocks is None:
        return None
    test = blocks.test
    half = test.critical_difference / 2
    return {
        "sites": test.blocks,
        "f": None if not np.isfinite(test.f) else round(test.f, 2),
        "p": _significant([test.f_p])[0],
        "difference": round(test.critical_difference, 2),
        "rows": {
            "method": list(blocks.methods),
            "value": rounded(test.ranks),
            "low": rounded(test.ranks - half),
            "high": rounded(test.ranks + half),
        },
    }


def _curves(table: Standings, names: Sequence[str]) -> Columns:
    found: Curves = curves(evaluate(*frames(table.rows)), table.rows.inference)
    order = [found.methods.index(name) for name in names]
    bins = found.calibration
    parts = {name: rounded(getattr(bins, name)[order]) for name in ("predicted", "observed", "low", "high", "share", "ece")}
    return {
        "roc": _curve(found.roc, order),
        "decision": {**_curve(found.decision, order), "everyone": rounded(found.treat_all)},
        "calibration": parts,
    }


def _curve(curve: Curve, order: Sequence[int]) -> Columns:
    banded = bool(np.isfinite(curve.low).any())
    band = {"low": rounded(curve.low[order]), "high": rounded(curve.high[order])} if banded else {}
    return {"x": rounded(curve.x), "y": rounded(curve.y[order]), **band}


def _partial(table: Standings) -> list[Columns]:
    """Incomplete rows: estimates on the cells that they have, and why the others lack."""
    said = []
    for partial in table.partial:
        row = partial.row
        mean, best_mean, penalised = rounded([partial.mean, partial.best_mean, partial.penalised])
        said.append(
            {
                "method": row.method,
                "cells": f"{row.cells_ok}/{row.cells}",
                "mean": mean,
                "best": partial.best or "",
                "best_mean": best_mean,
                "penalised": penalised,
                "place": partial.place,
                "why": causes(partial),
            }
        )
    return said
