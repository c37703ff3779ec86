"""What max-T drew for a suite's tables, kept on this machine so that ranking the same predictions again draws nothing."""

import json
from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.statistics.max_t import Remembered
from benchmark.system.files import safe, with_digest, without_digest, write_durably
from benchmark.system.locations import results_folder


@contextmanager
def drawn(suite: str, *, part: bool = False) -> Iterator[Remembered]:
    """What is remembered of a suite. What was used is written when the block ends; an unreadable file counts as none.

    Where `part` of its tables are ranked, what was remembered of the others stays.
    """
    path = results_folder() / "drawn" / f"{safe(suite)}.json"
    try:
        before = dict(json.loads(without_digest(path.read_bytes())))
    except (OSError, ValueError, TypeError):
        before = {}
    used: dict[str, list[float]] = {}  # `adjust` writes what it reads, so nothing else is kept
    yield ChainMap(used, before)
    kept = before | used if part else used
    if kept != before:
        write_durably(path, with_digest(json.dumps(kept).encode()))
