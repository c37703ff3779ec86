"""One table of the leaderboard in Markdown, briefly or as a whole: conclusion, rows, sites, metrics, notes and failures."""

import math
from collections.abc import Iterable, Sequence

from benchmark.cells.rows import stored_figures
from benchmark.leaderboard.answers import answers
from benchmark.leaderboard.answers_shown import as_markdown
from benchmark.leaderboard.columns import Line, heading, known, lines, named, standing, written
from benchmark.leaderboard.conclusions import conclusion, of_the_proposed
from benchmark.leaderboard.critical_difference import Blocks, over_sites
from benchmark.leaderboard.own_rows import own_row_sentences
from benchmark.leaderboard.remarks import cases, doubts, incomplete, notes, progress, scope
from benchmark.leaderboard.retrieval import gallery, sentence, shown
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure, folded, grid, p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import metric_name
from benchmark.system.terminal import counted

FEW_SITES = 10
"""More sites than these are folded away."""


def table_parts(table: Standings, catalogue: Catalogue, *, brief: bool = False, again: bool = False) -> list[str]:
    """The paragraphs and tables below its heading; empty strings where there is nothing to say.

    If `brief`, the answers, the conclusion, six columns of ranked rows and two of descriptive ones (one more where a row
    was computed on this machine), and what is missing. `again` says that the dataset was described before.
    """
    interim = progress(table)
    parts = [
        f"**{interim}**" if interim else "",
        f"{_again(table)} Site: {table.site}." if again else scope(table),
        _audit(table),
        as_markdown(answers(table), contrasts=not brief),
        f"**What this shows.** {conclusion(table, catalogue)}{of_the_proposed(table, catalogue)}",
        *own_row_sentences(table, catalogue),
    ]
    if table.comparison is not None:
        rows = lines(table, catalogue if brief else None)
        ranked, others = [row for row in rows if row["ranked"]], [row for row in rows if not row["ranked"]]
        parts.append(_chosen(named("brief" if brief else "ranked"), ranked, table, rows) if ranked else "")
        if others and brief:
            summary = f"{counted(len(others), 'descriptive row')}: shown, but never ranked or tested"
            parts.append(folded(summary, _chosen(named("brief descriptive"), others, table, rows)))
        elif others:
            parts.append("Descriptive rows (shown, but never ranked or tested):")
            parts.append(_chosen(named("descriptive"), others, table, rows))
        parts.append(_retrieval(table, [*ranked, *others]))
        if not brief:
            parts += [
                _sites(table, table.comparison, ranked or rows, rows),
                _secondary(table, table.comparison, rows),
                _stored(table),
            ]
    return [*parts, "\n".join(f"- {note}" for note in notes(table, brief=brief)), _incomplete(table)]


def _again(table: Standings) -> str:
    """The cases of a dataset that was described before, where all of them are tested here too."""
    task = table.task
    return f"The same {counted(len(task.labels), 'case')}." if len(task.tested) == len(task.labels) else cases(table)


def _audit(table: Standings) -> str:
    """What an audit holds against the table; nothing where there is nothing, or no audit was made."""
    found = doubts(table)
    title = "**Audit** (`docs/audit.md` says what the codes mean):"
    return "\n".join([title, "", *(f"- {sentence}" for sentence in found)]) if found else ""


def _chosen(names: Iterable[str], shown: Sequence[Line], table: Standings, rows: Sequence[Line]) -> str:
    """The named columns of the rows `shown`, with the headings that they have in the table of all `rows`."""
    columns = standing(names, table, rows)
    cells = [[written(column, row) for column in columns] for row in shown]
    return grid([heading(column, table, rows) for column in columns], cells)


def _retrieval(table: Standings, rows: Sequence[Line]) -> str:
    """What task retrieval measures; nothing of another table."""
    found = gallery(table)
    return "" if found is None else f"{sentence(found)}\n\n{grid(*shown(found, rows))}"


def _sites(table: Standings, comparison: Comparison, shown: Sequence[Line], rows: Sequence[Line]) -> str:
    """The rows `shown` by held-out site; folded away where the sites are many."""
    if comparison.per_site is None:
        return ""
    names = [row["method"] for row in shown]
    sites = [
        [f"{site}{' (small: not in the mean)' if of_site['small'] else ''}", str(int(of_site["n"]))]
        + [str(int(of_site["positives"])), *(figure(of_site[name]) for name in names)]
        for site, of_site in comparison.per_site.iterrows()
    ]
    by_site = grid([f"site ({table.site})", "n", "label 1", *(f"`{name}`" for name in names)], sites)
    shown_by_site = f"{metric_name(table.metric)} by held-out site (mean over training seeds):\n\n{by_site}"
    if len(sites) > FEW_SITES:
        count = f"{len(sites)} sites (mean over training seeds)"
        shown_by_site = folded(f"{metric_name(table.metric)} by held-out site, {count}", by_site)
    parts = [shown_by_site, _heterogeneity(shown, table, rows), mean_ranks(over_sites(table), "sites")]
    return "\n\n".join(part for part in parts if part)


def _heterogeneity(shown: Sequence[Line], table: Standings, rows: Sequence[Line]) -> str:
    """How much the AUC differs between sites; nothing where there are too few sites."""
    if not any(known(row.get("tau")) for row in rows):
        return ""
    bounded = any(known(row["random_effects_low"]) for row in shown)
    names = [name for name in named("between sites") if bounded or name != "random_effects"]
    return "AUC between sites:\n\n" + _chosen(names, shown, table, rows)


def mean_ranks(blocks: Blocks | None, unit: str) -> str:
    """Mean ranks over sites or datasets with Friedman's test and the critical difference; nothing where there is no test."""
    if blocks is None:
        return ""
    test = blocks.test
    text = (
        f"Mean ranks over {test.blocks} {unit}: Iman-Davenport F = {test.f:.2f}, p {p_value(test.f_p)}. Rows whose mean ranks "
        f"differ by less than {test.critical_difference:.2f} (Nemenyi's critical difference) are not shown to differ "
        "by rank. This is supplementary: ranks and letters come from the tests above."
    )
    return f"{text}\n\n" + grid(["method", "mean rank"], [[f"`{name}`", f"{rank:.2f}"] for name, rank in blocks.ranks.items()])


def _secondary(table: Standings, comparison: Comparison, rows: Sequence[Line]) -> str:
    card, share = table.rows.card, comparison.auprc_baseline
    blocks = [_chosen(named("secondary"), rows, table, rows)]
    blocks += [
        f"Positive = {positive} (AUPRC of a constant: {_figure(base)}):\n\n{_chosen(names, rows, table, rows)}"
        for names, positive, base in ((named("label 1"), card.positive, share), (named("label 0"), card.negative, 1 - share))
    ]
    return folded("Secondary metrics, both classes as positive", "\n\n".join(blocks))


def _figure(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "undefined, as no test part counts that holds both classes"


def _stored(table: Standings) -> str:
    """Numbers that methods stored with their cells (what was chosen in training, angles, shares), folded away."""
    figures = {row.method: stored_figures(row) for row in table.rows.complete}
    texts = {
        method: ", ".join(f"{name} {mean:.4g} ({deviation:.2g})" for name, (mean, deviation) in stored.items())
        for method, stored in figures.items()
    }
    lines = sorted(f"- `{method}`: {text}" for method, text in texts.items() if text)
    summary = "Figures that methods stored with their cells, mean (SD over cells)"
    return folded(summary, "\n".join(lines)) if lines else ""


def _incomplete(table: Standings) -> str:
    if not table.partial:
        return ""
    head, rows = incomplete(table)
    text = (
        "Incomplete rows (estimates on the cells they have; never ranked). *At their worst*: each missing cell counts as the "
        "worse of .5 and the majority baseline; beside it, the place that the row would then have among the ranked rows."
    )
    return f"{text}\n\n{grid(head, rows)}"
