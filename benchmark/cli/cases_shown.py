"""What the verbs that search cases share: their options, the archive, the table that is printed, the page that is written."""

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.selection import JSON, PLUGIN, Options, argument, at_least, print_json
from benchmark.suites.suite import Suite, canonical
from benchmark.system.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.cells.archive import Archive
    from benchmark.data.cohort import Cohort
    from benchmark.leaderboard.cases_found import Found, Measured

SUITE_OF_CASES = "abnormality-detection"
WIDTH = 80
NOTE = "A score says how alike image and words are to this model. Research only: it is no diagnosis."

ARGUMENTS = (
    argument("--dataset", required=True, metavar="D", help="whose cases are searched"),
    argument("--method", default="neurobert", metavar="M", help="a row that compares images with words (default: neurobert)"),
    argument("--suite", default=SUITE_OF_CASES, metavar="NAME|FILE", help=f"whose rows are known (default: {SUITE_OF_CASES})"),
    argument("--page", default="", metavar="FILE", help="where the page is written (default: below results/cases-found)"),
    PLUGIN,
    JSON,
)
TOP = argument("--top", type=int, default=10, metavar="N", help="how many cases are shown (default: 10)")
TEXT = argument("--text", default="", metavar="FILE", help="a text file")


def opened(options: Options) -> "tuple[Archive, Mapping[str, Measured]]":
    """The archive that the options name, and what its row's stored predictions say."""
    from benchmark.cells.archive import open_archive
    from benchmark.leaderboard.cases_found import measured

    suite, method, dataset, cohort, catalogue = chosen(options)
    archive = open_archive(suite, method, dataset, cohort, catalogue, say=lambda line: print(line, file=sys.stderr))
    return archive, measured(suite, catalogue, dataset, method)


def chosen(options: Options) -> "tuple[Suite, str, str, Cohort, Any]":
    """Suite, method, dataset, its cohort, and the catalogue. Raises `BenchmarkError` for what is not there."""
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.data.preparation import load_cohort

    at_least("top", getattr(options, "top", 1), 1)
    catalogue = catalogue_of(options.suite, options.plugin)
    dataset, method = canonical("dataset", options.dataset, catalogue), canonical("method", options.method, catalogue)
    return current_suite(options.suite, catalogue), method, dataset, load_cohort(dataset, catalogue), catalogue


def read_text(name: str) -> str:
    """The text of a file. Raises `BenchmarkError` where it cannot be read, is not UTF-8 or is empty."""
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{name} is not in UTF-8 ({error.reason}): save it in that encoding") from error
    except OSError as error:
        raise BenchmarkError(f"{name} cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise BenchmarkError(f"{name} is empty")
    return text


def about_query(found: "Found") -> list[str]:
    """What was searched, with which words, and how good such scores were in the benchmark."""
    from benchmark.leaderboard.cases_page import area

    nearest = found["nearest_finding"]
    lines = [f"{found['dataset']}, by {found['method']}: the images of {found['searched']} cases were compared with the text."]
    if nearest is not None:
        like = f"('{nearest['sentence']}', similarity {nearest['similarity']:.2f})"
        of = area(nearest["auc"])
        lines.append(f"The nearest finding is '{nearest['finding']}' {like}: AUC of such scores in the benchmark {of}.")
    return [*lines, *about_words(found)]


def about_words(found: "Found") -> list[str]:
    """Which words the model never met."""
    unknown = found["unknown_words"]
    return [f"Words that the model never met, so that they say little to it: {', '.join(unknown)}."] if unknown else []


def shown(options: Options, title: str, said: Sequence[str], found: "Found", cohort: "Cohort") -> int:
    """Print what was found, or its JSON, and write the page; exit code 0."""
    path = _written(options, title, said, found, cohort)
    if options.json:
        print_json({**found, "page": str(path), "note": NOTE})
        return 0
    lines = [line if line.startswith(" ") else textwrap.fill(line, WIDTH) for line in (*said, NOTE)]
    print("\n".join([*lines[:-1], *_table(found["cases"]), lines[-1], f"page: {path}"]))
    return 0


def _written(options: Options, title: str, said: Sequence[str], found: "Found", cohort: "Cohort") -> Path:
    from benchmark.cells.rows import catalogue_of
    from benchmark.data.case import find_case
    from benchmark.leaderboard.case_pictures import picture
    from benchmark.leaderboard.cases_page import cases_page
    from benchmark.system import provenance
    from benchmark.system.files import safe, write_if_changed, write_private
    from benchmark.system.locations import private_folder, results_folder

    cases = [case["case"] for case in (found.get("case"), *found["cases"]) if isinstance(case, dict)]
    pictures = {case: picture(*find_case(cohort, case)) for case in cases}
    page = cases_page(title, [line for line in said if not line.startswith(" ")], found, pictures)
    stem = f"{found['dataset']}-{options.verb}-{provenance.digest(title)[:8]}"
    private = catalogue_of(options.suite, options.plugin).dataset(found["dataset"]).card.private
    folder = private_folder() if private else results_folder() / "cases-found"
    path = Path(options.page).expanduser() if options.page else folder / f"{safe(stem)}.html"
    if private:
        write_private(path, page.encode())
        print(f"{path} shows patients of your own: only you can read it; do not pass it on", file=sys.stderr)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_if_changed(path, page.encode())
    return path


def _table(cases: "Sequence[Found]") -> list[str]:
    """A line per case within the width of a terminal."""
    from benchmark.leaderboard.cases_found import names
    from benchmark.leaderboard.tables import one_line

    if not cases:
        return []
    wide = max(len(case["case"]) for case in cases)
    score = "probability" if "probability" in cases[0] else "similarity"
    lines = [f"{'rank':>4}  {'case'.ljust(wide)}  {score:>11}  what is known"]
    for case in cases:
        known = {True: "called", False: "not called"}[case["called"]] if "called" in case else names(case["findings"])
        start = f"{case['rank']:4}  {case['case'].ljust(wide)}  {case[score]:11.3f}  {known}"
        rest = WIDTH - len(start) - 3
        report = f" | {one_line(case['report'], rest)}" if case.get("report") and rest > 12 else ""
        lines.append(start + report)
    return lines
