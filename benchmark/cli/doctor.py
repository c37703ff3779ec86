"""`doctor`: is this machine fit to run the benchmark? One line per check, with what to do."""

from benchmark.cli.selection import JSON, PLUGIN, Options, print_json

ARGUMENTS = (PLUGIN, JSON)


def run(options: Options) -> int:
    """Exit code 0, or 1 where a check found an error."""
    from benchmark.audit.doctor import examine
    from benchmark.audit.findings import has_error
    from benchmark.registry.discovery import discover

    findings = examine(discover(options.plugin))
    if options.json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.state:8}{finding.check}: {finding.message}")
    return int(has_error(findings))
