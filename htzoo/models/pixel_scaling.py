"""Scale the pixels of clips to the values that a network reads."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

PixelScaling = Literal["standardized", "centered"]


def scale_pixels(video: Tensor, lengths: Tensor | None, scaling: PixelScaling, scale: float) -> Tensor:
    """Flatten every frame in the order height, width, channel, and scale its pixels.

    Args:
        video: clips (batch, time, height, width, channels), pixels 0 to 255; frames beyond a clip's length are zero.
        lengths: frames of every clip (batch,); all when None.
        scaling: ``standardized`` gives every clip mean 0 and standard deviation 1; ``centered`` subtracts 128, as the
            authors of TT-RNN and BT-RNN do.
        scale: factor that multiplies the result.

    Returns:
        Features (batch, time, height * width * channels), float32.
    """
    batch, time = video.shape[:2]
    pixels = video.reshape(batch, -1)
    ours = not pixels.is_floating_point()  # the float copy of uint8 frames may be overwritten, which saves a pass
    pixels = pixels.float()
    if scaling == "centered":
        return (pixels.sub_(128) if ours else pixels - 128).mul_(scale).reshape(batch, time, -1)
    count = pixels.shape[1] if lengths is None else lengths * (pixels.shape[1] // time)
    mean = (pixels.sum(1) / count)[:, None]
    centred = (pixels.sub_(mean) if ours else pixels - mean).reshape(batch, time, -1)
    # Frame by frame and after the mean is taken off: in float32 a long sum of large squares would drown the contrast.
    power = torch.linalg.vector_norm(centred, dim=2).square()
    if lengths is not None:
        power = power * (torch.arange(time, device=video.device) < lengths[:, None])
    deviation = (power.sum(1) / count).sqrt().clamp_min(1)  # a clip of one colour has no contrast to enlarge
    factor = (scale / deviation)[:, None, None]
    return centred.mul_(factor) if ours else centred * factor
