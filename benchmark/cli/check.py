"""`check METHOD`: does a method keep the contract? One line per finding, on made cohorts of several shapes."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.selection import add_plugins
from benchmark.system.errors import BenchmarkError, UnknownNameError

if TYPE_CHECKING:
    from benchmark.audit.findings import Finding
    from benchmark.registry.catalogue import Catalogue


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    parser.add_argument("method", metavar="METHOD", help="a method as `list` shows it, or a Python file: all methods in it")
    add_plugins(parser)
    parser.add_argument("--shape", default="all", metavar="NAME|all", help="only on made cohorts of this shape (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 where every method conforms, 1 where a check found an error."""
    from benchmark.audit.findings import has_error
    from benchmark.audit.made_cohorts import SHAPES

    if options.shape not in (*SHAPES, "all"):
        raise UnknownNameError("shape", options.shape, (*SHAPES, "all"))
    methods, catalogue = _methods(options.method, options.plugin)
    shapes = tuple(SHAPES) if options.shape == "all" else (options.shape,)
    rows, conform = [], True
    for method in methods:
        found: dict[str, Sequence[Finding]] = {}
        if not options.json:
            print(method)
        for shape, findings in _checked(method, catalogue, shapes):
            found[shape] = findings
            rows += [{"method": method, "shape": shape, **vars(finding)} for finding in findings]
            if not options.json:
                print("\n".join([f"  {shape}", *map(_line, findings)]), flush=True)
        conform = conform and not any(map(has_error, found.values()))
        if not options.json:
            print(_verdict(method, found))
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0 if conform else 1


def _methods(asked: str, plugins: Sequence[str]) -> tuple[list[str], Catalogue]:
    """The spellings to check, and the catalogue that has them; a file stands for its methods and their variants."""
    from benchmark.cli.list import listing
    from benchmark.registry.discovery import discover
    from benchmark.suites.suite import canonical

    if not asked.endswith(".py"):
        catalogue = discover(plugins)
        return [canonical("method", asked, catalogue)], catalogue
    catalogue = discover([*plugins, asked])
    path = Path(asked).expanduser().resolve()
    spelled = [item["name"] for item in listing(catalogue)["methods"]]
    methods = [name for name in spelled if catalogue.method(name).entry.path.resolve() == path]
    if not methods:
        raise BenchmarkError(f"{asked} registers no method: put @register_method on a class")
    return methods, catalogue


def _checked(method: str, catalogue: Catalogue, shapes: Sequence[str]) -> Iterator[tuple[str, list[Finding]]]:
    """Shape by shape; what is wrong with the card is said once. What the method itself prints goes to stderr."""
    from benchmark.audit.conformance import check_method

    for shape in shapes:
        with contextlib.redirect_stdout(sys.stderr):
            findings = check_method(method, catalogue, shape)
        yield shape, findings
        if findings[-1].check == "card":
            return


def _line(finding: Finding) -> str:
    first, *more = finding.message.splitlines()
    return "\n".join([f"    {finding.state:8}{finding.check}: {first}", *(f"            {line}" for line in more)])


def _verdict(method: str, found: Mapping[str, Sequence[Finding]]) -> str:
    states = Counter(finding.state for findings in found.values() for finding in findings)
    if states["error"]:
        return f"{method} does not conform: {_counted(states['error'], 'error')}"
    tried = [checks for findings in found.values() if "probabilities" in (checks := {finding.check for finding in findings})]
    if not tried:
        return f"{method} was not tried: it applies to no shape that was asked for"
    partly = f"{len(tried)} of " if len(tried) < len(found) else ""
    said = f"{_counted(sum(map(len, tried)), 'check')} on {partly}{_counted(len(found), 'shape')}"
    warned = f", {_counted(states['warning'], 'warning')}" if states["warning"] else ""
    return f"{method} conforms ({said}{warned})"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
