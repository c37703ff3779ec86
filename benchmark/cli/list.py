"""`list`: what is registered, what is here, and what is broken; imports no component."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmark.cli.selection import add_plugins
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Entry
from benchmark.registry.spelling import spell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `list`."""
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "kind", nargs="?", choices=["datasets", "methods", "protocols", "suites", "encoders"], help="only this kind"
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    content = listing(discover(options.plugin))
    if options.kind:
        content = {options.kind: content[options.kind]}
    if options.json:
        print(json.dumps(content, indent=1))
    else:
        for kind, items in content.items():
            print(f"{kind}:")
            for item in items:
                print(f"  {_line(item)}")
    return 0


def listing(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Everything registered, as the documented JSON."""
    from benchmark.suites.suite import suite_names

    return {
        "datasets": [_dataset(entry) for entry in catalogue.datasets],
        "methods": [item for entry in catalogue.methods for item in _methods(entry)],
        "protocols": [
            {"name": e.name, "description": e.metadata.get("description", ""), **_error(e)} for e in catalogue.protocols
        ],
        "suites": [{"name": name} for name in suite_names()],
        "encoders": [
            {
                "name": entry.name,
                "modality": entry.metadata.get("modality"),
                "reference": entry.metadata.get("reference"),
                "weights": entry.metadata.get("weights"),
                **_error(entry),
            }
            for entry in catalogue.encoders
        ],
    }


def _dataset(entry: Entry[Any]) -> dict[str, Any]:
    from benchmark.data.fetching import why_unavailable

    reason = why_unavailable(entry)
    return {
        "name": entry.name,
        "available": not reason,
        "reason": reason,
        "modalities": sorted(entry.metadata.get("modalities", ())),
        "cases": entry.metadata.get("cases"),
        "sites": entry.metadata.get("sites"),
    }


def _methods(entry: Entry[Any]) -> list[dict[str, Any]]:
    """A method and its registered variants."""
    reference = entry.metadata.get("reference")
    family = entry.metadata.get("family", "broken")
    fit, predict = (sorted(entry.metadata.get(f"{part}_modalities", ())) for part in ("fit", "predict"))

    def item(name: str, fit: list[str], predict: list[str]) -> dict[str, Any]:
        modalities = {"fit_modalities": fit, "predict_modalities": predict}
        return {"name": name, "family": family, **modalities, "reference": reference, **_error(entry)}

    items = [item(entry.name, fit, predict)]
    for parameter, values in (entry.metadata.get("variants") or {}).items():
        for value, modalities in values.items():
            if entry.constants.get(parameter) != value:
                needed = sorted(modalities) or fit
                items.append(item(spell(entry.name, {parameter: value}), needed, sorted(modalities) or predict))
    return items


def _error(entry: Entry[Any]) -> dict[str, str]:
    return {"error": entry.error} if entry.error else {}


def _line(item: dict[str, Any]) -> str:
    said = [item["name"]]
    if "error" in item:
        return f"{item['name']}  BROKEN: {item['error']}"
    if "available" in item:
        cases = f"{item['cases']} cases, {item['sites']} sites, " if item["cases"] else ""
        said.append(f"{cases}{'+'.join(item['modalities'])}")
        said.append("here" if item["available"] else item["reason"])
    elif "family" in item:
        said += [item["family"], "+".join(item["fit_modalities"]) or "no input", item["reference"] or ""]
    else:
        said += [str(item[key]) for key in ("modality", "description", "reference") if item.get(key)]
    return "  ".join(said)
