"""`check METHOD`: does a method keep its contract? One line per finding, on made cohorts of several shapes."""

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.audit.findings import Finding
from benchmark.cli.selection import JSON, PLUGIN, Options, argument, print_json
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, check_known

Findings = Mapping[str, Sequence[Finding]]
"""By shape."""
ARGUMENTS = (
    argument("method", metavar="METHOD", help="a method as `list` shows it, or a Python file: all methods in it"),
    PLUGIN,
    argument("--shape", default="all", metavar="NAME|all", help="only on made cohorts of this shape (default: all)"),
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0 where every method conforms, 1 where a check found an error."""
    from benchmark.audit.made_cohorts import SHAPES

    check_known("shape", [options.shape], (*SHAPES, "all"))
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
        print_json(rows)
    return int(any(row["state"] == "error" for row in rows))


def _methods(named: str, plugins: Sequence[str]) -> tuple[list[str], Catalogue]:
    """The spellings to check, and the catalogue that has them; a file stands for its methods and their variants."""
    if not named.endswith(".py"):
        catalogue = discover(plugins)
        return [catalogue.method(named).spelled], catalogue
    catalogue = discover([*plugins, named])
    path = Path(named).expanduser().resolve()
    methods = [method.spelled for method in catalogue.variants() if method.entry.path.resolve() == path]
    if not methods:
        raise BenchmarkError(f"{named} registers no method: put @register_method on a class")
    return methods, catalogue


def _check(method: str, catalogue: Catalogue, shapes: Sequence[str], *, quiet: bool) -> Findings:
    """Check shape by shape, and print the findings unless `quiet`; an error of the card is reported once.

    What the method itself prints goes to stderr.
    """
    from benchmark.audit.conformance import check_method

    findings: dict[str, Sequence[Finding]] = {}
    out = io.StringIO() if quiet else sys.stdout
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
