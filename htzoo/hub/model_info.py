"""The design of a model in numbers: sizes, formats, parameters, ratios, multiply-adds, and what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from htzoo.configs import config_names
from htzoo.hub.config import CONFIG_NAME
from htzoo.hub.registry import model_config, model_on_meta
from htzoo.models.model_info import model_info

if TYPE_CHECKING:
    from htzoo.models import VideoClassifier

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
        return model_info(model, path.resolve().name, None, _ROWS if count_macs else None), model
    if path.suffix == ".ckpt":
        model = _from_checkpoint(path)
        return model_info(model, path.stem, None, _ROWS if count_macs else None), model
    config = model_config(name_or_path)
    model = model_on_meta(name_or_path)
    settings = config["data"].get("init_args", {})
    together = int(settings.get("frames", 8)) * int(settings.get("batch_size", 32))
    name = path.name.removesuffix(".yaml")
    return model_info(model, name, config["data"]["class_path"], together if count_macs else None), model


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
