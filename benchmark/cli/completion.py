"""Completion in a shell: verbs and options, and the names of datasets, methods, protocols and suites.

`eval "$(register-python-argcomplete strokebench)"` in bash or zsh switches it on.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

KINDS = {
    "dataset": "datasets",
    "protocol": "protocols",
    "method": "methods",
    "tuned_method": "methods",
    "a": "methods",
    "b": "methods",
    "suite": "suites",
}
"""Argument -> the kind of component that it names."""


def complete(parser_of: Callable[[Sequence[str]], argparse.ArgumentParser]) -> None:
    """Print what may come next on the line that the shell passed on, and end the process."""
    import argcomplete

    words = os.environ.get("COMP_LINE", "").split()
    parser = parser_of(words[1:])
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for sub in verbs.choices.values():
        for action in sub._actions:
            if action.dest in KINDS and not action.choices:
                action.completer = partial(names, KINDS[action.dest])
    argcomplete.autocomplete(parser)


def names(kind: str, prefix: str, **_: Any) -> list[str]:
    """The registered names of a kind that begin so."""
    from benchmark.cli.list import listing
    from benchmark.registry.discovery import discover

    return [item["name"] for item in listing(discover(()))[kind] if item["name"].startswith(prefix)]
