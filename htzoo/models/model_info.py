"""Facts about a model: sizes, formats, parameters, ratios, MACs, and published results."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from htzoo.models.macs import input_macs
from htzoo.models.parameter_counts import count_parameters, count_recurrent
from htzoo.models.published_results import PUBLISHED
from htzoo.models.video_classifier import VideoClassifier
from htzoo.nn.layer_arguments import layer_formats
from htzoo.nn.weight import Matrix


def model_info(model: VideoClassifier, name: str, dataset: str | None, frames: int | None) -> dict[str, Any]:
    """Facts about a model as plain data.

    ``compression`` is the parameters of the dense equivalent divided by those of the model: for the input-to-hidden
    weight (None if it has none), for the whole recurrent layer with its bias, and for the whole model.

    Args:
        model: the model.
        name: its name.
        dataset: class name of its dataset.
        frames: frames in a batch, for which ``macs_per_frame`` is planned; None leaves it out.
    """
    ours, dense = count_parameters(model), count_parameters(model, dense=True)
    macs = None if frames is None else input_macs(model, frames)
    layer = model.recurrent
    published = PUBLISHED.get(name)
    return {
        "name": name,
        "dataset": dataset,
        "classes": len(model.classes),
        "frame_size": list(model.frame_size),
        "backbone": None if model.backbone is None else model.backbone.name,
        "cell": type(layer).__name__,
        "input_size": layer.input_size,
        "hidden_size": layer.hidden_size,
        "num_layers": layer.num_layers,
        **layer_formats(layer),
        "parameters": ours,
        "dense_parameters": dense,
        "compression": {
            "input_to_hidden": dense["input_to_hidden"] / ours["input_to_hidden"] if ours["input_to_hidden"] else None,
            "recurrent": sum(count_recurrent(layer, dense=True).values()) / sum(count_recurrent(layer).values()),
            "total": dense["total"] / ours["total"],
        },
        "macs_per_frame": macs and dict(zip(("input_to_hidden", "dense_input_to_hidden"), macs)),
        "published": None if published is None else asdict(published),
    }


def first_layer_weights(model: VideoClassifier) -> dict[str, Matrix]:
    """The weights of the first recurrent layer: ``input`` and ``hidden``, or ``joint``."""
    names = {"input": "weight_ih_l0", "hidden": "weight_hh_l0", "joint": "weight_l0"}
    weights = model.recurrent.matrices()
    return {kind: weights[name] for kind, name in names.items() if name in weights}
