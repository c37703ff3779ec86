"""`write-reports`: have a model write each case's report from its images, and judge the drafts by the lesion mask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.fidelity_shown import lines
from benchmark.cli.selection import JSON, PLUGIN, Options, argument, at_least, print_json
from benchmark.system.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.data.cohort import Cohort
    from benchmark.data.modalities.text import Reports
    from benchmark.learning.writers.writing import Estimate, Job
    from benchmark.registry.cards import DatasetCard

MODEL, LEARNED = "model", "learned"
ARGUMENTS = (
    argument("--dataset", required=True, metavar="NAME", help="whose cases to write of"),
    argument(
        "--name", metavar="SET", help="what rows call the set: [reports=SET] (default: the model's name, or the writer's)"
    ),
    argument("--judge", metavar="SET", help="write nothing: judge a set that is there, such as topics"),
    argument(
        "--writer", choices=(MODEL, LEARNED), default=MODEL, help="a vision-language model, or the small network of the pool"
    ),
    argument("--endpoint", metavar="URL", help="base URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1"),
    argument("--model", metavar="NAME", help="the model, as the endpoint calls it"),
    argument("--allow-upload", nargs="?", const="", metavar="HOST", help="send images to this host, which is not this machine"),
    argument("--key-from", metavar="VARIABLE", help="the environment variable that holds the key; none is sent without it"),
    argument("--prompts", metavar="NAMES", help="some prompts, joined by commas (default: all that the label allows)"),
    argument("--prompt-folder", metavar="DIR", help="NAME.txt and lists.toml of your own, in place of the shipped ones"),
    argument("--drafts", type=int, default=3, metavar="N", help="drafts of each case and prompt (default: %(default)s)"),
    argument("--attempts", type=int, default=3, metavar="N", help="answers asked for a draft at most (default: %(default)s)"),
    argument("--view", metavar="NAME", help="the image view to show (default: the first besides the mask)"),
    argument("--slices", type=int, default=6, metavar="N", help="axial slices of a volume (default: %(default)s)"),
    argument("--max-tokens", type=int, default=250, metavar="N", help="tokens of an answer (default: %(default)s)"),
    argument("--temperature", type=float, default=0.7, metavar="T", help="(default: %(default)s)"),
    argument("--top-p", type=float, default=0.8, metavar="P", help="(default: %(default)s)"),
    argument("--concurrency", type=int, default=4, metavar="N", help="requests at a time (default: %(default)s)"),
    argument("--timeout", type=float, default=120.0, metavar="S", help="seconds until a request is asked again (default: 120)"),
    argument("--cases", type=int, metavar="N", help="a trial: only the first N cases, and no set is made"),
    argument("--price-input", type=float, metavar="P", help="price of a million tokens that are sent"),
    argument("--price-output", type=float, metavar="P", help="price of a million tokens of answers"),
    argument("--dry-run", action="store_true", help="send nothing: print calls, megabytes, tokens and cost"),
    argument("--replace", action="store_true", help="take the place of another set of that name"),
    JSON,
    PLUGIN,
)


def run(options: Options) -> int:
    """Exit code 0, or 1 where a case is left without a draft."""
    from benchmark.data.preparation import load_cohort
    from benchmark.registry.discovery import discover

    for name, least in (("drafts", 1), ("attempts", 1), ("slices", 1), ("max-tokens", 1), ("concurrency", 1)):
        at_least(name, getattr(options, name.replace("-", "_")), least)
    if options.cases is not None:
        at_least("cases", options.cases, 1)
    catalogue = discover(options.plugin)
    card: DatasetCard = catalogue.dataset(options.dataset).card
    cohort = load_cohort(options.dataset, catalogue)
    if options.judge is not None:
        return _shown(options, _judged(cohort.reading(options.judge), card, f"set '{options.judge}'", {}))
    if options.writer == LEARNED:
        return _learned(options, cohort, card)
    return _by_model(options, cohort, card)


def _learned(options: Options, cohort: Cohort, card: DatasetCard) -> int:
    from benchmark.learning.writers.learned import LearnedWriter
    from benchmark.learning.writers.measurement import DEFAULT_TOPICS
    from benchmark.learning.writers.pictures import rule_of
    from benchmark.system.errors import check_known

    foreign = ("endpoint", "model", "allow_upload", "key_from", "prompt_folder", "cases")
    if given := [name for name in foreign if getattr(options, name) is not None]:
        raise BenchmarkError(f"--writer {LEARNED} runs here and asks no model: leave out --{given[0].replace('_', '-')}")
    topics = tuple(options.prompts.split(",")) if options.prompts else DEFAULT_TOPICS
    check_known("topic of the learned writer", topics, DEFAULT_TOPICS)
    rule = rule_of(cohort, options.view, options.slices)
    writer = LearnedWriter(rule, topics, options.drafts, options.temperature)
    stage = writer.stage(cohort)
    if options.dry_run:
        print(
            f"sends nothing; {stage} "
            + ("is there" if stage.is_built else "is to be trained on the pool, which takes a minute or two")
        )
        return 0
    _say(options, f"{stage}: {'there' if stage.is_built else 'training on the pool'}")
    return _kept(options, cohort, card, options.name or LEARNED, writer.write(cohort), writer.provenance(cohort), {})


def _by_model(options: Options, cohort: Cohort, card: DatasetCard) -> int:
    from benchmark.cli.progress import ConsoleReporter
    from benchmark.data.written import check_name
    from benchmark.learning.writers.endpoint import Endpoint, address_of, key_from
    from benchmark.learning.writers.writing import prices_of

    if not options.endpoint or not options.model:
        raise BenchmarkError("say which model is to write: --endpoint URL --model NAME (or --writer learned, or --judge SET)")
    prices = prices_of({"price-input": options.price_input, "price-output": options.price_output})
    name = options.name or re.sub(r"[^\w-]+", "-", options.model).strip("-")[:40]
    check_name(cohort, name)
    host = _host(options.endpoint) if options.dry_run else ""
    address = None if options.dry_run else address_of(options.endpoint, options.allow_upload)
    job = _job(options, cohort, card, host if address is None else address.host)
    estimate = job.estimate()
    if address is None:
        return _estimated(options, job, estimate, prices)
    key = key_from(options.key_from)
    if not address.local and address.url.startswith("http://"):
        _say(options, f"warning: {address.host} is spoken to without encryption (http)")
    _say(options, f"to {address.host}: {_in_words(estimate, prices)}")
    endpoint = Endpoint(address, options.model, job.parameters, key, timeout=options.timeout)
    try:
        progress = ConsoleReporter().progress
        if options.json:
            written = job.write(endpoint, options.concurrency)
        else:
            with progress(len(job.wanted()), "drafts") as advance:
                written = job.write(endpoint, options.concurrency, advance)
    except BenchmarkError as error:
        left = job.estimate().calls
        raise BenchmarkError(
            f"{error}; what was answered is kept, {left:,} drafts are left: the same command goes on"
        ) from error
    finally:
        endpoint.stop()
    counts = written.counts()
    if endpoint.retried:
        _say(
            options, "asked again after: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(endpoint.retried.items()))
        )
    if options.cases is not None:
        trial = cohort.take(list(job.cases))
        reports = tuple(written.reports[case] for case in job.cases)
        _say(options, f"a trial of {len(job.cases)} cases: no set was made")
        return _shown(options, _judged(_with(trial, reports), card, "the trial", counts))
    return _kept(options, cohort, card, name, written.reports, job.provenance(address.host), counts)


def _job(options: Options, cohort: Cohort, card: DatasetCard, host: str) -> Job:
    from benchmark.audit.leaks.wording import label_words
    from benchmark.learning.writers.answers import Answers
    from benchmark.learning.writers.endpoint import Parameters
    from benchmark.learning.writers.pictures import rule_of
    from benchmark.learning.writers.prompts import read_lists, read_prompts
    from benchmark.learning.writers.writing import job_of

    folder = None if options.prompt_folder is None else Path(options.prompt_folder)
    names = [name.strip() for name in options.prompts.split(",")] if options.prompts else []
    rule = rule_of(cohort, options.view, options.slices)
    rule_in_words = replace(card, label=card.label.partition(";")[0])  # what follows comments on it
    prompts = read_prompts(folder, names, label_words(rule_in_words))
    all_named = read_prompts(folder, names)
    if left_out := [prompt.name for prompt in all_named if prompt not in prompts]:
        _say(options, f"prompt {', '.join(left_out)} is left out: the label is made of what it asks for")
    return job_of(
        cohort,
        rule,
        options.cases,
        prompts=prompts,
        lists=read_lists(folder, [prompt.name for prompt in prompts]),
        answers=Answers(host, options.model),
        parameters=Parameters(options.max_tokens, options.temperature, options.top_p),
        drafts=options.drafts,
        attempts=options.attempts,
    )


def _host(url: str) -> str:
    """The host of an endpoint that is not asked."""
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname
    if not host:
        raise BenchmarkError("--endpoint: give a URL such as http://127.0.0.1:8000/v1")
    return host.lower()


def _estimated(options: Options, job: Job, estimate: Estimate, prices: tuple[float, float] | None) -> int:
    if options.json:
        from dataclasses import asdict

        print_json(asdict(estimate) | {"cost": None if prices is None else estimate.cost(prices)})
        return 0
    print(f"{job.cohort.name}: {len(job.cases)} cases x {len(job.prompts)} prompts x {job.drafts} drafts; nothing was sent")
    print(_in_words(estimate, prices))
    print(f"pictures: view '{job.rule.view}', {len(job.shown(job.cases[0]))} for each case")
    return 0


def _in_words(estimate: Estimate, prices: tuple[float, float] | None) -> str:
    tokens = (estimate.text_tokens + estimate.image_tokens) / 1e6
    return "".join(
        (
            f"{estimate.calls:,} calls ({estimate.answered:,} of {estimate.drafts:,} drafts are there), ",
            f"{estimate.bytes / 1e6:,.1f} MB, about {tokens:,.2f} million tokens in ",
            f"({estimate.image_tokens / 1e6:,.2f} of pictures) and at most {estimate.answer_tokens / 1e6:,.2f} million out",
            "" if prices is None else f"; cost at most {estimate.cost(prices):,.2f}, if no draft is asked for twice",
        )
    )


def _kept(
    options: Options,
    cohort: Cohort,
    card: DatasetCard,
    name: str,
    reports: Reports,
    provenance: Mapping[str, Any],
    counts: Mapping[str, Any],
) -> int:
    from benchmark.data.written import keep

    judged = _judged(_with(cohort, reports), card, f"set '{name}'", counts)
    folder = keep(cohort, name, reports, {**provenance, "counts": counts, "judged": judged}, anew=options.replace)
    code = _shown(options, judged | {"folder": str(folder)})
    _say(options, f"rows read it as [reports={name}], such as vdafm[reports={name}]; it lies in {folder}")
    return code


def _with(cohort: Cohort, reports: Reports) -> Cohort:
    return replace(cohort, reports=reports, report_sets={})


def _judged(cohort: Cohort, card: DatasetCard, what: str, counts: Mapping[str, Any]) -> dict[str, Any]:
    """The fidelity of a cohort's own reports, what was filtered, and whether they speak of the label."""
    from benchmark.audit.leaks.subject import Subject
    from benchmark.audit.leaks.wording import speaks_of_label
    from benchmark.learning.writers.fidelity import judged, truths
    from benchmark.registry.discovery import discover

    own = replace(cohort, report_sets={})
    names = () if cohort.atlas is None else cohort.atlas.names
    spoken = [f"{seen.what}: {seen.evidence}" for seen in speaks_of_label(Subject(own, card, discover()))]
    return {
        "what": what,
        "fidelity": judged(cohort.reports or ((),) * len(cohort), truths(cohort), names),
        "counts": dict(counts),
        "speaks_of_label": spoken,
    }


def _shown(options: Options, judged: Mapping[str, Any]) -> int:
    lacking = int(judged["counts"].get("cases_without_a_draft", 0))
    if options.json:
        print_json(judged)
    else:
        print("\n".join(lines(judged)))
    return 1 if lacking else 0


def _say(options: Options, line: str) -> None:
    if not options.json:
        print(line, flush=True)
