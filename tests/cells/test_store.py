"""Cells on disk: what is written is read again, what is torn or edited is set aside, what cannot be written is told."""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.cells.store import OUTCOMES, CellAddress, CellRecord, Store, Stored, WriteBehind, seconds_of
from benchmark.system.errors import StoreError
from benchmark.system.files import build_once, exclusive, safe, write_durably

ADDRESS = CellAddress("soop", "repeated-cv", "xgboost[features=table+image+text]", "seed39-fold0")
RECORD = CellRecord(
    address=ADDRESS,
    seed=39,
    ingredients={"data": "d" * 64, "configuration": {"trees": 500}, "libraries": {"numpy": "2.5.1"}},
    key="k" * 64,
    outcome="ok",
    probabilities=[0.1, 1 / 3, 1.0, 5e-324],
    threshold=0.47,
    chosen={"C": 0.1, "wörd": None},
    measured={"fit_seconds": 0.25, "run": "r1"},
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cells")


def deterministic_part(path: Path) -> bytes:
    """The second of a cell file's three lines."""
    return path.read_bytes().split(b"\n")[1]


# Round trip


def test_a_cell_is_read_as_it_was_written(store: Store) -> None:
    store.write(RECORD)
    assert store.read(ADDRESS) == RECORD
    assert store.row("soop", "repeated-cv", ADDRESS.method) == {"seed39-fold0": RECORD}


def test_a_plan_knows_of_a_cell_what_stands_in_its_file_and_sets_a_torn_one_aside(store: Store) -> None:
    timed = replace(
        RECORD, measured={"fit_seconds": 0.25, "predict_seconds": 0.5, "changed_on_recomputation": True, "run": "r"}
    )
    found = replace(ADDRESS, split="seed39-fold1")
    failed = replace(RECORD, address=found, outcome="failed", probabilities=[], columns={"rank": [1.0, None]}, reason="x")
    for record in (timed, failed):
        store.write(record)
    torn = store.path(replace(ADDRESS, split="seed39-fold2"))
    torn.write_bytes(store.path(ADDRESS).read_bytes().replace(b"0.47", b"0.48"))
    assert store.known(*ADDRESS.row) == {
        "seed39-fold0": Stored(ADDRESS, RECORD.key, "ok", 0.75, changed=True),
        "seed39-fold1": Stored(found, RECORD.key, "failed", None, changed=False),
    }
    assert not torn.exists() and torn.with_name(torn.name + ".torn").is_file()


@pytest.mark.parametrize(
    ("marks", "seconds"),
    [
        ({}, 0.75),
        ({"stages": ["a"], "training_seconds": 4.0}, 4.75),
        ({"stages": ["a"], "training_seconds": 0}, 0.75),
        ({"stages": ["a"], "training_seconds": None}, None),
        ({"stages": ["a"]}, None),
    ],
)
def test_a_time_without_the_shared_training_counts_as_not_measured(marks: dict[str, Any], seconds: float | None) -> None:
    assert seconds_of({"fit_seconds": 0.25, "predict_seconds": 0.5, **marks}) == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    probabilities=st.lists(st.floats(0, 1), max_size=5),
    outcome=st.sampled_from(OUTCOMES),
    chosen=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    words=st.text(max_size=30),
)
def test_any_record_survives_the_disk(
    store: Store, probabilities: list[float], outcome: Any, chosen: dict[str, Any], words: str
) -> None:
    record = replace(
        RECORD, probabilities=probabilities, outcome=outcome, chosen=chosen, reason=words, traceback=words, measured=chosen
    )
    store.write(record)
    assert store.read(ADDRESS) == record


def test_a_cell_that_was_never_written_is_none(store: Store) -> None:
    assert store.read(ADDRESS) is None
    assert store.row("soop", "repeated-cv", "xgboost") == {}


def test_a_cell_lies_at_the_documented_path(store: Store) -> None:
    store.write(RECORD)
    assert store.path(ADDRESS) == store.folder / "soop/repeated-cv/xgboost[features=table+image+text]/seed39-fold0.json"
    assert store.path(ADDRESS).is_file()


def test_a_cell_file_is_json(store: Store) -> None:
    store.write(RECORD)
    assert json.loads(store.path(ADDRESS).read_text(encoding="utf-8"))["deterministic"]["probabilities"] == RECORD.probabilities


def test_the_deterministic_part_is_the_same_bytes_whatever_was_measured(store: Store) -> None:
    store.write(RECORD)
    before = deterministic_part(store.path(ADDRESS))
    store.write(replace(RECORD, measured={"fit_seconds": 9.5, "peak_mib": 1.0, "run": "r2"}, reason="", traceback="x"))
    assert deterministic_part(store.path(ADDRESS)) == before
    store.write(replace(RECORD, threshold=0.48))
    assert deterministic_part(store.path(ADDRESS)) != before


def test_the_order_in_which_a_record_was_filled_does_not_change_its_bytes(store: Store) -> None:
    store.write(RECORD)
    before = store.path(ADDRESS).read_bytes()
    store.write(replace(RECORD, ingredients=dict(reversed(RECORD.ingredients.items()))))
    assert store.path(ADDRESS).read_bytes() == before


def test_nothing_but_the_cell_is_left_in_its_folder(store: Store) -> None:
    for _ in range(2):
        store.write(RECORD)
    assert [path.name for path in store.path(ADDRESS).parent.iterdir()] == ["seed39-fold0.json"]


# Torn and edited files


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_file_torn_anywhere_is_set_aside_and_the_cell_is_missing(store: Store, share: float) -> None:
    store.write(RECORD)
    path = store.path(ADDRESS)
    content = path.read_bytes()
    torn = content[: int(share * len(content))]
    path.write_bytes(torn)
    assert store.read(ADDRESS) is None
    assert not path.exists()
    assert path.with_name(path.name + ".torn").read_bytes() == torn


def test_a_file_torn_anywhere_is_missing_from_its_row_too(store: Store) -> None:
    other = replace(RECORD, address=replace(ADDRESS, split="seed39-fold1"))
    for record in (RECORD, other):
        store.write(record)
    content = store.path(ADDRESS).read_bytes()
    for length in range(0, len(content), 37):
        store.path(ADDRESS).write_bytes(content[:length])
        assert store.row("soop", "repeated-cv", ADDRESS.method) == {"seed39-fold1": other}


@pytest.mark.parametrize(
    ("old", "new"), [(b"0.1,", b"0.9,"), (b'"ok"', b'"failed"'), (b'"fit_seconds":0.25', b'"fit_seconds":0.24')]
)
def test_an_edited_file_is_set_aside(store: Store, old: bytes, new: bytes) -> None:
    store.write(RECORD)
    path = store.path(ADDRESS)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert store.read(ADDRESS) is None
    assert path.with_name(path.name + ".torn").is_file()


def test_every_single_flipped_byte_is_noticed(store: Store) -> None:
    store.write(RECORD)
    path = store.path(ADDRESS)
    content = path.read_bytes()
    for position in range(0, len(content), 11):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert store.read(ADDRESS) is None, position


@pytest.mark.parametrize("moved", [{"split": "seed40-fold0"}, {"method": "xgboost"}, {"dataset": "tiny"}])
@pytest.mark.parametrize("by", ["cell", "row"])
def test_a_file_copied_to_another_cells_place_is_not_taken_for_that_cell(store: Store, moved: dict[str, str], by: str) -> None:
    store.write(RECORD)
    other = replace(ADDRESS, **moved)
    store.path(other).parent.mkdir(parents=True, exist_ok=True)
    store.path(other).write_bytes(store.path(ADDRESS).read_bytes())
    if by == "cell":
        assert store.read(other) is None
    else:
        row = store.row(other.dataset, other.protocol, other.method)
        assert all(record.address == replace(other, split=split) for split, record in row.items())
        assert other.split not in row


# Disks that fail


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
@pytest.mark.parametrize(
    ("number", "mend"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only: set STROKEBENCH_OUTPUT"), (errno.EIO, "check the folder")],
)
def test_a_disk_that_fails_leaves_the_old_cell_and_says_what_to_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, number: int, mend: str
) -> None:
    store.write(RECORD)

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr(os, call, fail)
        with pytest.raises(StoreError) as caught:
            store.write(replace(RECORD, threshold=0.9))
    said = str(caught.value)
    assert said.startswith(f"cannot write {store.path(ADDRESS)}: {os.strerror(number)}: ")
    assert mend in said
    assert "\n" not in said
    assert [path.name for path in store.path(ADDRESS).parent.iterdir()] == ["seed39-fold0.json"]
    assert store.read(ADDRESS) == RECORD


def test_a_disk_that_fills_up_while_writing_leaves_the_old_cell(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(RECORD)
    real = os.write
    written: list[int] = []

    def ten_bytes_then_full(descriptor: int, content: memoryview) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(real(descriptor, bytes(content[:10])))
        return 10

    with monkeypatch.context() as failing:
        failing.setattr(os, "write", ten_bytes_then_full)
        with pytest.raises(StoreError, match="free some space"):
            store.write(replace(RECORD, threshold=0.9))
    assert store.read(ADDRESS) == RECORD
    assert len(list(store.path(ADDRESS).parent.iterdir())) == 1


def test_a_write_that_takes_several_calls_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, bytes(content[:7])))
    write_durably(tmp_path / "x", b"0123456789" * 10)
    assert (tmp_path / "x").read_bytes() == b"0123456789" * 10


def test_content_is_on_the_disk_before_the_name_points_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("fsync"), real_sync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("rename"), real_replace(self, target))[1])
    write_durably(tmp_path / "x", b"content")
    assert order == ["fsync", "rename", "fsync"]


def test_a_folder_without_permission_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    try:
        if user == 0:  # root may write everywhere: be the user "nobody"
            os.seteuid(65534)
        with pytest.raises(StoreError, match="you may not write there"):
            write_durably(tmp_path / "x", b"")
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cells").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Store(tmp_path / "cells").write(RECORD)


def test_a_second_writer_is_refused_and_the_next_one_is_not(tmp_path: Path) -> None:
    refused = pytest.raises(StoreError, match="another run is writing")
    with exclusive(tmp_path), refused, exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


# Names

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(first=NAMES, second=NAMES)
def test_two_names_never_share_a_file_name(first: str, second: str) -> None:
    assert (safe(first) == safe(second)) == (first == second)


@given(name=NAMES | st.sampled_from([".", "..", "...", "a/b", "a\\b", "%2F", "~", "a b", "Ü", "\x00"]))
def test_a_file_name_is_one_part_of_a_path(name: str) -> None:
    base = Path("/base")
    path = base / safe(name)
    assert path.resolve().parent == base
    assert path.resolve() != base


def test_a_name_longer_than_a_file_name_can_be_is_stored_and_told_from_its_like(store: Store) -> None:
    long = "film[text_encoder=hub:" + "/a/folder" * 60
    first, second = (replace(ADDRESS, method=f"{long}{end}]") for end in "ab")
    store.write(replace(RECORD, address=first))
    assert store.read(first) is not None
    assert store.read(second) is None


def test_the_spelling_of_variants_stays_legible() -> None:
    assert safe("xgboost[features=table+image,lr=1e-4]") == "xgboost[features=table+image,lr=1e-4]"
    assert safe("dmis/biobert v1") == "dmis%2Fbiobert%20v1"


@pytest.mark.parametrize("refusal", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_locked_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    def refused(*words: Any) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr("fcntl.flock", refused)
    with exclusive(tmp_path):
        assert (tmp_path / ".lock.held").is_file()
        with pytest.raises(StoreError, match="another run is writing"), exclusive(tmp_path):
            pass
        assert (tmp_path / ".lock.held").is_file(), "who was refused left it alone"
    with exclusive(tmp_path):
        pass
    folder = build_once(tmp_path / "built", lambda place: (place / "x").touch() or None)
    assert (folder / "x").is_file() and not list(tmp_path.glob("*.held"))


def test_a_cell_that_cannot_be_read_is_named_and_one_that_has_gone_is_missing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(RECORD)
    reads = [lambda: store.read(ADDRESS), lambda: store.row(*ADDRESS.row), lambda: list(store.records())]
    reads += [lambda: store.known(*ADDRESS.row), lambda: list(store.rows())]
    real = Path.read_bytes

    def refuse(path: Path, error: OSError) -> bytes:
        return real(path) if path.suffix != ".json" else _raise(error)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: refuse(path, OSError(errno.EIO, "Input/output error")))
        for read in reads:
            with pytest.raises(StoreError, match=re.escape(str(store.path(ADDRESS)))):
                read()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: refuse(path, FileNotFoundError(errno.ENOENT, "gone")))
        assert [read() for read in reads] == [None, {}, [], {}, []]
    assert store.read(ADDRESS) == RECORD


def _raise(error: OSError) -> bytes:
    raise error


# Stored beside the computing


def records(count: int) -> list[CellRecord]:
    return [replace(RECORD, address=replace(ADDRESS, split=f"seed{i}-fold0")) for i in range(count)]


def test_as_many_cells_as_it_says_are_written_at_a_time_and_all_are_there_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, write = threading.Barrier(WriteBehind.AT_ONCE, timeout=20), store.write
    monkeypatch.setattr(store, "write", lambda record: (together.wait(), write(record)))
    made = records(3 * WriteBehind.AT_ONCE)
    with WriteBehind(store) as behind:
        for record in made[: WriteBehind.AT_ONCE]:
            behind.write(record)
        behind.flush()
        assert len(store.row(*ADDRESS.row)) == WriteBehind.AT_ONCE
        for record in made[WriteBehind.AT_ONCE :]:
            behind.write(record)
    assert list(store.row(*ADDRESS.row).values()) == sorted(made, key=lambda record: record.address.split)


def test_a_cell_that_cannot_be_stored_ends_the_writing_and_those_that_wait_are_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = records(WriteBehind.AT_ONCE)
    write = store.write

    def full(record: CellRecord) -> None:
        if record == first:
            raise StoreError("the disk is full")
        write(record)

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(StoreError, match="the disk is full"), WriteBehind(store) as behind:
        for record in (first, *others):
            behind.write(record)
        behind.write(first)
        pytest.fail("the error of the first cell comes with the next that must wait for it")
    assert list(store.row(*ADDRESS.row).values()) == others
