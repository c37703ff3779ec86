"""`verify`: compute published cells again on this machine, and compare."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benchmark.cli.selection import SUITE, Options, argument, at_least
from benchmark.suites.suite import canonical
from benchmark.system.errors import BenchmarkError, check_known

if TYPE_CHECKING:
    from benchmark.cells.store import CellAddress

ARGUMENTS = (
    argument("--sample", type=int, default=3, metavar="N", help="how many cells, drawn at random (default: %(default)s)"),
    argument("--row", action="append", default=[], metavar="METHOD", help="only cells of this row; may be given several times"),
    *(
        argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; may be given several times")
        for name in ("dataset", "protocol")
    ),
    argument(
        "--seconds", type=float, default=None, metavar="S", help="only rows whose cells took at most so long when published"
    ),
    argument("--seed", type=int, default=None, metavar="N", help="of the draw; the report names the one that was used"),
    argument("--sign-off", default="", metavar="NAME", help="who vouches for the report"),
    *SUITE,
)


def run(options: Options) -> int:
    """Exit code 0, or 1 where a cell is different or could not be computed."""
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.cells.verification import drawn, published_cells, report, verified
    from benchmark.system.files import write_durably

    at_least("sample", options.sample, 1)
    catalogue = catalogue_of(options.suite, options.plugin, local=False)
    suite = current_suite(options.suite, catalogue, local=False)
    named = {kind: [canonical(kind, name, catalogue) for name in getattr(options, kind)] for kind in ("dataset", "protocol")}
    rows = [canonical("method", name, catalogue) for name in options.row]
    check_known(f"row of suite {suite.name}", rows, suite.methods)
    check_known(f"dataset of suite {suite.name}", named["dataset"], suite.datasets)
    check_known(f"protocol of suite {suite.name}", named["protocol"], suite.protocols)
    chosen = {"method": rows, **named}

    def is_chosen(address: CellAddress) -> bool:
        return all(not names or getattr(address, kind) in names for kind, names in chosen.items())

    published, left_out = published_cells(suite, catalogue)
    cells = [cell for cell in published if is_chosen(cell.address)]
    names = ", ".join("/".join(each.row) for each in left_out if is_chosen(each))
    remarks = [f"Not drawn from, because published for other splits or another question: {names}."] if names else []
    if "\n" in options.sign_off or "\r" in options.sign_off:
        raise BenchmarkError("--sign-off: give a name on one line")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    results = []
    print("\n".join(remarks), end="\n" * len(remarks))
    for result in verified(suite, drawn(cells, options.sample, seed, options.seconds), catalogue, say=print):
        print(result)
        results.append(result)
    path, text = report(suite.name, seed, len(cells), results, options.sign_off, remarks)
    write_durably(path, text.encode())
    equal = sum(result.verdict == "equal" for result in results)
    print(f"{equal} of {len(results)} cells gave the published bytes\nreport: {path}")
    return 0 if equal == len(results) else 1
