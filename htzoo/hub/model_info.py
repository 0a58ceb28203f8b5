"""The design of a model in numbers: sizes, formats, parameters, ratios, multiply-adds, and what was published."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htzoo.configs import config_names
from htzoo.hub.config import CONFIG_NAME
from htzoo.hub.registry import model_config, model_on_meta
from htzoo.models.published_results import PUBLISHED
from htzoo.report.parameter_table import layer_parameters

if TYPE_CHECKING:
    from htzoo.models import VideoClassifier
    from htzoo.nn.weight import Matrix

_ROWS = 128  # frames that pass together, where no configuration says it


def load_design(name_or_path: str, *, count_macs: bool = True) -> tuple[dict[str, Any], VideoClassifier]:
    """A model's design, and the model, whose weights may have shapes and no numbers.

    Args:
        name_or_path: a model of the zoo, a configuration file, a checkpoint of a run, or a folder written by
            ``save_pretrained``.
        count_macs: whether to search for the order of the products, whose multiply-adds are ``macs_per_frame``.

    Raises:
        ValueError: it is none of these, or names something that htzoo does not have.
        FileNotFoundError: it looks like a path, and nothing is there.
    """
    from htzoo.models import VideoClassifier

    path = Path(name_or_path)
    if path.is_dir() and ((path / CONFIG_NAME).is_file() or name_or_path not in config_names()):
        from htzoo.hub.pretrained import from_pretrained

        model = from_pretrained(path.resolve())
        if not isinstance(model, VideoClassifier):
            raise ValueError(f"{path} holds a {type(model).__name__}: give the folder of a video model")
        return design(model, path.resolve().name, None, _ROWS if count_macs else None), model
    if path.suffix == ".ckpt":
        model = _from_checkpoint(path)
        return design(model, path.stem, None, _ROWS if count_macs else None), model
    config = model_config(name_or_path)
    model = model_on_meta(name_or_path)
    settings = config["data"].get("init_args", {})
    together = int(settings.get("frames", 8)) * int(settings.get("batch_size", 32))
    name = path.name.removesuffix(".yaml")
    return design(model, name, config["data"]["class_path"], together if count_macs else None), model


def design(model: VideoClassifier, name: str, dataset: str | None, frames: int | None) -> dict[str, Any]:
    """Plain data that say everything about how a model is built.

    ``compression`` is dense parameters divided by the model's, null where there are none of the kind: of the
    input-to-hidden weight, of the whole recurrent layer with its bias, and of the whole model.

    Args:
        model: the model.
        name: what it is called.
        dataset: class name of its data set.
        frames: how many frames pass the input product together, for which ``macs_per_frame`` holds; null when None.
    """
    from htzoo.hub.module_config import format_of
    from htzoo.models import count_parameters, input_multiply_adds

    ours, dense = count_parameters(model), count_parameters(model, dense=True)
    macs = None if frames is None else input_multiply_adds(model, frames)
    layer = model.recurrent
    published = PUBLISHED.get(name)

    weights = first_layer_weights(model)
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
        **{f"{kind}_format": format_of(weights.get(kind)) for kind in ("input", "hidden", "joint")},
        "parameters": ours,
        "dense_parameters": dense,
        "compression": {
            "input_to_hidden": dense["input_to_hidden"] / ours["input_to_hidden"] if ours["input_to_hidden"] else None,
            "recurrent": layer_parameters(dense) / layer_parameters(ours),
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


def _from_checkpoint(path: Path) -> VideoClassifier:
    import inspect

    import torch

    from htzoo.hub.training_run import read_checkpoint
    from htzoo.models import VideoClassifier

    saved = read_checkpoint(path, "meta")["hyper_parameters"]
    known = inspect.signature(VideoClassifier).parameters
    with torch.device("meta"):
        return VideoClassifier(
            **{key: value for key, value in saved.items() if key in known} | {"backbone_weights": None}
        )
