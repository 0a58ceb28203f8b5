"""Checks of single values of plain data that come from strangers, and of objects with a table of such checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from htzoo.formats import format_from_dict

MAX_INTEGER = 1 << 31
MAX_MODES = 64
MAX_LABELS = 100_000
MAX_TEXT = 10_000

Check = Callable[[str, Any], None]  # of a key and its value; raises WrongError


class WrongError(Exception):
    """What is wrong with a value, in words; the file is not named."""


def only(values: Mapping[str, Any], known: Any, where: str) -> None:
    """No key but the known ones."""
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise WrongError(f"{where} has {unknown[0][:100]!r}, which is unknown: known are {', '.join(sorted(known))}")


def wrong(key: str, value: Any, wanted: str) -> WrongError:
    """The error of a value that is to be something else."""
    return WrongError(f"{key} is {repr(value)[:100]}: it must be {wanted}")


def text(key: str, value: Any) -> None:
    """Text that is printable, so that a label cannot steer the terminal that shows it."""
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise wrong(key, value, "printable text")


def boolean(key: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(key, value, "true or false")


def integer(least: int, most: int = MAX_INTEGER) -> Check:
    """A whole number within bounds, both included."""

    def check(key: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise wrong(key, value, f"a whole number from {least} to {most}")

    return check


def number(least: float, most: float) -> Check:
    """A finite number within bounds, both included."""

    def check(key: str, value: Any) -> None:
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise wrong(key, value, f"a number from {least:g} to {most:g}")

    return check


def choice(*words: str) -> Check:
    """One of some words."""

    def check(key: str, value: Any) -> None:
        if not isinstance(value, str) or value not in words:
            raise wrong(key, value, f"one of {', '.join(words)}")

    return check


def or_none(other: Check) -> Check:
    """Null, or what another check lets pass."""

    def check(key: str, value: Any) -> None:
        if value is not None:
            other(key, value)

    return check


def labels(key: str, value: Any) -> None:
    """Texts, each once."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LABELS:
        raise wrong(key, value, f"a list of 1 to {MAX_LABELS} labels")
    for label in value:
        text(f"a label in {key}", label)
    if len(set(value)) < len(value):
        raise WrongError(f"{key} has a label twice")


def frame_size(key: str, value: Any) -> None:
    """Height, width and the three channels."""
    if not isinstance(value, list) or len(value) != 3 or value[2] != 3:
        raise wrong(key, value, "[height, width, 3]")
    for size in value[:2]:
        integer(1, 1 << 14)(key, size)


def tensor_format(key: str, value: Any) -> None:
    """What :func:`htzoo.formats.format_from_dict` takes, of few and positive numbers."""
    if not isinstance(value, dict):
        raise wrong(key, value, "an object with the name of a format")
    for part, entry in value.items():
        for size in _numbers(entry):
            integer(1)(f"{part} of {key}", size)
        if len(_numbers(entry)) > MAX_MODES:
            raise WrongError(f"{part} of {key} has more than {MAX_MODES} numbers")
    try:
        format_from_dict(value)
    except ValueError as error:
        raise WrongError(f"{key}: {error}") from None


def layer_formats(key: str, value: Any) -> None:
    """A format, or a list with one, or null, for each layer."""
    if not isinstance(value, list):
        tensor_format(key, value)
        return
    if not 0 < len(value) <= MAX_MODES:
        raise wrong(key, value, f"a format, or a list of 1 to {MAX_MODES}")
    for form in value:
        or_none(tensor_format)(key, form)


def _numbers(value: Any) -> list[Any]:
    """What stands in nested lists, text apart."""
    if isinstance(value, list):
        return [size for item in value for size in _numbers(item)]
    return [] if value is None or isinstance(value, str) else [value]


def table_of(key: str, values: Any, table: Mapping[str, Check]) -> dict[str, Any] | None:
    """An object that has every entry of a table, or None."""
    if values is None:
        return None
    if not isinstance(values, dict):
        raise wrong(key, values, "an object")
    only(values, table, key)
    for part, check in table.items():
        if part not in values:
            raise WrongError(f"{key} has no {part}")
        check(f"{part} of {key}", values[part])
    return values
