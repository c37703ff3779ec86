"""Choices by a hash: each depends on its key and its name alone, so that nothing else that is drawn moves it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def share(key: str, what: str) -> float:
    """A number from 0 to 1, excluded, by the key."""
    drawn = hashlib.blake2b(f"{key}|{what}".encode(), digest_size=6).digest()
    return int.from_bytes(drawn, "big") / 2**48


def pick(key: str, what: str, options: Sequence[T]) -> T:
    """One of the options, by the key."""
    return options[int(share(key, what) * len(options))]
