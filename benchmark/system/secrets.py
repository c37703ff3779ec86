"""What workers do not get of the environment: passwords, tokens and keys, of which fitting a method needs none."""

from __future__ import annotations

import os
import re

_NAMES = re.compile(
    r"TOKEN|SECRET|PASS(W|PHRASE|FILE|$)|_PWD$|CREDENTIAL|(^|_)(API|ACCESS|PRIVATE)?KEYS?($|_)|(^|_)PAT($|_)|AUTH|COOKIE"
    r"|CONNECTION_?STRING",
    re.IGNORECASE,
)
_IN_VALUE = re.compile(r"://[^\s?#]*@|[?&;](password|passwd|pwd|token|accountkey|sharedaccesskey)=", re.IGNORECASE)
"""A user, with or without a password, within an address; a password among its parameters."""


def is_secret(name: str, value: str) -> bool:
    """Whether an environment variable looks like a secret, by its name or as an address with a user or a password."""
    return bool(_NAMES.search(name) or _IN_VALUE.search(value))


def take_secrets() -> dict[str, str]:
    """Take the secrets out of this process's environment, so that what it starts from now on has none; returns them."""
    taken = {name: value for name, value in os.environ.items() if is_secret(name, value)}
    for name in taken:
        del os.environ[name]
    return taken
