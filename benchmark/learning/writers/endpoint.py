"""An endpoint that speaks the OpenAI chat-completions protocol with images, and what may be sent to it.

Nothing leaves this machine unless its host was named twice: in the endpoint and as the host that may be uploaded to. Proxies,
organisations and headers from the environment are not used, a redirect is not followed, and `localhost` is this machine only if
every address that it resolves to is; the request then goes to that address. A key comes from the environment variable that the
user names, and stands in no message and no file.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import os
import random
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from benchmark.system.errors import BenchmarkError

if TYPE_CHECKING:
    import openai

MOST_TRIES = 6
LONGEST_PAUSE = 60.0
LONGEST_ASKED_PAUSE = 900.0
"""Seconds of a `Retry-After` that are waited for at most; a longer one ends the run, which goes on later."""
HEADERS = frozenset(("host", "accept", "accept-encoding", "connection", "content-type", "content-length", "authorization"))
"""What is sent of headers; others tell of this machine, or come from its environment."""
NO_IMAGES = re.compile(
    r"(?=.*(image|vision|multimodal|mmproj))(?=.*(not support|unsupported|not enabled|does not|doesn't|only|invalid|mmproj))",
    re.IGNORECASE | re.DOTALL,
)
INSTALL = "pip install openai"


@dataclass(frozen=True)
class Address:
    """Where requests go: base URL, the host as the user named it, and whether that is this machine."""

    url: str
    host: str
    local: bool


@dataclass(frozen=True)
class Parameters:
    """How a model draws its answer; the source paper's values."""

    max_tokens: int = 250
    temperature: float = 0.7
    top_p: float = 0.8


@dataclass(frozen=True)
class Answer:
    """What a model answered, why it stopped, and the tokens that it counted (`prompt_tokens`, `completion_tokens`)."""

    text: str
    finish_reason: str
    tokens: Mapping[str, int] = field(default_factory=dict)


class Refused(BenchmarkError):
    """The endpoint will not answer, however often it is asked."""


def address_of(url: str, allowed: str | None) -> Address:
    """Where an endpoint is. Raises `BenchmarkError` unless it is this machine, or its host is the one that was `allowed`.

    No name but `localhost` is looked up, and nothing is sent.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BenchmarkError(f"--endpoint is no URL ({error}): give one such as http://127.0.0.1:8000/v1") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BenchmarkError("--endpoint: give a URL such as http://127.0.0.1:8000/v1 or https://host/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BenchmarkError("--endpoint: leave user, password and query out of the URL: a key comes from --key-from VARIABLE")
    if allowed is not None and allowed.lower() != host:
        named = f"'{allowed}'" if allowed else "no host"
        raise BenchmarkError(
            f"--allow-upload names {named}, and the endpoint's host is '{host}': name that one to send images to it"
        )
    here = _this_machine(host)
    if here is not None:
        shown = f"[{here}]" if ":" in here else here
        netloc = shown if port is None else f"{shown}:{port}"
        return Address(urlunsplit((parts.scheme, netloc, parts.path, "", "")), host, True)
    if allowed is None:
        raise BenchmarkError(
            f"{host} is not this machine: nothing was sent. --allow-upload {host} sends it the images of every case: ask first "
            "who may see them"
        )
    return Address(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), host, False)


def _this_machine(host: str) -> str | None:
    """The loopback address that a host is; None for every other host."""
    try:
        return host if ipaddress.ip_address(host).is_loopback else None
    except ValueError:
        pass
    if host != "localhost":
        return None
    found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    if not all(ipaddress.ip_address(name).is_loopback for name in found):
        return None
    return "127.0.0.1" if "127.0.0.1" in found else min(found)


def key_from(variable: str | None) -> str:
    """The key in an environment variable; empty where none is named. Raises `BenchmarkError`, which never holds the key."""
    if variable is None:
        return ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,60}", variable):
        raise BenchmarkError("--key-from takes the name of an environment variable, not the key itself")
    key = os.environ.get(variable, "").strip()
    if not key:
        raise BenchmarkError("--key-from: no environment variable of that name holds a key")
    if not key.isascii() or not key.isprintable():
        raise BenchmarkError(f"--key-from {variable}: its value holds characters that no key has")
    return key


def message_of(prompt: str, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """The one message of a request: the prompt, then the pictures as PNG; nothing else of the case."""
    shown = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(picture).decode()}"}}
        for picture in pictures
    ]
    return [{"role": "user", "content": [{"type": "text", "text": prompt}, *shown]}]


class Stopped(BenchmarkError):
    """Nothing more is asked, since another thread failed."""


class Endpoint:
    """A model at an address. Threads may ask it at once; all of them wait where it says that it is asked too often.

    timeout : seconds until a request is given up and asked again. pause : seconds before the first try after a failure.
    """

    def __init__(
        self,
        address: Address,
        model: str,
        parameters: Parameters,
        key: str = "",
        *,
        timeout: float = 120.0,
        pause: float = 1.0,
        tries: int = MOST_TRIES,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise BenchmarkError(
                f"write-reports asks a model through the package openai, which is not installed: {INSTALL}"
            ) from None
        self.address, self.model, self.parameters = address, model, parameters
        self.retried: dict[str, int] = {}
        self._key, self._pause, self._tries = key, pause, tries
        self._stopped, self._lock, self._until = threading.Event(), threading.Lock(), 0.0
        host = urlsplit(address.url).hostname

        def guard(request: Any) -> None:
            if request.url.host != host:
                raise Refused(f"a request to {request.url.host} was about to be sent: only {host} was allowed")
            for name in set(request.headers) - HEADERS:
                del request.headers[name]
            if not key:
                request.headers.pop("authorization", None)

        hooks: Any = {"request": [guard]}
        client = openai.DefaultHttpxClient(trust_env=False, follow_redirects=False, timeout=timeout, event_hooks=hooks)
        self._client: openai.OpenAI = openai.OpenAI(
            api_key=key or "none", base_url=address.url, max_retries=0, timeout=timeout, http_client=client
        )

    def stop(self) -> None:
        """Have waiting threads give up."""
        self._stopped.set()

    def ask(self, prompt: str, pictures: Sequence[bytes], seed: int) -> Answer:
        """The model's answer; asked again with growing pauses while the endpoint fails in a way that may pass.

        Raises `Refused` where it will not pass, and `BenchmarkError` where it did not pass in time.
        """
        why = ""
        for number in range(self._tries):
            self.wait()
            try:
                return self._once(prompt, pictures, seed)
            except _Passing as error:
                why = str(error)
                with self._lock:
                    self.retried[error.kind] = self.retried.get(error.kind, 0) + 1
                if number + 1 < self._tries:
                    self._hold(error.wait if error.wait is not None else self._next(number), error.wait is not None)
        raise BenchmarkError(f"{self.address.host} failed {self._tries} times in a row ({why})")

    def _next(self, number: int) -> float:
        return min(self._pause * 2.0**number, LONGEST_PAUSE) * random.uniform(0.8, 1.2)

    def _hold(self, seconds: float, everyone: bool) -> None:
        """Wait before the next try; all threads wait where the endpoint asked for it."""
        if seconds > LONGEST_ASKED_PAUSE:
            raise Refused(f"{self.address.host} asks to wait for {seconds:,.0f} s: run the same command after that")
        if everyone:
            with self._lock:
                self._until = max(self._until, time.monotonic() + seconds)
        elif self._stopped.wait(seconds):
            raise Stopped("stopped")

    def wait(self) -> None:
        """Return when the next request may go out. Raises `Stopped`."""
        while not self._stopped.is_set() and (left := self._until - time.monotonic()) > 0:
            self._stopped.wait(min(left, 1.0))
        if self._stopped.is_set():
            raise Stopped("stopped")

    def _once(self, prompt: str, pictures: Sequence[bytes], seed: int) -> Answer:
        with self._told():
            given: Any = self._client.chat.completions.create(
                model=self.model,
                messages=message_of(prompt, pictures),  # type: ignore[arg-type]
                max_tokens=self.parameters.max_tokens,
                temperature=self.parameters.temperature,
                top_p=self.parameters.top_p,
                seed=seed,
            )
        return _read(given)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the client as ours: those that may pass, and those that will not."""
        import openai

        try:
            yield
        except Refused:
            raise
        except openai.APITimeoutError:
            raise _Passing("timeout", "no answer in time") from None
        except openai.APIStatusError as error:
            raise self._of_status(error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, Refused):
                raise cause from None
            raise _Passing("connection", self._clean(cause or error)) from None
        except (openai.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError):
            raise _Passing("malformed", "an answer that is not JSON of the protocol") from None

    def _of_status(self, error: openai.APIStatusError) -> BenchmarkError | _Passing:
        status, text = error.status_code, self._clean(error)
        host = self.address.host
        if 300 <= status < 400:
            where = urlsplit(error.response.headers.get("location", "")).hostname or "elsewhere"
            return Refused(f"{host} redirects to {self._clean(where)}: nothing was sent there: name that host if you trust it")
        if status != 429 and NO_IMAGES.search(text):
            return Refused(f"the model '{self.model}' at {host} takes no images ({text}): choose a vision-language model")
        if status == 429 and "insufficient_quota" in text + str(error.code):
            return Refused(f"{host}: the quota is used up ({text})")
        if status in (408, 409, 429) or status >= 500:
            return _Passing(str(status), text, _seconds(error.response.headers.get("retry-after")))
        mend = {401: "check the key in the variable that --key-from names", 403: "the key may not use this model"}
        return Refused(f"{host} answers {status} ({text}): {mend.get(status, 'check --endpoint and --model')}")

    def _clean(self, error: object) -> str:
        """Words of a failure: on one line, short, without the key."""
        words = " ".join("".join(letter if letter.isprintable() else " " for letter in str(error)).split())
        return (words.replace(self._key, "[key]") if self._key else words)[:200]


class _Passing(Exception):
    """A failure that may pass; `wait` seconds where the endpoint says so."""

    def __init__(self, kind: str, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.wait = kind, wait


def _seconds(header: str | None) -> float | None:
    """A `Retry-After`, in seconds or as a date."""
    if header is None:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _read(given: Any) -> Answer:
    """The first choice of a completion. Raises `_Passing` for anything else that a server may send."""
    try:
        choice = given.choices[0]
        text = choice.message.content if choice.message.content is not None else choice.message.refusal or ""
        reason = str(choice.finish_reason or "")
    except (AttributeError, IndexError, TypeError):
        raise _Passing("malformed", "an answer without a choice") from None
    if not isinstance(text, str):
        raise _Passing("malformed", "an answer whose content is no text")
    usage = getattr(given, "usage", None)
    counts = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
    return Answer(text, reason, {name: count for name, count in counts.items() if isinstance(count, int)})
