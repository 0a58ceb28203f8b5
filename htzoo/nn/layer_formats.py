"""Formats of a recurrent layer's own layers: one, or a list with one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from htzoo.formats import Format, format_from_dict

LayerFormats: TypeAlias = Format | Sequence[Format | None] | None


def each_layer(name: str, given: LayerFormats, layers: int, *, first_only: bool = False) -> list[Format | None]:
    """One format for each layer; a single one is of the first layer, or of all."""
    if given is None or isinstance(given, Format):
        return [given if layer == 0 or not first_only else None for layer in range(layers)]
    found = list(given)
    if len(found) != layers or not all(form is None or isinstance(form, Format) for form in found):
        raise ValueError(f"{name} is {given!r}: give one format, or a list of {layers}, each a format or None")
    return found


def formats_from_plain(values: Any) -> LayerFormats:
    """A format, or a list with one for each layer, from what :meth:`~htzoo.formats.Format.to_dict` wrote.

    Raises:
        ValueError: a format is unknown, or has wrong arguments.
    """
    if isinstance(values, Sequence):
        return tuple(None if value is None else format_from_dict(value) for value in values)
    return None if values is None else format_from_dict(values)
