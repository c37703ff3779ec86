"""Datasets that a TOML file describes: a user's folder, and datasets joined for external validation.

Their cards are read from that file, and nothing else is read for that.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.registry.cards import DatasetCard
from benchmark.registry.entries import Entry
from benchmark.system.locations import ROOT

FILE = "cohort.toml"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CODE = ROOT / "benchmark" / "data" / "folder" / "cohort.py"
JOINED = ROOT / "benchmark" / "data" / "joined.py"


def read_described(path: Path) -> Entry[DatasetCard]:
    """The dataset that a file describes; an entry that carries the error where it cannot be read or has no name."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        return _broken(path, str(error))
    name = content.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return _broken(path, f"name = {name!r}: lower-case words joined by hyphens, such as 'my-hospital'")
    if path.name != FILE:
        return Entry("dataset", name, JOINED, "JoinedCohort", _card_of_joined(name, content), given={"file": str(path)})
    card = _card(name, content)
    folder = str(path.parent)
    return Entry("dataset", name, CODE, "FolderCohort", card, given={"folder": folder})


def _broken(path: Path, problem: str) -> Entry[DatasetCard]:
    return Entry("dataset", path.parent.name, CODE, error=f"{path}: {problem}")


def _card(name: str, content: Mapping[str, Any]) -> DatasetCard:
    """The card; what the file says wrongly is refused when the cohort is read."""

    def table(key: str) -> Mapping[str, Any]:
        value = content.get(key)
        return value if isinstance(value, Mapping) else {}

    label, columns, images = table("label"), table("columns"), table("images")
    means = [str(word) for word in label.get("means", [])] if isinstance(label.get("means"), list) else []
    views = images.get("views") if isinstance(images.get("views"), Mapping) else {}
    held = {"table": ", ".join(_listed(columns.get("admission")))}
    if views:
        held["image"] = ", ".join(f"view `{view}`" for view in views if view != "brain")
    if table("reports"):
        held["text"] = "reports, without names, numbers and dates"
    barred = dict.fromkeys(_listed(columns.get("later")), "known only after the prediction would be made")
    barred |= dict.fromkeys(_listed(columns.get("identifiers")), "says who somebody is")
    barred[str(label.get("column", "label"))] = "the label is made of it"
    return DatasetCard(
        name,
        title=str(content.get("title", name)),
        source=str(content.get("source", "a folder of this machine")),
        license=str(content.get("license", "not for distribution")),
        citation=str(content.get("citation", "none")),
        label=f"{label.get('column', '')} {label.get('positive', '')}".strip(),
        label_time=str(label.get("time", "not stated")),
        positive=means[1] if len(means) == 2 else "label 1",
        negative=means[0] if len(means) == 2 else "label 0",
        site=str(table("table").get("site", "site")),
        inputs=held,
        barred=barred,
        scope=str(content.get("scope", "Patients of one's own; nobody else can check these figures.")),
        modalities=frozenset(held),
        private=True,
    )


def _card_of_joined(name: str, content: Mapping[str, Any]) -> DatasetCard:
    """The card of joined datasets; they are the user's own where plug-ins bring some of them."""
    train, test = ", ".join(_listed(content.get("train"))), str(content.get("test", ""))
    same = str(content.get("same_label", ""))
    kinds = {"table": content.get("columns"), "image": content.get("derived")}
    held = {
        modality: ", ".join(mapping) if isinstance(mapping, Mapping) else "all columns that the datasets have under one name"
        for modality, mapping in kinds.items()
        if mapping
    }
    return DatasetCard(
        name,
        title=str(content.get("title", f"Learnt from {train}, tested on {test}")),
        source=f"{train}, {test}",
        license="that of each dataset",
        citation="that of each dataset",
        label=same or "not stated",
        label_time="as said of the label",
        positive="label 1 of each dataset",
        negative="label 0 of each dataset",
        site="dataset",
        inputs=held,
        barred={},
        scope=f"Models learn from {train} and are tested on {test}; only inputs that both have. Labels: {same}",
        modalities=frozenset(held),
        private=bool(content.get("plugins")),
    )


def _listed(value: Any) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []
