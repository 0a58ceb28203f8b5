"""Trained weights that travel with the package."""

from __future__ import annotations

from pathlib import Path

from htzoo.hub.config import CONFIG_NAME, Result, read_config

_PACKAGE = Path(__file__).parents[1]

# Name: (repository on the Hub, commit). Models too large for the wheel; none is published yet.
PINNED: dict[str, tuple[str, str]] = {}


def checkpoint_folder() -> Path:
    """The folder of the published models: inside the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "_checkpoints"
    return installed if installed.is_dir() else _PACKAGE.parent / "checkpoints"


def pretrained_names() -> list[str]:
    """Names of all models with trained weights, shipped or on the Hub."""
    shipped = {path.parent.name for path in checkpoint_folder().glob(f"*/{CONFIG_NAME}")}
    return sorted(shipped | PINNED.keys())


def measured(name: str) -> Result | None:
    """What the shipped weights of a model reached, which can be measured again; None without such weights."""
    path = checkpoint_folder() / name / CONFIG_NAME
    return read_config(path).result if path.is_file() else None
