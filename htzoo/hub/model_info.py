"""The facts that ``htzoo info`` and ``htzoo models`` show, of any model that can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htzoo.configs import config_names
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.open_model import open_model
from htzoo.hub.registry import is_config_path, zoo_settings
from htzoo.models.model_info import model_info

_ROWS = 128  # frames in a batch, if no configuration says how many


def read_info(reference: str, *, count_macs: bool = True) -> tuple[dict[str, Any], ZooClassifier]:
    """The facts about a model, see :func:`htzoo.models.model_info.model_info`, and the model without weights.

    Args:
        reference: what :func:`~htzoo.hub.open_model.open_model` takes.
        count_macs: whether to plan the contraction, whose MACs are ``macs_per_frame``.

    Raises:
        ValueError: there is no such model, or it is no video model.
        FileNotFoundError: it is a path, and nothing is there.
    """
    model = open_model(reference, ZooClassifier, weights=False)
    name, dataset, rows = Path(reference).resolve().name.removesuffix(".ckpt"), None, _ROWS
    if is_config_path(reference) or reference in config_names():
        settings = zoo_settings(reference)
        given = settings["data"].get("init_args", {})
        name, dataset = Path(reference).stem, settings["data"]["class_path"]
        rows = model.sampling.frames * int(given.get("batch_size", 32))
    return model_info(model, name, dataset, rows if count_macs else None), model
