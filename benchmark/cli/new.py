"""`new`: write the file of a new method, one that runs as it is."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from benchmark.system.errors import BenchmarkError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TEMPLATE = '''\
"""{title}: say in one line what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "{name}",
    family="mine",
    reference="where the recipe comes from",
    fit_modalities={{"table", "image"}},
    predict_modalities={{"table", "image"}},
)
@dataclass
class {cls}(EstimatorMethod):
    """Gradient-boosted trees on the table and the image-derived columns: replace this by your own method.

    The fields are the hyper-parameters: `python -m benchmark run --method "{name}[learning_rate=0.1]"` changes one.
    """

    features: str = "table+derived"
    learning_rate: float = 0.05

    def estimator(self, seed: int) -> Any:
        """Any classifier with scikit-learn's interface."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(learning_rate=self.learning_rate, random_state=seed)
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `new`."""
    parser.add_argument("kind", choices=["method"], help="what to write")
    parser.add_argument("name", help="its name, in lower case with hyphens")
    parser.add_argument("--folder", type=Path, default=None, help="where to (default: methods/ of the checkout)")


def run(options: argparse.Namespace) -> int:
    """Exit code 0. Raises `BenchmarkError` where the name is taken or not a name."""
    from benchmark.registry.discovery import discover
    from benchmark.system.locations import ROOT

    name: str = options.name
    if not NAME.fullmatch(name):
        raise BenchmarkError(f"'{name}' is no name for a method: use lower-case words joined by hyphens, such as my-method")
    catalogue = discover()
    folder: Path = options.folder or ROOT / "methods"
    path = folder / f"{name.replace('-', '_')}.py"
    if name in catalogue.methods:
        place = catalogue.methods.get(name).path
        raise BenchmarkError(f"method '{name}' is registered already in {place}: choose another name")
    if path.exists():
        raise BenchmarkError(f"{path} exists already: choose another name, or edit it")
    folder.mkdir(parents=True, exist_ok=True)
    words = name.split("-")
    path.write_text(
        TEMPLATE.format(name=name, title=" ".join(words).capitalize(), cls="".join(word.capitalize() for word in words)),
        encoding="utf-8",
    )
    plugin = "" if folder == ROOT / "methods" else f" --plugin {path}"
    print(f"{path}\nIt runs as it is: python -m benchmark run --method {name}{plugin}")
    return 0
