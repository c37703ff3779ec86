"""`audit`: can the numbers be believed? Coded findings on datasets and their splits, or on a method."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmark.cli.selection import JSON, PLUGIN, Options, argument, print_json
from benchmark.suites.suite import DEFAULT
from benchmark.system.errors import BenchmarkError, NotFetchedError

if TYPE_CHECKING:
    from benchmark.cells.audited import AuditFinding
    from benchmark.registry.cards import ProtocolCard
    from benchmark.registry.entries import Entry


ARGUMENTS = (
    argument("--dataset", action="append", default=[], metavar="NAME", help="a dataset, under all protocols; repeatable"),
    argument("--suite", metavar="NAME|FILE", help=f"the datasets and protocols of a suite (default: {DEFAULT})"),
    argument("--method", metavar="NAME", help="a method instead: does it read labels of test rows?"),
    argument("--short", action="store_true", help="only the checks that `run` makes, a second or two for a dataset"),
    PLUGIN,
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0, or 1 where a finding invalidates numbers."""
    if options.method and (options.dataset or options.suite):
        raise BenchmarkError("--method is tried on cohorts made for it: leave out --dataset and --suite")
    findings = list(_of_method(options) if options.method else _of_datasets(options))
    if options.json:
        print_json([vars(finding) for finding in findings])
    return int(any(finding.state == "invalidates" for finding in findings))


def _of_datasets(options: Options) -> Iterator[AuditFinding]:
    from benchmark.audit.leaks.checks import audit_dataset
    from benchmark.cells.audited import audit_path
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.data.preparation import load_cohort

    name = options.suite or DEFAULT
    catalogue = catalogue_of(name, options.plugin)
    suite = current_suite(name, catalogue)
    datasets = [catalogue.dataset(dataset).spelled for dataset in options.dataset] or list(suite.datasets)
    protocols = suite.protocols if options.suite else [entry.name for entry in catalogue.protocols if _is_complete(entry)]
    for dataset in datasets:
        try:
            cohort = load_cohort(dataset, catalogue)
        except NotFetchedError as error:
            if options.dataset:
                raise
            print(f"skipped: {error}", file=sys.stderr)
            continue
        audit = audit_dataset(cohort, catalogue, protocols, short=options.short)
        found = f"{len(audit.findings)} finding{'s' if len(audit.findings) != 1 else ''}"
        _say(f"{dataset}: {found}, {audit.made} checks made anew; {audit_path(dataset)}", options)
        for finding in audit.findings:
            _say(_paragraph(finding), options)
        yield from audit.findings


def _is_complete(protocol: Entry[ProtocolCard]) -> bool:
    """Whether a protocol stands without parameters."""
    try:
        return protocol.make({}) is not None
    except BenchmarkError:
        return False


def _of_method(options: Options) -> Iterator[AuditFinding]:
    from benchmark.audit.leaks.checks import audit_method
    from benchmark.registry.discovery import discover

    findings = audit_method(options.method, discover(options.plugin))
    _say(
        "\n".join(map(_paragraph, findings)) or f"{options.method}: at chance where the test rows alone carry the label",
        options,
    )
    yield from findings


def _paragraph(finding: AuditFinding) -> str:
    head = f"  {finding.code} {finding.state}: {finding.what}"
    return "\n    ".join([head, finding.evidence, f"why: {finding.why}", f"mend: {finding.mend}"])


def _say(text: str, options: Options) -> None:
    if not options.json:
        print(text, flush=True)
