"""Automatic mixed precision, on devices that have it."""

import torch


def autocasts(device: torch.device) -> bool:
    """Whether autocast is on for this kind of device; of those that have none, such as meta, PyTorch refuses to say."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
