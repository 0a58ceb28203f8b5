"""What C code and Python share: constants and the structures that calls pass.

This module is their only definition. The build writes it as a C header (:func:`c_header`), and ctypes reads the same
classes, so the two sides cannot disagree. It needs nothing but the standard library: the build imports it by its path.
"""

from __future__ import annotations

import ctypes
from typing import Any

CONSTANTS = {
    "SLACK": 32,  # floats behind whatever is read as vectors
    "MAX_AXES": 32,  # of a tensor that is reordered
    "MAX_LINKS": 8,  # of a chain
    "MAX_THREADS": 64,
    "BLOCK": 4096,  # floats of a block of rows in the first-level cache, while all columns pass it
    "TILE_ROWS": 12,  # maximum rows of a tile of sums
    "MIN_GRADIENT_ROWS": 64,  # minimum rows that are summed before the gradient of a matrix is written
    "NARROW_VECTORS": 8,  # minimum vectors of a sum over the rows of a matrix with few columns
    "GRADIENT_ROWS": 128,  # rows of a hidden weight's gradient that are summed at once
    "LSTM": 0,  # kinds of cells
    "GRU": 1,
    "TANH": 2,
    "RELU": 3,
}


class Floats(ctypes.c_void_p):
    """Values that are read and written."""


class ConstFloats(ctypes.c_void_p):
    """Values that are only read."""


class ConstIntegers(ctypes.c_void_p):
    """Integers that are only read."""


class FloatArrays(ctypes.c_void_p):
    """Arrays that are written; NULL stands for one that is not wanted."""


class ConstFloatArrays(ctypes.c_void_p):
    """Arrays that are only read."""


_Axes = ctypes.c_int64 * CONSTANTS["MAX_AXES"]


class Reorder(ctypes.Structure):
    """A reordering of axes: sizes of the result's axes and their steps in the source. No axes: nothing is reordered.

    ``unit`` is the axis whose step is 1. Where it is the last one, runs of neighbouring values are copied; otherwise
    the two axes are transposed.
    """

    _fields_ = [("axes", ctypes.c_int64), ("unit", ctypes.c_int64), ("size", _Axes), ("step", _Axes)]


class Link(ctypes.Structure):
    """A product that turns (before, inner, after) into (before, outer, after), after a reordering.

    The matrix is (inner, outer) where ``after`` is 1, otherwise (outer, inner). Where ``after`` is 1, ``rows`` and
    ``inners`` give the same reordering of a matrix (before, inner): the offsets of its rows, and those inside a row.
    ``fours`` says whether four neighbours always stay together, in whole vectors.
    """

    _fields_ = [
        ("before", ctypes.c_int64),
        ("inner", ctypes.c_int64),
        ("outer", ctypes.c_int64),
        ("after", ctypes.c_int64),
        ("reorder", Reorder),
        ("rows", ConstIntegers),
        ("inners", ConstIntegers),
        ("fours", ctypes.c_int64),
    ]


class Chain(ctypes.Structure):
    """Products one after the other, then the reordering ``last``.

    ``blocks`` chains of this shape, each with matrices of its own, are added. The first ``head`` links see every row as
    ``slices`` independent rows; what enters the link after them is kept for the backward.
    """

    _fields_ = [
        ("links", ctypes.c_int64),
        ("blocks", ctypes.c_int64),
        ("head", ctypes.c_int64),
        ("slices", ctypes.c_int64),
        ("in_features", ctypes.c_int64),
        ("out_features", ctypes.c_int64),
        ("link", Link * CONSTANTS["MAX_LINKS"]),
        ("last", Reorder),
    ]


class Work(ctypes.Structure):
    """Rows that pass a chain: forward, or backward where ``d_y`` is given.

    ``piece`` rows pass the chain together. ``matrices``, ``saved`` and ``d_matrices`` have one entry a link, block by
    block: the matrices, what enters each link (NULL where it is not kept), and where the gradients of the matrices are
    added (NULL where none is wanted). The gradient of ``x`` is written where ``d_x`` is given.
    """

    _fields_ = [
        ("chain", ctypes.POINTER(Chain)),
        ("rows", ctypes.c_int64),
        ("piece", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("matrices", ConstFloatArrays),
        ("x", ConstFloats),
        ("d_y", ConstFloats),
        ("y", Floats),
        ("d_x", Floats),
        ("saved", FloatArrays),
        ("d_matrices", FloatArrays),
        ("scratch", Floats),
    ]


class Layer(ctypes.Structure):
    """All steps of a recurrent layer, forward or backward.

    ``running`` sequences run at every time, and their first one has row ``row`` of that time; the rows of the others
    follow, ``apart`` rows from each other. Sequences that have ended, or not begun, come after those that run, and
    their state stays as it is. ``weight`` is (gates * hidden, hidden); ``bias`` belongs to the hidden part and may be
    NULL. ``h`` and ``c`` (sequences, hidden) hold the state, or its gradient. ``x_parts``, ``d_x_parts`` and
    ``d_h_parts`` are (rows, gates * hidden), the last two one array where they are equal; ``y``, ``before_h``,
    ``before_c`` and ``d_y`` are (rows, hidden), ``saved`` is (rows, kept * hidden), or NULL where there will be no
    backward. ``scratch`` has gates * hidden * (hidden + sequences) + threads * kept * hidden + SLACK floats.
    """

    _fields_ = [
        ("cell", ctypes.c_int64),
        ("gates", ctypes.c_int64),
        ("kept", ctypes.c_int64),
        ("hidden", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("reverse", ctypes.c_int64),
        ("apart", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("running", ConstIntegers),
        ("row", ConstIntegers),
        ("weight", ConstFloats),
        ("bias", ConstFloats),
        ("x_parts", ConstFloats),
        ("h", Floats),
        ("c", Floats),
        ("y", Floats),
        ("before_h", Floats),
        ("before_c", Floats),
        ("saved", Floats),
        ("d_y", ConstFloats),
        ("d_x_parts", Floats),
        ("d_h_parts", Floats),
        ("scratch", Floats),
    ]


class WeightGradient(ctypes.Structure):
    """``to`` (width, hidden) becomes ``d_parts`` (rows, width), transposed, times ``before`` (rows, hidden).

    ``scratch`` has GRADIENT_ROWS * (hidden + width + 2 * VECTOR * threads) + 2 * SLACK floats.
    """

    _fields_ = [
        ("rows", ctypes.c_int64),
        ("hidden", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("before", ConstFloats),
        ("d_parts", ConstFloats),
        ("to", Floats),
        ("scratch", Floats),
    ]


STRUCTURES: tuple[type[ctypes.Structure], ...] = (Reorder, Link, Chain, Work, Layer, WeightGradient)

_C_TYPES: dict[Any, str] = {
    ctypes.c_int64: "int64_t ",
    Floats: "float *",
    ConstFloats: "const float *",
    ConstIntegers: "const int64_t *",
    FloatArrays: "float *const *",
    ConstFloatArrays: "const float *const *",
    ctypes.POINTER(Chain): "const Chain *",
}


def c_header() -> str:
    """The header ``layout.h`` that the C code includes."""
    values = ", ".join(f"{name} = {value}" for name, value in CONSTANTS.items())
    lines = ["#pragma once", "#include <stdint.h>", f"enum {{ {values} }};"]
    for structure in STRUCTURES:
        fields = " ".join(_declaration(*field) for field in structure._fields_)
        lines.append(f"typedef struct {{ {fields} }} {structure.__name__};")
    return "\n".join([*lines, ""])


def _declaration(name: str, kind: Any) -> str:
    if hasattr(kind, "_length_"):
        return _declaration(f"{name}[{kind._length_}]", kind._type_)
    return f"{kind.__name__} {name};" if kind in STRUCTURES else f"{_C_TYPES[kind]}{name};"
