"""The fault campaign: what is written survives kills, damage, full disks, rivals, sick workers and servers, and a wrong clock.

    make faults                      # or: python -m tools.faults [--scale F] [--only KIND] [--folder DIR] [--write FILE]

Each trial does harm to a small benchmark of its own, then goes on with the same commands until they are done, and compares with
what they give undisturbed. A trial that ended is kept (`trials.jsonl` in the folder), so the same command goes on where it was.
What counts of a trial: finished results that were lost, numbers that are wrong, and bytes that differ in the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmark.data.fetching import read_manifest
from benchmark.system.files import LIST
from benchmark.system.locations import ROOT, data_folder

SECONDS = 300
FETCHED = "estonian-stroke"
"""The dataset that is fetched, from this machine's own source files; left out where they are not here."""
PLUGIN = """
from dataclasses import dataclass
import ctypes, threading, time
import numpy as np
import pandas as pd
from benchmark import Cohort, ImageView, register_dataset, register_method, stage


@register_dataset("faulty", title="Faulty", source="made", license="CC0", citation="none", label="good",
                  label_time="later", positive="good", negative="poor", site="hospital",
                  inputs={"table": "x and z", "image": "a square"}, barred={}, scope="Made for faults.",
                  modalities={"table", "image"}, cases=60, sites=3)
@dataclass(frozen=True)
class Faulty:
    def build(self, sources):
        rng = np.random.default_rng(1)
        x, z = rng.normal(size=(2, 60))
        voxels = rng.integers(0, 256, (60, 1, 8, 8, 8), dtype=np.uint8)
        return Cohort(name="faulty", case_ids=[f"case-{i}" for i in range(60)], labels=(x + 0.5 * z > 0).astype(int),
                      sites=np.array(["North", "South", "West"])[np.arange(60) % 3], table=pd.DataFrame({"x": x, "z": z}),
                      images={"scan": ImageView(voxels)}, source_digest="faulty-1")


class Row:
    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-self.slope * cases.table["x"].to_numpy() - 0.1 * self.noise))


@register_method("plain", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Plain(Row):
    lean: float = 1.0
    pause: float = 0.05

    def search_space(self):
        return {"lean": [0.0, 0.5, 1.0, 1.5]}

    def fit(self, train, validation, seed):
        time.sleep(self.pause)
        self.slope, self.noise = self.lean * train.table["x"].std(), np.random.default_rng(seed).normal()


@register_method("seeing", family="made", reference="none", fit_modalities={"table", "image"},
                 predict_modalities={"table", "image"})
@dataclass
class Seeing(Row):
    def fit(self, train, validation, seed):
        self.slope, self.noise = train.images["scan"].load().mean() / 100, np.random.default_rng(seed).normal()


@register_method("staged", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Staged(Row):
    head: int = 1

    @stage(sees={"train"}, fields=())
    def pretraining(self, seen, seed):
        time.sleep(0.1)
        return {"drawn": np.random.default_rng(seed).normal(size=1000), "mean": np.array([seen.train.table["x"].std()])}

    def fit(self, train, validation, seed):
        kept = self.stages["pretraining"]
        self.slope, self.noise = self.head * float(kept["mean"][0]), float(kept["drawn"][0])


@register_method("sick", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Sick(Row):
    by: str = "segfault"

    def fit(self, train, validation, seed):
        if self.by == "segfault":
            ctypes.string_at(0)
        if self.by == "hang":
            time.sleep(600)
        if self.by == "leak":
            held = []
            while True:
                held.append(np.ones(2**22))
        if self.by == "threads":
            threads = [threading.Thread(target=time.sleep, args=[0.5]) for _ in range(500)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        self.slope, self.noise = 1.0, 0.0
"""
SUITE = """title = "Faults"
datasets = ["faulty"]
protocols = ["holdout", "leave-one-site-out"]
ranked = ["plain", "seeing", "staged", "staged[head=2]"]

[limits]
seconds = 20
memory_gib = 2
"""


@dataclass
class Trial:
    """One harm and what came of it: `lost` results, `wrong` numbers, and whether the bytes are `equal` in the end."""

    kind: str
    number: int
    what: str
    kills: int = 0
    lost: int = 0
    wrong: int = 0
    equal: bool = True
    seconds: float = 0.0
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, wrong or different."""
        return self.equal and not self.lost and not self.wrong and not self.note


class Bench:
    """A small benchmark in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.output, self.data = folder / "output", folder / "data"
        self.plugin, self.suite = folder / "faulty_plugin.py", folder / "faults.toml"
        for path, content in ((self.plugin, PLUGIN), (self.suite, SUITE)):
            path.write_text(content, encoding="utf-8")

    @property
    def results(self) -> Path:
        """Its results folder."""
        return self.output / "results"

    def words(self, verb: str, *more: str) -> list[str]:
        """A command."""
        chosen = [] if verb == "fetch" else ["--suite", str(self.suite), "--plugin", str(self.plugin)]
        return [sys.executable, "-m", "benchmark", verb, *more, *chosen]

    def start(self, verb: str, *more: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group."""
        own = {"STROKEBENCH_DATA": str(self.data), "STROKEBENCH_OUTPUT": str(self.output), "OMP_NUM_THREADS": "1"}
        kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        how = {"cwd": ROOT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        return subprocess.Popen(self.words(verb, *more), env={**kept, **own, **variables}, **how)  # type: ignore[call-overload, no-any-return]

    def do(self, verb: str, *more: str, **variables: str) -> tuple[int, str, str]:
        """Run a command to its end; returns code, output and errors."""
        child = self.start(verb, *more, **variables)
        try:
            output, errors = child.communicate(timeout=SECONDS)
        finally:
            kill_group(child)
        return child.returncode, output, errors

    def cells(self) -> dict[str, bytes]:
        """The deterministic line of every cell under its final name; `b"torn"` where the file is not whole."""
        found = {}
        for path in sorted((self.results / "cells").glob("*/*/*/*.json")):
            head, _, body = path.read_bytes().partition(b"\n")
            whole = hashlib.sha256(body).hexdigest().encode() in head
            found[str(path.relative_to(self.results))] = body.split(b"\n")[0] if whole else b"torn"
        return found

    def numbers(self) -> dict[str, bytes]:
        """All that must be the same bytes in the end: cells, the leaderboard, published rows, stages, prepared data."""
        files = [self.results / "faults.md", *self.results.glob("reference/*/*/*.parquet")]
        files += [*self.data.glob("stages/[!.]*/arrays.safetensors"), *self.data.glob("prepared/*/*/*.npy")]
        named = {str(path.relative_to(self.folder)): path.read_bytes() for path in sorted(files) if path.is_file()}
        return {**self.cells(), **named}


def can_fetch() -> bool:
    """Whether the source files that `fetch` is tried with are here."""
    return all((data_folder() / "sources" / name).is_file() for name in read_manifest(FETCHED)[0])


def kill_group(child: subprocess.Popen[str]) -> None:
    """Kill a command and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


HERE = ("--in-process", "--no-sync")
WORKERS = ("--jobs", "2", "--no-sync")
STEPS: dict[str, tuple[str, ...]] = {
    "run": ("run", *HERE),
    "stage": ("run", *HERE, "--method", "staged", "--method", "staged[head=2]"),
    "tune": ("tune", "plain", "--dataset", "faulty", "--trials", "3", "--protocol", "holdout", *HERE),
    "sync": ("sync",),
    "publish": ("publish",),
    "fetch": ("fetch", FETCHED, "--mirror", str(data_folder() / "sources")),
}
"""What is killed at random moments -> its command; each other time a run has workers."""
PREPARED = ("run", "tune", "publish", "sync", "stage")
"""The commands, in their order, that make what the trials begin with."""
KILLS = 9
"""Of one command in one trial."""


class Campaign:
    """All trials, each from one undisturbed state, and each kept when it ended."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder, self.scale = folder, scale
        self.log = folder / "trials.jsonl"
        self.clean = Bench(folder / "clean")
        self.took: dict[str, float] = {}

    def count(self, number: int) -> int:
        """So many trials at this scale, at least one."""
        return max(1, round(number * self.scale))

    def done(self) -> dict[tuple[str, int], Trial]:
        """The trials that ended; a line that was torn by a kill is none."""
        trials = {}
        for line in self.log.read_text().splitlines() if self.log.is_file() else ():
            with suppress(ValueError, TypeError):
                trial = Trial(**json.loads(line))
                trials[trial.kind, trial.number] = trial
        return trials

    def prepare(self) -> None:
        """Compute undisturbed what the trials are compared with, once."""
        mark = self.folder / "clean.json"
        if mark.is_file():
            self.took = json.loads(mark.read_text())
            return
        shutil.rmtree(self.clean.folder, ignore_errors=True)
        self.clean = Bench(self.folder / "clean")
        for name in (*["fetch"] * can_fetch(), *PREPARED):
            started = time.monotonic()
            code, output, errors = self.clean.do(*STEPS[name])
            if code:
                raise SystemExit(f"undisturbed {name}: code {code}\n{output}\n{errors}")
            self.took[name] = time.monotonic() - started
        self.clean.do("rank")
        mark.write_text(json.dumps(self.took))

    def trials(self) -> Iterator[tuple[str, int, Callable[[Trial, Bench, random.Random], None]]]:
        """Kind, number and harm of every trial."""
        for number in range(self.count(5)):
            for verb in self.took:
                yield f"SIGKILL of {verb}", number, _kills(verb, self.took)
        for number in range(self.count(3)):
            for what in DAMAGED:
                yield f"damaged {what}", number, _damage(what)
        for number in range(self.count(2)):
            yield "full disk", number, _full_disk
            yield "read-only disk", number, _read_only
            yield "two runs at once", number, _at_once(2)
            yield "four runs at once", number, _at_once(4)
            yield "clock set back", number, _clock
            for server in SERVERS:
                yield f"MLflow {server}", number, _server(server)
            for by in OUTCOMES:
                yield f"worker: {by}", number, _sick(by)

    def run(self, only: str = "") -> list[Trial]:
        """Do the trials that have not ended; returns all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        known, expected = self.done(), self.clean.numbers()
        for kind, number, harm in self.trials():
            if (kind, number) in known or only not in kind:
                continue
            trial = Trial(kind, number, "")
            place = self.folder / "trial"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(self.clean.folder, place)
            _rename(place, self.clean.folder)
            bench, started = Bench(place), time.monotonic()
            harm(trial, bench, random.Random(f"{kind} {number}"))
            _compare(trial, expected, bench.numbers())
            trial.seconds = round(time.monotonic() - started, 1)
            known[kind, number] = trial
            with self.log.open("a") as log:
                log.write(json.dumps(asdict(trial)) + "\n")
            print(f"{kind} {number}: {'good' if trial.good else 'BAD'} {trial.what} {trial.note}"[:200], flush=True)
        return list(known.values())


def _rename(place: Path, before: Path) -> None:
    """Have the members of a copied benchmark name its own files."""
    members = place / "output" / "results" / "members.json"
    members.write_text(members.read_text().replace(str(before), str(place)))


def _compare(trial: Trial, expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> None:
    """Count the numbers that are wrong, and see whether all is there with the same bytes."""
    wrong = [name for name, content in found.items() if name in expected and content != expected[name] and content != b"torn"]
    trial.wrong += len([name for name in wrong if name.endswith(".json")])
    missing = [name for name in expected if name not in found]
    trial.equal = not wrong and not missing and b"torn" not in found.values()
    if not trial.equal:
        trial.note += f" differs: {(wrong + missing)[:3]}"


def _settle(trial: Trial, bench: Bench, *commands: tuple[str, ...]) -> None:
    """Go on with commands until they are done."""
    for words in commands or (("run", *HERE), ("publish",)):
        code, output, errors = bench.do(*words)
        if code:
            trial.note += f" {words[0]} ended with {code}: {(errors or output).strip()[-200:]}"


def _kills(verb: str, took: Mapping[str, float]) -> Callable[[Trial, Bench, random.Random], None]:
    """Start anew, kill at random moments again and again, go on to the end."""

    def harm(trial: Trial, bench: Bench, drawn: random.Random) -> None:
        _make_anew(verb, bench)
        while trial.kills < KILLS:
            words = STEPS[verb]
            if trial.kills % 2 and "--in-process" in words:
                words = (*(word for word in words if word not in HERE), *WORKERS)
            before = bench.cells()
            child = bench.start(*words)
            with suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=drawn.uniform(0.2, 1.0) * took[verb])
            in_time = child.poll() is None
            kill_group(child)
            child.communicate()
            trial.kills += in_time
            now = bench.cells()
            trial.lost += sum(now.get(name) != content for name, content in before.items()) + list(now.values()).count(b"torn")
            if not in_time:  # it was done: once more from the beginning
                _make_anew(verb, bench)
        kept = bench.cells()
        _settle(trial, bench, STEPS[verb])
        trial.lost += sum(bench.cells().get(name) != content for name, content in kept.items())
        if verb == "sync" and _mirrored(bench) != _mirrored(Bench(bench.folder.parent / "clean")):
            trial.note += " MLflow holds other runs"
        _settle(trial, bench, ("run", *HERE), ("rank",))

    return harm


def _make_anew(verb: str, bench: Bench) -> None:
    for path in _made_by(verb, bench):
        shutil.rmtree(path)


def _made_by(verb: str, bench: Bench) -> list[Path]:
    """What a verb makes, to be made anew."""
    cells = bench.results / "cells" / "faulty"
    rows = {
        "run": [path for path in cells.glob("*/*") if path.is_dir() and "tuned" not in path.name],
        "stage": [*cells.glob("*/staged*"), bench.data / "stages"],
        "tune": [*cells.glob("*/*tuned*"), bench.results / "tuning"],
        "sync": [bench.results / "mlflow"],
        "publish": [bench.results / "reference"],
        "fetch": [bench.data / "sources", bench.data / "prepared" / FETCHED],
    }
    return [path for path in rows[verb] if path.exists()]


def _mirrored(bench: Bench) -> Counter[str]:
    """The rows that MLflow holds, each with how many living runs it has."""
    query = "SELECT t.value FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid WHERE t.key = 'strokebench.row' "
    with sqlite3.connect(bench.results / "mlflow" / "mlflow.db") as database:
        return Counter(value for (value,) in database.execute(query + "AND r.lifecycle_stage = 'active'"))


DAMAGED = {
    "cell": "output/results/cells/*/*/*/*.json",
    "task": "output/results/cells/*/*/task.json",
    "published row": "output/results/reference/*/*/*.parquet",
    "times of rows": "output/results/reference/*/*/seconds.json",
    "journal of a search": "output/results/tuning/*/*/*.journal",
    "draws": "output/results/drawn/*.json",
    "members": "output/results/members.json",
    "MLflow database": "output/results/mlflow/mlflow.db",
    "stage": "data/stages/[!.]*/arrays.safetensors",
    "list of a stage": f"data/stages/[!.]*/{LIST}",
    "prepared array": "data/prepared/faulty/*/*.npy",
    "list of a prepared cohort": f"data/prepared/faulty/*/{LIST}",
    "remembered components": "data/components/*.json",
}
"""What is torn or has a bit flipped -> where such files lie."""
ALONE = {"task": (), "published row": ("--no-local",), "times of rows": ("--no-local",), "draws": ()}
"""Of these a ranking is asked before anything is made anew: it gives the same figures, or refuses."""


def _damage(what: str) -> Callable[[Trial, Bench, random.Random], None]:
    """Tear a file or flip one of its bits, then compute a row anew that rests on it. What is refused is made anew as told."""

    def harm(trial: Trial, bench: Bench, drawn: random.Random) -> None:
        asked = ("rank", *ALONE.get(what, ()), "--json")
        before = bench.do(*asked)[1] if what in ALONE else ""
        path = drawn.choice(sorted(bench.folder.glob(DAMAGED[what])))
        content = bytearray(path.read_bytes())
        place = drawn.randrange(len(content))
        torn = drawn.random() < 0.5
        if torn:
            del content[place:]
        else:
            content[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(content)
        trial.what = f"{path.name}: {'torn at' if torn else 'a bit flipped in'} byte {place}"
        if what in ALONE:
            code, output, _ = bench.do(*asked)
            trial.wrong += code == 0 and output != before
        for row in (bench.results / "cells" / "faulty").glob("*/*"):
            if row.is_dir() and row.name.startswith(("staged", "seeing")):
                shutil.rmtree(row)
        more = {"MLflow database": "sync", "published row": "publish", "times of rows": "publish"}.get(what)
        named = [STEPS["tune"]] if what == "members" else []  # as told: rows that joined are named again
        for words in (("run", *HERE), *named, *([(more,)] if more else []), ("rank",)):
            for _ in range(3):
                code, output, errors = bench.do(*words)
                if "Traceback" in errors:
                    trial.note += f" traceback: {errors.strip()[-150:]}"
                if code == 0:
                    break
                _mend(trial, bench, path, (errors or output).strip())

    return harm


def _mend(trial: Trial, bench: Bench, path: Path, told: str) -> None:
    """Do what the one line says."""
    if "--prepared" in told or "--stages" in told:
        bench.do("clean", "--prepared", "--features", "--stages", "--yes")
        if can_fetch():
            bench.do(*STEPS["fetch"])
    elif path.exists() and ("delete" in told or "publish" in told or "git" in told or "mended" in told):
        path.unlink()
    else:
        trial.note += f" no mend is named: {told[-150:]}"


def _on_disk(trial: Trial, bench: Bench, size: str, harm: Callable[[Path], None]) -> None:
    """Compute on a small disk of memory; after the harm is undone, go on."""
    with small_disk(bench.folder / "disk", size) as disk:
        if disk is None:
            trial.what = "left out: a small disk needs the rights of root"
            return
        shutil.copytree(bench.output, disk / "output")
        for row in (disk / "output" / "results" / "cells" / "faulty").glob("*/*"):
            if row.is_dir() and "tuned" not in row.name:
                shutil.rmtree(row)
        bench.output = disk / "output"
        harm(disk)
        code, output, errors = bench.do("run", *HERE)
        told = errors.strip().splitlines()
        if code != 2 or len(told) != 1 or not told[0].startswith("error: "):
            trial.note += f" no single line: {code} {(errors or output).strip()[-200:]}"
        trial.what = told[-1].replace(str(bench.folder), "")[:120] if told else ""
        subprocess.run(["mount", "-o", "remount,rw,size=64m", str(disk)], check=True)
        (disk / "filler").unlink(missing_ok=True)
        _settle(trial, bench)
        shutil.rmtree(bench.folder / "output")
        shutil.copytree(disk / "output", bench.folder / "output")
        bench.output = bench.folder / "output"


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path | None]:
    """A file system in memory; None where this user may not mount one."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def _full_disk(trial: Trial, bench: Bench, drawn: random.Random) -> None:
    left = drawn.randrange(0, 64 * 1024)

    def fill(disk: Path) -> None:
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 4096)
        with (disk / "filler").open("r+b") as filler:
            filler.truncate(max((disk / "filler").stat().st_size - left, 0))

    _on_disk(trial, bench, "24m", fill)


def _read_only(trial: Trial, bench: Bench, drawn: random.Random) -> None:
    def close(disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    _on_disk(trial, bench, "64m", close)


def _at_once(count: int) -> Callable[[Trial, Bench, random.Random], None]:
    """Several runs into one folder: one computes, the others are refused with one line, and nothing is mixed."""

    def harm(trial: Trial, bench: Bench, drawn: random.Random) -> None:
        _make_anew("run", bench)
        _make_anew("stage", bench)
        runs = [bench.start("run", "--jobs", "1", "--no-sync") for _ in range(count)]
        ended = [(child.communicate(timeout=SECONDS)[1], child.returncode) for child in runs]
        refused = [errors for errors, code in ended if code == 2]
        if any("another run is writing" not in errors or errors.count("\n") != 1 for errors in refused):
            trial.note += f" {refused}"
        trial.what = f"{sum(code == 0 for _, code in ended)} computed, {len(refused)} refused"
        _settle(trial, bench)

    return harm


def _clock(trial: Trial, bench: Bench, drawn: random.Random) -> None:
    """After a second the clock of every process of a run goes back by a day; files are from tomorrow."""
    back = "import time\n_time, _start = time.time, time.time()\ntime.time = lambda: _time() - 86400 * (_time() > _start + 1)\n"
    (bench.folder / "site").mkdir()
    (bench.folder / "site" / "sitecustomize.py").write_text(back)
    cells = sorted(path for path in bench.results.glob("cells/*/*/*/*.json"))
    for path in cells:
        os.utime(path, (time.time() + 86400,) * 2)
    for path in drawn.sample(cells, len(cells) // 2):
        path.unlink()
    code, _, errors = bench.do("run", *WORKERS, PYTHONPATH=str(bench.folder / "site"))
    trial.note += f" {errors.strip()[-150:]}" if code else ""
    _settle(trial, bench, STEPS["run"], STEPS["tune"], ("rank",))


SERVERS = ("away", "slow", "answering 500")


def _server(kind: str) -> Callable[[Trial, Bench, random.Random], None]:
    """A tracking server that is sick: a run is as good, and `sync` ends soon with one line."""

    def harm(trial: Trial, bench: Bench, drawn: random.Random) -> None:
        for path in _made_by("run", bench)[:2]:
            shutil.rmtree(path)
        with tracking_server(kind) as address:
            sick = {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
            code, _, errors = bench.do("run", "--in-process", **sick)
            if code:
                trial.note += f" run ended with {code}: {errors.strip()[-150:]}"
            code, output, errors = bench.do("sync", **sick)
            told = (errors or output).strip()
            trial.what = told[:120]
            if told.count("\n") or "nothing is lost" not in told:
                trial.note += f" sync said {told[-150:]}"
        _settle(trial, bench)

    return harm


@contextmanager
def tracking_server(kind: str) -> Iterator[str]:
    """The address of a server that is sick in one of the ways of `SERVERS`."""

    class Sick(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if kind == "slow":
                time.sleep(5)
            with suppress(OSError):
                self.send_response(500)
                self.end_headers()

        do_POST = do_GET

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sick)
    address = f"http://127.0.0.1:{server.server_port}"
    if kind == "away":
        server.server_close()
        yield address
        return
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


OUTCOMES = {"segfault": "crashed", "hang": "timeout", "leak": "out-of-memory", "threads": "ok"}
"""What a worker does -> the outcome of its cell."""


def _sick(by: str) -> Callable[[Trial, Bench, random.Random], None]:
    """A sick worker beside good rows: its cell has its outcome, and the others are as they were."""

    def harm(trial: Trial, bench: Bench, drawn: random.Random) -> None:
        bench.suite.write_text(SUITE.replace("seconds = 20", "seconds = 8") if by == "hang" else SUITE)
        for path in _made_by("run", bench)[:2]:
            shutil.rmtree(path)
        name = f"sick[by={by}]"
        chosen = ("--method", name, "--method", "plain", "--protocol", "holdout", "--seeds", "39")
        bench.do("run", *WORKERS, *chosen)
        outcomes = {
            json.loads(path.read_text().split("\n")[1].removeprefix('"deterministic": ').removesuffix(","))["outcome"]
            for path in bench.results.glob("cells/*/*/sick*/*.json")
        }
        trial.what = f"{by}: {', '.join(sorted(outcomes))}"
        if outcomes != {OUTCOMES[by]}:
            trial.note += f" expected {OUTCOMES[by]}"
        for path in bench.results.glob("cells/*/*/sick*"):
            shutil.rmtree(path)
        with suppress(OSError):
            bench.do("clean", "--member", name if by != "segfault" else "sick")
        bench.suite.write_text(SUITE)
        _settle(trial, bench)
        _settle(trial, bench, ("rank",))

    return harm


def summary(trials: list[Trial]) -> list[str]:
    """The lines of a Markdown table: a row per kind, and all together."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(trial.kind, []).append(trial)
    lines = ["| harm | trials | of them kills in time | results lost | wrong numbers | not equal in the end | other faults |"]
    lines.append("|---|---|---|---|---|---|---|")
    for kind, there in [*kinds.items(), ("**all**", trials)]:
        sums = (len(there), sum(each.kills for each in there), sum(each.lost for each in there))
        more = (
            sum(each.wrong for each in there),
            sum(not each.equal for each in there),
            sum(bool(each.note) for each in there),
        )
        lines.append(f"| {kind} | {' | '.join(str(number) for number in (*sums, *more))} |")
    return lines


def main() -> int:
    """Exit code 0, or 1 where a trial is not good."""
    parser = argparse.ArgumentParser(description="Do harm to a small benchmark, and see what becomes of it.")
    parser.add_argument("--scale", type=float, default=1.0, help="how many trials, 1 for all (default: %(default)s)")
    parser.add_argument("--only", default="", help="only kinds whose name holds this")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "strokebench-faults")
    parser.add_argument("--write", type=Path, default=None, help="write the table into this file as well")
    options = parser.parse_args()
    campaign = Campaign(options.folder.resolve(), options.scale)
    trials = campaign.run(options.only)
    lines = summary(trials)
    print("\n".join(lines))
    for trial in trials:
        if not trial.good:
            print(f"BAD {trial.kind} {trial.number}: {trial.what}: lost {trial.lost}, wrong {trial.wrong}:{trial.note}")
    if options.write:
        options.write.write_text("\n".join(lines) + "\n")
    return 0 if all(trial.good for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main())
