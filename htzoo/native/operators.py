"""Define operators that PyTorch knows: ``torch.ops.htzoo``.

Only kernels of operators take the address of a tensor's data. PyTorch calls a kernel with plain tensors: what stands
for a tensor (fake tensors, subclasses, tracers) or postpones work on one (negative views) is dealt with before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

_LIBRARY: Any = torch.library.Library("htzoo", "DEF")  # type: ignore[no-untyped-call]
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def composite(schema: str) -> Callable[[_Kernel], _Kernel]:
    """Define an operator made of others: PyTorch traces, differentiates and batches what it is made of."""

    def define(kernel: _Kernel) -> _Kernel:
        name = _LIBRARY.define(schema)
        # vmap has no rule for composite operators of Python; its tensors are given to the kernel as they are.
        for key in ("CompositeImplicitAutograd", "FuncTorchBatched"):
            _LIBRARY.impl(name, kernel, key)
        return kernel

    return define


def operator(
    schema: str, *, key: str, fake: Callable[..., Any], batched: Callable[..., Any] | None = None
) -> Callable[[_Kernel], _Kernel]:
    """Define an operator that no tracer looks into.

    Args:
        schema: name, arguments and results. No result may share memory with an argument or another result.
        key: dispatch key of the tensors that the kernel takes.
        fake: makes empty results of the right shapes.
        batched: the same of PyTorch's own operations, for the tensors of vmap and of batched gradients.
    """

    def define(kernel: _Kernel) -> _Kernel:
        name = _LIBRARY.define(schema)
        _LIBRARY.impl(name, kernel, key)
        for batching in ("FuncTorchBatched", "Batched") if batched else ():
            _LIBRARY.impl(name, batched, batching)
        torch.library.register_fake(f"htzoo::{name}", fake, lib=_LIBRARY)
        return kernel

    return define
