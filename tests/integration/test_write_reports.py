"""`write-reports`: what is sent and what is not, faults, resumption, filters, fidelity, and rows that read the written set."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.preparation import load_cohort
from benchmark.learning.writers.endpoint import Endpoint, Parameters, address_of
from benchmark.system.locations import ROOT
from tests.made_benchmark import Done, MadeBenchmark
from tests.made_endpoint import GALLERY, Played, endpoint, honest
from tests.model_server import model_server

pytest.importorskip("openai", reason="the package openai is not installed (pip install openai)")

SMALL = "gallery[n=4]"
KEY = "sk-very-secret-0123456789"
CALLS = 4 * 4
"""Drafts of `SMALL` by one draft of each of four prompts."""


class Writing:
    """`write-reports` of the made gallery, in folders of its own."""

    def __init__(self, made: MadeBenchmark) -> None:
        self.made, self.plugin = made, made.write("gallery_plugin.py", GALLERY)
        self.name = "written"

    def words(self, url: str | None, *words: str, dataset: str = SMALL) -> list[str]:
        where = [] if url is None else ["--endpoint", url, "--model", "m"]
        return ["write-reports", "--dataset", dataset, "--plugin", str(self.plugin), *where, "--name", self.name, *words]

    def __call__(self, url: str | None, *words: str, dataset: str = SMALL, code: int | None = 0, **environment: str) -> Done:
        given = self.words(
            url, "--drafts", "1", "--prompts", "core-volume,aspects,lesion-areas,mass-effect", *words, dataset=dataset
        )
        return self.made.cli(*given, code=code, **environment)

    def cohort(self, dataset: str = SMALL) -> Any:
        return load_cohort(dataset, self.made.catalogue(self.plugin))

    def drafts(self, dataset: str = SMALL) -> Any:
        return self.cohort(dataset).report_sets[self.name]

    def files(self, *patterns: str) -> dict[str, bytes]:
        """What lies in the data folder, by path."""
        data = self.made.folder / "data"
        return {
            str(path.relative_to(data)): path.read_bytes()
            for part in patterns
            for path in sorted(data.glob(part))
            if path.is_file()
        }

    @property
    def sealed(self) -> dict[str, bytes]:
        return self.files("written/**/*")


@pytest.fixture
def write(made: MadeBenchmark) -> Writing:
    return Writing(made)


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The addresses that this process connects to or looks up."""
    used: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def counted(self: socket.socket, address: Any) -> None:
        used.append(address)
        connect(self, address)

    def looked_up(host: Any, *rest: Any, **more: Any) -> Any:
        used.append(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", counted)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    yield used


def test_every_draft_is_written_and_a_row_reads_it(write: Writing) -> None:
    with endpoint() as played:
        done = write(played.url)
    assert len(played.seen) == CALLS
    assert "rows read it as [reports=written]" in done.stdout
    assert "0.0 % of 16 answers" in done.stdout
    drafts = write.drafts()
    assert [len(own) for own in drafts] == [4] * 4
    assert drafts[0][2].startswith("The lesion is left-sided.")
    card = json.loads(next(content for path, content in write.sealed.items() if path.endswith("card.json")))
    assert (card["model"], card["host"], card["writer"]) == ("m", "127.0.0.1", "model")
    assert card["prompts"].keys() == {"core-volume", "aspects", "lesion-areas", "mass-effect"}
    assert card["counts"]["tokens"] == {"prompt_tokens": 1600, "completion_tokens": 160}


def test_a_second_command_asks_nothing_and_changes_nothing(write: Writing) -> None:
    with endpoint() as played:
        write(played.url)
        before = write.sealed
        write(played.url)
    assert len(played.seen) == CALLS
    assert write.sealed == before


def test_a_request_holds_the_prompt_and_the_pictures_and_nothing_of_the_case(write: Writing) -> None:
    with endpoint() as played:
        write(played.url, OPENAI_ORG_ID="our-hospital", OPENAI_CUSTOM_HEADERS="X-Mine: 1", OPENAI_API_KEY=KEY)
    for headers, body in played.seen:
        assert body.keys() == {"messages", "model", "max_tokens", "temperature", "top_p", "seed"}
        assert (body["max_tokens"], body["temperature"], body["top_p"]) == (250, 0.7, 0.8)
        assert "patient-" not in json.dumps(body)
        assert [part["type"] for part in body["messages"][0]["content"]] == ["text"] + ["image_url"] * 6
        assert set(headers) <= {
            "host", "accept", "accept-encoding", "connection", "content-type", "content-length",
        }  # fmt: skip


FAULTS = ("429", "500", "slow", "cut", "malformed", "torn")


def asked(write: Writing, played: Played, concurrency: int = 2) -> tuple[Any, Endpoint]:
    """The drafts of `SMALL` by the engine's own functions, with short pauses."""
    from benchmark.learning.writers.answers import Answers
    from benchmark.learning.writers.pictures import rule_of
    from benchmark.learning.writers.prompts import read_lists, read_prompts
    from benchmark.learning.writers.writing import job_of

    cohort, names = write.cohort(), ["core-volume", "aspects", "lesion-areas", "mass-effect"]
    job = job_of(
        cohort, rule_of(cohort, None), None, prompts=read_prompts(None, names), lists=read_lists(None, names),
        answers=Answers("127.0.0.1", "m"), drafts=1,
    )  # fmt: skip
    patience = 1.0 if "slow" in played.faults.values() else 60.0
    model = Endpoint(address_of(played.url, None), "m", Parameters(), timeout=patience, pause=0.01)
    return job.write(model, concurrency), model


@pytest.mark.parametrize("fault", FAULTS)
def test_no_draft_is_lost_to_a_fault_and_none_is_paid_for_twice(write: Writing, fault: str) -> None:
    with endpoint(faults={2: fault, 5: fault, 6: fault}) as played:
        written, model = asked(write, played)
    assert [len(own) for own in written.reports] == [4] * 4
    assert len(played.answered) == len(set(played.answered)) == CALLS
    if fault == "cut":
        assert written.counts()["filtered"] != {} and written.counts()["answers"] == CALLS + 3
    else:
        assert sum(model.retried.values()) == 3


def test_the_drafts_are_the_same_whatever_went_wrong_on_the_way(write: Writing, tmp_path: Path) -> None:
    other = Writing(MadeBenchmark(tmp_path / "other"))
    with endpoint() as played:
        write(played.url, "--concurrency", "3")
    with endpoint(faults={1: "429", 3: "429", 4: "429"}) as played:
        other(played.url, "--concurrency", "1")
    assert write.sealed == other.sealed


def test_a_429_makes_all_threads_wait_as_long_as_it_says(write: Writing) -> None:
    with endpoint(faults={0: "429"}) as played:
        asked(write, played, concurrency=1)
    assert len(played.seen) == CALLS + 1


def test_no_more_requests_are_under_way_than_allowed(write: Writing) -> None:
    with endpoint(delay=0.02) as played:
        write(played.url, "--concurrency", "3")
    assert 1 < played.most_at_once <= 3


def test_an_endpoint_that_keeps_failing_ends_the_run_and_the_next_one_goes_on(write: Writing) -> None:
    with endpoint(faults=dict.fromkeys(range(6, 40), "no key")) as played:
        done = write(played.url, "--concurrency", "1", code=2)
    assert "127.0.0.1 answers 401" in done.stderr and "10 drafts are left" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not write.sealed
    with endpoint() as played:
        write(played.url)
    assert len(played.seen) == CALLS - 6


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_no_answer_that_was_kept_and_ends_in_the_same_bytes(write: Writing, tmp_path: Path) -> None:
    whole = Writing(MadeBenchmark(tmp_path / "whole"))
    with endpoint() as played:
        whole(played.url)
        write.cohort()  # prepared before, so that the time until the kill is spent on answers
        for moment in (3, 9):
            words = write.words(played.url, "--drafts", "1", "--prompts", "core-volume,aspects,lesion-areas,mass-effect")
            played.seen.clear()
            played.delay = 0.05
            process = subprocess.Popen(
                write.made.command(*words, "--concurrency", "2"),
                cwd=ROOT, env=write.made.environment, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            deadline = time.monotonic() + 300
            while len(played.seen) < moment and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert len(played.seen) >= moment
        kept = {json.loads(content)["key"] for content in write.files("answers/**/[0-9a-f]*.json").values()}
        assert kept
    with endpoint() as played:
        write(played.url)
    assert not {int(key[:7], 16) for key in kept} & set(played.seeds), "what was kept is asked for again"
    assert len(played.seen) == CALLS - len(kept)
    assert write.sealed == whole.sealed


def test_a_torn_answer_is_set_aside_and_asked_for_again(write: Writing) -> None:
    with endpoint() as played:
        write(played.url)
        path = next((write.made.folder / "data" / "answers").rglob("[0-9a-f]*.json"))
        path.write_bytes(path.read_bytes()[:40])
        before = write.sealed
        write(played.url)
    assert len(played.seen) == CALLS + 1
    assert path.with_name(path.name + ".torn").is_file()
    assert write.sealed == before


# What leaves this machine


@pytest.mark.parametrize(
    ("url", "words", "message"),
    [
        ("https://api.example.org/v1", (), "api.example.org is not this machine: nothing was sent"),
        ("https://api.example.org/v1", ("--allow-upload",), "--allow-upload names no host"),
        ("https://api.example.org/v1", ("--allow-upload", "example.org"), "the endpoint's host is 'api.example.org'"),
        ("http://127.0.0.1.example.org/v1", (), "is not this machine"),
        ("http://localhost.example.org/v1", (), "is not this machine"),
        ("http://0.0.0.0:8000/v1", (), "is not this machine"),
        ("http://2130706433/v1", (), "is not this machine"),
        ("http://127.1/v1", (), "is not this machine"),
        ("http://127.0.0.1@api.example.org/v1", (), "leave user, password and query out"),
        ("https://api.example.org/v1?key=1", (), "leave user, password and query out"),
        ("ftp://127.0.0.1/v1", (), "give a URL"),
        ("127.0.0.1:8000", (), "give a URL"),
    ],
)
def test_nothing_leaves_this_machine_unless_its_host_is_named_twice(
    write: Writing, sockets: list[Any], url: str, words: tuple[str, ...], message: str
) -> None:
    done = write(url, *words, code=2)
    assert message in done.stderr
    assert sockets == []


def test_localhost_that_resolves_elsewhere_is_not_this_machine(write: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(host: str, *rest: Any, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, 0)) for name in ("127.0.0.1", "198.51.100.7")]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    assert "localhost is not this machine" in write("http://localhost:9/v1", code=2).stderr


def test_localhost_is_asked_by_the_address_that_was_checked(write: Writing, sockets: list[Any]) -> None:
    with endpoint() as played:
        write(played.url.replace("127.0.0.1", "localhost"))
    assert {address[0] for address in sockets if isinstance(address, tuple)} == {"127.0.0.1"}


def test_proxies_of_the_environment_are_not_used(write: Writing, sockets: list[Any]) -> None:
    proxy = "http://198.51.100.7:3128"
    with endpoint() as played:
        write(played.url, HTTP_PROXY=proxy, http_proxy=proxy, ALL_PROXY=proxy, all_proxy=proxy, HTTPS_PROXY=proxy)
    assert {address[0] for address in sockets if isinstance(address, tuple)} == {"127.0.0.1"}


def test_a_redirect_is_not_followed(write: Writing, sockets: list[Any]) -> None:
    with endpoint(always="redirect") as played:
        done = write(played.url, "--concurrency", "1", code=2)
    assert "redirects to 198.51.100.7: nothing was sent there" in done.stderr
    assert {address[0] for address in sockets if isinstance(address, tuple)} == {"127.0.0.1"}


def test_a_dry_run_opens_no_socket_and_says_what_would_be_sent(write: Writing, sockets: list[Any]) -> None:
    url = "https://api.example.org/v1"
    done = write(url, "--dry-run", "--price-input", "1000000", "--price-output", "0")
    assert "16 calls (0 of 16 drafts are there)" in done.stdout and "nothing was sent" in done.stdout
    found = json.loads(write(url, "--dry-run", "--json", "--price-input", "1000000", "--price-output", "0").stdout)
    assert found["cost"] == found["text_tokens"] + found["image_tokens"]
    assert sockets == []
    with endpoint() as played:
        write(played.url)
    sent = sum(int(headers["content-length"]) for headers, _ in played.seen)
    assert found["bytes"] == pytest.approx(sent, rel=0.002)


def test_the_key_is_sent_where_it_is_named_and_stands_in_no_message_and_no_file(
    write: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with endpoint(faults={0: "no key", 1: "no key"}) as played:
        words = ("--key-from", "MY_KEY", "--concurrency", "1")
        told = [write(played.url, *words, *more, code=None, MY_KEY=KEY) for more in ((), ("--debug",), ())]
    assert [done.returncode for done in told][0::2] == [2, 0]
    assert {headers["authorization"] for headers, _ in played.seen} == {f"Bearer {KEY}"}
    assert "wrong key: Bearer [key]" in told[0].stderr
    assert "openai" in {record.name.partition(".")[0] for record in caplog.records}, "the client's own log was looked at"
    assert KEY not in "".join(done.stdout + done.stderr for done in told) + caplog.text
    assert not [path for path, content in write.files("**/*").items() if KEY.encode() in content]


def test_a_key_in_place_of_a_variable_is_refused_without_being_repeated(write: Writing, sockets: list[Any]) -> None:
    done = write("http://127.0.0.1:9/v1", "--key-from", KEY, code=2)
    assert "takes the name of an environment variable" in done.stderr
    assert KEY not in done.stderr
    assert sockets == []


def test_the_log_says_what_was_sent_before_it_goes_out(write: Writing) -> None:
    with endpoint(faults={0: "no images"}) as played:
        write(played.url, "--concurrency", "1", code=2)
    (line,) = [json.loads(line) for line in write.files("answers/**/sent.jsonl").popitem()[1].splitlines()]
    assert (line["host"], line["case"], line["prompt"], line["view"]) == ("127.0.0.1", "patient-0000", "core-volume", "scan")
    assert line["bytes"] == pytest.approx(int(played.seen[0][0]["content-length"]), rel=0.002)


def test_a_model_that_takes_no_images_ends_the_run_at_once_with_a_clear_line(write: Writing) -> None:
    with endpoint(always="no images") as played:
        done = write(played.url, "--concurrency", "1", code=2)
    assert "the model 'm' at 127.0.0.1 takes no images" in done.stderr
    assert len(played.seen) == 1


# What is kept of answers


BAD = {
    "empty": "  \n",
    "too long": "There is an infarct core of 12 ml in the left frontal lobe. " * 1000,
    "markup": "**Infarct core**: the volume is 12 ml in the left lobe.",
    "another language": "El volumen del infarto es de unos 12 ml en el lóbulo frontal izquierdo.",
    "identity": "The infarct core of Mr Smith is about 12 ml in the left lobe.",
    "assistant": "As an AI, I believe that the infarct core is about 12 ml.",
    "white list": "There is something bright on the left of the second picture.",
    "not text": "The infarct core is \ud800 about 12 ml.",
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_answer_is_asked_for_again_then_dropped_with_its_reason(write: Writing, reason: str) -> None:
    with endpoint(answer=lambda body: BAD[reason]) as played:
        done = write(played.url, "--prompts", "core-volume", "--attempts", "2", code=1)
    assert len(played.seen) == 8
    assert len(set(played.seeds)) == 8, "each attempt is drawn anew"
    assert f"dropped      4 of 4 drafts: {reason} 4; 4 cases are left without any" in done.stdout
    assert f"100.0 % of 8 answers: {reason} 8" in done.stdout


def test_a_bad_answer_is_made_good_by_the_next_one(write: Writing) -> None:
    def sometimes(body: dict[str, Any]) -> str:
        return honest(body) if body["seed"] % 2 else "I cannot say."

    with endpoint(answer=sometimes) as played:
        done = write(played.url, "--attempts", "8")
    assert [len(own) for own in write.drafts()] == [4] * 4
    odd = [seed for seed in played.seeds if seed % 2 == 0]
    assert f"of {len(played.seen)} answers: assistant {len(odd)}" in done.stdout


def test_other_lists_filter_the_answers_anew_and_ask_only_for_what_they_drop(write: Writing, tmp_path: Path) -> None:
    from benchmark.learning.writers.prompts import FOLDER

    own = tmp_path / "prompts"
    own.mkdir()
    for path in FOLDER.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    with endpoint() as played:
        write(played.url, "--prompt-folder", str(own))
        (own / "lists.toml").write_text('[black]\nmine = ["slight"]\n')
        done = write(played.url, "--prompt-folder", str(own), "--replace", "--attempts", "2")
    assert len(played.seen) == CALLS + 4, "one more attempt at each draft on mass effect"
    assert "dropped      4 of 16 drafts: mine 4" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Describe the infarct.", "has no placeholder {images}"),
        ("Describe {images} of {patient}.", "unknown placeholder {patient}"),
        ("Describe {images", "cannot be read"),
        ("Look at {images} and give the modified Rankin score.", ""),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(
    write: Writing, tmp_path: Path, sockets: list[Any], text: str, message: str
) -> None:
    (tmp_path / "own.txt").write_text(text)
    done = write(
        "http://127.0.0.1:9/v1", "--prompt-folder", str(tmp_path), "--prompts", "own", "--dry-run", code=2 if message else None
    )
    assert message in done.stderr
    assert sockets == []


def test_the_prompt_for_the_nihss_is_refused_where_the_label_is_made_of_it(write: Writing) -> None:
    url, ours = "http://127.0.0.1:9/v1", "gallery[label=nihss,n=4]"
    done = write(url, "--dry-run", "--prompts", "nihss", dataset=ours, code=2)
    assert "prompt nihss asks for nihss, which the label is made of" in done.stderr
    done = write.made.cli(*write.words(url, "--dry-run", "--drafts", "1", dataset=ours))
    assert "prompt nihss is left out" in done.stdout and "x 4 prompts x" in done.stdout
    done = write.made.cli(*write.words(url, "--dry-run", "--drafts", "1"))
    assert "x 5 prompts x" in done.stdout


def test_answers_that_speak_of_the_label_are_found(write: Writing) -> None:
    with endpoint(answer=lambda body: "The infarct core is about 12 ml and the outcome is likely death.") as played:
        done = write(played.url, "--prompts", "core-volume")
    assert "warning: reports speak of what the label is made of: 'death' in 4, 'outcome' in 4" in done.stdout


# Cohorts


def test_a_dataset_without_images_is_refused_before_anything_is_asked(write: Writing, sockets: list[Any]) -> None:
    done = write("http://127.0.0.1:9/v1", dataset="gallery[imaged=False,n=4]", code=2)
    assert "has no images: there is nothing to show a model" in done.stderr
    assert "reports are judged by the mask" in write("http://127.0.0.1:9/v1", "--view", "mask", code=2).stderr
    assert sockets == []


def test_without_a_mask_the_drafts_are_not_judged_and_that_is_said(write: Writing) -> None:
    with endpoint() as played:
        done = write(played.url, dataset="gallery[masked=False,n=4]")
    assert "there is no lesion mask: whether the drafts are true of the image is not known" in done.stdout


def test_measured_text_is_true_throughout_and_its_exchange_is_not(write: Writing) -> None:
    judged = json.loads(write(None, "--judge", "wording", "--json", dataset="gallery").stdout)["fidelity"]["against_mask"]
    assert (judged["volume"]["true"], judged["side"]["true"], judged["aspects"]["true"]) == (1, 1, 1)
    assert (judged["territories"]["precision"], judged["territories"]["recall"]) == (1, 1)
    from benchmark.learning.writers.fidelity import judged as judge
    from benchmark.learning.writers.fidelity import truths

    cohort = write.cohort("gallery")
    moved = judge(cohort.reports[1:] + cohort.reports[:1], truths(cohort), cohort.atlas.names)["against_mask"]
    assert moved["volume"]["true"] < 0.6 and moved["side"]["true"] < 0.6 and moved["territories"]["precision"] < 0.6


def test_no_digest_of_a_cohort_and_no_other_row_changes_by_a_written_set(write: Writing) -> None:
    from tests.cells.test_planning import describe

    catalogue = write.made.catalogue(write.plugin)
    before, names = write.cohort(), ("vdafm", "text-net", "text-net[reports=written]")
    plain = {name: describe(SMALL, name, before, catalogue) for name in names}
    with endpoint() as played:
        write(played.url)
    after = write.cohort()
    assert (after.task_digest, after.content_digest) == (before.task_digest, before.content_digest)
    rows = {name: describe(SMALL, name, after, catalogue) for name in names}
    for name in ("vdafm", "text-net"):
        assert rows[name].ingredients == plain[name].ingredients
    assert "`write-reports` makes further ones" in plain[names[2]].not_applicable
    assert rows[names[2]].not_applicable == ""
    assert rows[names[2]].ingredients["reports"].keys() == {"written"}


@pytest.mark.slow
def test_a_row_learns_from_the_written_set_on_a_cohort_that_had_no_reports(write: Writing) -> None:
    dataset = "gallery[text=False]"
    suite = write.made.write(
        "reports-suite.toml",
        f'title = "Reports"\ndatasets = ["{dataset}"]\nprotocols = ["repeated-cv"]\n'
        'ranked = ["text-net", "text-net[reports=written,epochs=2]", "lesion-volume"]\n',
    )
    words = ["--suite", str(suite), "--plugin", str(write.plugin), "--no-sync", "--in-process", "--seeds", "39"]
    refused = write.made.cli("run", *words).stdout
    assert "text-net is not applicable: gallery[text=False] has no text" in refused
    assert "unknown set of reports 'written': known: wording; `write-reports` makes further ones" in refused
    with endpoint() as played:
        write(played.url, dataset=dataset)
    done = write.made.cli("run", *words)
    assert "text-net is not applicable" in done.stdout
    assert "text-net[epochs=2,reports=written] is not applicable" not in done.stdout
    assert "5 of 10 cells to compute" in done.stdout


def test_cases_without_a_draft_have_no_text_in_that_set(write: Writing) -> None:
    from tests.cells.test_planning import describe

    with endpoint(answer=lambda body: honest(body) if body["seed"] % 3 else "") as played:
        write(played.url, "--prompts", "core-volume", "--attempts", "1", dataset="gallery", code=1)
    cohort = write.cohort("gallery")
    lacking = [not drafts for drafts in cohort.report_sets["written"]]
    assert 0 < sum(lacking) < 30
    assert (~cohort.reading("written").having("text")).tolist() == lacking
    row = describe("gallery", "text-net[reports=written]", cohort, write.made.catalogue(write.plugin))
    assert row.not_applicable == f"of 30 cases {sum(lacking)} have no text, and the method needs every case's"


def test_a_set_of_other_images_is_not_offered_and_kept_answers_make_it_anew(write: Writing) -> None:
    with endpoint() as played:
        write(played.url)
        edited = write.plugin.read_text().replace('source_digest="gallery-1"', 'source_digest="gallery-2"')
        write.plugin.write_text(edited)
        assert "written" not in write.cohort().report_sets
        write(played.url)
    assert len(played.seen) == CALLS
    assert [len(own) for own in write.drafts()] == [4] * 4


def test_another_set_of_a_name_is_refused_unless_it_is_to_be_replaced(write: Writing) -> None:
    with endpoint() as played:
        write(played.url)
        done = write(played.url, "--prompts", "aspects", code=2)
        assert "has another set of reports 'written'" in done.stderr
        write(played.url, "--prompts", "aspects", "--replace")
    assert len(played.seen) == CALLS, "its answers were there"
    assert [len(own) for own in write.drafts()] == [1] * 4
    write.name = "wording"
    assert "has a set of that name by itself" in write("http://127.0.0.1:9/v1", code=2).stderr


def test_a_damaged_set_leaves_every_other_row_alone_and_says_what_to_do(write: Writing) -> None:
    from tests.cells.test_planning import describe

    with endpoint() as played:
        write(played.url)
    path = next((write.made.folder / "data" / "written").rglob("reports.json"))
    path.write_bytes(path.read_bytes()[:-3])
    catalogue, cohort = write.made.catalogue(write.plugin), write.cohort()
    assert describe(SMALL, "text-net", cohort, catalogue).not_applicable == ""
    assert "is damaged: make it anew" in describe(SMALL, "text-net[reports=written]", cohort, catalogue).not_applicable


# The learned writer


@pytest.mark.slow
def test_the_learned_writer_learns_from_the_pool_alone_and_writes_what_it_sees(write: Writing) -> None:
    from benchmark.data.stages import stored_stages

    dataset = "gallery[n=20,pool=70]"
    write.name = "learned"
    done = json.loads(write(None, "--writer", "learned", "--drafts", "2", "--json", dataset=dataset).stdout)
    (stage,) = [stage for stage in stored_stages() if stage.owner == "learned"]
    cohort = write.cohort(dataset)
    assert set(stage.cases_seen) == set(cohort.pool.case_ids.tolist())
    assert not set(stage.cases_seen) & set(cohort.case_ids.tolist())
    assert [len(own) for own in cohort.report_sets["learned"]] == [8] * 20
    against = done["fidelity"]["against_mask"]
    assert against["side"]["true"] > 0.9, "the bright lesion's side is plain to see"
    assert 0 < against["volume"]["true"] < 1, "it makes mistakes"
    before = write.sealed
    write(None, "--writer", "learned", "--drafts", "2", dataset=dataset)
    assert write.sealed == before


def test_the_learned_writer_is_refused_without_a_pool(write: Writing) -> None:
    assert "learns on a pool" in write(None, "--writer", "learned", code=2).stderr


# A real server


def test_a_real_text_only_server_answers_words_and_refuses_images_with_a_clear_line(write: Writing, tmp_path: Path) -> None:
    with model_server(tmp_path) as url:
        model = Endpoint(address_of(url, None), "tiny", Parameters(max_tokens=4), timeout=30.0)
        answer = model.ask("Say something.", [], 1)
        done = write(url, code=2)
    assert answer.finish_reason == "length" and answer.tokens["completion_tokens"] == 4
    assert "the model 'm' at 127.0.0.1 takes no images (Error code: 500 - image input is not supported" in done.stderr
    assert "16 drafts are left" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
