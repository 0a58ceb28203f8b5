"""The models of the zoo by name. Every configuration that trains a model is one."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from htzoo.configs import config_names, load_config
from htzoo.hub.packaged_weights import pretrained_names
from htzoo.names import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from htzoo.data.datasets.registry import Listing
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.config import ModelConfig

# The tasks that train a VideoClassifier, by the class name in a configuration.
_TASKS = ("VideoClassification", "MultiLabelClassification")


def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """Names of models, sorted.

    Args:
        pattern: which names, with ``*`` and ``?``, such as ``ucf11_*``.
        pretrained: whether to list only models with trained weights.
    """
    return sorted(fnmatch.filter(pretrained_names() if pretrained else config_names(), pattern))


def create_model(name: str, **changes: Any) -> ZooClassifier:
    """A model of the zoo with fresh weights; its CNN, if it has one, has the weights that its configuration names.

    Args:
        name: one of :func:`list_models`.
        changes: arguments of :class:`~htzoo.models.VideoClassifier` in place of the configuration's.

    Raises:
        ValueError: the name is unknown, or an argument is wrong.
        FileNotFoundError: the weights of the CNN are not there.
    """
    from dataclasses import replace

    from htzoo.hub.classifier import ZooClassifier

    config, weights = read_zoo_config(name)
    weights = changes.pop("backbone_weights", weights)
    if changes:
        config = replace(config, name=None, arguments={**config.arguments, **changes})
    return ZooClassifier(config, backbone_weights=weights)


def read_zoo_config(name: str) -> tuple[ModelConfig, str | None]:
    """The config of an untrained model, and the source of its CNN's weights.

    Args:
        name: a model of the zoo, or the path of a configuration file.

    Raises:
        UnknownNameError: there is no such name or file.
        ValueError: the configuration does not train a model, or names a dataset that htzoo does not have.
    """
    from htzoo.hub.config import ModelConfig
    from htzoo.hub.kinds import ARGUMENTS
    from htzoo.hub.training_run import frame_sampler

    settings = zoo_settings(name)
    data = _dataset(settings["data"]["class_path"])
    size = settings["data"].get("init_args", {}).get("size") or data.attribute("standard_size")
    given = settings["model"].get("init_args", {})
    arguments = {key: value for key, value in given.items() if key in ARGUMENTS["VideoClassifier"]}
    config = ModelConfig(
        kind="VideoClassifier",
        arguments={"classes": data.attribute("classes"), "frame_size": (*size, 3), **arguments},
        sampling=frame_sampler(settings["data"]),
        multilabel=settings["model"]["class_path"] == "MultiLabelClassification",
        name=name if name in config_names() else None,
    )
    return config, given.get("backbone_weights")


def zoo_settings(name: str) -> dict[str, Any]:
    """The settings of a model of the zoo, or of a configuration file, see :func:`htzoo.configs.load_config`.

    Raises:
        UnknownNameError: there is no such name or file.
        ValueError: the configuration does not train a model.
    """
    if name not in config_names() and not is_config_path(name):
        hint = did_you_mean(name, config_names(), "htzoo models lists all")
        raise UnknownNameError(f"no model {name!r} in the zoo: {hint}")
    settings = load_config(name)
    for key, known in (("model", _TASKS), ("data", None)):
        section = settings.get(key)
        class_path = section.get("class_path") if isinstance(section, dict) else None
        if not isinstance(class_path, str) or (known and class_path not in known):
            raise ValueError(f"{name} has {key}.class_path {class_path!r}, which is none of htzoo's")
    return settings


def is_config_path(name: str) -> bool:
    """Whether a name is meant as the path of a configuration file."""
    return name.endswith((".yaml", ".yml"))


def _dataset(class_name: str) -> Listing:
    from htzoo.data.datasets.registry import class_names, find_listing

    if class_name not in class_names():
        raise ValueError(f"data.class_path is {class_name!r}, which is no dataset of htzoo")
    return find_listing(class_names()[class_name])
