"""A timm CNN that turns frames into feature vectors."""

from __future__ import annotations

import difflib

import timm
import torch
from timm.data import resolve_model_data_config  # type: ignore[attr-defined]
from torch import Tensor, nn


class Backbone(nn.Module):
    """Any timm model without its classifier, resizing and normalising frames as the model expects.

    Args:
        name: a timm model name, with or without a weight tag.
        pretrained: whether to load timm's weights for it.

    Raises:
        ValueError: timm knows no such model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        if not timm.is_model(name.partition(".")[0]):
            near = difflib.get_close_matches(name, timm.list_models(), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() has the names"
            raise ValueError(f"backbone is {name!r}, which timm does not know: {hint}")
        self.network = timm.create_model(name, pretrained=pretrained, num_classes=0)
        config = resolve_model_data_config(self.network)  # type: ignore[no-untyped-call]
        self.num_features = int(self.network.head_hidden_size)  # type: ignore[arg-type]
        self.input_size: tuple[int, int] = config["input_size"][1:]
        self.register_buffer("mean", 255 * torch.tensor(config["mean"]).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(config["std"]).reshape(-1, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Features (n, num_features) of frames (n, 3, height, width) with pixels 0 to 255."""
        frames = frames.to(self.mean.dtype)
        if frames.shape[-2:] != self.input_size:
            frames = nn.functional.interpolate(frames, self.input_size, mode="bilinear", antialias=True)
        features: Tensor = self.network((frames - self.mean) / self.std)
        return features
