"""What an audit found of a dataset, kept below `results/audit/`: whether the numbers of its tables can be believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from benchmark.system.files import safe, write_if_changed
from benchmark.system.locations import results_folder

State = Literal["invalidates", "warns", "reports"]


@dataclass(frozen=True)
class AuditFinding:
    """A coded finding on a dataset, or on its splits under one protocol.

    state : "invalidates" (the numbers cannot be believed until it is mended), "warns" (they may be too good: look at it) or
        "reports" (a fact that a reader should know).
    what, why, evidence, mend : what is wrong, why it matters, the figures and cases that show it, what to do; a sentence each.
    protocol : the split protocol that it is about, "" where it is about the cohort.
    """

    code: str
    state: State
    dataset: str
    what: str
    why: str
    evidence: str
    mend: str
    protocol: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.code} {self.state}: {self.dataset}: {self.what} ({self.evidence})"


@dataclass(frozen=True)
class Audited:
    """The checks that were made of a dataset, and what each found.

    content : the content digest of the cohort. version : digest of the audit's own code. done : check -> its findings.
    """

    dataset: str
    content: str
    version: str
    done: Mapping[str, tuple[AuditFinding, ...]] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[AuditFinding, ...]:
        """All findings, by code."""
        return tuple(finding for _, found in sorted(self.done.items()) for finding in found)


def audit_path(dataset: str) -> Path:
    """Where the findings on a dataset lie."""
    return results_folder() / "audit" / f"{safe(dataset)}.json"


def read_audited(dataset: str) -> Audited | None:
    """The stored findings on a dataset; None where there are none, or a file that this version cannot read."""
    try:
        content = json.loads(audit_path(dataset).read_text(encoding="utf-8"))
        done = {check: tuple(AuditFinding(**item) for item in found) for check, found in content.pop("done").items()}
        return Audited(**content, done=done)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_audited(audited: Audited) -> Path:
    """Store the findings on a dataset; returns their path. Raises `StoreError`."""
    path = audit_path(audited.dataset)
    write_if_changed(path, (json.dumps(asdict(audited), indent=1, ensure_ascii=False) + "\n").encode())
    return path
