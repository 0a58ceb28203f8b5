"""Find a configuration by its name, in a checkout or in an installed package."""

from __future__ import annotations

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).parent


def config_folder() -> Path:
    """The folder of the configurations: inside the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "_configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def config_names() -> list[str]:
    """Names of all configurations."""
    return sorted(path.stem for path in config_folder().glob("*.yaml"))


def find_config(name_or_path: str) -> Path:
    """The file of a configuration.

    Args:
        name_or_path: a path, or a name in :func:`config_names`, with or without ``.yaml``. An existing file wins.

    Raises:
        FileNotFoundError: there is none; the message lists near names.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.name == name_or_path:
        named = config_folder() / f"{name_or_path.removesuffix('.yaml')}.yaml"
        if named.is_file():
            return named
    near = difflib.get_close_matches(path.name.removesuffix(".yaml"), config_names(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known names are {', '.join(config_names())}"
    raise FileNotFoundError(f"config is {name_or_path!r}, which is neither a file nor a known name: {hint}")
