"""What the page and the figures show: tables as plain columns and the records of the charts, ready for JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmark.cells.rows import TableRows
from benchmark.leaderboard import records
from benchmark.leaderboard.answers import answers, judged, why_untested
from benchmark.leaderboard.answers_shown import HEAD, contrast_rows, sentences
from benchmark.leaderboard.charts import MANY_SITES
from benchmark.leaderboard.columns import COLUMNS, Column, Line, heading, known, lines, named, ranked_first, standing
from benchmark.leaderboard.conclusions import adjustment, conclusion, of_the_proposed
from benchmark.leaderboard.critical_difference import over_sites
from benchmark.leaderboard.label_shares import by_share, label_curves
from benchmark.leaderboard.one_pair import patients_of
from benchmark.leaderboard.own_rows import own_row_sentences
from benchmark.leaderboard.records import exact, rounded
from benchmark.leaderboard.remarks import cases, doubts, incomplete, notes, progress, scope
from benchmark.leaderboard.retrieval import gallery, sentence
from benchmark.leaderboard.retrieval import shown as retrieved
from benchmark.leaderboard.standings import Standings, frames
from benchmark.leaderboard.standings import further as retrieval_metrics
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import Comparison, each_alone
from benchmark.statistics.curves import curves
from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.metric_names import IDEAL, LOWER_IS_BETTER, METRICS, RETRIEVAL_METRICS, metric_name
from benchmark.suites.suite import RETRIEVAL, Suite
from benchmark.system.parallel import mapped

Columns = dict[str, Any]

CALIBRATION_ERROR = "calibration_error"
"""A metric without an interval, which has a column of its own."""
FIRST_SHOWN = ("rank", "method", "inputs", "estimate", "difference", "p_adjusted")
"""The columns that the page shows unasked, in their order there."""
OF_THE_TESTS = frozenset({"rank", "letters", "best_set", "p", "p_adjusted", "p_holm", "p_equivalent"})
"""Columns about the metric that is tested, whichever is shown."""


Further = Sequence[tuple[Suite, Sequence[Standings]]]


def suite_data(
    suite: Suite,
    tables: Sequence[Standings],
    catalogue: Catalogue,
    *,
    further: Further = (),
    jobs: int = 1,
    shaped: Callable[[Columns], Columns] = dict,
) -> Columns:
    """A suite and its tables, put together by as many processes as `jobs` says; rows of the `further` suites stand in pairs.

    `shaped` is what they make of the columns of a table.
    """

    def of(table: Standings) -> Columns:
        return shaped(table_data(suite, table, catalogue, further))

    return {
        "name": suite.name,
        "spelled": suite.spelled,
        "title": suite.title,
        "note": suite.note,
        "metrics": [_metric(key) for key in _measured(suite)],
        "methods": _methods(suite, catalogue),
        "datasets": [
            {"name": name, "title": of.title, "source": of.source, "license": of.license, "citation": of.citation}
            for name, of in {table.task.dataset: table.rows.dataset.card for table in tables if not table.rows.finding}.items()
        ],
        "tables": mapped(of, tables, jobs),
        **_labels(tables),
    }


def _metric(key: str) -> Columns:
    """What the page needs to know of a metric; `best` is its best value, or "greatest" or "least" where there is none."""
    if key == CALIBRATION_ERROR:
        return {"key": key, "name": COLUMNS[key].heading, "best": "least", "kind": COLUMNS[key].kind}
    best = IDEAL.get(key, "least" if key in LOWER_IS_BETTER else "greatest")
    return {"key": key, "name": metric_name(key), "best": best, "kind": COLUMNS[key].kind}


def further_data(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, jobs: int = 1) -> Columns:
    """A suite that is shown beside another one: of each table what it concludes, and every row's estimate."""
    return {"name": suite.name, "title": suite.title, "tables": mapped(partial(_dots, suite, catalogue), tables, jobs)}


def _dots(suite: Suite, catalogue: Catalogue, table: Standings) -> Columns:
    return {
        "dataset": table.task.dataset,
        "protocol": table.task.protocol,
        "metric": table.metric,
        "conclusion": conclusion(table, catalogue) + of_the_proposed(table, catalogue),
        "dots": [records.dots(ranked_first(lines(table)), suite.methods)] if table.comparison is not None else [],
    }


def _labels(tables: Sequence[Standings]) -> Columns:
    """Dataset -> the records of its rows by the share of the labels; nothing where no dataset has several shares."""
    curves = {dataset: label_curves(shares) for dataset, shares in by_share(tables).items()}
    return {"labels": curves} if curves else {}


def table_data(suite: Suite, table: Standings, catalogue: Catalogue, further: Further = ()) -> Columns:
    """One table: what its rows are, their estimates and tests, and the records of its charts."""
    comparison = table.comparison
    head, partly = incomplete(table)
    answered = answers(table)
    contrasts = contrast_rows(answered)
    data: Columns = {
        "dataset": table.task.dataset,
        "protocol": table.task.protocol,
        "metric": table.metric,
        "positive": table.rows.card.positive,
        "synthetic": table.rows.card.synthetic,
        "site": table.site,
        "stamp": progress(table),
        "working": [partial.row.method for partial in table.partial if partial.row.in_progress],
        "cases": cases(table),
        "scope": scope(table),
        "questions": list(sentences(answered).items()),
        "contrasts": {"head": HEAD, "rows": contrasts} if contrasts else None,
        "conclusion": conclusion(table, catalogue) + of_the_proposed(table, catalogue),
        "own": own_row_sentences(table, catalogue),
        "incomplete": {"head": head, "rows": partly} if partly else None,
        "not_applicable": [list(item) for item in table.rows.not_applicable],
        "notes": notes(table),
        "audit": doubts(table),
        "rows": {"method": []},
    }
    if comparison is None:
        return data
    rows = ranked_first(lines(table, catalogue))
    names = [line["method"] for line in rows]
    between = standing([name for name in named("between sites") if name != "random_effects"], table, rows)
    shown = standing(dict.fromkeys([*FIRST_SHOWN, *named("page")]), table, rows)
    tests = int(comparison.pairs["p"].notna().sum())
    keys = [key for key in _measured(suite) if key != CALIBRATION_ERROR]
    frames_of = {"mean": comparison.metrics, "low": comparison.low, "high": comparison.high}
    estimates = {part: frame.reindex(index=names, columns=list(keys)) for part, frame in frames_of.items()}
    metrics: Columns = {key: {part: exact(frame[key]) for part, frame in estimates.items()} for key in keys}
    metrics[CALIBRATION_ERROR] = {"mean": exact(comparison.calibration_error[names]), "low": None, "high": None}
    return data | {
        "tested": table.tested,
        "comparisons": tests,
        "all_pairs": len(comparison.listed) == len(comparison.pairs),
        "corrected": max(comparison.power.pairs, tests),
        "adjusted_by": adjustment(comparison),
        "columns": [_heading(column, table, rows) for column in shown],
        "between_sites": [_heading(column, table, rows) for column in between] if len(between) > 1 else None,
        "rows": _rows(rows, list(dict.fromkeys([*shown, *between]))),
        "metrics": metrics,
        **_retrieval(table, rows),
        "splits": _splits(table, comparison, names),
        "pairs": records.pairs(comparison, names),
        "sites": None if comparison.per_site is None else _sites(comparison.per_site),
        "ranks": _ranks(table),
        **_drawn(table, comparison, rows, beside(table, further)),
    }


def _measured(suite: Suite) -> tuple[str, ...]:
    """The metrics of a suite's tables."""
    return (*METRICS, *(RETRIEVAL_METRICS if suite.task == RETRIEVAL else ()), CALIBRATION_ERROR)


def _retrieval(table: Standings, rows: Sequence[Line]) -> Columns:
    """What task retrieval measures, as Markdown has it; nothing of another table."""
    found = gallery(table)
    if found is None:
        return {}
    head, cells = retrieved(found, rows)
    return {"retrieval": {"text": sentence(found), "head": head, "rows": cells}}


def shown_rows(data: Columns) -> list[str]:
    """The rows whose curves are shown unasked: the first four, and a baseline that everyone knows."""
    names: list[str] = data["rows"]["method"]
    ranked = [name for name, kind in zip(names, data["rows"]["kind"], strict=True) if kind == "ranked"] or names
    further = [name for name in ("logistic-regression", *ranked) if name in names and name not in ranked[:4]]
    return ranked[:4] + further[:1]


def rows_of(data: Columns, metric: str) -> list[dict[str, Any]]:
    """The rows of a table with the estimates of a metric."""
    return records.records([{**data["rows"], **data["metrics"][metric]}])


def chart_of(data: Columns, chart: str, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """The records of the chosen rows in a chart."""
    blocks = {block["method"]: block for block in data["charts"][chart]}
    return records.records(blocks[name] for name in chosen)


def _methods(suite: Suite, catalogue: Catalogue) -> list[Columns]:
    """Family, reference and departures of every method of the suite."""
    entries = [catalogue.methods.get(name) for name in dict.fromkeys(parse_spelling(method)[0] for method in suite.methods)]
    keys = ("family", "reference", "differences")
    cards = [{} if entry.error else {key: getattr(entry.card, key) for key in keys} for entry in entries]
    return [{"name": entry.name, "error": entry.error or "", **card} for entry, card in zip(entries, cards, strict=True)]


def _heading(column: Column, table: Standings, rows: Sequence[Line]) -> Columns:
    """What the page needs to know of a column; the metric that it shows is the reader's choice."""
    text = heading(column, table, rows, of=f" in {metric_name(table.metric)}")
    return {
        "name": column.name,
        "kind": column.kind,
        "fields": list(column.fields),
        "greatest_first": column.greatest_first,
        "shown": column.name in FIRST_SHOWN,
        "of_tests": column.name in OF_THE_TESTS,
        "heading": text[0].upper() + text[1:] if text[:2].isalpha() else text,
    }


def _rows(rows: Sequence[Line], columns: Sequence[Column]) -> Columns:
    """Field -> its value in each row; the estimates stand apart, for each metric."""
    values: Columns = {
        "place": list(range(len(rows))),
        "kind": ["ranked" if line["ranked"] else "descriptive" for line in rows],
    }
    for column in columns:
        for key in column.fields if column.name != "estimate" else ():
            values[key] = [_plain(line.get(key)) for line in rows]
    return values


def _plain(value: Any) -> Any:
    """A value of a column for JSON."""
    if not known(value):
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return plain + 0.0 if isinstance(plain, float) else plain


def _splits(table: Standings, comparison: Comparison, names: Sequence[str]) -> Columns:
    """Each split's name, seed and site, and the primary metric of every row in it."""
    splits = table.task.splits
    sites = {} if comparison.per_site is None else records.site_names(comparison.per_site)
    return {
        "name": [split.name for split in splits],
        "seed": [int(split.seed) for split in splits],
        "site": [sites.get(split.site, split.site) for split in splits],
        "values": exact(comparison.per_split[table.metric].loc[list(names), [split.name for split in splits]]),
    }


def _sites(frame: pd.DataFrame) -> Columns:
    """How many sites are held out and small, and which chart shows them."""
    chart = "sites_down" if len(frame) > MANY_SITES else "sites"
    return {"count": len(frame), "small": int(frame["small"].astype(bool).sum()), "chart": chart}


def _ranks(table: Standings) -> Columns | None:
    """Friedman's test over the sites and the records of the mean ranks; None where sites are too few."""
    blocks = over_sites(table)
    if blocks is None:
        return None
    test = blocks.test
    return {
        "sites": test.blocks,
        **dict(zip(("f", "p", "difference"), exact([test.f, test.f_p, test.critical_difference]), strict=True)),
        "records": [records.ranks(blocks)],
    }


def beside(table: Standings, further: Further) -> dict[str, tuple[str, Standings]]:
    """Row -> the title of the suite that it stands in, and its table: further complete rows on the same splits."""
    same = [
        (suite.title, other)
        for suite, tables in further
        for other in tables
        if (other.task.dataset, other.task.protocol) == (table.task.dataset, table.task.protocol)
        and other.task.comparable == table.task.comparable
    ]
    own = {row.method for row in table.rows.complete}
    rows = [(row.method, title, other) for title, other in same for row in other.rows.complete if row.method not in own]
    return {name: (title, other) for name, title, other in reversed(rows)}


def _drawn(
    table: Standings, comparison: Comparison, rows: Sequence[Line], others: Mapping[str, tuple[str, Standings]]
) -> Columns:
    """The charts of a table and its pairs, which rest on one evaluation of its rows."""
    run = _evaluated(table.rows, [comparison.per_split])
    whole = run
    if others:
        beside = {id(other): other.comparison.per_split for _, other in others.values() if other.comparison is not None}
        whole = _evaluated(_with(table, others), [comparison.per_split, *beside.values()])
    order = [*(line["method"] for line in rows), *others]
    contrasts = each_alone(whole, table.rows.inference, table.metric, order=order, interim=table.interim)
    if table.rows.descriptive:
        contrasts[["low", "high", "p", "p_adjusted", "detectable"]] = np.nan
    return {
        "charts": _charts(table, comparison, rows, run),
        "alone": {
            "names": list(whole.methods),
            "others": [_other(table, name, *others[name]) for name in others],
            "patients": patients_of(table),
            "untested": why_untested(table),
            "conditional": table.rows.inference == "held-out",
            **records.alone(judged(contrasts, table.metric), whole.methods),
        },
    }


def _evaluated(rows: TableRows, measured: Sequence[Mapping[str, pd.DataFrame]]) -> Evaluation:
    """The predictions of the complete rows as arrays, with the metrics that were measured of them: method x split each."""
    run = evaluate(*frames(rows), retrieval_metrics(rows))
    place = {name: i for i, name in enumerate(name for each in measured for name in each[METRICS[0]].index)}
    order = [place[name] for name in run.methods]
    return replace(
        run, measured={metric: np.concatenate([each[metric].to_numpy() for each in measured])[order] for metric in METRICS}
    )


def _with(table: Standings, others: Mapping[str, tuple[str, Standings]]) -> TableRows:
    """The rows of a table and others on its splits."""
    return replace(table.rows, complete=(*table.rows.complete, *(other.row(name) for name, (_, other) in others.items())))


def _other(table: Standings, name: str, suite: str, other: Standings) -> Columns:
    """A row of another suite, which only pairs show."""
    comparison = other.comparison
    assert comparison is not None
    parts = {"mean": comparison.metrics, "low": comparison.low, "high": comparison.high}
    values = comparison.per_split[table.metric].loc[name, [split.name for split in table.task.splits]]
    estimate = {part: exact(frame.loc[[name], table.metric])[0] for part, frame in parts.items()}
    return {"method": name, "suite": suite, **estimate, "values": exact(values)}


def _charts(table: Standings, comparison: Comparison, rows: Sequence[Line], run: Evaluation) -> Columns:
    """Chart -> blocks of records; charts of single rows have a block for each row."""
    names = [line["method"] for line in rows]
    drawn = curves(run, table.rows.inference)
    return {
        "intervals": [records.intervals(rows)] if table.ranked else [],
        "forest": [records.forest(rows)] if table.tested else [],
        "roc": records.curve(drawn.roc, drawn.methods, names),
        "decision": records.curve(drawn.decision, drawn.methods, names),
        "everyone": [{"x": rounded(drawn.decision.x), "y": rounded(drawn.treat_all)}],
        "calibration": records.calibration(drawn, names),
        "sites": records.sites(comparison, names),
    }
