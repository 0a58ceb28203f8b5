"""From a module to the config that builds it again, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from htzoo.formats import Dense, Format, format_from_dict
from htzoo.hub.config import LAYERS, ModelConfig
from htzoo.models import VideoClassifier, count_parameters
from htzoo.models.parameter_counts import count_recurrent
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.recurrent_layer import Recurrent

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
            **layer_formats(layer),
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
        for key in ("input_format", "hidden_format", "joint_format"):
            if arguments.get(key) is not None:
                arguments[key] = format_from_dict(arguments[key])
        return _LAYERS[config.kind](**arguments)


def layer_formats(layer: nn.Module) -> dict[str, Any]:
    """The formats of a recurrent layer in plain data, by the names of its arguments; None where there is none."""
    names = {"input_format": "weight_ih_l0", "hidden_format": "weight_hh_l0", "joint_format": "weight_l0"}
    return {key: format_of(getattr(layer, name, None)) for key, name in names.items()}


def format_of(weight: Any) -> dict[str, Any] | None:
    """The format of a weight in plain data; None where it is dense, or there is no such weight."""
    form: Format | None = getattr(weight, "format", None)
    return None if form is None or isinstance(form, Dense) else form.to_dict()


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
