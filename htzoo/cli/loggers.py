"""Loggers by name: ``--logger tensorboard``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers.logger import Logger

LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]

# What has to be installed, by `pip install htzoo[NAME]`.
_PACKAGES = {"tensorboard": ("tensorboard",), "wandb": ("wandb",), "mlflow": ("mlflow", "mlflow_skinny")}


def make_logger(name: LoggerName, runs: Path, version: str) -> Logger | None:
    """A logger that writes to the folder of a run, or to its own service; None for ``csv``, which every run has.

    Args:
        name: which one.
        runs: folder of all runs of this name.
        version: name of this run's folder.

    Raises:
        ValueError: its package is not installed.
    """
    if name == "csv":
        return None
    if not any(find_spec(package) for package in _PACKAGES[name]):
        raise ValueError(
            f"--logger is {name!r}, and the package {_PACKAGES[name][0]} is not installed: pip install 'htzoo[{name}]'"
        )
    module: Any = import_module("lightning.pytorch.loggers")
    if name == "tensorboard":
        return module.TensorBoardLogger(str(runs.parent), runs.name, version, sub_dir="tensorboard")  # type: ignore[no-any-return]
    if name == "wandb":
        return module.WandbLogger(name=f"{runs.name}/{version}", save_dir=str(runs / version), project="htzoo")  # type: ignore[no-any-return]
    return module.MLFlowLogger(runs.name, version, save_dir=str(runs.parent / "mlruns"))  # type: ignore[no-any-return]
