"""Matrix products by the faster of the two libraries that PyTorch has for them on a CPU."""

from functools import cache

import torch
from torch import Tensor

from htzoo.formats.modes import is_transformed

# From measurements on one core with AVX-512: oneDNN reaches up to twice the speed of ``torch.mm`` where many rows meet
# a narrow matrix, but takes 20 microseconds to start, and is slow with a transposed first factor that is wide or short.
_MIN_MACS = 2**22
_MAX_ROWS, _MIN_COLUMNS = 96, 512  # of a transposed first factor


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of two matrices. Differentiable, unless gradients are off."""
    if _is_for_onednn(a, b):
        result: Tensor = torch.ops.mkldnn._linear_pointwise.default(a, b.T, None, "none", [], "")
        return result
    return a @ b


def add_matmul(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``total + a @ b``, in place."""
    return total.add_(matmul(a, b)) if _is_for_onednn(a, b) else total.addmm_(a, b)


def _is_for_onednn(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN can take this product, and takes less time for it; it has no gradients."""
    rows, inner = a.shape
    return (
        isinstance(rows, int)  # not left open by a tracer
        and isinstance(inner, int)
        and rows * inner * b.shape[1] >= _MIN_MACS
        and a.dtype == b.dtype == torch.float32
        and a.device.type == "cpu"
        and (a.stride(1) == 1 or (rows <= _MAX_ROWS and inner >= _MIN_COLUMNS))
        and not torch.is_grad_enabled()
        and not is_transformed(a, b)
        and bool(torch.backends.mkldnn.enabled)
        and _has_onednn()
    )


@cache
def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and torch.backends.cpu.get_cpu_capability() == "AVX512"
