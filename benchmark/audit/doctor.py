"""Is this machine fit to run the benchmark? Every warning and error says what to do."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator

from benchmark.audit.findings import Finding
from benchmark.cells.mlflow_mirror import is_away, shown, tracking_uri
from benchmark.data.features import encoder_identity
from benchmark.data.fetching import why_unavailable
from benchmark.data.stages import MEND, stages_folder, stored_stages
from benchmark.registry.catalogue import Catalogue
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import check_sealed
from benchmark.system.locations import ROOT, data_folder, output_folder

GIB = 2**30


def examine(catalogue: Catalogue) -> list[Finding]:
    """What all checks find of this machine and of the components of the catalogue."""
    return [finding for check in CHECKS for finding in check(catalogue)]


def _python(catalogue: Catalogue) -> Iterator[Finding]:
    yield Finding("python", "good", ".".join(map(str, sys.version_info[:3])))


def _packages(catalogue: Catalogue) -> Iterator[Finding]:
    """Installed versions against requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==", 1) for line in lines if "==" in line)
    installed = {name: provenance.version(name) for name in pinned}
    differ = [
        f"{name} {installed[name]} instead of {version}" if installed[name] else f"{name} is missing"
        for name, version in pinned.items()
        if installed[name].partition("+")[0] != version.partition("+")[0].strip()
    ]
    if differ:
        yield Finding("packages", "warning", f"{'; '.join(differ[:5])}; {len(differ)} differ in all: run `make env`")
    else:
        yield Finding("packages", "good", "as pinned in requirements.lock")


def _name_clash(catalogue: Catalogue) -> Iterator[Finding]:
    """The checkout's package `datasets` and the Hugging Face package of that name."""
    version = provenance.version("datasets")
    if version:
        yield Finding(
            "package name",
            "warning",
            f"the Hugging Face package 'datasets' {version} is installed beside the checkout's folder of that name; "
            "StrokeBench uses its own, but other libraries in the same process may find the wrong one: pip uninstall datasets",
        )
    else:
        yield Finding("package name", "good", "no other package named 'datasets' is installed")


def _components(catalogue: Catalogue) -> Iterator[Finding]:
    entries = [*catalogue.corpora, *catalogue.datasets, *catalogue.encoders, *catalogue.methods, *catalogue.protocols]
    broken = [entry for entry in entries if entry.error]
    yield from (Finding("components", "error", f"{entry.kind} '{entry.name}': {entry.error}") for entry in broken)
    if not broken:
        yield Finding("components", "good", f"{len(entries)} registered, none broken")


def _datasets(catalogue: Catalogue) -> Iterator[Finding]:
    for entry in (*catalogue.datasets, *catalogue.corpora):
        reason = why_unavailable(entry)
        yield Finding(f"{entry.kind} {entry.name}", "warning" if reason else "good", reason or "here")


def _encoders(catalogue: Catalogue) -> Iterator[Finding]:
    for entry in (entry for entry in catalogue.encoders if not entry.error):
        try:
            encoder_identity(entry.name, entry.card.modality, catalogue)
            weights = entry.card.weights
            yield Finding(f"encoder {entry.name}", "good", "needs no weights" if weights == "none" else weights)
        except Exception as error:  # an encoder is somebody's code: its weights may be missing or its file broken
            yield Finding(f"encoder {entry.name}", "warning", str(error))


def _stages(catalogue: Catalogue) -> Iterator[Finding]:
    """Trainings that rows share, and how much of the disk they take."""
    stored = list(stored_stages())
    size = sum(path.stat().st_size for path in stages_folder().rglob("*") if path.is_file())
    damaged = []
    for stage in stored:
        try:
            check_sealed(stages_folder() / stage.digest, MEND)
        except BenchmarkError as error:
            damaged.append(str(error))
    yield from (Finding("stages", "warning", problem) for problem in damaged)
    if not damaged:
        yield Finding("stages", "good", f"{len(stored)} trainings are kept, {size / 2**20:.0f} MiB ({MEND} deletes them)")
        for (name, sees), count in sorted(Counter((str(stage), " and ".join(stage.sees)) for stage in stored).items()):
            yield Finding(f"stage {name}", "good", f"{count} kept, which saw {sees} cases")


def _folders(catalogue: Catalogue) -> Iterator[Finding]:
    for name, variable, folder in (("results", "OUTPUT", output_folder()), ("data", "DATA", data_folder())):
        existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        free = shutil.disk_usage(existing).free
        if not os.access(existing, os.W_OK):
            yield Finding(f"{name} folder", "error", f"{folder} cannot be written: set STROKEBENCH_{variable} elsewhere")
        elif free < 2 * GIB:
            yield Finding(f"{name} folder", "warning", f"{folder} has {free / GIB:.1f} GiB free, 2 are advised")
        else:
            yield Finding(f"{name} folder", "good", f"{folder}, {free / GIB:.0f} GiB free")


def _mlflow(catalogue: Catalogue) -> Iterator[Finding]:
    uri = tracking_uri()
    if is_away(uri):
        yield Finding("mlflow", "warning", f"{shown(uri)} does not answer; runs go on without it, `sync` mirrors them later")
    else:
        yield Finding("mlflow", "good", shown(uri))


CHECKS: tuple[Callable[[Catalogue], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _name_clash,
    _components,
    _datasets,
    _encoders,
    _stages,
    _folders,
    _mlflow,
)
