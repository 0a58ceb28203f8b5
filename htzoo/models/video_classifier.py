"""Frames, an optional CNN, a tensorized recurrent layer, a linear classifier."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from htzoo.formats import Format, format_from_dict
from htzoo.formats.modes import is_exporting
from htzoo.models.backbone import Backbone
from htzoo.models.pixel_scaling import PixelScaling, scale_pixels
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.layer_arguments import layer_formats
from htzoo.nn.layer_formats import LayerFormats, formats_from_plain

Pooling = Literal["last", "mean"]
CELLS = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


class VideoClassifier(nn.Module):
    """Reads a clip frame by frame and predicts its class from the hidden states.

    It has two halves: :meth:`features` turns frames into vectors, and :meth:`classify_features` reads these.

    Args:
        classes: labels, in the order of the logits.
        frame_size: height, width and channels of a frame.
        hidden_size: features of the hidden state.
        num_layers: recurrent layers on top of each other.
        cell: kind of the recurrent layers.
        bias: whether the recurrent layers have a bias.
        input_format: format of the first layer's input-to-hidden weight, as :meth:`htzoo.formats.Format.to_dict`
            writes it, or a list with one for each layer; None is dense.
        hidden_format: format of every hidden-to-hidden weight, or a list with one for each layer.
        joint_format: format of the first layer's two weights as one, see :class:`htzoo.nn.recurrent_layer.Recurrent`.
        backbone: name of a timm CNN that reads the frames first; None feeds raw pixels to the recurrent layer.
        backbone_weights: where the CNN's weights come from: ``timm`` (the Hub), ``package`` (a Python package that
            contains them) or a file, see :func:`htzoo.models.backbone_weights.load_weights`; None draws them.
        backbone_frozen: whether the CNN stays as it is.
        feature_norm: whether the features of every frame are normalised to mean 0 and standard deviation 1.
        pixels: how raw pixels are scaled (a CNN brings its own scaling), see
            :func:`htzoo.models.pixel_scaling.scale_pixels`.
        pixel_scale: factor on the scaled pixels.
        input_dropout: dropout probability on the recurrent layer's input, one mask for all frames of a clip.
        dropout: dropout probability between layers and before the classifier.
        pooling: input of the classifier: the ``last`` hidden state, or the ``mean`` of all of them.

    Raises:
        ValueError: a format does not fit the sizes, or a name is unknown.
        FileNotFoundError: the weights of the CNN are not there.
    """

    def __init__(
        self,
        classes: Sequence[str],
        frame_size: Sequence[int] = (120, 160, 3),
        hidden_size: int = 256,
        num_layers: int = 1,
        cell: Literal["LSTM", "GRU", "RNN"] = "LSTM",
        bias: bool = True,
        input_format: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        hidden_format: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        joint_format: Mapping[str, Any] | None = None,
        backbone: str | None = None,
        backbone_weights: str | None = None,
        backbone_frozen: bool = False,
        feature_norm: bool = False,
        pixels: PixelScaling = "standardized",
        pixel_scale: float = 1.0,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        pooling: Pooling = "last",
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        self._given = given
        if cell not in CELLS:
            raise ValueError(f"cell is {cell!r}: give one of {', '.join(CELLS)}")
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {pooling!r}: give one of {', '.join(get_args(Pooling))}")
        if not 0 <= input_dropout <= 1:
            raise ValueError(f"input_dropout is {input_dropout}: give a probability between 0 and 1")
        self.classes = tuple(classes)
        self.frame_size = tuple(frame_size)
        self.pixels: PixelScaling = pixels
        self.pixel_scale = pixel_scale
        self.feature_norm = feature_norm
        self.input_dropout = input_dropout
        self.pooling: Pooling = pooling
        self.backbone: nn.Module | None = None
        features = math.prod(self.frame_size)
        if backbone is not None:
            with _uncollected():
                self.backbone = Backbone(backbone, backbone_weights, backbone_frozen)
            features = self.backbone.num_features
        self.recurrent = CELLS[cell](
            features,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            input_format=_formats("input_format", input_format),
            hidden_format=_formats("hidden_format", hidden_format),
            joint_format=_format("joint_format", joint_format),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, len(self.classes))

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments that build a model of the same shapes, as it is now.

        ``backbone_weights`` is not among them: the weights are part of the model. The formats are those of the layer
        that :attr:`recurrent` is now, which may have been compressed.
        """
        now = {name: value for name, value in vars(self).items() if name in self._given}
        given = {name: value for name, value in self._given.items() if name != "backbone_weights"}
        formats = {name: value for name, value in layer_formats(self.recurrent).items() if name in self._given}
        return {**given, **now, **formats}

    @property
    def features_are_fixed(self) -> bool:
        """Whether a clip's features never change while the model is trained: they come from a frozen CNN."""
        return self.backbone is not None and bool(self.backbone.frozen)

    def forward(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (batch, classes).

        Args:
            video: clips (batch, time, height, width, channels), pixels 0 to 255.
            lengths: frames of every clip (batch,), the rest being padding; all frames when None.

        Raises:
            ValueError: the frames have another size than the model was built for.
        """
        return self.classify_features(self.features(video, lengths), lengths)

    def features(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (batch, time, size) of every frame: the scaled pixels, or what the CNN makes of them.

        A frozen CNN reads one clip at a time and no padding, so that a clip's features do not depend, not even in the
        last bit, on the clips beside it.

        Args:
            video: clips (batch, time, height, width, channels), pixels 0 to 255.
            lengths: frames of every clip (batch,), the rest being padding; all frames when None.

        Raises:
            ValueError: the frames have another size than the model was built for.
        """
        height, width, channels = self.frame_size
        # A CNN resizes frames by itself.
        expected = self.frame_size if self.backbone is None else (*video.shape[2:4], channels)
        if video.dim() != 5 or video.shape[2:] != expected:
            raise ValueError(
                f"video has shape {tuple(video.shape)}: give (batch, time, {height}, {width}, {channels}), "
                "the frame size that the model was built for"
            )
        if self.backbone is None:
            return scale_pixels(video, _unless_full(lengths, video.shape[1]), self.pixels, self.pixel_scale)
        if not self.features_are_fixed or is_exporting():  # a graph for any number of clips cannot loop over them
            features: Tensor = self.backbone(video.flatten(0, 1)).unflatten(0, video.shape[:2])
            return features
        with torch.no_grad():
            counts = [video.shape[1]] * len(video) if lengths is None else lengths.tolist()
            clips = [self.backbone(clip[:count]) for clip, count in zip(video, counts, strict=True)]
            return nn.utils.rnn.pad_sequence(clips, batch_first=True)

    def classify_features(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (batch, classes) from what :meth:`features` returns.

        Args:
            features: (batch, time, size).
            lengths: frames of every clip (batch,), the rest being padding; all frames when None.
        """
        lengths = _unless_full(lengths, features.shape[1])
        features = self.normalized(features)
        if self.training and self.input_dropout:
            mask = nn.functional.dropout(torch.ones_like(features[:, :1]), self.input_dropout)
            features = features * mask
        sequence: Tensor | PackedSequence = features
        if lengths is not None:
            sequence = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, state = self.recurrent(sequence)
        last = (state[0] if isinstance(state, tuple) else state)[-1]
        pooled = _mean(output) if self.pooling == "mean" else last
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def normalized(self, features: Tensor) -> Tensor:
        """Features as the recurrent layer reads them, before dropout."""
        features = features.to(self.classifier.weight.dtype)
        return nn.functional.layer_norm(features, features.shape[-1:]) if self.feature_norm else features


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector, which a large import would start again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _mean(output: Tensor | PackedSequence) -> Tensor:
    """Mean of the hidden states (batch, size) over time, without padding."""
    if isinstance(output, Tensor):
        return output.mean(1)
    padded, lengths = pad_packed_sequence(output, batch_first=True)  # zeros behind the end
    return padded.sum(1) / lengths[:, None].to(padded)


def _unless_full(lengths: Tensor | None, time: int) -> Tensor | None:
    """None where no clip is padded: sequences of one length need no packing."""
    return None if lengths is None or bool((lengths == time).all()) else lengths


def _formats(name: str, values: Any) -> LayerFormats:
    try:
        return formats_from_plain(values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _format(name: str, values: Mapping[str, Any] | None) -> Format | None:
    try:
        return None if values is None else format_from_dict(values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
