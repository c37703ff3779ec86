"""A table of the leaderboard as a terminal shows it after a run: its leading rows, those just run, and its conclusion."""

from collections.abc import Collection, Iterable, Iterator

from benchmark.leaderboard.answers import answers
from benchmark.leaderboard.answers_shown import sentences
from benchmark.leaderboard.columns import COLUMNS, Line, heading, known, lines, written
from benchmark.leaderboard.conclusions import conclusion, place
from benchmark.leaderboard.own_rows import of_pair, own_row_sentences
from benchmark.leaderboard.remarks import causes, progress
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import TUNED, parse_spelling, spell
from benchmark.statistics.metric_names import metric_name
from benchmark.system.terminal import COLUMNS as WIDTH
from benchmark.system.terminal import counted, wrapped

LEADING, OTHERS = 5, 10
"""How many rows are shown as the first of the table, and how many more of those that were just run."""
FEW = 4
"""So many rows that were just run have a sentence each."""
INDENT = "  "


def shown(table: Standings, catalogue: Catalogue, just_run: Collection[str], *, asked: bool) -> str:
    """The leading rows and those just run (marked >), a sentence for each of these where they are few, and the conclusion.

    A tuned row that was just run stands beside its untuned one. The suite's questions are answered where they are `asked` for.
    No line is longer than a terminal is wide, unless a single word is.
    """
    ran = [name for name in just_run if name in table.rows.ranked or name in _rows_of(table)]
    paragraphs = [progress(table), *_of_rows(table, catalogue, ran)]
    if asked:
        for origin, answered in sentences(answers(table)).items():
            paragraphs += [f"questions {origin}:", *answered]
    paragraphs.append(conclusion(table, catalogue))
    size, ranked = counted(len(table.task.tested), "case"), counted(len(table.ranked), "ranked row")
    title = f"{table.task.dataset}, {table.task.protocol}: {size}, {ranked}{' (> just run)' if ran else ''}"
    text = (wrapped(paragraph, INDENT) for paragraph in paragraphs if paragraph)
    return "\n".join(["", *wrapped(title, hanging=INDENT).splitlines(), *_grid(table, ran), *text])


def _rows_of(table: Standings) -> dict[str, Line]:
    return {line["method"]: line for line in lines(table)}


def untuned(method: str) -> str:
    """The row that a tuned one is compared with: its spelling without the budget; empty for another row."""
    name, parameters = parse_spelling(method)
    return spell(name, {field: value for field, value in parameters.items() if field != TUNED}) if TUNED in parameters else ""


def _grid(table: Standings, ran: Collection[str]) -> Iterator[str]:
    """The table of rows, a name that is too long on a line of its own."""
    rows = _rows_of(table)
    first = (table.ranked or list(rows))[:LEADING]
    beside = {parent for name in ran if (parent := untuned(name)) in rows}
    further = [name for name in rows if name not in first and (name in ran or name in beside)]
    chosen = [name for name in rows if name in first or name in further[:OTHERS]]
    if not chosen:
        return
    columns = [COLUMNS[name] for name in ("rank", "estimate", "difference")]
    head = ["rank", heading(columns[1], table, list(rows.values())), "from first"]
    cells = [
        ["descriptive" if not row["ranked"] else written(columns[0], row) if table.tested else "", written(columns[1], row)]
        + [_difference(row) if row["ranked"] and name != first[0] else ""]
        for name, row in ((name, rows[name]) for name in chosen)
    ]
    if not table.tested and not any(row[0] for row in cells):
        head[0] = ""
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    room = WIDTH - len(INDENT) - sum(widths) - 3 * len(INDENT)
    names = min(room, max(len("method"), *map(len, chosen)))
    for name, (rank, *figures) in zip(["method", *chosen], [head, *cells], strict=True):
        mark = "> " if name in ran else INDENT
        after = "  ".join(text.ljust(width) for text, width in zip(figures, widths[1:], strict=True))
        beginning = f"{mark}{rank.ljust(widths[0])}  "
        if len(name) > names:
            yield f"{beginning}{name}"
            yield f"{' ' * len(beginning)}{' ' * names}  {after}".rstrip()
        else:
            yield f"{beginning}{name.ljust(names)}  {after}".rstrip()
    more = len(further) - OTHERS
    if more > 0:
        yield f"{INDENT}and {counted(more, 'more row')} that {'was' if more == 1 else 'were'} just run"


def _difference(row: Line) -> str:
    return f"{row['difference']:+.3f}" if known(row.get("difference")) else "n/a"


def _of_rows(table: Standings, catalogue: Catalogue, ran: Collection[str]) -> Iterator[str]:
    """A sentence for each row that was just run, where they are few; the user's own rows have theirs in any case."""
    own = table.rows.own
    yield from own_row_sentences(table, catalogue)
    for name in ran if len(ran) <= FEW else ():
        yield from _of_row(table, name, said=name in own and not table.interim)


def _of_row(table: Standings, name: str, *, said: bool) -> Iterator[str]:
    """A row's estimate and rank unless these were `said`, or what it lacks; a tuned one also beside its untuned one."""
    comparison, rows = table.comparison, _rows_of(table)
    if comparison is None or name not in rows:
        yield from _of_partial(table, name)
        return
    if not said:
        yield f"{place(table, comparison, name)}{'' if name in table.ranked else '; it is descriptive'}."
    if (parent := untuned(name)) in rows:
        yield f"Untuned, `{parent}` has {figure(rows[parent]['mean'])}: `{name}` differs by {of_pair(table, name, parent)}."


def _of_partial(table: Standings, name: str) -> Iterable[str]:
    for partial in table.partial:
        if partial.row.method == name:
            mean = f", {metric_name(table.metric)} {figure(partial.mean)} on these" if partial.row.cells_ok else ""
            why = "; ".join(causes(partial))
            yield f"`{name}` has {partial.row.cells_ok} of {counted(partial.row.cells, 'cell')}{mean}: {why}."
