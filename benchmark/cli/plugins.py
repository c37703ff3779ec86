"""The option `--plugin`."""

from __future__ import annotations

import argparse


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """`--plugin FILE`; may be given several times."""
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with a component of yours")
