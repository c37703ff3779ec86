"""Larger sizes, `size=paper`, of methods whose default sizes are small enough for a cell to take seconds.

They are a source's own where a card says so, and assumed elsewhere [A].
"""

from dataclasses import fields
from typing import Any

from benchmark.system.errors import UnknownNameError

SIZES = ("small", "paper")


def set_size(method: Any, size: str, **paper: int) -> None:
    """Give a method, a dataclass, these sizes where its field `size` asks for the paper's.

    A field that was given another value than its default keeps it. Raises `UnknownNameError` for another size.
    """
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)
    defaults = {item.name: item.default for item in fields(method)}
    for name, value in paper.items() if size == "paper" else ():
        if getattr(method, name) == defaults[name]:
            setattr(method, name, value)
