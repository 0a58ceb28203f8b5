"""What PyTorch is doing around a product: autocast, an export, a transformation of the whole function."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def autocasts(device: torch.device) -> bool:
    """Whether autocast is on for this kind of device; of those that have none, such as meta, PyTorch refuses to say."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Autocast off."""
    return torch.autocast(like.device.type, enabled=False) if autocasts(like.device) else nullcontext()


def is_exporting() -> bool:
    """Whether :func:`torch.export.export` is tracing, for others to run. PyTorch before 2.7 does not tell."""
    return hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting()


def is_transformed(*tensors: Tensor) -> bool:
    """Whether ``torch.func`` or forward-mode differentiation is at work, which must see PyTorch's own operations."""
    return forward_ad._current_level >= 0 or any(map(torch._C._functorch.is_functorch_wrapped_tensor, tensors))
