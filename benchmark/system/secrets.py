"""What workers do not get of the environment: passwords, tokens and keys, of which fitting a method needs none."""

from __future__ import annotations

import os
import re

_NAMES = re.compile(
    r"TOKEN|SECRET|PASS(W|PHRASE|FILE|$)|CREDENTIAL|(^|_)(API|ACCESS|PRIVATE)?KEYS?($|_)|AUTH|COOKIE", re.IGNORECASE
)
_IN_ADDRESS = re.compile(r"://[^/@\s]+:[^/@\s]+@")
"""A user's name and password within an address."""


def is_secret(name: str, value: str) -> bool:
    """Whether an environment variable looks like a secret, by its name or as an address with a password."""
    return bool(_NAMES.search(name) or _IN_ADDRESS.search(value))


def take_secrets() -> dict[str, str]:
    """Take the secrets out of this process's environment, so that what it starts from now on has none; returns them."""
    taken = {name: value for name, value in os.environ.items() if is_secret(name, value)}
    for name in taken:
        del os.environ[name]
    return taken
