"""Reports that were written for a prepared cohort: further named sets of drafts, each sealed with how it was made.

A set lies in `written/<dataset>/<content>/<name>` of the data folder, outside of the prepared cohort: no digest of that
changes, and a row that does not name the set depends on nothing here. A set belongs to the content of which it was written:
where images or cases are others, it is not offered.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.text import SET_NAME, TOPICS, WITHHELD, WORDING, Reports
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import build_once, check_sealed, safe
from benchmark.system.locations import data_folder

DRAFTS, CARD = "reports.json", "card.json"
ENCODER = "minilm"
"""The encoder of text for a dataset that names none because it came without reports."""


def written_folder(dataset: str) -> Path:
    """Where the sets that were written for a dataset lie, one folder for each content."""
    return data_folder() / "written" / safe(dataset)


def set_folder(cohort: Cohort, name: str) -> Path:
    """Where a set of a cohort lies, or will lie."""
    return written_folder(cohort.name) / cohort.content_digest[:16] / safe(name)


def check_name(cohort: Cohort, name: str) -> None:
    """Raise `BenchmarkError` for what cannot be the name of a written set of this cohort."""
    if not SET_NAME.fullmatch(name):
        raise BenchmarkError(f"--name '{name}': a set's name has at most 40 letters, digits, - and _")
    own = {WORDING, TOPICS, *WITHHELD, *cohort.report_sets} - written_sets(cohort).keys()
    if name in own:
        raise BenchmarkError(f"--name {name}: {cohort.name} has a set of that name by itself: choose another one")


def keep(cohort: Cohort, name: str, reports: Reports, card: Mapping[str, Any], *, anew: bool = False) -> Path:
    """Keep a set of a cohort, sealed; the same set once more leaves it as it is, and the same drafts take the new card.

    reports : per case a tuple of drafts, empty where there is none. card : how they were made, JSON-able.
    Raises `BenchmarkError` where another set has that name, unless it is to be made `anew`.
    """
    check_name(cohort, name)
    folder = set_folder(cohort, name)
    drafts = {str(case): list(of_case) for case, of_case in zip(cohort.case_ids, reports, strict=True)}
    contents = {DRAFTS: _json(drafts), CARD: _json({"set": name, "dataset": cohort.name, **card})}
    if folder.is_dir():
        if all(_bytes(folder / file) == content for file, content in contents.items()):
            return folder
        if not anew and _bytes(folder / DRAFTS) != contents[DRAFTS]:
            raise BenchmarkError(f"{cohort.name} has another set of reports '{name}': choose another --name, or --replace it")
        shutil.rmtree(folder)

    def write(aside: Path) -> None:
        for file, content in contents.items():
            (aside / file).write_bytes(content)

    return build_once(folder, write)


def written_sets(cohort: Cohort) -> dict[str, Reports]:
    """The sets that were written of this content of the cohort; one that is damaged is left out, as `why_missing` says."""
    found = {}
    for folder in sorted((written_folder(cohort.name) / cohort.content_digest[:16]).glob(f"[!.]*/{DRAFTS}")):
        try:
            check_sealed(folder.parent, "")
            drafts = json.loads(folder.read_text(encoding="utf-8"))
            found[folder.parent.name] = tuple(tuple(drafts[str(case)]) for case in cohort.case_ids)
        except (BenchmarkError, OSError, ValueError, KeyError):
            continue
    return found


def with_written(cohort: Cohort) -> Cohort:
    """The cohort with the sets that were written for it beside its own.

    One without reports of its own has text by them alone, read by `ENCODER` unless the dataset names another.
    """
    sets = {name: drafts for name, drafts in written_sets(cohort).items() if name not in cohort.report_sets}
    if not sets:
        return cohort
    encoders = cohort.encoders if "text" in cohort.encoders else {**cohort.encoders, "text": ENCODER}
    return replace(cohort, report_sets={**cohort.report_sets, **sets}, encoders=encoders)


def why_missing(cohort: Cohort, name: str) -> str:
    """What to do about a set of reports that a cohort does not hold."""
    if set_folder(cohort, name).is_dir():
        return f"that in {set_folder(cohort, name)} is damaged: make it anew by `write-reports` with --replace"
    if any(written_folder(cohort.name).glob(f"*/{safe(name)}/{DRAFTS}")):
        return (
            "one was written of other images or cases than there are now: `write-reports` once more, kept answers cost nothing"
        )
    return "`write-reports` makes further ones"


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True).encode()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
