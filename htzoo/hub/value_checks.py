"""Checks of the values in a config.json, which may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from htzoo.formats import format_from_dict

MAX_INTEGER = 1 << 31
MAX_MODES = 64
MAX_LABELS = 100_000
MAX_TEXT = 10_000

Check = Callable[[str, Any], None]  # takes a key and its value, and raises WrongError


class WrongError(Exception):
    """A value is wrong. The message does not name the file."""


def only(values: Mapping[str, Any], known: Any, where: str) -> None:
    """Refuse unknown keys."""
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise WrongError(f"{where} has {unknown[0][:100]!r}, which is unknown: known are {', '.join(sorted(known))}")


def wrong(key: str, value: Any, expected: str) -> WrongError:
    """The error of a value that must be something else."""
    return WrongError(f"{key} is {repr(value)[:100]}: it must be {expected}")


def text(key: str, value: Any) -> None:
    """Printable text, so that a label cannot control the terminal that shows it."""
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise wrong(key, value, "printable text")


def boolean(key: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(key, value, "true or false")


def integer(minimum: int, maximum: int = MAX_INTEGER) -> Check:
    """A whole number from a minimum to a maximum."""

    def check(key: str, value: Any) -> None:
        if type(value) is not int or not minimum <= value <= maximum:
            raise wrong(key, value, f"a whole number from {minimum} to {maximum}")

    return check


def number(minimum: float, maximum: float) -> Check:
    """A finite number from a minimum to a maximum."""

    def check(key: str, value: Any) -> None:
        if type(value) not in (int, float) or not math.isfinite(value) or not minimum <= value <= maximum:
            raise wrong(key, value, f"a number from {minimum:g} to {maximum:g}")

    return check


def choice(*words: str) -> Check:
    """One of some words."""

    def check(key: str, value: Any) -> None:
        if not isinstance(value, str) or value not in words:
            raise wrong(key, value, f"one of {', '.join(words)}")

    return check


def or_none(other: Check) -> Check:
    """Null, or a value that passes another check."""

    def check(key: str, value: Any) -> None:
        if value is not None:
            other(key, value)

    return check


def labels(key: str, value: Any) -> None:
    """A list of different texts."""
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
    """A format as :func:`htzoo.formats.format_from_dict` reads it, with few and positive numbers."""
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
    for entry in value:
        or_none(tensor_format)(key, entry)


def _numbers(value: Any) -> list[Any]:
    """The entries of nested lists, without texts."""
    if isinstance(value, list):
        return [size for item in value for size in _numbers(item)]
    return [] if value is None or isinstance(value, str) else [value]


def table_of(key: str, values: Any, table: Mapping[str, Check]) -> dict[str, Any] | None:
    """An object with every entry of a table, or None."""
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
