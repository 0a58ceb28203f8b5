"""The product of a chain in compiled code (htzoo/native/chain.c) as operators: float32 on a CPU."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from htzoo.formats.chain import Chain
from htzoo.formats.machine import NATIVE
from htzoo.native import layout
from htzoo.native.library import array_type, library
from htzoo.native.operators import operator

_SLACK = layout.CONSTANTS["SLACK"]
_MIN_MACS = 2**21  # that are worth another thread


def takes(chain: Chain, *tensors: Tensor) -> bool:
    """Whether the operators can run ``chain`` on these tensors; they have no gradients of their own."""
    return (
        chain.native
        and all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
        and not torch.is_grad_enabled()
    )


def forward(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and what entered the products that are marked so, block by block."""
    y, *saved = torch.ops.htzoo.chain_forward.default(x, list(matrices), chain.text)
    return y, saved


def backward(
    chain: Chain, matrices: Sequence[Tensor], x: Tensor, d_y: Tensor, saved: Sequence[Tensor], *, input_gradient: bool
) -> tuple[Tensor | None, list[Tensor]]:
    """What :func:`htzoo.formats.apply.backward` gives; what is not in ``saved`` is computed again."""
    arguments = (list(matrices), list(saved), chain.text, input_gradient)
    found = torch.ops.htzoo.chain_backward.default(d_y, x, *arguments)
    return (found[0], found[1:]) if input_gradient else (None, found)


def backward_to_input(chain: Chain, matrices: Sequence[Tensor], d_y: Tensor) -> Tensor:
    """The gradient of the input alone."""
    d_x: Tensor = torch.ops.htzoo.chain_transposed.default(d_y, list(matrices), chain.text)
    return d_x


def _forward_fake(x: Tensor, matrices: list[Tensor], chain: str) -> list[Tensor]:
    found = Chain.from_text(chain)
    rows = x.shape[0]
    saved = [x.new_empty(rows * size + _SLACK) for size in found.saved_sizes]
    return [x.new_empty(rows, found.out_features), *saved]


@operator("chain_forward(Tensor x, Tensor[] matrices, str chain) -> Tensor[]", key="CPU", fake=_forward_fake)
def _forward(x: Tensor, matrices: list[Tensor], chain: str) -> list[Tensor]:
    """Outputs, and what is kept for the backward: flat, with slack behind, for it is read a little beyond its end."""
    found = Chain.from_text(chain)
    x = x.contiguous()
    y, *saved = _forward_fake(x, matrices, chain)
    if library() is None:  # a graph that was made where there is one
        return [found.apply(matrices, x), *saved]
    _run(found, matrices, x.shape[0], _by_link(found, saved), x=x, y=y)
    return [y, *saved]


def _backward_fake(
    d_y: Tensor, x: Tensor, matrices: list[Tensor], saved: list[Tensor], chain: str, input_gradient: bool
) -> list[Tensor]:
    d_x = [torch.empty_like(x, memory_format=torch.contiguous_format)] if input_gradient else []
    return [*d_x, *(torch.empty_like(matrix, memory_format=torch.contiguous_format) for matrix in matrices)]


def _backward_plain(
    d_y: Tensor, x: Tensor, matrices: list[Tensor], saved: list[Tensor], chain: str, input_gradient: bool
) -> list[Tensor]:
    d_x, d_matrices = Chain.from_text(chain).gradients(matrices, x, d_y, input_gradient=input_gradient)
    return d_matrices if d_x is None else [d_x, *d_matrices]


@operator(
    "chain_backward(Tensor d_y, Tensor x, Tensor[] matrices, Tensor[] saved, str chain, bool input_gradient)"
    " -> Tensor[]",
    key="CPU",
    fake=_backward_fake,
    batched=_backward_plain,
)
def _backward(
    d_y: Tensor, x: Tensor, matrices: list[Tensor], saved: list[Tensor], chain: str, input_gradient: bool
) -> list[Tensor]:
    """Gradients of the input, where wanted, and of the matrices."""
    found = Chain.from_text(chain)
    if library() is None:
        return _backward_plain(d_y, x, matrices, saved, chain, input_gradient)
    d_x = torch.empty_like(x, memory_format=torch.contiguous_format) if input_gradient else None
    totals = [torch.zeros_like(matrix, memory_format=torch.contiguous_format) for matrix in matrices]
    tensors = {"x": x.contiguous(), "d_y": d_y.contiguous(), "d_x": d_x}
    _run(found, matrices, x.shape[0], _by_link(found, saved), totals, in_slices=bool(saved), **tensors)
    return totals if d_x is None else [d_x, *totals]


def _transposed_fake(d_y: Tensor, matrices: list[Tensor], chain: str) -> Tensor:
    return d_y.new_empty(d_y.shape[0], Chain.from_text(chain).in_features)


def _transposed_plain(d_y: Tensor, matrices: list[Tensor], chain: str) -> Tensor:
    return Chain.from_text(chain).apply_transposed(matrices, d_y)


@operator(
    "chain_transposed(Tensor d_y, Tensor[] matrices, str chain) -> Tensor",
    key="CPU",
    fake=_transposed_fake,
    batched=_transposed_plain,
)
def _transposed(d_y: Tensor, matrices: list[Tensor], chain: str) -> Tensor:
    """The gradient of the input alone."""
    if library() is None:
        return _transposed_plain(d_y, matrices, chain)
    return apply_transposed(Chain.from_text(chain), matrices, d_y)


def apply(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """Outputs alone. For kernels only."""
    y = x.new_empty(x.shape[0], chain.out_features)
    _run(chain, matrices, x.shape[0], [None] * len(matrices), in_slices=False, x=x.contiguous(), y=y)
    return y


def apply_transposed(chain: Chain, matrices: Sequence[Tensor], d_y: Tensor) -> Tensor:
    """The gradient of the input alone. For kernels only."""
    d_x = d_y.new_empty(d_y.shape[0], chain.in_features)
    _run(chain, matrices, d_y.shape[0], [None] * len(matrices), in_slices=False, d_y=d_y.contiguous(), d_x=d_x)
    return d_x


def _by_link(chain: Chain, saved: Sequence[Tensor]) -> list[Tensor | None]:
    """One entry a link, block by block; None where nothing is kept."""
    found = iter(saved)
    return [next(found, None) if link.saved else None for _ in range(chain.blocks) for link in chain.links]


def _run(
    chain: Chain,
    matrices: Sequence[Tensor],
    rows: int,
    saved: Sequence[Tensor | None],
    d_matrices: Sequence[Tensor] | None = None,
    *,
    in_slices: bool = True,
    **tensors: Tensor | None,
) -> None:
    """Call the compiled code; it takes the addresses of all tensors, which must be plain."""
    found = library()
    assert found is not None
    argument = _argument(chain, in_slices, found.vector)
    threads = max(
        1, min(torch.get_num_threads(), layout.CONSTANTS["MAX_THREADS"], rows, rows * argument.macs // _MIN_MACS)
    )
    matrices = [matrix.contiguous() for matrix in matrices]
    work = layout.Work(
        ctypes.pointer(argument.structure),
        rows,
        max(1, min(NATIVE.piece // argument.widest, math.ceil(rows / threads))),
        threads,
    )
    # The arrays of pointers must live until the call is over.
    arrays = {"matrices": _pointers(matrices), "saved": _pointers(saved)}
    if d_matrices is not None:
        arrays["d_matrices"] = _pointers(d_matrices)
    for name, array in arrays.items():
        setattr(work, name, ctypes.addressof(array))
    for name, tensor in tensors.items():
        setattr(work, name, None if tensor is None else tensor.data_ptr())
    scratch = matrices[0].new_empty(found.scratch(ctypes.byref(work)))
    work.scratch = scratch.data_ptr()
    found.product(ctypes.byref(work))


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    pointers = (None if tensor is None else tensor.data_ptr() for tensor in tensors)
    return array_type(ctypes.c_void_p, len(tensors))(*pointers)


class _Argument(NamedTuple):
    """A chain as the compiled code reads it.

    Attributes:
        structure: the chain.
        tables: what the structure points to.
        macs: multiply-accumulates for one row.
        widest: maximum values of a row between two products, before the first and after the last.
    """

    structure: layout.Chain
    tables: list[Tensor]
    macs: int
    widest: int


@lru_cache(maxsize=1024)
def _argument(chain: Chain, in_slices: bool, vector: int) -> _Argument:
    head, slices = _head(chain) if in_slices else (0, 1)
    links = []
    tables: list[Tensor] = []
    for k, link in enumerate(chain.links):
        shape = (link.shape[0] // slices, *link.shape[1:]) if k < head else link.shape
        before = math.prod(shape) // (link.inner * link.after)
        found = layout.Link(before, link.inner, link.outer, link.after, _reorder(shape, link.permutation))
        if found.reorder.axes and link.after == 1 and link.permutation is not None:
            places = torch.arange(math.prod(shape)).reshape(shape).permute(link.permutation)
            places = places.reshape(before, link.inner)
            rows, inners = places[:, 0].contiguous(), places[0].contiguous()
            found.rows, found.inners = rows.data_ptr(), inners.data_ptr()
            found.fours = link.inner % vector == 0 and bool((inners.reshape(-1, 4).diff() == 1).all())
            tables += [rows, inners]
        links.append(found)
    structure = layout.Chain(len(links), chain.blocks, head, slices, chain.in_features, chain.out_features)
    structure.link = type(structure.link)(*links)
    structure.last = _reorder(chain.shape, chain.permutation)
    macs = chain.blocks * sum(math.prod(link.shape) * link.outer for link in chain.links)
    return _Argument(structure, tables, macs, max(chain.in_features, chain.between, chain.out_features))


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


def _reorder(shape: Sequence[int], permutation: Sequence[int] | None) -> layout.Reorder:
    """Neighbouring axes that stay together are one."""
    if permutation is None:
        return layout.Reorder()
    steps = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    axes: list[tuple[int, int]] = []
    for k in permutation:
        if axes and axes[-1][1] == steps[k] * shape[k]:
            axes[-1] = (axes[-1][0] * shape[k], steps[k])
        elif shape[k] > 1:
            axes.append((shape[k], steps[k]))
    if len(axes) < 2:  # only axes of size 1 change places
        return layout.Reorder()
    sizes, strides = zip(*axes)
    found = layout.Reorder(len(axes), strides.index(1))
    found.size[: len(axes)], found.step[: len(axes)] = sizes, strides
    return found
