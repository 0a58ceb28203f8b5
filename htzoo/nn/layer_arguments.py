"""The constructor arguments of a recurrent layer, read from the layer itself."""

from __future__ import annotations

from inspect import signature
from typing import Any

from htzoo.formats import Dense, Format
from htzoo.nn.recurrent_layer import Recurrent

_WEIGHTS = {"input_format": "weight_ih_l0", "hidden_format": "weight_hh_l0", "joint_format": "weight_l0"}
_PLACE = ("device", "dtype")  # where and how the parameters are stored, not what the layer computes


def layer_arguments(layer: Recurrent) -> dict[str, Any]:
    """Plain data that build a layer of the same class and shapes; formats are those that the weights have now."""
    names = [name for name in signature(type(layer)).parameters if name not in (*_WEIGHTS, *_PLACE)]
    return {**{name: getattr(layer, name) for name in names}, **layer_formats(layer)}


def layer_formats(layer: Recurrent) -> dict[str, dict[str, Any] | None]:
    """The formats of a recurrent layer as plain data, by argument name; None where the weight is dense or absent."""
    return {name: _format_of(getattr(layer, weight, None)) for name, weight in _WEIGHTS.items()}


def _format_of(weight: Any) -> dict[str, Any] | None:
    format: Format | None = getattr(weight, "format", None)
    return None if format is None or isinstance(format, Dense) else format.to_dict()
