"""The classes that a config.json may name. Their constructors say which arguments it may hold, and of which types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from inspect import signature
from operator import or_
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from torch import nn

from htzoo.formats import Format
from htzoo.hub.value_checks import (
    Check,
    boolean,
    choice,
    frame_size,
    integer,
    labels,
    layer_formats,
    number,
    or_none,
    tensor_format,
    text,
)
from htzoo.models import VideoClassifier
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.layer_arguments import layer_arguments
from htzoo.nn.layer_formats import formats_from_plain
from htzoo.nn.recurrent_layer import Recurrent

MODELS: dict[str, type[VideoClassifier]] = {"VideoClassifier": VideoClassifier}
LAYERS: dict[str, type[Recurrent]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}

# Arguments that say where weights come from or how they are stored. They are never read from a config.
_NOT_SAVED = ("backbone_weights", "device", "dtype")
# Limits that keep a hostile config from costing time and memory before the size of its weights is compared.
_RANGES = {
    "num_layers": (1, 64),
    "hidden_size": (1, 1 << 16),
    "input_size": (1, 1 << 26),
    "proj_size": (0, 1 << 16),
}
_MAX_FACTOR = 1e6
_CHECKS: dict[Any, Check] = {
    bool: boolean,
    float: number(-_MAX_FACTOR, _MAX_FACTOR),
    str: text,
    Sequence[str]: labels,
    Sequence[int]: frame_size,
    Mapping[str, Any]: tensor_format,
    Format: tensor_format,
    Mapping[str, Any] | Sequence[Mapping[str, Any] | None]: layer_formats,
    Format | Sequence[Format | None]: layer_formats,
}


def argument_checks(cls: type[nn.Module]) -> dict[str, Check]:
    """A check for every argument of a class that a config may give, from the types in its constructor."""
    hints = get_type_hints(cls.__init__)
    names = [name for name in signature(cls).parameters if name not in _NOT_SAVED]
    return {name: _check(name, hints[name]) for name in names}


def _check(name: str, hint: Any) -> Check:
    if get_origin(hint) in (Union, UnionType):
        parts = tuple(part for part in get_args(hint) if part is not NoneType)
        return or_none(_check(name, parts[0]) if len(parts) == 1 else _CHECKS[reduce(or_, parts)])
    if get_origin(hint) is Literal:
        return choice(*get_args(hint))
    if hint is int:
        return integer(*_RANGES[name])
    return _CHECKS[hint]


ARGUMENTS = {kind: argument_checks(cls) for kind, cls in {**MODELS, **LAYERS}.items()}


def describe(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """The kind of a module, a key of :data:`ARGUMENTS`, and the constructor arguments that build it again.

    Args:
        module: a :class:`~htzoo.models.VideoClassifier`, or a recurrent layer of :mod:`htzoo.nn`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(module, VideoClassifier):
        return "VideoClassifier", module.arguments
    for kind, cls in LAYERS.items():
        if type(module) is cls:
            return kind, layer_arguments(module)
    raise ValueError(f"module is a {type(module).__name__}: give a VideoClassifier, or a recurrent layer of htzoo.nn")


def build(kind: str, arguments: Mapping[str, Any], device: torch.device | str = "cpu") -> nn.Module:
    """A plain module with fresh weights; on the meta device it has shapes and no values.

    Raises:
        ValueError: the arguments do not fit together.
    """
    with torch.device(device):
        if kind in MODELS:
            return MODELS[kind](**arguments)
        formats = {name: formats_from_plain(value) for name, value in arguments.items() if name.endswith("_format")}
        return LAYERS[kind](**{**arguments, **formats})
