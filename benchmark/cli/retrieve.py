"""`retrieve`: the past cases most like a case's image, or most like a text."""

from benchmark.cli import cases_shown
from benchmark.cli.selection import Options, argument
from benchmark.system.errors import BenchmarkError

ARGUMENTS = (
    argument("--case", default="", metavar="ID", help="a case of the dataset or of its pool"),
    cases_shown.TEXT,
    cases_shown.TOP,
    *cases_shown.ARGUMENTS,
)


def run(options: Options) -> int:
    """Exit code 0. Raises `BenchmarkError` unless either a case or a text is given."""
    from benchmark.leaderboard.cases_found import alike, query
    from benchmark.leaderboard.tables import one_line

    if bool(options.case) == bool(options.text):
        raise BenchmarkError("give either --case ID or --text FILE")
    text = cases_shown.read_text(options.text) if options.text else ""
    archive, scores = cases_shown.opened(options)
    if text:
        found = query(archive, text, options.top, scores)
        title, said = f"{found['dataset']}: like the text '{one_line(text, 60)}'", cases_shown.about_query(found)
    else:
        found = alike(archive, options.case, options.top)
        title = f"{found['dataset']}: cases like {options.case}"
        said = [f"{title}, by {found['method']}: the images of {found['searched']} cases were compared with its own."]
    return cases_shown.shown(options, title, said, found, archive.cohort)
