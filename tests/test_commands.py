"""Every command that the code's messages and the docs name exists, with the options that they give it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from benchmark.cli.main import VERBS
from benchmark.system.locations import ROOT

CODE = ("benchmark", "datasets", "baselines", "methods", "tools")
TEXTS = [
    *(path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))),
    *sorted((ROOT / "benchmark" / "suites").glob("*.toml")),
    ROOT / "Makefile",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
COMMAND = re.compile(r"(?:python -m benchmark |`)(?P<verb>[a-z]+(?:-[a-z]+)*)(?P<rest>[^`\n#|;]*)")


def commands(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(verb, options) of each command that a file names: after `python -m benchmark`, or a verb with options in code marks."""
    for found in COMMAND.finditer(path.read_text(encoding="utf-8")):
        options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", found["rest"])
        whole = found[0].startswith("python")
        if whole or (found["verb"] in VERBS and options):
            yield found["verb"], options


@pytest.mark.parametrize("path", [path for path in TEXTS if any(commands(path))], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_that_a_file_names_exist(path: Path) -> None:
    for verb, options in commands(path):
        assert verb in VERBS, f"there is no verb '{verb}'"
        known = {name for names, _ in import_module(f"benchmark.cli.{verb.replace('-', '_')}").ARGUMENTS for name in names} | {
            "--debug",
            "--help",
        }
        assert set(options) <= known, f"{verb} has no {', '.join(sorted(set(options) - known))}"
