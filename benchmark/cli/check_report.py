"""`check-report`: whether a report fits a case's image as the cases' own reports fit theirs."""

from benchmark.cli import cases_shown
from benchmark.cli.selection import Options, argument

ARGUMENTS = (
    argument("--case", required=True, metavar="ID", help="a case of the dataset or of its pool"),
    argument("--text", required=True, metavar="FILE", help="the report, a text file"),
    *cases_shown.ARGUMENTS,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.cases_found import SUSPECT, checked_report
    from benchmark.leaderboard.cases_page import area

    text = cases_shown.read_text(options.text)
    archive, scores = cases_shown.opened(options)
    found = checked_report(archive, options.case, text, scores) | {"cases": []}
    verdict = "Suspect" if found["suspect"] else "Not suspect"
    said = [
        f"{verdict}: the report fits the image of {options.case} (similarity {found['similarity']:.3f}) better than "
        f"{100 * found['share_below']:.0f} % of {found['own_reports']} other cases' own reports fit theirs; below "
        f"{100 * SUSPECT:.0f} % it is suspect.",
        f"AUC in the benchmark for telling wrong reports from right ones: {area(found['error_auc'])}.",
        *cases_shown.about_words(found),
    ]
    return cases_shown.shown(options, f"{found['dataset']}: report of {options.case}", said, found, archive.cohort)
