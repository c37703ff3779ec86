"""What is remembered of weights files is made anew where it was torn or has a bit flipped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data.features import weights_digest
from benchmark.system.locations import data_folder


@pytest.mark.parametrize("harm", [lambda kept: kept[: len(kept) // 2], lambda kept: kept.replace(b"a", b"b")])
def test_a_damaged_memory_of_weights_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert weights_digest(weights) == expected
    memory = data_folder() / "features" / "weights.json"
    kept = memory.read_bytes()
    memory.write_bytes(harm(kept))
    assert memory.read_bytes() != kept
    assert weights_digest(weights) == expected
