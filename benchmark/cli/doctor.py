"""`doctor`: is this machine fit to run the benchmark? One line per check, with what to do."""

from __future__ import annotations

import argparse
import json

from benchmark.cli.selection import add_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0, or 1 where a check found an error."""
    from benchmark.audit.doctor import examine
    from benchmark.audit.findings import has_error
    from benchmark.registry.discovery import discover

    findings = examine(discover(options.plugin))
    if options.json:
        print(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:8}{finding.check}: {finding.message}")
    return int(has_error(findings))
