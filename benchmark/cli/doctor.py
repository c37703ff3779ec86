"""`doctor`: is this machine fit to run the benchmark? One line per check, each with its mend."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from benchmark.cli.selection import add_plugins
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Catalogue
from benchmark.system.locations import ROOT, data_folder, output_folder

GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """What one check found; `state` is good, warning or error."""

    check: str
    state: Literal["good", "warning", "error"]
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0, or 1 where a check found an error."""
    catalogue = discover(options.plugin)
    findings = [finding for check in CHECKS for finding in check(catalogue)]
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:8}{finding.check}: {finding.said}")
    return 1 if any(finding.state == "error" for finding in findings) else 0


def _python(catalogue: Catalogue) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("python", "good" if good else "error", version if good else f"{version}: 3.11 or newer is needed")


def _packages(catalogue: Catalogue) -> Iterator[Finding]:
    """Installed versions against requirements.lock."""
    differ = []
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        name, pinned, version = line.partition("==")
        if pinned:
            try:
                installed = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                differ.append(f"{name} is missing")
                continue
            if installed.partition("+")[0] != version.partition("+")[0].strip():
                differ.append(f"{name} {installed} instead of {version}")
    if differ:
        yield Finding("packages", "warning", f"{'; '.join(differ[:5])}; {len(differ)} differ in all: run `make env`")
    else:
        yield Finding("packages", "good", "as pinned in requirements.lock")


def _name_clash(catalogue: Catalogue) -> Iterator[Finding]:
    """The checkout's package `datasets` and the Hugging Face package of that name."""
    try:
        version = importlib.metadata.version("datasets")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("package name", "good", "no other package named 'datasets' is installed")
        return
    yield Finding(
        "package name",
        "warning",
        f"the Hugging Face package 'datasets' {version} is installed beside the checkout's folder of that name; StrokeBench "
        "uses its own, but other libraries in the same process may find the wrong one: pip uninstall datasets",
    )


def _components(catalogue: Catalogue) -> Iterator[Finding]:
    entries = [entry for kind in ("dataset", "encoder", "method", "protocol") for entry in catalogue.registry(kind)]
    broken = [entry for entry in entries if entry.error]
    for entry in broken:
        yield Finding("components", "error", f"{entry.kind} '{entry.name}': {entry.error}")
    if not broken:
        yield Finding("components", "good", f"{len(entries)} registered, none broken")


def _data(catalogue: Catalogue) -> Iterator[Finding]:
    from benchmark.cli.listing import listing

    for item in listing(catalogue)["datasets"]:
        yield Finding(f"dataset {item['name']}", "good" if item["available"] else "warning", item["reason"] or "here")


def _encoders(catalogue: Catalogue) -> Iterator[Finding]:
    from benchmark.data.features import encoder_identity

    for entry in catalogue.encoders:
        if entry.error:
            continue
        try:
            encoder_identity(entry.name, entry.metadata["modality"], catalogue)
            yield Finding(f"encoder {entry.name}", "good", entry.metadata["weights"])
        except Exception as error:  # an encoder is somebody's code: its weights may be missing or its file broken
            yield Finding(f"encoder {entry.name}", "warning", str(error))


def _folders(catalogue: Catalogue) -> Iterator[Finding]:
    for name, folder in (("results", output_folder()), ("data", data_folder())):
        there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            yield Finding(f"{name} folder", "error", f"{folder} cannot be written: set STROKEBENCH_{_variable(name)} elsewhere")
        elif free < 2 * GIB:
            yield Finding(f"{name} folder", "warning", f"{folder} has {free / GIB:.1f} GiB free, 2 are advised")
        else:
            yield Finding(f"{name} folder", "good", f"{folder}, {free / GIB:.0f} GiB free")


def _variable(name: str) -> str:
    return "OUTPUT" if name == "results" else "DATA"


def _mlflow(catalogue: Catalogue) -> Iterator[Finding]:
    from benchmark.cells.mlflow_mirror import is_away, tracking_uri

    uri = tracking_uri()
    if is_away(uri):
        yield Finding("mlflow", "warning", f"{uri} does not answer; runs go on without it, `sync` mirrors them later")
    else:
        yield Finding("mlflow", "good", uri)


CHECKS: tuple[Callable[[Catalogue], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _name_clash,
    _components,
    _data,
    _encoders,
    _folders,
    _mlflow,
)
