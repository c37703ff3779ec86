"""One table of the leaderboard in Markdown: its conclusion, rows, sites, metrics, notes and failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.cells.rows import stored_figures
from benchmark.leaderboard.columns import Line, heading, known, lines, named, standing, written
from benchmark.leaderboard.conclusions import conclusion, metric_name, of_the_proposed
from benchmark.leaderboard.critical_difference import Blocks, over_sites
from benchmark.leaderboard.remarks import incomplete, notes, progress, scope
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure, grid, p_value
from benchmark.registry.catalogue import Catalogue

FEW_SITES = 10
"""More sites than these are folded away."""


def table_parts(table: Standings, catalogue: Catalogue) -> list[str]:
    """The paragraphs and tables below its heading; empty strings where there is nothing to say."""
    interim = progress(table)
    parts = [
        f"**{interim}**" if interim else "",
        scope(table),
        f"**What this shows.** {conclusion(table)}{of_the_proposed(table, catalogue)}",
    ]
    if table.comparison is not None:
        rows = lines(table)
        parts += [_ranked(table, rows), _descriptive(table, rows), _sites(table, rows), _secondary(table, rows), _stored(table)]
    remarks = "\n".join(f"- {note}" for note in notes(table))
    return [*parts, remarks, _incomplete(table)]


def _chosen(names: Iterable[str], shown: Sequence[Line], table: Standings, rows: Sequence[Line]) -> str:
    """The named columns of the rows `shown`, with the headings that they have in the table of all `rows`."""
    columns = standing(names, table, rows)
    cells = [[written(column, row) for column in columns] for row in shown]
    return grid([heading(column, table, rows) for column in columns], cells)


def _ranked(table: Standings, rows: Sequence[Line]) -> str:
    ranked = [row for row in rows if row["ranked"]]
    return _chosen(named("ranked"), ranked, table, rows) if ranked else ""


def _descriptive(table: Standings, rows: Sequence[Line]) -> str:
    descriptive = [row for row in rows if not row["ranked"]]
    if not descriptive:
        return ""
    text = "Descriptive rows (shown, but never ranked or tested):"
    return f"{text}\n\n{_chosen(named('descriptive'), descriptive, table, rows)}"


def _sites(table: Standings, rows: Sequence[Line]) -> str:
    """The ranked rows (all, where none is) by held-out site; folded away where the sites are many."""
    comparison = table.comparison
    assert comparison is not None
    if comparison.per_site is None:
        return ""
    shown = [row for row in rows if row["ranked"]] or rows
    names = [row["method"] for row in shown]
    sites = [
        [f"{site}{' (small: not in the mean)' if of_site['small'] else ''}", str(int(of_site["n"]))]
        + [str(int(of_site["positives"])), *(figure(of_site[name]) for name in names)]
        for site, of_site in comparison.per_site.iterrows()
    ]
    by_site = grid([f"site ({table.site})", "n", "label 1", *(f"`{name}`" for name in names)], sites)
    text = f"{metric_name(table.metric)} by held-out site (mean over training seeds):"
    if len(sites) > FEW_SITES:
        summary = f"{metric_name(table.metric)} by held-out site, {len(sites)} sites (mean over training seeds)"
        by_site, text = f"{by_site}\n\n</details>", f"<details><summary>{summary}</summary>"
    return "\n\n".join(
        filter(None, [text, by_site, _heterogeneity(shown, table, rows), mean_ranks(over_sites(table), "sites")])
    )


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
    rows = [[f"`{name}`", f"{rank:.2f}"] for name, rank in blocks.ranks.items()]
    text = (
        f"Mean ranks over {test.blocks} {unit}: Iman-Davenport F = {test.f:.2f}, p {p_value(test.f_p)}. Rows whose mean ranks "
        f"differ by less than {test.critical_difference:.2f} (Nemenyi's critical difference) are not shown to differ "
        "by rank. This is supplementary: ranks and letters come from the tests above."
    )
    return f"{text}\n\n" + grid(["method", "mean rank"], rows)


def _secondary(table: Standings, rows: Sequence[Line]) -> str:
    comparison, card = table.comparison, table.rows.dataset.card
    assert comparison is not None
    whole = _chosen(named("secondary"), rows, table, rows)
    blocks = [f"<details><summary>Secondary metrics, both classes as positive</summary>\n\n{whole}"]
    share = comparison.auprc_baseline
    for names, positive, base in ((named("label 1"), card.positive, share), (named("label 0"), card.negative, 1 - share)):
        of_class = _chosen(names, rows, table, rows)
        blocks.append(f"Positive = {positive} (AUPRC of a constant: {base:.3f}):\n\n{of_class}")
    return "\n\n".join(blocks) + "\n\n</details>"


def _stored(table: Standings) -> str:
    """Numbers that methods stored with their cells (what was chosen in training, angles, shares), folded away."""
    lines = []
    for row in table.rows.complete:
        figures = stored_figures(row)
        if figures:
            text = ", ".join(f"{name} {mean:.4g} ({deviation:.2g})" for name, (mean, deviation) in figures.items())
            lines.append(f"- `{row.method}`: {text}")
    if not lines:
        return ""
    summary = "Figures that methods stored with their cells, mean (SD over cells)"
    return f"<details><summary>{summary}</summary>\n\n" + "\n".join(sorted(lines)) + "\n\n</details>"


def _incomplete(table: Standings) -> str:
    if not table.partial:
        return ""
    head, rows = incomplete(table)
    text = (
        "Incomplete rows (estimates on the cells they have; never ranked). *At their worst*: each missing cell counts as the "
        "worse of .5 and the majority baseline; beside it, the place that the row would then have among the ranked rows."
    )
    return f"{text}\n\n{grid(head, rows)}"
