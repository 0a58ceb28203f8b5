"""How many parameters a model has, part by part, beside those of its dense equivalent."""

from __future__ import annotations

from torch import nn

from htzoo.models.video_classifier import VideoClassifier
from htzoo.nn.recurrent_layer import Recurrent

PARTS = ("input_to_hidden", "hidden_to_hidden", "joint", "bias", "classifier", "backbone", "total")


def count_parameters(module: nn.Module, *, dense: bool = False) -> dict[str, int]:
    """Parameters by part, ``total`` last; a bare recurrent layer has no ``classifier`` and no ``backbone``.

    ``joint`` counts weights that are input-to-hidden and hidden-to-hidden in one.

    Args:
        module: a :class:`~htzoo.models.VideoClassifier`, or a recurrent layer of :mod:`htzoo.nn`.
        dense: whether every tensor network counts as the full matrix that it represents.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(module, Recurrent):
        counts = count_recurrent(module, dense=dense)
    elif isinstance(module, VideoClassifier):
        counts = dict.fromkeys(PARTS, 0) | count_recurrent(module.recurrent, dense=dense)
        counts["classifier"] = sum(value.numel() for value in module.classifier.parameters())
        if module.backbone is not None:
            counts["backbone"] = sum(value.numel() for value in module.backbone.parameters())
    else:
        raise ValueError(
            f"module is a {type(module).__name__}: give a VideoClassifier or a recurrent layer of htzoo.nn"
        )
    return {**counts, "total": sum(counts.values())}


def count_recurrent(layer: Recurrent, *, dense: bool = False) -> dict[str, int]:
    """The first four of these parts, for a recurrent layer by itself.

    Args:
        layer: the layer to count.
        dense: whether every tensor network counts as the full matrix that it represents.
    """
    counts = {"input_to_hidden": 0, "hidden_to_hidden": 0, "joint": 0, "bias": 0}
    for name, matrix in layer.matrices().items():
        network = matrix.network
        counts[_part(name)] += network.in_features * network.out_features if dense else network.num_parameters
    counts["bias"] = sum(value.numel() for name, value in layer.named_parameters() if name.startswith("bias"))
    return counts


def _part(name: str) -> str:
    if name.startswith("weight_ih"):
        return "input_to_hidden"
    return "hidden_to_hidden" if name.startswith(("weight_hh", "weight_hr")) else "joint"
