"""`check METHOD`: does a method keep its contract? One line per finding, on made cohorts of several shapes."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.selection import add_plugins
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, UnknownNameError

if TYPE_CHECKING:
    from benchmark.audit.findings import Finding
    from benchmark.registry.catalogue import Catalogue

    Findings = Mapping[str, Sequence[Finding]]  # by shape


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    parser.add_argument("method", metavar="METHOD", help="a method as `list` shows it, or a Python file: all methods in it")
    add_plugins(parser)
    parser.add_argument("--shape", default="all", metavar="NAME|all", help="only on made cohorts of this shape (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 where every method conforms, 1 where a check found an error."""
    from benchmark.audit.made_cohorts import SHAPES

    if options.shape not in (*SHAPES, "all"):
        raise UnknownNameError("shape", options.shape, (*SHAPES, "all"))
    shapes = tuple(SHAPES) if options.shape == "all" else (options.shape,)
    methods, catalogue = _methods(options.method, options.plugin)
    checked = {method: _check(method, catalogue, shapes, quiet=options.json) for method in methods}
    rows = [
        {"method": method, "shape": shape, **vars(finding)}
        for method, findings in checked.items()
        for shape, of_shape in findings.items()
        for finding in of_shape
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
    return int(any(row["state"] == "error" for row in rows))


def _methods(argument: str, plugins: Sequence[str]) -> tuple[list[str], Catalogue]:
    """The spellings to check, and the catalogue that has them; a file stands for its methods and their variants."""
    if not argument.endswith(".py"):
        catalogue = discover(plugins)
        return [catalogue.method(argument).spelled], catalogue
    catalogue = discover([*plugins, argument])
    path = Path(argument).expanduser().resolve()
    methods = [method.spelled for method in catalogue.variants() if method.entry.path.resolve() == path]
    if not methods:
        raise BenchmarkError(f"{argument} registers no method: put @register_method on a class")
    return methods, catalogue


def _check(method: str, catalogue: Catalogue, shapes: Sequence[str], *, quiet: bool) -> Findings:
    """Check shape by shape, and print the findings unless `quiet`; an error of the card is reported once.

    What the method itself prints goes to stderr.
    """
    from benchmark.audit.conformance import check_method

    findings: dict[str, Sequence[Finding]] = {}

    def report(line: str) -> None:
        if not quiet:
            print(line, flush=True)

    report(method)
    for shape in shapes:
        with contextlib.redirect_stdout(sys.stderr):
            findings[shape] = check_method(method, catalogue, shape)
        report("\n".join([f"  {shape}", *map(_line, findings[shape])]))
        if findings[shape][-1].check == "card":
            break
    report(_verdict(method, findings))
    return findings


def _line(finding: Finding) -> str:
    first, *more = finding.message.splitlines()
    return "\n".join([f"    {finding.state:8}{finding.check}: {first}", *(f"            {line}" for line in more)])


def _verdict(method: str, findings: Findings) -> str:
    states = Counter(finding.state for of_shape in findings.values() for finding in of_shape)
    if states["error"]:
        return f"{method} does not conform: {_counted(states['error'], 'error')}"
    names = [{finding.check for finding in of_shape} for of_shape in findings.values()]
    tried = [checks for checks in names if "probabilities" in checks]
    if not tried:
        return f"{method} was not tried: it applies to no shape that was asked for"
    partly = f"{len(tried)} of " if len(tried) < len(findings) else ""
    warned = f", {_counted(states['warning'], 'warning')}" if states["warning"] else ""
    count = _counted(sum(map(len, tried)), "check")
    return f"{method} conforms ({count} on {partly}{_counted(len(findings), 'shape')}{warned})"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
