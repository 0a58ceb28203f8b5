"""Run all steps of a recurrent layer in compiled code (htzoo/native/recurrence.c): float32 on a CPU."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.formats.chain import Chain
from htzoo.native.build import MOST_THREADS, array_type, library
from htzoo.nn.sequence import Order

_SLACK, _VECTOR, _ROWS_AT_ONCE = 16, 8, 128  # as in tile.h and recurrence.c
# The cells of recurrence.c: their numbers there, their gates, and numbers that each unit keeps for the backward.
_CELLS = {"LSTM": (0, 4, 5), "GRU": (1, 3, 4), "tanh": (2, 1, 1), "relu": (3, 1, 1)}
_LARGEST = 2**20  # numbers of a hidden weight that stays in the cache; libraries are as good at larger ones
_FEWEST, _LEAST = 6, 2**21  # sequences, and multiply-adds, that are worth another thread

_INTEGERS = ("cell", "gates", "kept", "hidden", "steps", "reverse", "apart")
_POINTERS = ("running", "row", "weight", "bias", "x_parts", "h", "c", "y", "before_h", "before_c", "saved")
_POINTERS_BACK = ("d_y", "d_x_parts", "d_h_parts")


class _Layer(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in _INTEGERS),
        *((name, ctypes.c_void_p) for name in (*_POINTERS, *_POINTERS_BACK)),
    ]


class Kept(NamedTuple):
    """What the backward needs: the states before every step, (rows, hidden), and what every step gave."""

    before: tuple[Tensor, ...]
    saved: tuple[Tensor]


def takes(cell: str, chain: Chain, *tensors: Tensor | None) -> bool:
    """Whether the compiled code can run ``cell`` with a hidden weight of ``chain`` on these tensors."""
    hidden, width = chain.in_features, chain.out_features
    return (
        cell in _CELLS
        and chain.is_plain
        and hidden % _VECTOR == 0
        and hidden * width <= _LARGEST
        and not torch.compiler.is_compiling()
        and all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)
        and library() is not None
    )


def forward(
    cell: str,
    x_parts: Tensor,
    order: Order,
    state: Sequence[Tensor],
    matrix: Tensor,
    hidden_bias: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, tuple[Tensor, ...], Kept]:
    """Outputs (rows, hidden), the last state, and what :func:`backward` shall find.

    The arguments are those of :func:`htzoo.nn.recurrence.recur`, ``matrix`` the hidden weight (hidden, gates * hidden).
    """
    rows, hidden = x_parts.shape[0], matrix.shape[0]
    last = tuple(value.clone(memory_format=torch.contiguous_format) for value in state)
    before = tuple(x_parts.new_empty(rows, hidden) for _ in state)
    saved = x_parts.new_empty(rows, _CELLS[cell][2] * hidden)
    y = x_parts.new_empty(rows, hidden)
    tensors = {"bias": hidden_bias, "x_parts": x_parts, "y": y, "saved": saved, "h": last[0], "c": last[-1]}
    _call("htzoo_recur", cell, order, reverse, matrix, {**tensors, "before_h": before[0], "before_c": before[-1]})
    return y, last, Kept(before, (saved,))


def backward(
    cell: str,
    d_y: Tensor,
    d_last: Sequence[Tensor],
    order: Order,
    matrix: Tensor,
    kept: Kept,
    reverse: bool,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Gradients of the input parts, the hidden parts and the initial state."""
    d_state = tuple(value.clone(memory_format=torch.contiguous_format) for value in d_last)
    d_x_parts = d_y.new_empty(d_y.shape[0], matrix.shape[1])
    d_h_parts = torch.empty_like(d_x_parts) if cell == "GRU" else d_x_parts
    tensors: dict[str, Tensor | None] = {
        "d_y": d_y,
        "d_x_parts": d_x_parts,
        "d_h_parts": d_h_parts,
        "h": d_state[0],
        "c": d_state[-1],
    }
    tensors |= {"before_h": kept.before[0], "before_c": kept.before[-1], "saved": kept.saved[0]}
    _call("htzoo_recur_back", cell, order, reverse, matrix, tensors)
    return d_x_parts, d_h_parts, d_state


def matrix_gradient(before: Tensor, d_h_parts: Tensor) -> Tensor:
    """The gradient of the hidden weight (hidden, gates * hidden).

    Args:
        before: hidden states before every step (rows, hidden).
        d_h_parts: gradients of the hidden parts (rows, gates * hidden).
    """
    found = library()
    assert found is not None
    rows, hidden, width = *before.shape, d_h_parts.shape[1]
    threads = max(1, min(torch.get_num_threads(), MOST_THREADS, rows * hidden * width // _LEAST))
    scratch = before.new_empty(_ROWS_AT_ONCE * (hidden + width + 16 * threads) + 2 * _SLACK)
    result = before.new_empty(width, hidden)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (before, d_h_parts, result, scratch)]
    sizes = map(ctypes.c_int64, (rows, hidden, width))
    found.htzoo_recur_gradient(*sizes, *pointers[:3], ctypes.c_int64(threads), pointers[3])
    return result.T


def _call(
    name: str,
    cell: str,
    order: Order,
    reverse: bool,
    matrix: Tensor,
    tensors: dict[str, Tensor | None],
) -> None:
    found = library()
    assert found is not None
    number, gates, kept = _CELLS[cell]
    batch_sizes = order.batch_sizes
    hidden, steps, sequences = matrix.shape[0], len(batch_sizes), batch_sizes[0]
    integers = array_type(ctypes.c_int64, steps)
    running = integers(*batch_sizes)
    row = integers(*(range(steps) if order.batch_first else itertools.accumulate(batch_sizes[:-1], initial=0)))
    given = {key: value.contiguous() for key, value in {**tensors, "weight": matrix.T}.items() if value is not None}
    layer = _Layer(
        *(number, gates, kept, hidden, steps, reverse, steps if order.batch_first else 1),
        running=ctypes.addressof(running),
        row=ctypes.addressof(row),
        **{key: value.data_ptr() for key, value in given.items()},
    )
    multiply_adds = sum(batch_sizes) * gates * hidden**2
    threads = min(torch.get_num_threads(), MOST_THREADS, math.ceil(sequences / _FEWEST), multiply_adds // _LEAST)
    scratch = matrix.new_empty(gates * hidden * (hidden + sequences) + _SLACK)
    getattr(found, name)(ctypes.byref(layer), ctypes.c_int64(max(1, threads)), ctypes.c_void_p(scratch.data_ptr()))
