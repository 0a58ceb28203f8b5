"""Formats: weight matrices as tensor networks, and how to multiply with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from htzoo.formats.block_term import BlockTerm
from htzoo.formats.cost import multiply_adds
from htzoo.formats.cp import CP
from htzoo.formats.dense import Dense
from htzoo.formats.format import Format, ModeFormat
from htzoo.formats.hierarchical_tucker import HierarchicalTucker
from htzoo.formats.kronecker_cp import KroneckerCP
from htzoo.formats.network import Core, Network
from htzoo.formats.suggest import suggest
from htzoo.formats.tensor_ring import TensorRing
from htzoo.formats.tensor_train import TensorTrain
from htzoo.formats.tucker import Tucker

FORMATS: dict[str, type[Format]] = {
    cls.__name__: cls
    for cls in (CP, BlockTerm, Dense, HierarchicalTucker, KroneckerCP, TensorRing, TensorTrain, Tucker)
}


def format_from_dict(values: Mapping[str, Any]) -> Format:
    """The format that :meth:`Format.to_dict` wrote, or a configuration gives.

    Args:
        values: the class name under ``name`` (one of :data:`FORMATS`), and its arguments.

    Raises:
        ValueError: the name is unknown, or an argument is missing, unknown or wrong.
    """
    arguments = dict(values)
    name = arguments.pop("name", None)
    cls = FORMATS.get(name) if isinstance(name, str) else None
    if cls is None:
        near = difflib.get_close_matches(str(name), FORMATS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"format name is {name!r}: {hint}known formats are {', '.join(sorted(FORMATS))}")
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"{name}: {str(error).removeprefix(f'{name}.__init__() ')}") from None


__all__ = [
    "CP",
    "FORMATS",
    "BlockTerm",
    "Core",
    "Dense",
    "Format",
    "HierarchicalTucker",
    "KroneckerCP",
    "ModeFormat",
    "Network",
    "TensorRing",
    "TensorTrain",
    "Tucker",
    "format_from_dict",
    "multiply_adds",
    "suggest",
]
