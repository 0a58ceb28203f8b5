"""How many numbers a model holds, part by part, beside its dense twin."""

from __future__ import annotations

from htzoo.models.video_classifier import VideoClassifier
from htzoo.nn.recurrent_layer import Recurrent

PARTS = ("input_to_hidden", "hidden_to_hidden", "joint", "bias", "classifier", "backbone", "total")


def count_parameters(model: VideoClassifier, *, dense: bool = False) -> dict[str, int]:
    """Parameters by part, ``total`` last; ``joint`` is of weights that are input-to-hidden and hidden-to-hidden in one.

    Args:
        model: the model to count.
        dense: whether every tensor network counts as the full matrix that it stands for.
    """
    counts = dict.fromkeys(PARTS, 0) | count_recurrent(model.recurrent, dense=dense)
    counts["classifier"] = sum(value.numel() for value in model.classifier.parameters())
    if model.backbone is not None:
        counts["backbone"] = sum(value.numel() for value in model.backbone.parameters())
    counts["total"] = sum(counts.values())
    return counts


def count_recurrent(layer: Recurrent, *, dense: bool = False) -> dict[str, int]:
    """The first four of these parts, for a recurrent layer by itself.

    Args:
        layer: the layer to count.
        dense: whether every tensor network counts as the full matrix that it stands for.
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
