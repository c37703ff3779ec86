"""What a check found, of a component or of this machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "error", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one check found: an error must be mended, a warning may be intended."""

    check: str
    state: State
    message: str


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether a finding is an error."""
    return any(finding.state == "error" for finding in findings)
