"""Choose the modes and ranks of a model's formats for its frame size and hidden size."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch

from htzoo.formats import format_from_dict
from htzoo.formats.suggest import suggest
from htzoo.models import VideoClassifier
from htzoo.models.backbone import Backbone

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_KEYS = ("joint_format", "input_format", "hidden_format")


def within_budget(budget: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a model with new modes and ranks in its formats.

    Args:
        budget: parameters that the first weight may have, such as ``3400``, or ``50x`` for 50 times fewer than a dense
            weight has. Where the hidden weight has a format too, it is made smaller by the same ratio.
        arguments: those of :class:`~htzoo.models.VideoClassifier`. Where no weight has a format, the input-to-hidden
            weight gets HierarchicalTucker.

    Raises:
        ValueError: the budget cannot be read, or no shape stays within it.
    """
    kinds = {key: str(arguments[key]["name"]) for key in _KEYS if arguments.get(key)}
    kinds = kinds or {"input_format": "HierarchicalTucker"}
    sizes = _sizes(arguments)
    first = next(iter(kinds))
    ratio = _ratio(budget, math.prod(sizes[first]))
    chosen = {}
    for key, kind in kinds.items():
        columns, rows, gates = sizes[key]
        allowed = max(1, int(columns * rows * gates / ratio))
        try:
            found = suggest(kind, columns, rows, gates=gates, budget=allowed)
        except ValueError as error:
            raise ValueError(f"--model.budget is {budget}, for the {key}: {error}") from None
        chosen[key] = found.to_dict()
    return {**arguments, **chosen}


def shape_to_give(error: ValueError, arguments: Mapping[str, Any]) -> ValueError:
    """An error about modes that do not fit, with the shape that does, of as many parameters; others as they are."""
    if "multiply to" not in str(error):
        return error
    try:
        key = next(key for key in _KEYS if arguments.get(key))
        given = format_from_dict(arguments[key])
        modes = given.to_dict()
        gates = _sizes(arguments)[key][2]
        inputs, outputs = math.prod(modes["in_modes"]), math.prod(modes["out_modes"])
        budget = str(given.network(inputs, outputs, gates).num_parameters)
        shape = within_budget(budget, arguments)[key]
    except (KeyError, StopIteration, ValueError):
        return error
    text = ", ".join(f"{name}: {value}" for name, value in shape.items() if value is not None)
    start = str(error).rpartition(": give ")[0] or str(error)
    return ValueError(f"{start}: give --model.budget {budget}, or --model.{key} '{{{text}}}'")


def _sizes(arguments: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Columns, rows of a gate, and gates of the weight that each format is for."""
    defaults = {name: parameter.default for name, parameter in signature(VideoClassifier).parameters.items()}
    given = {**defaults, **arguments}
    hidden, gates = int(given["hidden_size"]), _GATES.get(str(given["cell"]), 1)
    if given["backbone"] is None:
        features = math.prod(given["frame_size"])
    else:
        with torch.device("meta"):
            features = Backbone(given["backbone"]).num_features
    return {
        "joint_format": (features + hidden, hidden, gates),
        "input_format": (features, hidden, gates),
        "hidden_format": (hidden, hidden, gates),
    }


def _ratio(budget: str, dense: int) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(x?)", str(budget))
    if found is None or float(found[1]) <= 0:
        raise ValueError(
            f"--model.budget is {budget!r}: give a number of parameters, like 3400, or how many times fewer, like 50x"
        )
    return float(found[1]) if found[2] else dense / float(found[1])
