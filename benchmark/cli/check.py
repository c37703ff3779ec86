"""`check COMPONENT`: does a method or a dataset keep its contract? One line per finding."""

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from benchmark.audit.findings import Finding
from benchmark.cli.selection import JSON, PLUGIN, Options, argument, print_json
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.spelling import parse_spelling
from benchmark.system.errors import BenchmarkError, check_known
from benchmark.system.terminal import counted

Findings = Mapping[str, Sequence[Finding]]
"""By shape."""
ARGUMENTS = (
    argument("component", metavar="COMPONENT", help="a method or dataset as `list` shows it, or a Python file: all in it"),
    PLUGIN,
    argument("--shape", default="all", metavar="NAME|all", help="a method only on made cohorts of this shape (default: all)"),
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0 where every component conforms, 1 where a check found an error."""
    from benchmark.audit.made_cohorts import SHAPES

    check_known("shape", [options.shape], (*SHAPES, "all"))
    shapes = tuple(SHAPES) if options.shape == "all" else (options.shape,)
    datasets, methods, catalogue = _components(options.component, options.plugin)
    out = io.StringIO() if options.json else sys.stdout
    rows: list[dict[str, str]] = []
    for dataset in datasets:
        rows += [{"dataset": dataset, **vars(finding)} for finding in _check_dataset(dataset, catalogue, out)]
    for method in methods:
        for shape, findings in _check(method, catalogue, shapes, out).items():
            rows += [{"method": method, "shape": shape, **vars(finding)} for finding in findings]
    if options.json:
        print_json(rows)
    return int(any(row["state"] == "error" for row in rows))


def _components(named: str, plugins: Sequence[str]) -> tuple[list[str], list[str], Catalogue]:
    """Datasets and methods to check, and the catalogue that has them; a file stands for all in it, variants included."""
    if not named.endswith(".py"):
        catalogue = discover(plugins)
        if parse_spelling(named)[0] in catalogue.datasets:
            return [catalogue.dataset(named).spelled], [], catalogue
        return [], [catalogue.method(named).spelled], catalogue
    catalogue = discover([*plugins, named])
    path = Path(named).expanduser().resolve()
    datasets = [entry.name for entry in catalogue.datasets if entry.path.resolve() == path]
    methods = [method.spelled for method in catalogue.variants() if method.entry.path.resolve() == path]
    if not datasets and not methods:
        raise BenchmarkError(f"{named} registers no method or dataset: put @register_method or @register_dataset on a class")
    return datasets, methods, catalogue


def _check_dataset(dataset: str, catalogue: Catalogue, out: TextIO) -> list[Finding]:
    """Check a dataset, and print the findings as they come."""
    from benchmark.audit.cohort_check import check_dataset

    print(dataset, file=out, flush=True)
    findings: list[Finding] = []
    with contextlib.redirect_stdout(sys.stderr):
        for finding in check_dataset(dataset, catalogue):
            findings.append(finding)
            print(_line(finding), file=out, flush=True)
    states = Counter(finding.state for finding in findings)
    warned = f", {counted(states['warning'], 'warning')}" if states["warning"] else ""
    verdict = (
        f"does not conform: {counted(states['error'], 'error')}"
        if states["error"]
        else f"conforms ({counted(len(findings), 'check')}{warned})"
    )
    print(f"{dataset} {verdict}", file=out, flush=True)
    if not states["error"] and catalogue.dataset(dataset).card.private:
        _draw_sheet(dataset, catalogue, out)
    return findings


def _draw_sheet(dataset: str, catalogue: Catalogue, out: TextIO) -> None:
    """Draw the images of a cohort of the user's own, the strangest first; nothing where it has none."""
    from benchmark.data.preparation import load_cohort
    from benchmark.leaderboard.quality_sheet import quality_sheet
    from benchmark.system.files import safe, write_private
    from benchmark.system.locations import private_folder

    sheet = quality_sheet(load_cohort(dataset, catalogue))
    if sheet is not None:
        path = private_folder() / f"{safe(dataset)}-images.png"
        write_private(path, sheet)
        print(f"images, the strangest first: {path} (patients of your own: only you can read it)", file=out, flush=True)


def _check(method: str, catalogue: Catalogue, shapes: Sequence[str], out: TextIO) -> Findings:
    """Check shape by shape, and print the findings; an error of the card is reported once.

    What the method itself prints goes to stderr.
    """
    from benchmark.audit.conformance import check_method

    findings: dict[str, Sequence[Finding]] = {}
    print(method, file=out, flush=True)
    for shape in shapes:
        with contextlib.redirect_stdout(sys.stderr):
            findings[shape] = check_method(method, catalogue, shape)
        print("\n".join([f"  {shape}", *map(_line, findings[shape])]), file=out, flush=True)
        if findings[shape][-1].check == "card":
            break
    print(_verdict(method, findings), file=out, flush=True)
    return findings


def _line(finding: Finding) -> str:
    return f"    {finding.state:8}{finding.check}: " + "\n            ".join(finding.message.splitlines())


def _verdict(method: str, findings: Findings) -> str:
    states = Counter(finding.state for of_shape in findings.values() for finding in of_shape)
    if states["error"]:
        return f"{method} does not conform: {counted(states['error'], 'error')}"
    names = [{finding.check for finding in of_shape} for of_shape in findings.values()]
    tried = [checks for checks in names if "probabilities" in checks]
    if not tried:
        return f"{method} was not tried: it applies to no shape that was asked for"
    partly = f"{len(tried)} of " if len(tried) < len(findings) else ""
    warned = f", {counted(states['warning'], 'warning')}" if states["warning"] else ""
    count = counted(sum(map(len, tried)), "check")
    return f"{method} conforms ({count} on {partly}{counted(len(findings), 'shape')}{warned})"
