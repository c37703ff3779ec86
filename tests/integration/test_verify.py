"""`verify`: published cells are computed again, and what differs is named with its cause."""

from __future__ import annotations

import io
import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.cells.verification import differences
from benchmark.system import provenance
from tests.cells.test_stages import SHARING
from tests.made_benchmark import Done, MadeBenchmark


@pytest.fixture
def published(ran: MadeBenchmark) -> MadeBenchmark:
    """The made benchmark, its rows published, without its cells."""
    ran.cli("publish", *ran.options)
    for path in (ran.output / "results" / "cells").rglob("*split*.json"):
        path.unlink()
    return ran


def verify(made: MadeBenchmark, *words: str, code: int) -> Done:
    return made.cli("verify", *made.options, *words, code=code)


def row_file(made: MadeBenchmark, method: str) -> Path:
    return made.output / "results" / "reference" / "made" / "repeated-cv" / f"{method}.parquet"


def rewrite(path: Path, probabilities: np.ndarray, **meta: object) -> None:
    """Store a published row again with other predictions, and other words on what it rests on."""
    known = json.loads(pq.read_metadata(path).metadata[b"strokebench"])
    buffer = io.BytesIO()
    values = pa.table({"probability": probabilities})
    with pq.ParquetWriter(buffer, values.schema, store_schema=False) as writer:
        writer.write_table(values)
        writer.add_key_value_metadata({"strokebench": json.dumps({**known, **meta})})
    path.write_bytes(buffer.getvalue())


@pytest.mark.slow
def test_published_cells_give_the_same_bytes_again_and_the_report_is_signed(published: MadeBenchmark) -> None:
    before = published.cells()
    done = verify(published, "--sample", "3", "--seed", "5", "--row", "dicey", "--sign-off", "A. Reader", code=0)
    assert "3 of 3 cells gave the published bytes" in done.stdout
    report = Path(re.search(r"report: (.+)", done.stdout)[1])
    lines = report.read_text().splitlines(keepends=True)
    assert lines[0].startswith("# Verification of made-suite, ")
    assert lines[2].startswith("3 of 32 published cells, drawn with seed 5: 3 equal, 0 different, 0 not computed")
    assert sum(bool(re.match(r"- made/.+/dicey/\S+: equal \(published key [0-9a-f]{16}\)", line)) for line in lines) == 3
    assert lines[-2] == "Signed-off-by: A. Reader\n"
    assert lines[-1] == f"sha256 of the lines above: {sha256(''.join(lines[:-1]).encode()).hexdigest()}\n"
    assert published.cells() == before, "verifying wrote cells"


@pytest.mark.slow
def test_a_prediction_that_was_edited_is_found_with_its_size_and_cause(published: MadeBenchmark) -> None:
    path = row_file(published, "steady")
    values = pq.read_table(path).column("probability").to_numpy().copy()
    values[3] += 0.125
    rewrite(path, values)
    words = ["--row", "steady", "--protocol", "repeated-cv", "--sample", "20"]
    done = verify(published, *words, code=1)
    different = [line for line in done.stdout.splitlines() if ": different: " in line]
    assert len(different) == 1
    assert "largest difference 0.125, 1 cases: same code, data, libraries and seed: another processor" in different[0]
    assert "19 of 20 cells gave the published bytes" in done.stdout
    assert "Not signed off." in Path(re.search(r"report: (.+)", done.stdout)[1]).read_text()


@pytest.mark.slow
def test_another_threshold_is_a_difference_that_is_named_and_rows_of_another_question_are_not_drawn(
    published: MadeBenchmark,
) -> None:
    values = {name: pq.read_table(row_file(published, name)).column("probability").to_numpy() for name in ("steady", "blunt")}
    meta = json.loads(pq.read_metadata(row_file(published, "steady")).metadata[b"strokebench"])
    for split in meta["splits"].values():
        split["threshold"] = 0.75
    rewrite(row_file(published, "steady"), values["steady"], **meta)
    other = json.loads(pq.read_metadata(row_file(published, "blunt")).metadata[b"strokebench"])
    other["ingredients"]["threshold"] = "youden"
    rewrite(row_file(published, "blunt"), values["blunt"], **other)
    words = ["--row", "steady", "--row", "blunt", "--protocol", "repeated-cv", "--sample", "1", "--seed", "1"]
    done = verify(published, *words, code=1)
    assert ": different: largest difference 0, 0 cases: another threshold" in done.stdout
    left_out = "Not drawn from, because published for other splits or another question: made/repeated-cv/blunt."
    assert left_out in done.stdout
    assert left_out in Path(re.search(r"report: (.+)", done.stdout)[1]).read_text()


@pytest.mark.slow
def test_a_difference_beside_another_library_names_the_library(published: MadeBenchmark) -> None:
    path = row_file(published, "steady")
    meta = json.loads(pq.read_metadata(path).metadata[b"strokebench"])
    meta["ingredients"]["libraries"]["numpy"] = "1.0"
    for split in meta["splits"].values():
        split["key"] = "0" * 64
    rewrite(path, pq.read_table(path).column("probability").to_numpy() * 0.5, **meta)
    done = verify(published, "--row", "steady", "--protocol", "repeated-cv", "--sample", "1", code=1)
    assert f": published with numpy 1.0, {provenance.version('numpy')} here" in done.stdout


def test_what_differs_is_named_once_each() -> None:
    there = {"data": "a", "libraries": {"numpy": "1", "torch": "2"}, "method": "m"}
    here = {"data": "b", "libraries": {"numpy": "1", "torch": "3", "scipy": "1"}, "method": "m", "seed": 3}
    assert list(differences(there, here)) == [
        "published with other data",
        "published with scipy unused, 1 here",
        "published with torch 2, 3 here",
    ]
    assert list(differences(there, there)) == []


@pytest.mark.slow
def test_a_row_that_cannot_be_computed_is_said_and_ends_no_other(published: MadeBenchmark) -> None:
    published.edit("FAIL = False", "FAIL = True")
    done = verify(
        published, "--row", "blunt", "--row", "steady", "--protocol", "repeated-cv", "--sample", "25", "--seed", "1", code=1
    )
    assert ": not computed: failed: ValueError: blunt fails on purpose; published with other dataset code;" in done.stdout
    assert re.search(r"steady/\S+: equal", done.stdout)


@pytest.mark.slow
def test_a_stage_that_cannot_be_built_is_said_of_the_cells_that_need_it_alone(made: MadeBenchmark) -> None:
    sharing = SHARING.replace("BROKEN", "None")
    plugin = made.write("sharing.py", sharing.replace("BEGIN", "pass"))
    made.edit("ranked = [", 'ranked = ["sharing", ', made.suite)
    words = ["--plugin", str(plugin), "--protocol", "leave-one-site-out", "--method", "blunt", "--method", "sharing"]
    made.run(*words)
    made.cli("publish", *made.options, *words)
    made.cli("clean", *made.options, "--stages", "--yes")
    plugin.write_text(sharing.replace("BEGIN", "raise ValueError('no luck')"))
    rows = [*words[:4], "--row", "blunt", "--row", "sharing", "--sample", "6", "--seed", "1"]
    done = verify(made, *rows, code=1)
    assert re.search(r"blunt/\S+: equal", done.stdout) and not re.search(r"blunt/\S+: not computed", done.stdout)
    assert re.search(r"sharing/\S+: not computed: .*no luck", done.stdout)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sample", "0"], "error: --sample 0: give 1 or more"),
        (["--row", "stedy"], "error: unknown method 'stedy': did you mean 'steady'"),
        (["--seconds", "-1"], "error: no published cell took at most -1 s"),
        (["--sign-off", "a\nb"], "error: --sign-off: give a name on one line"),
    ],
)
def test_what_cannot_be_verified_is_one_line(published: MadeBenchmark, words: list[str], told: str) -> None:
    assert verify(published, *words, code=2).stderr.startswith(told)


def test_a_published_row_that_is_none_is_one_line(published: MadeBenchmark) -> None:
    row_file(published, "steady").write_bytes(b"PAR1nonsensePAR1")
    assert "is not a published row" in verify(published, code=2).stderr
