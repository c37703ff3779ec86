"""Parses the command line and calls one verb; imports nothing that a verb does not need."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmark import __version__
from benchmark.cli.folders import name_folders
from benchmark.system.errors import BenchmarkError
from benchmark.system.terminal import print_any_letter
from benchmark.system.threads import limit_threads

VERBS = {
    "run": "compute the missing cells of a suite, then write the leaderboard",
    "rank": "write the leaderboard and its page from stored predictions",
    "export": "print the leaderboard as CSV, LaTeX, Markdown or HTML",
    "figures": "draw the figures of the leaderboard for papers",
    "compare": "compare two rows as one pair that was named in advance",
    "subgroups": "print metrics by subgroup of the cases",
    "list": "list datasets, methods, protocols, suites, encoders and corpora",
    "show": "show a card, a suite, the splits or the predictions",
    "explain": "say why a cell is fresh, stale or missing",
    "explain-image": "map which parts of the images a method's network uses",
    "query": "find the cases of a dataset whose images are most like a sentence",
    "retrieve": "find the past cases most like a case's image, or most like a text",
    "suggest": "suggest the findings of an unread scan",
    "check-report": "say whether a report fits a case's image",
    "write-reports": "have a model write reports from the images, and judge them by the lesion mask",
    "triage": "print the worklist of a dataset, most abnormal first",
    "check": "check whether a method or a dataset keeps its contract",
    "audit": "look for leaks in datasets, splits and methods",
    "fetch": "download and prepare a dataset",
    "tune": "search a method's hyper-parameters inside each split's training part",
    "calibrate": "simulate whether the tests and intervals hold, and write docs/calibration.md",
    "verify": "compute published cells again on this machine, and compare",
    "publish": "pack this machine's rows into results/reference",
    "merge": "take the results of other machines into this folder",
    "sync": "mirror the results to MLflow",
    "clean": "delete stale cells, set-aside files or caches",
    "doctor": "check this machine: packages, data, folders, MLflow",
    "new": "write the file of a new method, dataset or suite, or the folder of a cohort",
}
USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 good, 1 some cells not ok, 2 usage or input error, 130 interrupted."""
    limit_threads()
    print_any_letter()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may come next
        from benchmark.cli.completion import complete

        complete(_parser)
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(words)
    options = parser.parse_args(words)
    if options.verb is None:
        parser.print_help()
        return USAGE_ERROR
    try:
        name_folders(options)
        code: int = _verb(options.verb).run(options)
        sys.stdout.flush()
        return code
    except BenchmarkError as error:
        return _fail(error, options.debug)
    except KeyboardInterrupt:
        print("\ninterrupted: finished cells are saved; run the same command to go on", file=sys.stderr)
        return INTERRUPTED
    except RecursionError:
        if options.debug:
            raise
        return _fail(BenchmarkError("a file that was read is nested too deeply: --debug says which"), options.debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        problem = f"{place}{error.strerror or error} (is the disk full, or the folder read-only?)"
        return _fail(BenchmarkError(problem), options.debug)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all verbs; only the verb in use adds its options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark",
        description="StrokeBench: a benchmark of multimodal stroke prognosis whose statistics are checked by simulation.",
        epilog="Exit codes: 0 good, 1 some cells not ok, 2 usage or input error, 130 interrupted (state saved).",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"StrokeBench {__version__}", help="print the version")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    chosen = next((word for word in words if word in VERBS), None)
    for verb, summary in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error")
        if verb == chosen:
            for names, settings in _verb(verb).ARGUMENTS:
                sub.add_argument(*names, **settings)
    return parser


def _verb(name: str) -> Any:
    """The module of a verb."""
    return import_module(f"benchmark.cli.{name.replace('-', '_')}")


def _fail(error: BenchmarkError, debug: bool) -> int:
    if debug:
        raise error
    print(f"error: {error}", file=sys.stderr)
    return USAGE_ERROR
