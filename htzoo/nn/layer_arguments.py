"""The constructor arguments of a recurrent layer, read from the layer itself."""

from __future__ import annotations

import re
from inspect import signature
from typing import Any

from htzoo.formats import Dense, Format
from htzoo.nn.layer_formats import LayerFormats
from htzoo.nn.recurrent_layer import Recurrent

_WEIGHTS = {
    "input_format": "weight_ih",
    "hidden_format": "weight_hh",
    "joint_format": "weight",
    "projection_format": "weight_hr",
}
_PLACE = ("device", "dtype")  # where and how the parameters are stored, not what the layer computes


def layer_arguments(layer: Recurrent) -> dict[str, Any]:
    """Plain data that build a layer of the same class and shapes; formats are those that the weights have now."""
    names = [name for name in signature(type(layer)).parameters if name not in (*_WEIGHTS, *_PLACE)]
    return {**{name: getattr(layer, name) for name in names}, **layer_formats(layer)}


def layer_formats(layer: Recurrent) -> dict[str, Any]:
    """The formats of a recurrent layer as plain data, by argument name; None where the weights are dense or absent.

    Where the layers' formats differ, they are a list with one for each layer.
    """
    arguments = signature(type(layer)).parameters
    return {name: _formats_of(layer, weight) for name, weight in _WEIGHTS.items() if name in arguments}


def plain_formats(formats: LayerFormats) -> Any:
    """The opposite of :func:`~htzoo.nn.layer_formats.formats_from_plain`."""
    if formats is None or isinstance(formats, Format):
        return None if formats is None else formats.to_dict()
    return [plain_formats(one) for one in formats]


def formats_in(values: Any) -> list[dict[str, Any]]:
    """The formats in an argument of :func:`layer_formats`: none, one, or those of a list that are not dense."""
    return [value for value in (values if isinstance(values, list | tuple) else [values]) if value is not None]


def _formats_of(layer: Recurrent, weight: str) -> dict[str, Any] | list[dict[str, Any] | None] | None:
    found = [
        None if isinstance(matrix.format, Dense) else matrix.format.to_dict()
        for name, matrix in layer.matrices().items()
        if re.fullmatch(rf"{weight}_l\d+", name)
    ]
    if not any(found):
        return None
    single = [found[0], *([None] if weight == "weight_ih" else found[:1]) * (len(found) - 1)]
    return found[0] if found == single else found
