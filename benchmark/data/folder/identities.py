"""Who somebody is: pseudonyms by a hash with a key of this machine, and reports without names, numbers and dates.

The key lies in the user's configuration folder and never beside the data: who has the results has no way back.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.system.errors import BenchmarkError

KEY_BYTES = 32
DATE = re.compile(
    r"\b(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}\.? "
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? \d{2,4}|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2},? \d{4})\b",
    re.IGNORECASE,
)
OLD = re.compile(r"\b(9\d|1[0-2]\d)([- ])(years?|yrs?|y)(?=[- .,;)]|$)", re.IGNORECASE)
"""An age above 89, as reports write it: 93-year-old, 104 years."""
SHORTEST = 3
"""Letters that a name has at least: shorter ones stand in too many other words."""


@dataclass(frozen=True)
class Pseudonyms:
    """Words that stand for ids and sites in all that is written; the same word for the same id as long as the key lasts."""

    key: bytes
    cohort: str

    def of(self, kind: str, name: str, letters: int = 10) -> str:
        """The word for a name of a kind, "case", "patient" or "site"."""
        return hmac.new(self.key, f"{self.cohort}|{kind}|{name}".encode(), hashlib.sha256).hexdigest()[:letters]

    def of_cases(self, ids: Sequence[str], order: Sequence[float] | None = None) -> list[str]:
        """A word for each case, `c00017-3fa1b2c4d5`; sorted as text they stand in the given order, else in none that tells.

        Without `order` the number is the place among the hashes, so that it says nothing of the id.
        """
        words = [self.of("case", name) for name in ids]
        if len(set(words)) < len(words):
            raise BenchmarkError("two ids have the same pseudonym: give one of them another name")
        by = words if order is None else list(order)
        ranks = {position: rank for rank, position in enumerate(sorted(range(len(ids)), key=lambda row: (by[row], words[row])))}
        return [f"c{ranks[row]:05d}-{words[row]}" for row in range(len(ids))]


def key_file() -> Path:
    """Where the key lies: `strokebench/pseudonyms.key` in the user's configuration folder."""
    config = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(config) if config else Path.home() / ".config") / "strokebench" / "pseudonyms.key"
    except RuntimeError as error:
        raise BenchmarkError("this user has no home folder: set XDG_CONFIG_HOME to a folder for the key") from error


def machine_key() -> bytes:
    """The key of this machine, made at its first use, for its owner's eyes alone.

    Raises `BenchmarkError` for one that others can read, or that is damaged.
    """
    path = key_file()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
        try:
            os.link(aside, path)  # another process may have been first: its key stays
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    if path.stat().st_mode & 0o077:
        raise BenchmarkError(f"{path} can be read by others: `chmod 600 {path}`, for it leads back from pseudonyms to patients")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BenchmarkError(f"{path} is damaged: restore it, or delete it: then every case has another pseudonym")
    return key


def scrubbed(text: str, names: Iterable[str]) -> str:
    """A report without the given names and numbers, dates, and ages above 89, each replaced by a word in brackets."""
    for name in sorted({name.strip() for name in names}, key=len, reverse=True):
        if len(name) >= SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "[removed]", text, flags=re.IGNORECASE)
    text = DATE.sub("[date]", text)
    return OLD.sub(r"90\2\3", text)
