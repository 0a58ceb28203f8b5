"""Run a chain of products in compiled code (htzoo/native/chain.c): float32 on a CPU."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from htzoo.formats.chain import Chain, Link
from htzoo.formats.plan import NATIVE
from htzoo.native.build import MOST_AXES, MOST_THREADS, array_type, library

_SLACK, _MOST_LINKS = 16, 8  # as in tile.h and chain.c
_FEWEST = 2**21  # multiply-adds that are worth another thread

_Axes = ctypes.c_int64 * MOST_AXES


class _Reorder(ctypes.Structure):
    _fields_ = [("axes", ctypes.c_int64), ("unit", ctypes.c_int64), ("size", _Axes), ("step", _Axes)]


class _Link(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("before", "inner", "outer", "after")),
        ("reorder", _Reorder),
        *((name, ctypes.c_void_p) for name in ("rows", "inners")),
        ("fours", ctypes.c_int64),
    ]


class _Chain(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("links", "blocks", "head", "slices", "in_features", "out_features")),
        ("link", _Link * _MOST_LINKS),
        ("last", _Reorder),
    ]


def takes(chain: Chain, *tensors: Tensor) -> bool:
    """Whether the compiled code can run ``chain`` on these tensors."""
    return (
        chain.native
        and not torch.compiler.is_compiling()
        and all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
        and not torch.is_grad_enabled()
    )


def forward(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and what came into the products that are marked so, block by block."""
    x = x.contiguous()
    y = x.new_empty(x.shape[0], chain.out_features)
    saved = [_saved(link, x) if link.saved else None for _ in range(chain.blocks) for link in chain.links]
    _call("htzoo_forward", _described(chain, True), x.shape[0], matrices, x, y, _pointers(saved))
    return y, [tensor for tensor in saved if tensor is not None]


def backward(
    chain: Chain,
    matrices: Sequence[Tensor],
    x: Tensor,
    d_y: Tensor,
    saved: Sequence[Tensor],
    *,
    input_gradient: bool,
    totals: list[Tensor] | None,
) -> tuple[Tensor | None, list[Tensor]]:
    """What :func:`htzoo.formats.apply.backward` gives; what is not in ``saved`` is computed again."""
    x, d_y = x.contiguous(), d_y.contiguous()
    if totals is None:
        totals = [torch.zeros_like(matrix, memory_format=torch.contiguous_format) for matrix in matrices]
    found = iter(saved)
    kept = [next(found, None) if link.saved else None for _ in range(chain.blocks) for link in chain.links]
    d_x = torch.empty_like(x) if input_gradient else None
    described = _described(chain, bool(saved))
    _call("htzoo_backward", described, x.shape[0], matrices, x, d_y, _pointers(kept), d_x, _pointers(totals))
    return d_x, totals


def backward_to_input(chain: Chain, matrices: Sequence[Tensor], d_y: Tensor) -> Tensor:
    """The gradient of the input alone."""
    d_y = d_y.contiguous()
    nothing = _pointers([None] * len(matrices))
    d_x = d_y.new_empty(d_y.shape[0], chain.in_features)
    _call("htzoo_backward", _described(chain, False), d_y.shape[0], matrices, None, d_y, nothing, d_x, None)
    return d_x


def _call(name: str, chain: _Described, rows: int, matrices: Sequence[Tensor], *arguments: Any) -> None:
    found = library()
    assert found is not None
    structure, _, multiply_adds, widest = chain
    threads = max(1, min(torch.get_num_threads(), MOST_THREADS, rows, rows * multiply_adds // _FEWEST))
    piece = max(1, min(NATIVE.piece // widest, math.ceil(rows / threads)))
    matrices = [matrix.contiguous() for matrix in matrices]
    backward = name == "htzoo_backward"
    wanted = backward and arguments[-1] is not None
    size = found.htzoo_scratch(ctypes.byref(structure), *map(ctypes.c_int64, (piece, threads)), backward, wanted)
    scratch = matrices[0].new_empty(size)
    getattr(found, name)(
        ctypes.byref(structure),
        *map(ctypes.c_int64, (rows, piece, threads)),
        _pointers(matrices),
        *(_pointer(value) if isinstance(value, Tensor) else value for value in arguments),
        _pointer(scratch),
    )


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    pointers = (None if tensor is None else tensor.data_ptr() for tensor in tensors)
    return array_type(ctypes.c_void_p, len(tensors))(*pointers)


def _saved(link: Link, x: Tensor) -> Tensor:
    """A place for what comes into a link, which may be read a little beyond its end."""
    numbers = x.shape[0] * math.prod(link.shape)
    return x.new_empty(numbers + _SLACK)[:numbers]


class _Described(NamedTuple):
    """A chain as the compiled code reads it.

    Attributes:
        structure: the chain.
        tables: what the structure points to.
        multiply_adds: for one row.
        widest: most numbers of a row between two products, before the first and after the last.
    """

    structure: _Chain
    tables: list[Tensor]
    multiply_adds: int
    widest: int


@lru_cache(maxsize=1024)
def _described(chain: Chain, in_slices: bool) -> _Described:
    head, slices = _head(chain) if in_slices else (0, 1)
    links = []
    tables: list[Tensor] = []
    for k, link in enumerate(chain.links):
        shape = (link.shape[0] // slices, *link.shape[1:]) if k < head else link.shape
        before = math.prod(shape) // (link.inner * link.after)
        found = _Link(before, link.inner, link.outer, link.after, _reorder(shape, link.permutation))
        if found.reorder.axes and link.after == 1 and link.permutation is not None:
            places = torch.arange(math.prod(shape)).reshape(shape).permute(link.permutation)
            places = places.reshape(before, link.inner)
            rows, inners = places[:, 0].contiguous(), places[0].contiguous()
            found.rows, found.inners = rows.data_ptr(), inners.data_ptr()
            found.fours = link.inner % NATIVE.vector == 0 and bool((inners.reshape(-1, 4).diff() == 1).all())
            tables += [rows, inners]
        links.append(found)
    structure = _Chain(len(links), chain.blocks, head, slices, chain.in_features, chain.out_features)
    structure.link = (_Link * _MOST_LINKS)(*links)
    structure.last = _reorder(chain.shape, chain.permutation)
    multiply_adds = chain.blocks * sum(math.prod(link.shape) * link.outer for link in chain.links)
    return _Described(structure, tables, multiply_adds, max(chain.in_features, chain.between, chain.out_features))


def _head(chain: Chain) -> tuple[int, int]:
    """How many links come before one whose input is kept, and into how many parts that they do not mix a row falls.

    These are the slices along the first axis, where all of those links leave it the first one.
    """
    size = chain.links[0].shape[0]
    for k, link in enumerate(chain.links):
        if link.shape[0] != size or size == 1:
            break
        if link.saved and k > 0:
            return k, size
        is_moved = link.permutation is not None and link.permutation[0] != 0
        if is_moved or math.prod(link.shape) // (link.inner * link.after) < size:  # or it is summed over
            break
    return 0, 1


def _reorder(shape: Sequence[int], permutation: Sequence[int] | None) -> _Reorder:
    """Neighbouring axes that stay together are one."""
    if permutation is None:
        return _Reorder()
    steps = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    axes: list[tuple[int, int]] = []
    for k in permutation:
        if axes and axes[-1][1] == steps[k] * shape[k]:
            axes[-1] = (axes[-1][0] * shape[k], steps[k])
        elif shape[k] > 1:
            axes.append((shape[k], steps[k]))
    if len(axes) < 2:  # only axes of size 1 change places
        return _Reorder()
    sizes, strides = zip(*axes)
    return _Reorder(len(axes), strides.index(1), _Axes(*sizes), _Axes(*strides))
