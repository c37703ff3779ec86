"""A server of the OpenAI chat-completions protocol that plays faults, for the tests of `write-reports`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
TRUE = {
    "infarct core": "The infarct core measures roughly {seed} ml.",
    "ASPECTS": "The ASPECTS: 7, as far as is seen in the pictures.",
    "territories": "The lesion is left-sided. The left frontal territory is affected.",
    "mass effect": "There is slight mass effect on the left.",
    "NIHSS": "The NIHSS lies between 5 and 9.",
}


def honest(body: Body) -> str:
    """An answer to the prompt, a function of the request alone."""
    prompt = body["messages"][0]["content"][0]["text"]
    return next(text for words, text in TRUE.items() if words in prompt).format(seed=1 + body["seed"] % 40)


@dataclass
class Played:
    """What the server saw and what it plays.

    faults : the fault of the request with that number, counted from 0: "429", "500", "slow", "cut", "malformed", "torn",
        "redirect", "no images", "no key". answer : body -> the text of an answer.
    """

    faults: dict[int, str] = field(default_factory=dict)
    answer: Callable[[Body], str] = honest
    always: str = ""
    delay: float = 0.0
    seen: list[tuple[dict[str, str], Body]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seeds(self) -> list[int]:
        """The seeds of all requests."""
        return [body["seed"] for _, body in self.seen]


@contextmanager
def endpoint(**settings: Any) -> Iterator[Played]:
    """A running server on a free port of this machine."""
    played = Played(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with played.lock:
                number = len(played.seen)
                played.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                played.at_once += 1
                played.most_at_once = max(played.most_at_once, played.at_once)
            try:
                time.sleep(played.delay)
                self.play(played.faults.get(number, played.always), body)
            finally:
                with played.lock:
                    played.at_once -= 1

        def play(self, fault: str, body: Body) -> None:
            text = played.answer(body)
            whole = completion(text, "stop")
            match fault:
                case "":
                    self.send(200, whole)
                    with played.lock:
                        played.answered.append(body["seed"])
                case "429":
                    self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
                case "500":
                    self.send(500, {"error": {"message": "a fault of the server"}})
                case "slow":
                    time.sleep(1.5)
                    self.close_connection = True
                case "cut":
                    self.send(200, completion(text[: len(text) // 2], "length"))
                case "malformed":
                    self.send(200, b'{"choices": [{"mess')
                case "torn":
                    content = json.dumps(whole).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2])
                    self.close_connection = True
                case "redirect":
                    self.send(302, {}, {"Location": "http://198.51.100.7/v1/chat/completions"})
                case "no images":
                    self.send(500, {"error": {"message": "image input is not supported - hint: provide the mmproj"}})
                case "no key":
                    given = self.headers.get("Authorization", "nothing")
                    self.send(401, {"error": {"message": f"wrong key: {given}"}})

        def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: str, reason: str) -> Body:
    """A chat completion with one choice."""
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


GALLERY = '''\
"""A made dataset of volumes with lesion masks, an atlas and, unless it is asked for none, reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import LESION_VOLUME, Atlas, Cohort, ImageView, register_dataset
from benchmark.learning.writers.measurement import measure_voxels, write_topics

NAMES = ("frontal left", "frontal right")


@register_dataset("gallery", title="Gallery", source="made here", license="CC0", citation="none",
                  label="modified Rankin Scale of 0-2", label_time="90 days", positive="mRS 0-2", negative="mRS 3-6",
                  site="hospital", inputs={"image": "a scan and its lesion mask", "text": "measured"}, barred={},
                  scope="Made for tests.", modalities={"image", "text"},
                  variants={"label=nihss": {"label": "NIHSS below 7", "positive": "NIHSS 0-6", "negative": "NIHSS 7-42"}})
@dataclass(frozen=True)
class Gallery:
    """n cases and a pool of `pool`; the lesion is bright, on a side and of a size of its own."""

    n: int = 30
    pool: int = 0
    text: bool = True
    masked: bool = True
    imaged: bool = True
    label: str = "rankin"

    def build(self, sources):
        whole = self._view(0, self.n)
        labels = (np.arange(self.n) % 2).astype(np.int8)
        pool = self._view(self.n, self.pool) if self.pool else None
        return Cohort(**whole, labels=labels, pool=None if pool is None else Cohort(**pool), source_digest="gallery-1")

    def _view(self, first, n):
        atlas = np.zeros((8, 8, 8), np.uint8)
        atlas[:4], atlas[4:] = 2, 1
        rng = np.random.default_rng(first)
        masks = np.zeros((n, 1, 8, 8, 8), np.uint8)
        for i in range(n):
            x = 1 if i % 3 else 5
            masks[i, 0, x : x + 2, 2 : 3 + i % 4, 2 : 3 + i % 5] = 1
        scans = (rng.integers(20, 60, size=masks.shape) + 150 * masks).astype(np.uint8)
        atlas = Atlas(atlas, NAMES, 10.0)
        findings = [measure_voxels(np.flatnonzero(mask), atlas) for mask in masks]
        ids = [f"patient-{first + i:04d}" for i in range(n)]
        parts = {"name": "gallery", "case_ids": ids, "encoders": {}}
        if self.text:
            topics = write_topics(ids, findings)
            parts |= {"reports": topics, "encoders": {"text": "minilm"}}
        if self.imaged:
            parts["images"] = {"scan": ImageView(scans, scale=1 / 255, axes="LPS")}
        if self.imaged and self.masked:
            parts["images"]["mask"] = ImageView(masks, axes="LPS")
            parts["atlas"] = atlas
            parts["derived"] = pd.DataFrame([{LESION_VOLUME: one.volume_ml, **one.territories} for one in findings])
        return parts
'''
