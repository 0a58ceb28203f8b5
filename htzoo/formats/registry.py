"""Formats by name: those of this package, of the user's plugins, and of the running program."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from htzoo.formats.format import REGISTERED, Format
from htzoo.names import UnknownNameError, did_you_mean
from htzoo.plugins import VARIABLE, plugin_modules


def format_classes() -> dict[str, type[Format]]:
    """Every format by the name of its class, sorted by name."""
    _import_all()
    return dict(sorted(REGISTERED.items()))


def format_names() -> list[str]:
    """Every name that :func:`find_format` knows, as it is usually written; those that differ only in case once."""
    classes = format_classes()
    found = {name.lower(): name for cls in classes.values() for name in (cls.__name__, cls.short_name)}
    return sorted(found.values())


def find_format(name: str) -> type[Format]:
    """The class of a format.

    Args:
        name: its short name or the name of its class, in any case: ``ht``, ``HierarchicalTucker``.

    Raises:
        UnknownNameError: no format has this name; the message suggests similar names.
    """
    classes = format_classes()
    by_name = {key.lower(): cls for full, cls in classes.items() for key in (full, cls.short_name)}
    if name.lower() in by_name:
        return by_name[name.lower()]
    short_names = sorted(cls.short_name for cls in classes.values())
    hint = did_you_mean(name, format_names(), f"known formats are {', '.join(short_names)}; {VARIABLE} adds your own")
    raise UnknownNameError(f"no format {name!r}: {hint}")


def format_from_dict(values: Mapping[str, Any]) -> Format:
    """The format that :meth:`Format.to_dict` wrote, or that a configuration gives.

    Args:
        values: the name (see :func:`find_format`) under ``name``, and the format's arguments.

    Raises:
        ValueError: the name is unknown, or an argument is missing, unknown or wrong.
    """
    arguments = dict(values)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise ValueError(f"format name is {name!r}: give the name of a format, such as tt")
    cls = find_format(name)
    try:
        return cls(**arguments)
    except TypeError as error:
        problem = str(error).removeprefix(f"{cls.__name__}.__init__() ")
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # all are dataclasses
        raise ValueError(f"{cls.__name__}: {problem}; its arguments are {', '.join(names) or 'none'}") from None


def shape_arguments(cls: type[Format] | None = None) -> list[str]:
    """Names of the arguments without a default value of a format, or of all formats: modes, ranks and the like."""
    classes = format_classes().values() if cls is None else [cls]
    fields = [field for one in classes for field in dataclasses.fields(one)]  # type: ignore[arg-type]
    return list(dict.fromkeys(field.name for field in fields if field.default is dataclasses.MISSING))


@cache
def _import_all() -> None:
    """Import the modules that may define formats: the files of this package, and the user's plugins."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        import_module(f"htzoo.formats.{module.name}")
    for name in plugin_modules():
        import_module(name)
