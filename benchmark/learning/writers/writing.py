"""The drafts of a cohort by a vision-language model: which requests there are, what they cost, and how they become a set.

A draft is the first answer, of a few attempts, that the lists let pass. Its seed and its key in the store are functions of what
is asked alone, so that a run that was killed goes on where it stood and ends in the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from typing import Any

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.text import Reports
from benchmark.learning.writers.answers import Answers
from benchmark.learning.writers.endpoint import Answer, Endpoint, Parameters, Stopped, message_of
from benchmark.learning.writers.filters import cleaned, reason_against
from benchmark.learning.writers.pictures import Rule, as_png, described, pictures, shown
from benchmark.learning.writers.prompts import Lists, Prompt
from benchmark.system.errors import BenchmarkError

CUT = "length"
"""Why a model stopped that had no tokens left."""
PATCH = 28
"""Pixels along the edge of a patch that costs a token: Qwen-VL's rule, by which the dry run estimates [A]."""
LETTERS_PER_TOKEN = 4.0


@dataclass(frozen=True)
class Draft:
    """A draft to be had: of the case at a position, by a prompt, the how manyeth."""

    case: int
    prompt: Prompt
    number: int


@dataclass(frozen=True)
class Settled:
    """What became of a draft: its text, or "" and nothing but the headings under which its attempts failed."""

    draft: Draft
    text: str
    failed: tuple[str, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Estimate:
    """What is still to be asked: calls, bytes sent, and tokens as estimated; `answered` drafts cost nothing more."""

    drafts: int
    answered: int
    calls: int
    bytes: int
    text_tokens: int
    image_tokens: int
    answer_tokens: int

    def cost(self, prices: tuple[float, float]) -> float:
        """In the currency of the prices, which are those of a million tokens of input and of output."""
        return ((self.text_tokens + self.image_tokens) * prices[0] + self.answer_tokens * prices[1]) / 1e6


@dataclass(frozen=True)
class Written:
    """The settled drafts of a cohort, in the order of cases, prompts and numbers; `asked` are the cases that have pictures."""

    settled: tuple[Settled, ...]
    cases: int
    asked: tuple[int, ...]

    @cached_property
    def reports(self) -> Reports:
        """Per case its drafts, in the order of prompts and numbers."""
        drafts: list[list[str]] = [[] for _ in range(self.cases)]
        for each in self.settled:
            if each.text:
                drafts[each.draft.case].append(each.text)
        return tuple(map(tuple, drafts))

    def counts(self) -> dict[str, Any]:
        """How many answers there were, which were filtered by which heading, and which drafts were dropped."""
        by_prompt: dict[str, Counter[str]] = {}
        for each in self.settled:
            by_prompt.setdefault(each.draft.prompt.name, Counter()).update(each.failed)
        answers = [answer for each in self.settled for answer in each.answers]
        return {
            "drafts": len(self.settled),
            "kept": sum(bool(each.text) for each in self.settled),
            "dropped": dict(sorted(Counter(each.failed[-1] for each in self.settled if not each.text).items())),
            "answers": len(answers),
            "filtered": {name: dict(sorted(counts.items())) for name, counts in by_prompt.items()},
            "cases_without_a_draft": sum(not self.reports[case] for case in self.asked),
            "cases_not_asked_about": self.cases - len(self.asked),
            "tokens": {
                name: sum(answer.tokens.get(name, 0) for answer in answers) for name in ("prompt_tokens", "completion_tokens")
            },
        }


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be written: which pictures, prompts, lists, drafts of each prompt, attempts at each draft, and by which model.

    cases : positions in the cohort of the cases to write of. names : ids, which no answer may hold, are those of the cases.
    """

    cohort: Cohort
    rule: Rule
    prompts: tuple[Prompt, ...]
    lists: Lists
    answers: Answers
    parameters: Parameters = field(default_factory=Parameters)
    drafts: int = 3
    attempts: int = 3
    cases: tuple[int, ...] = ()

    def wanted(self) -> list[Draft]:
        """Every draft, those of a case beside each other."""
        return [Draft(case, prompt, number) for case in self.cases for prompt in self.prompts for number in range(self.drafts)]

    def sent(self, prompt: Prompt) -> str:
        """A prompt as it is sent."""
        atlas = self.cohort.atlas
        return prompt.filled(described(self.cohort, self.rule), () if atlas is None else atlas.names)

    def shown(self, case: int) -> tuple[bytes, ...]:
        """The pictures of a case as PNG."""
        return _pngs(self, case)

    def request(self, draft: Draft, attempt: int) -> dict[str, Any]:
        """All that an answer depends on, besides model and host."""
        return {
            "pictures": list(_digests(self, draft.case)),
            "prompt": self.sent(draft.prompt),
            "parameters": asdict(self.parameters),
            "draft": draft.number,
            "attempt": attempt,
        }

    def settle(self, draft: Draft, ask: Callable[[str, dict[str, Any], Draft], Answer | None]) -> Settled | None:
        """What becomes of a draft, each answer from the store or else from `ask`; None where that gives none."""
        failed: list[str] = []
        answers: list[Answer] = []
        for attempt in range(self.attempts):
            request = self.request(draft, attempt)
            key = self.answers.key(request)
            answer = self.answers.get(key) or ask(key, request, draft)
            if answer is None:
                return None
            answers.append(answer)
            names = [str(self.cohort.case_ids[draft.case])]
            cut = answer.finish_reason == CUT
            reason = reason_against(answer.text, draft.prompt.name, self.lists, names, cut=cut)
            if not reason:
                return Settled(draft, cleaned(answer.text), tuple(failed), tuple(answers))
            failed.append(reason)
        return Settled(draft, "", tuple(failed), tuple(answers))

    def estimate(self) -> Estimate:
        """What is still to be asked, if every answer passes at once; nothing is sent."""
        calls = size = text = image = answered = 0
        for draft in (wanted := self.wanted()):
            if self.settle(draft, lambda key, request, draft: None) is not None:
                answered += 1
                continue
            calls += 1
            prompt, shown = self.sent(draft.prompt), self.shown(draft.case)
            size += body_bytes(self.answers.model, prompt, shown, self.parameters)
            text += round(len(prompt) / LETTERS_PER_TOKEN)
            image += sum(map(patches, shown))
        return Estimate(len(wanted), answered, calls, size, text, image, calls * self.parameters.max_tokens)

    def write(
        self, endpoint: Endpoint, concurrency: int, advance: Callable[[str, str], None] = lambda name, problem: None
    ) -> Written:
        """Ask for what is not there yet, so many requests at a time.

        Every answer is kept before the next is asked for by the same thread. Raises what the endpoint raises, once the requests
        that are under way have ended and their answers are kept.
        """

        def ask(key: str, request: dict[str, Any], draft: Draft) -> Answer:
            prompt, shown = request["prompt"], self.shown(draft.case)
            endpoint.wait()
            self.answers.log(
                case=str(self.cohort.case_ids[draft.case]),
                prompt=draft.prompt.name,
                draft=draft.number,
                attempt=request["attempt"],
                view=self.rule.view,
                pictures=request["pictures"],
                bytes=body_bytes(self.answers.model, prompt, shown, self.parameters),
                key=key,
            )
            answer = endpoint.ask(prompt, shown, seed_of(key))
            self.answers.put(key, answer, request)
            return answer

        def one(draft: Draft) -> Settled:
            try:
                settled = self.settle(draft, ask)
            except BaseException:
                endpoint.stop()  # here, since this thread would begin the next draft before anybody sees the failure
                raise
            assert settled is not None
            advance(f"{self.cohort.case_ids[draft.case]} {draft.prompt.name}", "")
            return settled

        with self.answers.held(), ThreadPoolExecutor(concurrency, "write-reports") as threads:
            settled = _in_order(threads, one, self.wanted(), endpoint.stop)
        return Written(tuple(settled), len(self.cohort), self.cases)

    def provenance(self, address_host: str) -> dict[str, Any]:
        """Where a set comes from: all that it depends on."""
        return {
            "writer": "model",
            "model": self.answers.model,
            "host": address_host,
            "parameters": {**asdict(self.parameters), "drafts": self.drafts, "attempts": self.attempts},
            "prompts": {prompt.name: prompt.text for prompt in self.prompts},
            "sent": {prompt.name: self.sent(prompt) for prompt in self.prompts},
            "lists": {"white": dict(self.lists.white), "black": dict(self.lists.black), "digest": self.lists.digest},
            "pictures": self.rule.described(),
            "images": images_digest(self),
            "content_digest": self.cohort.content_digest,
        }


def job_of(cohort: Cohort, rule: Rule, most: int | None, **settings: Any) -> Job:
    """The job for all cases of a cohort that have the view, or for the first of them. Raises `BenchmarkError` without any."""
    cases = [place for place, there in enumerate(shown(cohort, rule)) if there]
    if not cases:
        raise BenchmarkError(f"{cohort.name}: no case has an image in view '{rule.view}'")
    return Job(cohort, rule, cases=tuple(cases[:most]), **settings)


def seed_of(key: str) -> int:
    """The seed that is sent with a request."""
    return int(key[:7], 16)


def body_bytes(model: str, prompt: str, shown: Sequence[bytes], parameters: Parameters) -> int:
    """Bytes of a request's body."""
    frame = {"messages": message_of(prompt, [b""] * len(shown)), "model": model, "seed": 2**28, **asdict(parameters)}
    images = sum(-(-len(picture) // 3) * 4 for picture in shown)
    return len(json.dumps(frame, separators=(",", ":")).encode()) + images


def patches(picture: bytes) -> int:
    """Tokens of a PNG picture by `PATCH`."""
    width, height = (int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))
    return -(-width // PATCH) * -(-height // PATCH)


def images_digest(job: Job) -> str:
    """Digest of all pictures that were shown."""
    total = sha256()
    for case in job.cases:
        for picture in _digests(job, case):
            total.update(bytes.fromhex(picture))
    return total.hexdigest()


def _in_order(
    threads: ThreadPoolExecutor, work: Callable[[Draft], Settled], drafts: Iterable[Draft], stop: Callable[[], None]
) -> list[Settled]:
    """The results in the order of the drafts; at the first failure what is not begun is given up."""
    futures: list[Future[Settled]] = [threads.submit(work, draft) for draft in drafts]
    waiting = set(futures)
    try:
        while waiting:
            done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                if (error := future.exception()) is not None and not isinstance(error, Stopped):
                    raise error
    finally:
        stop()
        threads.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]


@lru_cache(maxsize=64)
def _pngs(job: Job, case: int) -> tuple[bytes, ...]:
    """A case's pictures, kept while its drafts are written."""
    return tuple(map(as_png, pictures(job.cohort, job.rule, case)))


@cache
def _digests(job: Job, case: int) -> tuple[str, ...]:
    return tuple(sha256(picture).hexdigest() for picture in job.shown(case))


def prices_of(given: Mapping[str, float | None]) -> tuple[float, float] | None:
    """Prices of a million tokens of input and of output; None where none are given. Raises `BenchmarkError` for one alone."""
    named = {name: price for name, price in given.items() if price is not None}
    if not named:
        return None
    if len(named) < len(given):
        raise BenchmarkError(f"give both prices: {' and '.join(f'--{name}' for name in given)}")
    if any(price < 0 for price in named.values()):
        raise BenchmarkError("a price is not negative")
    first, second = named.values()
    return first, second
