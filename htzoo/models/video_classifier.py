"""Frames, an optional CNN, a tensorized LSTM, a linear classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from htzoo.formats import Format, format_from_dict
from htzoo.models.pixels import PixelScaling, scale_pixels
from htzoo.nn import LSTM


class VideoClassifier(nn.Module):
    """Reads a clip frame by frame and names its class from the last hidden state.

    Args:
        classes: labels, in the order of the logits.
        frame_size: height, width and channels of a frame.
        hidden_size: features of the hidden state.
        num_layers: LSTM layers on top of each other.
        input_format: format of the input-to-hidden weight, as :meth:`htzoo.formats.Format.to_dict` writes it; None is
            dense.
        hidden_format: the same for the hidden-to-hidden weight.
        backbone: name of a timm CNN that reads the frames first; None feeds raw pixels to the LSTM.
        backbone_pretrained: whether the CNN starts from timm's weights.
        pixels: how raw pixels are scaled (a CNN brings its own scaling), see :func:`htzoo.models.pixels.scale_pixels`.
        pixel_scale: factor on the scaled pixels.
        input_dropout: dropout probability on the LSTM's input, one mask for all frames of a clip.
        dropout: dropout probability between layers and before the classifier.

    Raises:
        ValueError: a format does not fit the sizes, or a name is unknown.
    """

    def __init__(
        self,
        classes: Sequence[str],
        frame_size: Sequence[int] = (120, 160, 3),
        hidden_size: int = 256,
        num_layers: int = 1,
        input_format: Mapping[str, Any] | None = None,
        hidden_format: Mapping[str, Any] | None = None,
        backbone: str | None = None,
        backbone_pretrained: bool = False,
        pixels: PixelScaling = "standardized",
        pixel_scale: float = 1.0,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.frame_size = tuple(frame_size)
        self.pixels: PixelScaling = pixels
        self.pixel_scale = pixel_scale
        self.input_dropout = input_dropout
        self.backbone: nn.Module | None = None
        features = math.prod(self.frame_size)
        if backbone is not None:
            from htzoo.models.backbone import Backbone  # timm takes seconds to import, and raw pixels do without it

            self.backbone = Backbone(backbone, backbone_pretrained)
            features = self.backbone.num_features
        self.lstm = LSTM(
            features,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout,
            input_format=_format("input_format", input_format),
            hidden_format=_format("hidden_format", hidden_format),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, len(self.classes))

    def forward(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (batch, classes).

        Args:
            video: clips (batch, time, channels, height, width), pixels 0 to 255.
            lengths: frames of every clip (batch,), the rest being padding; all frames when None.

        Raises:
            ValueError: the frames have another size than the model was built for.
        """
        height, width, channels = self.frame_size
        if video.dim() != 5 or (self.backbone is None and video.shape[2:] != (channels, height, width)):
            raise ValueError(
                f"video has shape {tuple(video.shape)}: give (batch, time, {channels}, {height}, {width}), "
                "the frame size that the model was built for"
            )
        if lengths is not None and bool((lengths == video.shape[1]).all()):
            lengths = None
        if self.backbone is None:
            features = scale_pixels(video, lengths, self.pixels, self.pixel_scale)
        else:
            features = self.backbone(video.flatten(0, 1)).unflatten(0, video.shape[:2])
        if self.training and self.input_dropout:
            mask = nn.functional.dropout(torch.ones_like(features[:, :1]), self.input_dropout)
            features = features * mask
        features = features.to(self.classifier.weight.dtype)
        sequence: Tensor | PackedSequence = features
        if lengths is not None:
            sequence = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (h_n, _) = self.lstm(sequence)
        logits: Tensor = self.classifier(self.dropout(h_n[-1]))
        return logits


def _format(name: str, values: Mapping[str, Any] | None) -> Format | None:
    try:
        return None if values is None else format_from_dict(values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
