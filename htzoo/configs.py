"""Find a configuration by its name, in a checkout or an installed package, and merge it with its parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from htzoo.names import UnknownNameError, did_you_mean

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
        UnknownNameError: there is none; the message lists near names.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.name == name_or_path:
        named = config_folder() / f"{name_or_path.removesuffix('.yaml')}.yaml"
        if named.is_file():
            return named
    names = config_names()
    hint = did_you_mean(path.name.removesuffix(".yaml"), names, f"known names are {', '.join(names)}")
    raise UnknownNameError(f"config is {name_or_path!r}, which is neither a file nor a known name: {hint}")


def load_config(name_or_path: str) -> dict[str, Any]:
    """A configuration as plain data, merged with the parts that it is built on.

    A configuration may list parts under ``parts``: names of files, without ``.yaml``, in the folder ``parts`` beside
    it or in the package. They are merged in order, and the configuration's own values win. Mappings are merged key by
    key; everything else is replaced, and so are the arguments of a class by those of another class.

    Args:
        name_or_path: see :func:`find_config`.

    Raises:
        UnknownNameError: there is no such configuration.
        FileNotFoundError: a part is missing.
        ValueError: a file does not hold a mapping.
    """
    path = find_config(name_or_path)
    own = _read(path)
    merged: dict[str, Any] = {}
    for part in own.pop("parts", None) or []:
        if not isinstance(part, str) or Path(part).name != part:
            raise ValueError(f"parts of {path} holds {part!r}: give names of files in the folder parts beside it")
        merged = _merge(merged, _read(_find_part(path, part)))
    whole: dict[str, Any] = expand_home(_merge(merged, own))
    return whole


def expand_home(value: Any) -> Any:
    """A configuration, or a word of the command line, whose paths begin in the home folder: ``~/data``, ``$HOME/data``.

    Every text that begins with ``~`` or with the name of a variable of the environment is expanded, as a shell would;
    in a list or mapping, every text in it.
    """
    if isinstance(value, str) and value.startswith(("~", "$")):
        return os.path.expandvars(os.path.expanduser(value))
    if isinstance(value, dict):
        return {key: expand_home(item) for key, item in value.items()}
    return [expand_home(item) for item in value] if isinstance(value, list) else value


def _find_part(path: Path, part: str) -> Path:
    folders = (path.parent / "parts", config_folder() / "parts")
    for folder in folders:
        if (folder / f"{part}.yaml").is_file():
            return folder / f"{part}.yaml"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise FileNotFoundError(f"parts of {path} holds {part!r}, which is no known part: choose from {', '.join(known)}")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {content!r}: give a mapping")
    return content


def _merge(lower: Any, upper: Any) -> Any:
    """`upper` laid over `lower`; neither is changed."""
    if not isinstance(lower, dict) or not isinstance(upper, dict):
        return upper
    if "class_path" in upper and upper["class_path"] != lower.get("class_path"):
        return upper
    return {**lower, **{key: _merge(lower.get(key), value) for key, value in upper.items()}}
