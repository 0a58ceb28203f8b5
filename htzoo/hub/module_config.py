"""From a module to the config that builds it again."""

from __future__ import annotations

from typing import Any

from torch import nn

from htzoo.hub.config import LAYERS
from htzoo.models import VideoClassifier
from htzoo.nn.layer_arguments import layer_arguments, layer_formats
from htzoo.nn.recurrent_layer import Recurrent


def describe(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """The name of a module's class in the tables of :mod:`htzoo.hub.config`, and its constructor's arguments.

    Args:
        module: a :class:`~htzoo.models.VideoClassifier`, or a recurrent layer of :mod:`htzoo.nn`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(module, VideoClassifier):
        layer = module.recurrent
        backbone = module.backbone
        arguments = {
            "classes": list(module.classes),
            "frame_size": list(module.frame_size),
            "hidden_size": layer.hidden_size,
            "num_layers": layer.num_layers,
            "cell": type(layer).__name__,
            "bias": layer.bias,
            **{key: value for key, value in layer_formats(layer).items() if key != "projection_format"},
            "backbone": None if backbone is None else backbone.name,
            "backbone_frozen": backbone is not None and backbone.frozen,
            "feature_norm": module.feature_norm,
            "pixels": module.pixels,
            "pixel_scale": module.pixel_scale,
            "input_dropout": module.input_dropout,
            "dropout": module.dropout.p,
            "pooling": module.pooling,
        }
        return "VideoClassifier", arguments
    if isinstance(module, Recurrent) and type(module).__name__ in LAYERS:
        return type(module).__name__, layer_arguments(module)
    raise ValueError(f"module is a {type(module).__name__}: give a VideoClassifier, or a recurrent layer of htzoo.nn")
