"""What changes from frame to frame, as input of the recurrent layer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

FeatureMode = Literal["plain", "difference", "absolute_difference", "both"]


def with_motion(features: Tensor, mode: FeatureMode) -> Tensor:
    """Features of frames, or of the change since the frame before; the first frame has changed by 0.

    Args:
        features: (batch, time, size).
        mode: ``plain`` keeps the features, ``difference`` gives their change, ``absolute_difference`` its size, and
            ``both`` the features with the size of their change behind them.

    Returns:
        (batch, time, size), or twice the size for ``both``.

    Raises:
        ValueError: there is no such mode.
    """
    if mode == "plain":
        return features
    change = torch.diff(features, dim=1, prepend=features[:, :1])
    match mode:
        case "difference":
            return change
        case "absolute_difference":
            return change.abs()
        case "both":
            return torch.cat((features, change.abs()), -1)
    raise ValueError(f"feature_mode is {mode!r}: give plain, difference, absolute_difference or both")
