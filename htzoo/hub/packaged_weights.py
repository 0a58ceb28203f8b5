"""The trained models that are part of the package."""

from __future__ import annotations

from pathlib import Path

from htzoo.hub.config import CONFIG_NAME, Result, read_config

_PACKAGE = Path(__file__).parents[1]

# Name -> (repository on the Hub, commit): models that are too large for the wheel. None is published yet.
PINNED: dict[str, tuple[str, str]] = {}


def checkpoint_folder() -> Path:
    """The folder of the packaged models: inside the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "_checkpoints"
    return installed if installed.is_dir() else _PACKAGE.parent / "checkpoints"


def pretrained_names() -> list[str]:
    """Names of all models with trained weights, in the package or on the Hub."""
    packaged = {path.parent.name for path in checkpoint_folder().glob(f"*/{CONFIG_NAME}")}
    return sorted(packaged | PINNED.keys())


def measured(name: str) -> Result | None:
    """The test result of a packaged model; None if there is no such model."""
    path = checkpoint_folder() / name / CONFIG_NAME
    return read_config(path).result if path.is_file() else None
