"""`triage`: the worklist of a dataset, most abnormal first, by a row's stored predictions."""

import shlex

from benchmark.cli import cases_shown
from benchmark.cli.selection import Options, spelled_here
from benchmark.system.errors import BenchmarkError

ARGUMENTS = (cases_shown.TOP, *cases_shown.ARGUMENTS)


def run(options: Options) -> int:
    """Exit code 0. Raises `BenchmarkError` where the row has no stored predictions."""
    from benchmark.leaderboard.cases_found import measured, worklist
    from benchmark.leaderboard.cases_page import area

    suite, method, dataset, cohort, catalogue = cases_shown.chosen(options)
    scores = measured(suite, catalogue, dataset, method)
    if dataset not in scores:
        words = ["run", "--suite", spelled_here(suite), "--dataset", dataset, "--method", method]
        command = f"python -m benchmark {shlex.join(words)}"
        raise BenchmarkError(f"{method} has no complete row on {dataset} yet: `{command}`")
    found = worklist(suite, scores[dataset], options.top)
    card = catalogue.dataset(dataset).card
    title = f"{dataset}: worklist by {method}"
    said = [
        f"{title}: {found['called']} of {found['of']} cases are called '{card.positive}'.",
        f"In the benchmark: AUC {area(found['auc'])}; the threshold finds {area(found['recall'])} of those with "
        f"'{card.positive}', and rules out {area(found['specificity'])} of the others.",
    ]
    return cases_shown.shown(options, title, said, found, cohort)
