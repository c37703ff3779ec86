"""`fetch NAME`: download a dataset's source files, verify them and prepare the cohort."""

from __future__ import annotations

import argparse

from benchmark.cli.progress import ConsoleReporter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fetch`."""
    parser.add_argument("name", metavar="NAME", help="a dataset, as `list` shows it")
    parser.add_argument(
        "--mirror", metavar="DIR|URL", help="take the files from a folder or server laid out as <host>/<path> instead"
    )
    parser.add_argument("--jobs", type=int, default=8, metavar="N", help="parallel downloads (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Fetch and prepare; prints what lies where. Raises `BenchmarkError`."""
    from benchmark.data.fetching import fetch, needs_files
    from benchmark.data.preparation import prepare
    from benchmark.registry.discovery import discover

    catalogue = discover()
    entry = catalogue.dataset(args.name).entry
    if needs_files(entry.name):
        sources = fetch(entry.name, args.mirror, args.jobs, ConsoleReporter().progress)
        size = sum((sources.folder / file).stat().st_size for file in sources.files)
        print(f"{entry.name}: {len(sources.files)} files, {size:,} bytes, verified, in {sources.folder}")
    else:
        print(f"{entry.name}: needs no source files")
    prepare(args.name, catalogue)
    print(f"{entry.name}: prepared")
    return 0
