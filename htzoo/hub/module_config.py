"""From a module to the config that builds it again, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from htzoo.formats import Dense, Format
from htzoo.hub.config import LAYERS, ModelConfig
from htzoo.models import VideoClassifier, count_parameters
from htzoo.models.parameter_counts import count_recurrent
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.recurrent_layer import Recurrent, formats_from_plain
from htzoo.nn.weight import Matrix

_LAYERS: dict[str, type[Recurrent]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


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
    for name, cls in _LAYERS.items():
        if type(module) is cls:
            values = {key: getattr(module, key) for key in LAYERS[name] if not key.endswith("_format")}
            return name, {**values, **layer_formats(module)}
    raise ValueError(f"module is a {type(module).__name__}: give a VideoClassifier, or a recurrent layer of htzoo.nn")


def build(config: ModelConfig, device: torch.device | str | None = None) -> nn.Module:
    """The module that a config describes, its weights drawn anew (on the meta device: without weights).

    Raises:
        ValueError: the parts do not fit together.
    """
    arguments = dict(config.arguments)
    with torch.device(device or "cpu"):
        if config.kind == "VideoClassifier":
            from htzoo.hub.classifier import PublishedClassifier

            return PublishedClassifier(config)
        for key in [key for key in arguments if key.endswith("_format")]:
            arguments[key] = formats_from_plain(arguments[key])
        return _LAYERS[config.kind](**arguments)


def layer_formats(layer: nn.Module) -> dict[str, Any]:
    """The formats of a recurrent layer in plain data, by the names of its arguments; None where all is dense."""
    assert isinstance(layer, Recurrent)
    names = {"input_format": "weight_ih", "hidden_format": "weight_hh", "joint_format": "weight"}
    if layer.projects:
        names["projection_format"] = "weight_hr"
    return {key: _plain(layer.layer_formats(name)) for key, name in names.items()}


def _plain(formats: Format | tuple[Format | None, ...] | None) -> Any:
    if isinstance(formats, tuple):
        return [_plain(form) for form in formats]
    return None if formats is None else formats.to_dict()


def format_of(weight: Matrix | None) -> dict[str, Any] | None:
    """The format of a weight in plain data; None where it is dense, or there is no such weight."""
    return None if weight is None or isinstance(weight.format, Dense) else weight.format.to_dict()


def parameter_counts(module: nn.Module, *, dense: bool = False) -> dict[str, int]:
    """Parameters by part, see :func:`htzoo.models.count_parameters`; a bare layer has no classifier.

    Args:
        module: what :func:`describe` takes.
        dense: whether every tensor network counts as the full matrix that it stands for.
    """
    if isinstance(module, VideoClassifier):
        return count_parameters(module, dense=dense)
    assert isinstance(module, Recurrent)
    counts = count_recurrent(module, dense=dense)
    return {**counts, "total": sum(counts.values())}
