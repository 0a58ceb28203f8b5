"""Which configurations the quick tests use: enough that every kind of data and every kind of model occurs."""

from functools import cache
from typing import Any

import pytest

from htzoo.configs import config_names, load_config


@cache
def quick_names() -> frozenset[str]:
    """The first configuration of each dataset (raw frames or CNN), and of each combination of cell and formats."""
    seen: set[Any] = set()
    quick = set()
    for name in config_names():
        config = load_config(name)
        model, data = (config[key].get("init_args", {}) for key in ("model", "data"))
        formats = [_classes(model.get(f"{kind}_format")) for kind in ("input", "hidden", "joint")]
        cnn = bool(model.get("backbone"))
        task = config["model"].get("class_path")
        kinds = {(config["data"]["class_path"], task, cnn, data.get("sampling")), (model.get("cell"), *formats)}
        if kinds - seen:
            quick.add(name)
            seen |= kinds
    return frozenset(quick)


def _classes(value: Any) -> Any:
    """The class names of one format, or of one for each layer."""
    if isinstance(value, list):
        return tuple(map(_classes, value))
    return value and value["name"]


def all_names() -> list[Any]:
    """All configurations as parameters of a test; those that repeat the kinds of others are marked as slow."""
    quick = quick_names()
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in config_names()]
