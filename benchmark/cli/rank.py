"""`rank`: write the leaderboard from stored predictions alone, export it, or print it by subgroup of the cases."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.selection import add_suite
from benchmark.system.errors import BenchmarkError, UnknownNameError

if TYPE_CHECKING:
    from benchmark.leaderboard.standings import Standings
    from benchmark.registry.catalogue import Catalogue
    from benchmark.suites.suite import Suite

FORMATS = ("md", "html", "json", "csv", "latex")
FIGURES = ("svg", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rank`."""
    add_suite(parser)
    parser.add_argument("--no-local", action="store_true", help="the committed reference rows only")
    parser.add_argument("--format", choices=FORMATS, help="print the leaderboard in this format and write nothing")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--pairs", action="store_true", help="with --format csv: the pairs of ranked rows, one a line")
    parser.add_argument("--output", metavar="FILE", help="with --format: write to this file instead of printing")
    parser.add_argument("--figures", metavar="DIR", help="draw the figures for papers into this folder and write nothing else")
    parser.add_argument("--figure-format", choices=FIGURES, help="with --figures: by default svg")
    parser.add_argument(
        "--by",
        metavar="ATTRIBUTE",
        help="print metrics by subgroup (site; or age, sex, ... read from the dataset on this machine), write no leaderboard",
    )
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="NAME", help="with --by: only this dataset; repeatable"
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    wanted = _format(options)
    if options.by is not None:
        return _by_subgroup(options)
    if options.dataset:
        raise BenchmarkError(f"--dataset {options.dataset[0]} goes with --by: the leaderboard holds the suite's every dataset")
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.leaderboard.publication import rank, write_leaderboard, write_page

    local = not options.no_local
    catalogue = catalogue_of(options.suite, options.plugin, local=local)
    suite = current_suite(options.suite, catalogue, local=local)
    tables = rank(suite, catalogue, local=local)
    if options.figures is not None:
        from benchmark.leaderboard.figures import write_figures

        folder = Path(options.figures).expanduser()
        drawn = write_figures(folder, suite, tables, catalogue, options.figure_format or FIGURES[0])
        print(f"{folder}: {len(drawn)} figures")
    elif wanted == "html":
        from benchmark.leaderboard.publication import whole_page

        _export(whole_page(suite, catalogue, tables, local=local), options.output)
    elif wanted is not None:
        _export(_rendered(wanted, suite, catalogue, tables, pairs=options.pairs), options.output)
    else:
        path = write_leaderboard(suite, catalogue, tables)
        write_page(suite, catalogue, tables, local=local)
        rows = sum(len(table.rows.complete) for table in tables)
        print(f"{path}: {len(tables)} tables, {rows} complete rows")
    return 0


def _format(options: argparse.Namespace) -> str | None:
    """The export that is asked for, if any; raises where the options contradict each other."""
    if options.json and options.format not in (None, "json"):
        raise BenchmarkError(f"--json is --format json: leave it out, or --format {options.format}")
    wanted: str | None = "json" if options.json else options.format
    if options.by is not None:
        for name in ("format", "output", "figures"):
            if getattr(options, name) is not None:
                raise BenchmarkError(f"--{name} is for the leaderboard: --by prints Markdown, or with --json JSON")
    if options.figures is not None and wanted is not None:
        raise BenchmarkError(f"--figures draws and --format {wanted} prints: give one of them")
    if options.figure_format is not None and options.figures is None:
        raise BenchmarkError(f"--figure-format {options.figure_format} goes with --figures DIR")
    if options.pairs and wanted != "csv":
        raise BenchmarkError("--pairs goes with --format csv (--json has the pairs beside the rows)")
    if options.output is not None and wanted is None:
        raise BenchmarkError(f"--output goes with --format {'|'.join(FORMATS)}")
    return wanted


def _rendered(wanted: str, suite: Suite, catalogue: Catalogue, tables: Sequence[Standings], *, pairs: bool) -> str:
    """The leaderboard as one of `FORMATS` but for the page."""
    from benchmark.leaderboard.exports import as_csv, pairs_as_csv
    from benchmark.leaderboard.latex import as_latex
    from benchmark.leaderboard.markdown import render
    from benchmark.leaderboard.standings import as_json

    if wanted == "csv":
        return pairs_as_csv(tables) if pairs else as_csv(tables)
    if wanted == "latex":
        return as_latex(tables)
    if wanted == "md":
        return render(suite, tables, catalogue)
    return json.dumps(as_json(suite.name, tables), indent=1) + "\n"


def _export(text: str, output: str | None) -> None:
    if output is None:
        print(text, end="")
    else:
        from benchmark.system.files import write_if_changed

        path = Path(output).expanduser()
        write_if_changed(path, text.encode())
        print(f"{path}: written")


def _by_subgroup(options: argparse.Namespace) -> int:
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.cli.selection import narrowed
    from benchmark.leaderboard.subgroups import as_json, as_markdown, break_down
    from benchmark.suites.suite import canonical

    local = not options.no_local
    catalogue = catalogue_of(options.suite, options.plugin, local=local)
    suite = current_suite(options.suite, catalogue, local=local)
    asked = tuple(dict.fromkeys(canonical("dataset", name, catalogue) for name in options.dataset))
    for name in asked:
        if name not in suite.datasets:
            raise UnknownNameError(f"dataset of suite {suite.name}", name, suite.datasets)
    found = break_down(narrowed(suite, asked, (), ()), catalogue, options.by, local=local)
    print(json.dumps(as_json(found), indent=1) if options.json else as_markdown(found), end="\n" if options.json else "")
    return 0
