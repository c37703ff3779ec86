"""Fetching from a folder and over HTTP, with made files; the server of these tests counts, delays and breaks off."""

from __future__ import annotations

import argparse
import errno
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.data import downloading, fetching
from benchmark.data.fetching import fetch, is_fetched, needs_files, open_sources
from benchmark.system.errors import BenchmarkError, DataError, NotFetchedError, UnknownNameError
from benchmark.system.locations import data_folder

FILES = {f"example.org/data/file {i}.bin": bytes([i]) * (1000 * i + 1) for i in range(1, 7)}
LARGE = "example.org/data/file 6.bin"


def manifest_of(files: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made `datasets/` folder that declares `made`, and an empty data folder; returns the folder of the sources."""
    datasets = tmp_path / "datasets"
    (datasets / "manifests").mkdir(parents=True)
    (datasets / "sources.toml").write_text('[made]\nmanifest = "made.sha256"\n')
    (datasets / "manifests" / "made.sha256").write_text(manifest_of(FILES))
    monkeypatch.setattr(fetching, "DATASETS", datasets)
    monkeypatch.setattr(downloading, "BACKOFF_S", 0)
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "sources"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "mirror"


class Server(ThreadingHTTPServer):
    """Serves `files`; `ranges` says whether it honours Range, `break_off` holds files whose first answer stops half-way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.ranges, self.delay = True, 0.0
        self.break_off: set[str] = set()
        self.asked: list[tuple[str, str | None]] = []
        self.sent = self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server, name, wanted = self.server, self.path.lstrip("/").replace("%20", " "), self.headers.get("Range")
        with server.lock:
            server.asked.append((name, wanted))
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        time.sleep(server.delay)
        content = server.files.get(name)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if content is None or start >= len(content):
            self.send_response(404 if content is None else 416)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            piece = content[start:]
            if name in server.break_off:
                server.break_off.discard(name)
                piece, self.close_connection = piece[: len(piece) // 2], True
            self.wfile.write(piece)
            server.sent += len(piece)
        with server.lock:
            server.at_once -= 1

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def contents(sources: Path) -> dict[str, bytes]:
    return {str(p.relative_to(sources)): p.read_bytes() for p in sources.glob("example.org/**/*") if p.is_file()}


def test_a_folder_mirror_is_copied_and_the_marker_holds_the_manifests_digest(data: Path, mirror: Path) -> None:
    assert not is_fetched("made")
    sources = fetch("made", str(mirror))
    assert contents(data) == FILES
    assert sources.digest == hashlib.sha256(manifest_of(FILES).encode()).hexdigest()
    assert (data / "made.complete").read_text().strip() == sources.digest
    assert is_fetched("made")
    assert open_sources("made") == sources


def test_files_come_over_http_in_parallel(data: Path, server: Server) -> None:
    server.delay = 0.1
    fetch("made", server.address, jobs=4)
    assert contents(data) == FILES
    assert 2 <= server.most_at_once <= 4


def test_one_job_downloads_one_file_at_a_time(data: Path, server: Server) -> None:
    server.delay = 0.02
    fetch("made", server.address + "/", jobs=1)
    assert server.most_at_once == 1


def test_files_that_are_there_are_not_downloaded_again_and_an_edited_one_is(data: Path, server: Server) -> None:
    fetch("made", server.address)
    (data / LARGE).write_bytes(b"edited")
    server.asked.clear()
    fetch("made", server.address)
    assert [name for name, _ in server.asked] == [LARGE]
    assert contents(data) == FILES


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_file_is_resumed_where_the_server_allows_and_restarted_elsewhere(
    data: Path, server: Server, ranges: bool
) -> None:
    server.ranges = ranges
    part = data / (LARGE + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES[LARGE][:4000])
    fetch("made", server.address)
    assert (LARGE, "bytes=4000-") in server.asked
    assert server.sent == sum(map(len, FILES.values())) - (4000 if ranges else 0)
    assert contents(data) == FILES


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(
    data: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "CHUNK", 100)
    server.break_off.add(LARGE)
    fetch("made", server.address)
    assert (LARGE, f"bytes={len(FILES[LARGE]) // 2}-") in server.asked
    assert contents(data) == FILES


@pytest.mark.parametrize("size", [4000, 50_000])
def test_a_part_file_of_other_content_is_thrown_away(data: Path, server: Server, size: int) -> None:
    part = data / (LARGE + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * size)
    fetch("made", server.address)
    assert contents(data) == FILES


def test_a_wrong_file_is_named_with_both_digests_and_the_others_stay(data: Path, server: Server) -> None:
    server.files[LARGE] = b"something else"
    with pytest.raises(DataError) as caught:
        fetch("made", server.address)
    message = str(caught.value)
    for part in (LARGE, hashlib.sha256(FILES[LARGE]).hexdigest(), hashlib.sha256(b"something else").hexdigest(), "again"):
        assert part in message
    assert "\n" not in message
    assert contents(data) == {name: content for name, content in FILES.items() if name != LARGE}
    assert not is_fetched("made")


def test_a_truncated_file_of_a_mirror_is_an_error_and_has_no_final_name(data: Path, mirror: Path) -> None:
    (mirror / LARGE).write_bytes(FILES[LARGE][:100])
    with pytest.raises(DataError, match=r"file 6.bin is truncated or wrong: expected sha256 .* got .* \(100 bytes\)"):
        fetch("made", str(mirror))
    assert LARGE not in contents(data)
    (mirror / LARGE).write_bytes(FILES[LARGE])
    fetch("made", str(mirror))
    assert contents(data) == FILES


def test_a_dataset_fetched_before_is_no_longer_fetched_once_a_file_is_found_wrong(data: Path, mirror: Path) -> None:
    fetch("made", str(mirror))
    (data / LARGE).unlink()
    (mirror / LARGE).unlink()
    with pytest.raises(DataError, match="file 6.bin is not in the mirror"):
        fetch("made", str(mirror))
    assert not is_fetched("made")


def test_a_file_that_the_server_lacks_is_named_with_its_status(data: Path, server: Server) -> None:
    del server.files[LARGE]
    with pytest.raises(DataError, match="file%206.bin answered 404"):
        fetch("made", server.address)
    assert len(contents(data)) == len(FILES) - 1


def test_a_source_without_any_right_file_is_given_up_early(data: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "HOPELESS", 2)
    server.files.clear()
    with pytest.raises(DataError, match="answered 404"):
        fetch("made", server.address, jobs=1)
    assert len(server.asked) < len(FILES)


def test_a_server_that_is_not_there_is_one_line(data: Path) -> None:
    with pytest.raises(
        BenchmarkError, match=r"cannot be downloaded \(.*refused.*\): check the network or give --mirror"
    ) as caught:
        fetch("made", "http://127.0.0.1:9", jobs=1)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_and_leaves_no_half_file(data: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, part: Path) -> None:
        part.write_bytes(source.read_bytes()[:10])
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(downloading.shutil, "copyfile", full)
    with pytest.raises(BenchmarkError, match=f"{data}: No space left on device: free space there"):
        fetch("made", str(mirror))
    assert all(name.endswith(".part") for name in contents(data))
    assert not is_fetched("made")


def test_a_mirror_that_is_no_folder_is_named(data: Path) -> None:
    with pytest.raises(BenchmarkError, match="mirror '/nowhere' is neither a folder nor an http"):
        fetch("made", "/nowhere")


def test_opening_what_is_not_fetched_says_how_to_fetch_it(data: Path) -> None:
    with pytest.raises(NotFetchedError, match="made is not fetched: run `python -m benchmark fetch made`"):
        open_sources("made")


def test_opening_after_the_manifest_changed_asks_to_fetch_again(data: Path, mirror: Path) -> None:
    fetch("made", str(mirror))
    (fetching.DATASETS / "manifests" / "made.sha256").write_text(manifest_of({LARGE: FILES[LARGE]}))
    with pytest.raises(NotFetchedError, match="by another manifest"):
        open_sources("made")


def test_asking_whether_it_is_fetched_does_not_read_the_manifest(data: Path, mirror: Path) -> None:
    fetch("made", str(mirror))
    (fetching.DATASETS / "manifests" / "made.sha256").unlink()
    assert is_fetched("made")


def test_a_dataset_without_a_table_needs_no_files(data: Path) -> None:
    assert not needs_files("synthetic")
    assert is_fetched("synthetic")
    assert open_sources("synthetic").digest == fetch("synthetic").digest == ""


@pytest.mark.parametrize("line", ["nonsense", f"{'a' * 64}  ../../etc/passwd", f"{'a' * 64}  /etc/passwd"])
def test_a_manifest_line_that_is_not_a_file_of_the_folder_is_refused(data: Path, line: str) -> None:
    (fetching.DATASETS / "manifests" / "made.sha256").write_text(manifest_of(FILES) + line + "\n")
    with pytest.raises(DataError, match="made.sha256, line 7"):
        fetch("made")


def test_the_verb_offers_the_nearest_name() -> None:
    from benchmark.cli import fetch as verb

    with pytest.raises(UnknownNameError, match="did you mean 'soop'"):
        verb.run(argparse.Namespace(name="sooop", mirror=None, jobs=8))


# A folder that the user downloads as a whole


def test_a_found_folder_is_verified_by_its_own_manifest_and_what_is_not_read_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.toml").write_text('[whole]\nfound = "host/folder/"\nonly = ["a", "deep/"]\nget = "wget it"\n')
    monkeypatch.setattr("benchmark.data.fetching.DATASETS", tmp_path)
    with pytest.raises(NotFetchedError, match=r"host/folder/SHA256SUMS.txt is not there: `wget it` in .*/sources, then"):
        fetch("whole")
    folder = data_folder() / "sources" / "host" / "folder"
    contents = {"a.csv": b"1", "deep/b.dat": b"2", "other/c.dat": b"3"}
    folder.joinpath("deep").mkdir(parents=True)
    lines = [f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents.items()]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))
    for name in ("a.csv", "deep/b.dat"):
        (folder / name).write_bytes(contents[name])
    with pytest.raises(NotFetchedError, match="run `python -m benchmark fetch whole`"):
        open_sources("whole")
    fetch("whole")
    sources = open_sources("whole")
    assert sorted(sources.files) == ["host/folder/a.csv", "host/folder/deep/b.dat"]
    assert sources.path("host/folder/deep/b.dat").read_bytes() == b"2"
    (folder / "SHA256SUMS.txt").write_text("".join(lines[1:]))
    with pytest.raises(NotFetchedError, match="another manifest"):
        open_sources("whole")
