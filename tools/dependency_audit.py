"""Audit of the pinned packages for known vulnerabilities (pip-audit), with dated exceptions.

    python -m tools.dependency_audit

An exception (`.ci/audit-exceptions.toml`) names a vulnerability, why it does not matter here and the day on which it is looked
at again; past that day it counts no more. Where the database cannot be reached nothing was audited: this says so, and is no
failure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXCEPTIONS = ROOT / ".ci" / "audit-exceptions.toml"
SECONDS = 600
FIELDS = {"id", "package", "why", "until"}


def exceptions(path: Path, today: date) -> tuple[set[str], list[str]]:
    """The vulnerabilities that are let be, and a line for each exception that has run out. Raises `ValueError` for none."""
    held, ended = set(), []
    for each in tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []):
        if each.keys() != FIELDS or not isinstance(each["until"], date):
            raise ValueError(f"{path.name}: an exception has {', '.join(sorted(FIELDS))}, the last a date: {each}")
        if each["until"] < today:
            ended.append(f"the exception for {each['id']} ({each['package']}) ran out on {each['until']}: look at it again")
        else:
            held.add(each["id"])
    return held, ended


def judged(found: dict[str, Any], held: set[str]) -> tuple[int, list[str]]:
    """How many packages were audited, and a line for each vulnerability that is not let be, of what pip-audit says as JSON."""
    audited = [package for package in found["dependencies"] if "skip_reason" not in package]
    lines = []
    for package in audited:
        for each in package["vulns"]:
            if not held & {each["id"], *each.get("aliases", [])}:
                mend = ", ".join(each["fix_versions"]) or "no version yet"
                lines.append(f"{package['name']} {package['version']}: {each['id']} (mended in {mend})")
    return len(audited), lines


def main(words: Sequence[str] = ()) -> int:
    """Exit code 0, or 1 where a pinned package has a known vulnerability or an exception has run out."""
    held, ended = exceptions(EXCEPTIONS, date.today())
    command = shutil.which("pip-audit")
    if command is None:
        print("pip-audit is not installed: no package was audited")
        return int(bool(ended))
    how = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(
            [command, "-r", str(ROOT / "requirements.lock"), *how], capture_output=True, text=True, timeout=SECONDS
        )
        audited, lines = judged(json.loads(done.stdout), held)
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"no package was audited: pip-audit did not get through ({type(error).__name__}); is there a network?")
        return int(bool(ended))
    pinned = sum("==" in line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
    print(
        "\n".join([*ended, *lines, f"{audited} of {pinned} pinned packages were audited, {len(lines)} vulnerabilities count"])
    )
    if not audited:
        print("no package was audited: the database of vulnerabilities could not be reached")
    return int(bool(ended or lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
