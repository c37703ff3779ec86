"""Answers that were paid for: each lies in a file of its own before it is counted, and is never asked for again.

The key of an answer is a digest of pictures, prompt, model, parameters, host, draft and attempt. The log beside the answers
says what was sent, to whom and when.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.learning.writers.endpoint import Answer
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import locked, safe, set_aside, store_error, write_private
from benchmark.system.locations import data_folder
from benchmark.system.provenance import digest

LOG = "sent.jsonl"


class Answers:
    """The answers of one model at one host."""

    def __init__(self, host: str, model: str) -> None:
        self.host, self.model = host, model
        self.folder = data_folder() / "answers" / safe(host) / safe(model)
        self._lock = threading.Lock()

    def key(self, request: Mapping[str, Any]) -> str:
        """The key of an answer to a request."""
        return digest([self.host, self.model, dict(request)])

    def get(self, key: str) -> Answer | None:
        """The answer that was kept; one that is torn is set aside, to be asked for again."""
        path = self._path(key)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            text, reason, tokens = held["text"], held["finish_reason"], held["tokens"]
            if held["key"] == key and held["check"] == digest([key, text, reason, tokens]):
                return Answer(text, reason, tokens)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        set_aside(path)
        return None

    def put(self, key: str, answer: Answer, request: Mapping[str, Any]) -> None:
        """Keep an answer: it lies on the disk when this returns."""
        tokens = dict(answer.tokens)
        held = {
            "key": key,
            "check": digest([key, answer.text, answer.finish_reason, tokens]),
            "text": answer.text,
            "finish_reason": answer.finish_reason,
            "tokens": tokens,
            "request": dict(request),
        }
        write_private(self._path(key), json.dumps(held, indent=1, sort_keys=True).encode())

    def log(self, **what: Any) -> None:
        """Add a line to the log, before the request that it speaks of goes out."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host": self.host, **what})
        path = self.folder / LOG
        try:
            with self._lock:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    os.write(descriptor, line.encode() + b"\n")
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise store_error("write", path, error) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Ask alone: two commands that asked at once would pay twice. Raises `BenchmarkError` where another one does."""
        from filelock import Timeout

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            lock = locked(self.folder / ".lock", timeout=0)
        except Timeout:
            raise BenchmarkError(f"another write-reports asks {self.model} at {self.host}: wait for it") from None
        with lock:
            yield

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
