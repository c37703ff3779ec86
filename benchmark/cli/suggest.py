"""`suggest`: the findings of an unread scan by how much it is like the sentences that state them, and the nearest cases."""

from benchmark.cli import cases_shown
from benchmark.cli.selection import Options, argument

ARGUMENTS = (
    argument("--case", required=True, metavar="ID", help="a case of the dataset or of its pool"),
    *cases_shown.ARGUMENTS,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.cases_found import suggested
    from benchmark.leaderboard.cases_page import area

    archive, scores = cases_shown.opened(options)
    found = suggested(archive, options.case, scores)
    title = f"{found['dataset']}: findings suggested for {options.case}"
    normal = "" if found["normal"] is None else f" Sentences of a normal scan: similarity {found['normal']:.3f}."
    said = [
        f"{title}, by {found['method']}, which learned {'with' if found['case']['seen'] else 'without'} this case.{normal}",
        *(
            f"  {row['finding']:20} similarity {row['similarity']:6.3f}   AUC in the benchmark {area(row['auc'])}"
            for row in found["findings"]
        ),
    ]
    return cases_shown.shown(options, title, said, found, archive.cohort)
