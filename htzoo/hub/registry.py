"""The models of the zoo by name: every configuration that is a model."""

from __future__ import annotations

import fnmatch
import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from htzoo.configs import config_names, load_config
from htzoo.names import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from htzoo.models import VideoClassifier

# The tasks that train a VideoClassifier, by the name that a configuration gives.
TASKS = ("VideoClassification", "MultiLabelClassification")


def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """Names of models, sorted.

    Args:
        pattern: which names, with ``*`` and ``?``, such as ``ucf11_*``.
        pretrained: whether to list only those whose trained weights can be had.
    """
    names: list[str] = config_names()
    if pretrained:
        from htzoo.hub.packaged_weights import pretrained_names

        names = pretrained_names()
    return sorted(fnmatch.filter(names, pattern))


def create_model(name: str, **changes: Any) -> VideoClassifier:
    """A model of the zoo with fresh weights; a CNN in it has the weights that its configuration names.

    Args:
        name: one of :func:`list_models`.
        changes: arguments of :class:`~htzoo.models.VideoClassifier` in place of the configuration's.

    Raises:
        ValueError: the name is unknown, or an argument is wrong.
        FileNotFoundError: the weights of the CNN are not there.
    """
    from htzoo.models import VideoClassifier

    return VideoClassifier(**{**model_arguments(name), **changes})


@lru_cache(maxsize=8)
def model_on_meta(name: str) -> VideoClassifier:
    """A model of the zoo, or of a configuration file, whose weights have shapes and no numbers."""
    import torch

    with torch.device("meta"):
        return create_model(name, backbone_weights=None)


def model_config(name: str) -> dict[str, Any]:
    """The configuration of a model of the zoo, or a configuration file, see :func:`htzoo.configs.load_config`.

    Raises:
        UnknownNameError: there is no such name or file.
        ValueError: the configuration is not of a model.
    """
    if name not in config_names() and not name.endswith((".yaml", ".yml")):
        hint = did_you_mean(name, config_names(), "htzoo models lists all")
        raise UnknownNameError(f"no model {name!r} in the zoo: {hint}")
    config = load_config(name)
    for key, known in (("model", TASKS), ("data", None)):
        part = config.get(key)
        class_path = part.get("class_path") if isinstance(part, dict) else None
        if not isinstance(class_path, str) or (known and class_path not in known):
            raise ValueError(f"{name} has {key}.class_path {class_path!r}, which is none of htzoo's")
    return config


def model_arguments(name: str) -> dict[str, Any]:
    """Arguments of :class:`~htzoo.models.VideoClassifier` for a model of the zoo, its data set's among them.

    Raises:
        ValueError: the name is unknown, or its configuration names a data set that htzoo does not have.
    """
    from htzoo.models import VideoClassifier

    config = model_config(name)
    data = data_class(config["data"]["class_path"])
    size = config["data"].get("init_args", {}).get("size") or data.standard_size
    known = inspect.signature(VideoClassifier).parameters
    arguments = {key: value for key, value in config["model"].get("init_args", {}).items() if key in known}
    return {"classes": data.classes, "frame_size": (*size, 3), **arguments}


def data_class(name: str) -> Any:
    """The data set of this class name, from htzoo's own.

    Raises:
        ValueError: there is none.
    """
    from htzoo.data.datasets.registry import class_names, find_dataset

    if name not in class_names():
        raise ValueError(f"data.class_path is {name!r}, which is no dataset of htzoo")
    return find_dataset(class_names()[name])
