"""Components that were found once are not parsed again until a source file changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmark.registry import discovery, remembered
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the shipped components, and nothing found in it yet."""
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    root = tmp_path / "checkout"
    for places in discovery.FOLDERS.values():
        for place in places:
            (root / place).mkdir(parents=True, exist_ok=True)
            for path in (ROOT / place).glob("*.py"):
                shutil.copy(path, root / place)
    return root


def entries(root: Path) -> list[object]:
    remembered._KNOWN.clear()  # as in a new process
    return [entry for entry in vars(discover(root=root)).values() if not isinstance(entry, tuple) for entry in entry]


def test_what_is_read_from_disk_equals_what_was_parsed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = entries(checkout)
    monkeypatch.setattr(discovery, "read_entries", lambda *_: pytest.fail("parsed again"))
    assert entries(checkout) == parsed
    assert len(parsed) > 70


@pytest.mark.parametrize("change", ["edit", "addition", "removal"])
def test_a_change_of_a_source_file_is_seen(checkout: Path, change: str) -> None:
    entries(checkout)
    majority = checkout / "baselines" / "majority.py"
    if change == "edit":
        time = majority.stat().st_mtime_ns
        majority.write_text(majority.read_text().replace('"majority"', '"majoritx"'))
        os.utime(majority, ns=(time + 1, time + 1))
    elif change == "addition":
        (checkout / "baselines" / "more.py").write_text(majority.read_text().replace('"majority"', '"more"'))
    else:
        majority.unlink()
    names = {entry.name for entry in entries(checkout)}
    assert ("majority" in names) == (change == "addition")
    assert ("majoritx" in names) == (change == "edit")
    assert ("more" in names) == (change == "addition")


@pytest.mark.parametrize("damage", ["cut", "flipped", "folder"])
def test_a_damaged_file_is_made_anew(checkout: Path, damage: str) -> None:
    parsed = entries(checkout)
    (path,) = (checkout.parent / "data" / "components").iterdir()
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content[:-100] if damage == "cut" else content.replace(b"logistic", b"logistik", 1))
    assert entries(checkout) == parsed
