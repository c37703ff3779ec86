"""`list`: what is registered, what is here, and what is broken; imports no component."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.cli.selection import JSON, PLUGIN, Options, argument, print_json
from benchmark.registry.cards import CorpusCard, DatasetCard
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Entry
from benchmark.registry.spelling import parse_spelling
from benchmark.system.terminal import wrapped

KINDS = ("datasets", "methods", "protocols", "suites", "encoders", "corpora")
ARGUMENTS = (
    argument("kind", nargs="?", choices=KINDS, help="only this kind"),
    argument("--short", action="store_true", help="names alone, methods by family and without their variants"),
    PLUGIN,
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0."""
    content = listing(discover(options.plugin))
    if options.kind:
        content = {options.kind: content[options.kind]}
    if options.json:
        print_json(content)
    else:
        for kind, items in content.items():
            print(f"{kind}:")
            print("\n".join(_short(items) if options.short else (f"  {_line(item)}" for item in items)))
    return 0


def listing(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Everything registered, as the documented JSON."""
    from benchmark.suites.suite import suite_names

    return {
        "datasets": [_dataset(entry) for entry in catalogue.datasets],
        "methods": [_method(method) for method in catalogue.variants()],
        "protocols": [_described(entry, "description") for entry in catalogue.protocols],
        "suites": [{"name": name} for name in suite_names()],
        "encoders": [_described(entry, "modality", "reference", "weights") for entry in catalogue.encoders],
        "corpora": [_corpus(entry) for entry in catalogue.corpora],
    }


def _described(entry: Entry[Any], *fields: str) -> dict[str, Any]:
    """The name and some fields of the card, empty if it is broken."""
    card = {} if entry.error else vars(entry.card)
    return {"name": entry.name, **{field: card.get(field) for field in fields}, **_error(entry)}


def _dataset(entry: Entry[DatasetCard]) -> dict[str, Any]:
    from benchmark.data.fetching import why_unavailable

    reason = why_unavailable(entry)
    return {
        "name": entry.name,
        "available": not reason,
        "reason": reason,
        "modalities": [] if entry.error else sorted(entry.card.modalities),
        "cases": None if entry.error else entry.card.cases,
        "sites": None if entry.error else entry.card.sites,
    }


def _corpus(entry: Entry[CorpusCard]) -> dict[str, Any]:
    from benchmark.data.fetching import why_unavailable

    reason = why_unavailable(entry)
    return {
        "name": entry.name,
        "available": not reason,
        "reason": reason,
        "documents": None if entry.error else entry.card.documents,
        "words": None if entry.error else entry.card.words,
        "licence": None if entry.error else entry.card.license,
    }


def _method(method: ConfiguredMethod) -> dict[str, Any]:
    fit, predict = map(sorted, method.modalities)
    broken = method.entry.error
    return {
        "name": method.spelled,
        "family": "broken" if broken else method.card.family,
        "fit_modalities": fit,
        "predict_modalities": predict,
        "reference": None if broken else method.card.reference,
        **_error(method.entry),
    }


def _error(entry: Entry[Any]) -> dict[str, str]:
    return {"error": entry.error} if entry.error else {}


def _short(items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The names in lines of a terminal's width; those of methods by family, each with the number of its variants."""
    groups: dict[str, Counter[str]] = {}
    for item in items:
        family = "broken" if "error" in item else item.get("family", "")
        groups.setdefault(family, Counter())[parse_spelling(item["name"])[0] if family else item["name"]] += 1
    for family, found in groups.items():
        names = ", ".join(f"{name} +{count - 1}" if count > 1 else name for name, count in found.items())
        yield wrapped(f"{family}: {names}" if family else names, "  ", hanging="    " if family else "  ")
    if any(count > 1 for found in groups.values() for count in found.values()):
        yield "  (+2: two registered variants, which `list methods` spells)"


def _line(item: dict[str, Any]) -> str:
    if "error" in item:
        return f"{item['name']}  BROKEN: {item['error']}"
    if "documents" in item:
        size = f"{item['documents']:,} documents, {item['words']:,} words" if item["documents"] and item["words"] else ""
        details = [*filter(None, [size, item["licence"]]), item["reason"] or "here"]
    elif "available" in item:
        counts = [(item["cases"], "case"), (item["sites"], "site")] if item["cases"] else []
        cases = "".join(f"{count} {word}{'' if count == 1 else 's'}, " for count, word in counts if count)
        details = [f"{cases}{'+'.join(item['modalities'])}", item["reason"] or "here"]
    elif "family" in item:
        details = [item["family"], "+".join(item["fit_modalities"]) or "no input", item["reference"] or ""]
    else:
        details = [str(item[key]) for key in ("modality", "description", "reference") if item.get(key)]
    return "  ".join([item["name"], *details])
