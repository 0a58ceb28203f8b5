"""All steps of a recurrent layer in compiled code (htzoo/native/recurrence.c), for kernels: float32 on a CPU."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from htzoo.formats.chain import Chain
from htzoo.native.layout import CONSTANTS, Layer, WeightGradient
from htzoo.native.library import array_type, library_for
from htzoo.nn.sequence import Order

# The cells of recurrence.c: their gates, and how many values each unit keeps for the backward.
_CELLS = {"LSTM": (4, 5), "GRU": (3, 4), "tanh": (1, 1), "relu": (1, 1)}
_MAX_SIZE = 2**20  # values of a hidden weight that stays in the cache; libraries are as good at larger ones
_MIN_SEQUENCES, _MIN_MACS = 6, 2**21  # that are worth another thread


def takes(cell: str, chain: Chain, *tensors: Tensor | None) -> bool:
    """Whether the compiled code can run ``cell`` with a hidden weight of ``chain`` on these tensors."""
    hidden, width = chain.in_features, chain.out_features
    return (
        cell in _CELLS
        and chain.is_plain
        and hidden * width <= _MAX_SIZE
        and all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)
        and library_for(hidden) is not None
    )


def forward(
    cell: str,
    x_parts: Tensor,
    order: Order,
    state: Sequence[Tensor],
    matrix: Tensor,
    hidden_bias: Tensor | None,
    reverse: bool,
    keep: bool,
) -> list[Tensor]:
    """Outputs (rows, hidden), the last state, and with ``keep`` what :func:`backward` needs.

    Args:
        cell: a key of :data:`_CELLS`.
        x_parts: input part of the pre-activations (rows, gates * hidden).
        order: how the rows lie.
        state: initial state, each (batch, hidden).
        matrix: the hidden weight (hidden, gates * hidden).
        hidden_bias: added to the hidden part of the pre-activations.
        reverse: whether to start at every sequence's end.
        keep: whether there will be a backward.
    """
    rows, hidden = x_parts.shape[0], matrix.shape[0]
    last = [value.clone(memory_format=torch.contiguous_format) for value in state]
    y = x_parts.new_empty(rows, hidden)
    tensors = {"bias": hidden_bias, "x_parts": x_parts, "y": y, "h": last[0], "c": last[-1]}
    kept = []
    if keep:
        kept = [x_parts.new_empty(rows, width * hidden) for width in (*(1 for _ in state), _CELLS[cell][1])]
        tensors |= {"before_h": kept[0], "before_c": kept[-2], "saved": kept[-1]}
    _call("recur", cell, order, reverse, matrix, tensors)
    return [y, *last, *kept]


def backward(
    cell: str,
    d_y: Tensor,
    d_last: Sequence[Tensor],
    order: Order,
    matrix: Tensor,
    kept: Sequence[Tensor],
    reverse: bool,
) -> list[Tensor]:
    """Gradients of the input parts, the hidden parts where these are others, and the initial state."""
    d_state = tuple(value.clone(memory_format=torch.contiguous_format) for value in d_last)
    d_x_parts = d_y.new_empty(d_y.shape[0], matrix.shape[1])
    d_h_parts = torch.empty_like(d_x_parts) if cell == "GRU" else d_x_parts
    tensors: dict[str, Tensor | None] = {
        "d_y": d_y,
        "d_x_parts": d_x_parts,
        "d_h_parts": d_h_parts,
        "h": d_state[0],
        "c": d_state[-1],
        "before_h": kept[0],
        "before_c": kept[-2],
        "saved": kept[-1],
    }
    _call("recur_back", cell, order, reverse, matrix, tensors)
    return [d_x_parts, *([d_h_parts] if d_h_parts is not d_x_parts else []), *d_state]


def weight_gradient(before: Tensor, d_h_parts: Tensor) -> Tensor:
    """The gradient of the hidden weight (hidden, gates * hidden).

    Args:
        before: hidden states before every step (rows, hidden).
        d_h_parts: gradients of the hidden parts (rows, gates * hidden).
    """
    rows, hidden, width = *before.shape, d_h_parts.shape[1]
    found = library_for(hidden)
    assert found is not None
    threads = max(1, min(torch.get_num_threads(), CONSTANTS["MAX_THREADS"], rows * hidden * width // _MIN_MACS))
    size = CONSTANTS["GRADIENT_ROWS"] * (hidden + width + 2 * found.vector * threads) + 2 * CONSTANTS["SLACK"]
    scratch, result = before.new_empty(size), before.new_empty(width, hidden)
    pointers = [tensor.data_ptr() for tensor in (before, d_h_parts, result, scratch)]
    found.weight_gradient(ctypes.byref(WeightGradient(rows, hidden, width, threads, *pointers)))
    return result.T


def _call(
    name: str,
    cell: str,
    order: Order,
    reverse: bool,
    matrix: Tensor,
    tensors: dict[str, Tensor | None],
) -> None:
    found = library_for(matrix.shape[0])
    assert found is not None
    gates, kept = _CELLS[cell]
    batch_sizes = order.batch_sizes
    hidden, steps, sequences = matrix.shape[0], len(batch_sizes), batch_sizes[0]
    integers = array_type(ctypes.c_int64, steps)
    running = integers(*batch_sizes)
    row = integers(*(range(steps) if order.batch_first else itertools.accumulate(batch_sizes[:-1], initial=0)))
    macs = sum(batch_sizes) * gates * hidden**2
    threads = min(
        torch.get_num_threads(),
        CONSTANTS["MAX_THREADS"],
        math.ceil(sequences / _MIN_SEQUENCES),
        macs // _MIN_MACS,
    )
    size = gates * hidden * (hidden + sequences) + max(1, threads) * kept * hidden + CONSTANTS["SLACK"]
    scratch = matrix.new_empty(size)
    tensors |= {"weight": matrix.T, "scratch": scratch}
    given = {key: value.contiguous() for key, value in tensors.items() if value is not None}
    layer = Layer(
        *(CONSTANTS[cell.upper()], gates, kept, hidden, steps, reverse, steps if order.batch_first else 1),
        threads=max(1, threads),
        running=ctypes.addressof(running),
        row=ctypes.addressof(row),
        **{key: value.data_ptr() for key, value in given.items()},
    )
    getattr(found, name)(ctypes.byref(layer))
