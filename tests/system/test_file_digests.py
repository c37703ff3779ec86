"""Digests of files that are kept: the same as those of the bytes, and read anew where a file changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from benchmark.system import file_digests
from benchmark.system.file_digests import FEWEST, digests_of


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"{number:03d}" for number in range(FEWEST + 5)]
    for number, path in enumerate(made):
        path.write_bytes(b"x" * number)
    return made


def plain(files: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def test_they_are_those_of_the_bytes_and_read_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert digests_of(files) == plain(files)
    read: list[Path] = []
    monkeypatch.setattr(file_digests, "file_digest", lambda path: read.append(path) or "new")
    assert digests_of(files) == plain(files)
    assert not read
    files[7].write_bytes(b"other")
    assert digests_of(files)[7] == "new"
    assert read == [files[7]]
    os.utime(files[8])
    assert digests_of(files)[8] == "new"


def test_a_file_that_is_gone_is_an_error(files: list[Path]) -> None:
    digests_of(files)
    files[3].unlink()
    with pytest.raises(FileNotFoundError):
        digests_of(files)


def test_no_file_is_named_in_what_is_kept(files: list[Path], tmp_path: Path) -> None:
    from benchmark.system.locations import data_folder

    digests_of(files)
    kept = [path.read_bytes() for path in (data_folder() / "digests").iterdir()]
    assert kept and not any(str(tmp_path).encode() in content for content in kept)


def test_a_torn_store_is_made_anew(files: list[Path]) -> None:
    from benchmark.system.locations import data_folder

    digests_of(files)
    for path in (data_folder() / "digests").iterdir():
        path.write_bytes(b"{")
    assert digests_of(files) == plain(files)
