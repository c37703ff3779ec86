"""`query`: the cases of a dataset whose images are most like a sentence."""

from benchmark.cli import cases_shown
from benchmark.cli.selection import Options, argument

ARGUMENTS = (
    argument("text", metavar="TEXT", help="a sentence, such as 'there is an acute infarct in the left hemisphere'"),
    cases_shown.TOP,
    *cases_shown.ARGUMENTS,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.cases_found import query

    archive, scores = cases_shown.opened(options)
    found = query(archive, options.text, options.top, scores)
    said = cases_shown.about_query(found)
    return cases_shown.shown(options, f"{found['dataset']}: {options.text}", said, found, archive.cohort)
