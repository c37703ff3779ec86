"""The matrix products of a training step: noted while it runs, counted, and done again with nothing around them."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop, sdpa_flop

ATEN = torch.ops.aten
FLOPS: dict[Any, Any] = {
    **flop_registry,
    ATEN._scaled_dot_product_flash_attention_for_cpu: sdpa_flop,
    ATEN._scaled_dot_product_flash_attention_for_cpu_backward: sdpa_backward_flop,
}
"""Operators that multiply matrices -> floating point operations of their arguments."""


class MatrixProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every product, forward and backward, whichever module or function it comes from, while the block runs.

    Fused attention is one call, softmax included: it is faster than its products one by one, so the lower bound. On the way
    back it multiplies queries and keys once more.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = 0
        self._calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator; note it where it multiplies matrices."""
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        count = FLOPS.get(func.overloadpacket)
        if count is not None:
            self.multiply_adds += count(*args, **kwargs, out_val=made) // 2
            self._calls.append((func, args, kwargs))
        return made

    def repeat(self) -> None:
        """Do all of them again, on the same matrices."""
        with torch.no_grad():
            for func, args, kwargs in self._calls:
                func(*args, **kwargs)
