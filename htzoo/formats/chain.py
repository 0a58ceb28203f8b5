"""A planned product with all sizes known: merge the cores once, multiply many times."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from htzoo.formats.contract import Edges, PairwiseOrder, contract, merge_order
from htzoo.formats.machine import CPU, GPU, NATIVE, Machine
from htzoo.formats.matmul import add_matmul, matmul
from htzoo.formats.network import Network
from htzoo.formats.plan import Step
from htzoo.formats.search import plan
from htzoo.native.layout import CONSTANTS
from htzoo.native.library import library

_CLEARLY = 0.9  # of the libraries' time; predictions are off by about as much
COMMON_ROWS = 256


@dataclass(frozen=True)
class Merge:
    """How the matrix of a link is made from the cores.

    Args:
        group: positions of the cores that are merged.
        order: how they are merged.
        axes: where the axes of the merged tensor go: first that of the blocks, where they differ, then those of the
            matrix's rows, then those of its columns.
        kept: sizes of the edges that are contracted and come back: the matrix is block-diagonal over them.
        shared: whether all blocks have this matrix.
    """

    group: tuple[int, ...]
    order: PairwiseOrder
    axes: tuple[int, ...]
    kept: tuple[int, ...]
    shared: bool


@dataclass(frozen=True)
class Link:
    """One matrix product of a chain.

    Args:
        shape: sizes of the running tensor's axes before the permutation, rows not counted.
        permutation: reordering of these axes that comes first, or None.
        inner: size that the product sums over.
        outer: size that takes its place.
        after: size of what lies behind it in memory; 1 makes this one plain matrix product.
        saved: whether the backward finds what entered this product, rather than compute it again.
        merge: how the matrix is made; None where only its shape is known.
    """

    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    inner: int
    outer: int
    after: int
    saved: bool
    merge: Merge | None = None


@dataclass(frozen=True, eq=False)
class Chain:
    """The products of a plan, in order. Every method is differentiable.

    Args:
        links: the products, in order; once for every block.
        blocks: how many blocks there are: products of their own whose results are added.
        shape: sizes of the result's axes before the last reordering, rows not counted.
        permutation: the last reordering, or None.
        in_features: columns of the matrix that the chain multiplies with.
        out_features: its rows.
        between: maximum values of a row between two products.
        native: whether it is planned for compiled code.
    """

    links: tuple[Link, ...]
    blocks: int
    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    in_features: int
    out_features: int
    between: int
    native: bool

    @cached_property
    def text(self) -> str:
        """All of it but how the matrices are made, as operators take it: :meth:`from_text`."""
        return json.dumps([[link[:6] for link in map(_fields, self.links)], *_fields(self)[1:]])

    @staticmethod
    @lru_cache(maxsize=1024)
    def from_text(text: str) -> Chain:
        """The chain that :attr:`text` describes. It cannot make matrices."""
        links, blocks, shape, permutation, *rest = json.loads(text)
        found = (Link(tuple(link[0]), _tuple(link[1]), *link[2:]) for link in links)
        return Chain(tuple(found), blocks, tuple(shape), _tuple(permutation), *rest)

    @property
    def num_saved(self) -> int:
        """How many tensors :meth:`apply_and_save` keeps."""
        return self.blocks * sum(link.saved for link in self.links)

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but one product with a matrix (in_features, out_features)."""
        first = self.links[0]
        return len(self.links) == self.blocks == first.after == 1 and first.permutation is self.permutation is None

    @cached_property
    def saved_sizes(self) -> tuple[int, ...]:
        """Values of a row of every tensor that :meth:`apply_and_save` keeps."""
        return tuple(math.prod(link.shape) for link in self.links if link.saved) * self.blocks

    def matrices(self, cores: Sequence[Tensor]) -> list[Tensor]:
        """The matrix of every link, block by block. Gradients flow to the cores."""
        found = [_matrices(link, cores, self.blocks) for link in self.links]
        return [own[block] for block in range(self.blocks) for own in found]

    def apply(self, matrices: Sequence[Tensor], x: Tensor) -> Tensor:
        """Outputs (rows, out_features) of inputs (rows, in_features)."""
        return self.apply_and_save(matrices, x)[0]

    def apply_and_save(self, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs, and for :meth:`gradients` what came into every product that is marked so."""
        results = [self._apply(block, x) for block in self._by_block(matrices)]
        y, *rest = (y for y, _ in results)
        return sum(rest, y), [tensor for _, saved in results for tensor in saved]

    def _by_block(self, matrices: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        count = len(self.links)
        return [matrices[k * count : (k + 1) * count] for k in range(self.blocks)]

    def _apply(self, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
        rows = x.shape[0]
        saved = []
        for link, matrix in zip(self.links, matrices):
            x = _enter(link, x, rows)
            if link.saved:
                saved.append(x)
            x = _multiply(link, matrix, x)
        return _permute(x, rows, self.shape, self.permutation).reshape(rows, self.out_features), saved

    def apply_transposed(self, matrices: Sequence[Tensor], y: Tensor) -> Tensor:
        """The transposed matrix times every row of ``y``: the gradient of the input from that of the output."""
        first, *rest = (self._apply_transposed(block, y) for block in self._by_block(matrices))
        return sum(rest, first)

    def _apply_transposed(self, matrices: Sequence[Tensor], y: Tensor) -> Tensor:
        rows = y.shape[0]
        y = _permute_back(y, rows, self.shape, self.permutation)
        for link, matrix in zip(reversed(self.links), reversed(matrices)):
            y = _multiply_back(link, matrix, y, rows)
        return y.reshape(rows, self.in_features)

    def gradients(
        self,
        matrices: Sequence[Tensor],
        x: Tensor,
        y: Tensor,
        saved: Sequence[Tensor] = (),
        *,
        input_gradient: bool = False,
        totals: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradients of the input, where wanted, and of the matrices.

        Args:
            matrices: as given to :meth:`apply`.
            x: the inputs.
            y: the gradient of the outputs.
            saved: from :meth:`apply_and_save`; computed again when empty.
            input_gradient: whether the gradient of ``x`` is wanted.
            totals: gradients of the matrices for other rows; those for these rows are added to them, in place.
        """
        count = self.num_saved // self.blocks
        d_x: Tensor | None = None
        d_matrices: list[Tensor] = []
        for k, block in enumerate(self._by_block(matrices)):
            entered = self._enter_all(block, x, saved[k * count : (k + 1) * count])
            start = len(d_matrices)
            block_totals = totals[start : start + len(block)] if totals else (None,) * len(block)
            d_block, found = self._gradients(block, entered, y, block_totals, input_gradient)
            d_matrices += found
            if d_block is not None:
                d_x = d_block if d_x is None else d_x + d_block
        return d_x, d_matrices

    def _enter_all(self, matrices: Sequence[Tensor], x: Tensor, saved: Sequence[Tensor]) -> list[Tensor]:
        """What comes into every product."""
        rows = x.shape[0]
        found = iter(saved)
        entered: list[Tensor] = []
        for k, link in enumerate(self.links):
            if link.saved and saved:
                entered.append(next(found))
            else:
                x = _multiply(self.links[k - 1], matrices[k - 1], entered[-1]) if k else x
                entered.append(_enter(link, x, rows))
        return entered

    def _gradients(
        self,
        matrices: Sequence[Tensor],
        entered: Sequence[Tensor],
        y: Tensor,
        totals: Sequence[Tensor | None],
        input_gradient: bool,
    ) -> tuple[Tensor | None, list[Tensor]]:
        rows = y.shape[0]
        y = _permute_back(y, rows, self.shape, self.permutation)
        gradients = []
        for k in reversed(range(len(self.links))):
            link, matrix = self.links[k], matrices[k]
            gradients.append(_matrix_gradient(link, entered[k], y, totals[k]))
            if k or input_gradient:
                y = _multiply_back(link, matrix, y, rows)
        return (y.reshape(rows, self.in_features) if input_gradient else None), gradients[::-1]


def chain_of(
    network: Network, rows: int | torch.SymInt, device: torch.device, dtype: torch.dtype, *, input_gradient: bool
) -> Chain:
    """The chain for about ``rows`` inputs at once; it is right for every number of them.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once; planned for a common number where a tracer leaves it open.
        device: where they are multiplied.
        dtype: in which precision.
        input_gradient: whether the gradient with respect to the input is wanted too.
    """
    known = rows if isinstance(rows, int) else COMMON_ROWS
    return _fastest(network, _rounded(known), device, dtype, input_gradient)


@lru_cache(maxsize=1024)
def _fastest(network: Network, rows: int, device: torch.device, dtype: torch.dtype, input_gradient: bool) -> Chain:
    machine = machine_of(network, rows, device, dtype, input_gradient=input_gradient)
    return _chain(network, rows, input_gradient, machine)


def machine_of(
    network: Network, rows: int, device: torch.device, dtype: torch.dtype, *, input_gradient: bool
) -> Machine:
    """What a chain is planned for; the arguments are those of :func:`chain_of`.

    Compiled code where there is some and it is predicted to be clearly faster: where ranks are high, the products are
    so large that libraries are best at them.
    """
    if device.type != "cpu":
        return GPU
    found = library()
    if dtype != torch.float32 or len(network.cores) == 1 or found is None:
        return CPU
    native = replace(NATIVE, vector=found.vector)
    compiled, libraries = (
        plan(network, _rounded(rows), input_gradient=input_gradient, machine=machine) for machine in (native, CPU)
    )
    return native if compiled.seconds < _CLEARLY * libraries.seconds else CPU


def _rounded(rows: int) -> int:
    """Plans differ little between neighbouring batch sizes; powers of two keep the cache small."""
    return 1 << max(rows - 1, 0).bit_length()


@lru_cache(maxsize=1024)
def _chain(network: Network, rows: int, input_gradient: bool, machine: Machine) -> Chain:
    planned = plan(network, rows, input_gradient=input_gradient, machine=machine)
    blocks = 1
    whole, split = network, planned.sliced
    if split is not None:
        blocks = network.sizes[split]
        network = network.slice(split)
    links: list[Link] = []
    layout = network.inputs
    for step in planned.steps:
        links.append(_link(network, step, layout, whole, split))
        if step.permutation is not None:
            layout = tuple(layout[k] for k in step.permutation)
        first = layout.index(step.contracted[0])
        layout = (*layout[:first], *step.new, *layout[first + len(step.contracted) :])
    shape = tuple(network.sizes[edge] for edge in layout)
    between = max((s.before * s.after * network.size(s.new) for s in planned.steps[:-1]), default=0)
    sizes = (network.in_features, network.out_features, between)
    native = machine.is_compiled and max(len(link.shape) for link in links) <= CONSTANTS["MAX_AXES"]
    return Chain(tuple(links), blocks, shape, planned.permutation, *sizes, native)


def _link(network: Network, step: Step, layout: Edges, whole: Network, split: str | None) -> Link:
    """The link of ``step`` in ``network``: a slice of ``whole`` along the edge ``split``, where there is one."""
    kept = tuple(edge for edge in step.contracted if edge in step.new and edge != split)
    new = tuple(_joined(edge) if edge in kept else edge for edge in step.new if edge != split)
    contracted = tuple(edge for edge in step.contracted if edge != split)
    shared = not any(split in whole.cores[k].edges for k in step.group)
    blocks = () if split is None or shared else (split,)
    axes = (*blocks, *contracted, *new) if step.after == 1 else (*blocks, *new, *contracted)
    sizes = {**whole.sizes, **{_joined(edge): network.sizes[edge] for edge in kept}}
    edges = [*(whole.cores[k].edges for k in step.group), *((edge, _joined(edge)) for edge in kept)]
    order = merge_order(sizes, edges, axes)
    positions = tuple(order.edges.index(edge) for edge in axes)
    kept_sizes = tuple(network.sizes[edge] for edge in kept)
    return Link(
        tuple(network.sizes[edge] for edge in layout),
        step.permutation,
        network.size(step.contracted),
        network.size(step.new),
        step.after,
        step.saved,
        Merge(step.group, order, positions, kept_sizes, shared),
    )


def _joined(edge: str) -> str:
    """The label of an edge behind a block-diagonal matrix."""
    return f"{edge}'"


def _matrices(link: Link, cores: Sequence[Tensor], blocks: int) -> Sequence[Tensor]:
    """The link's matrix in every block; all are merged together."""
    merge = link.merge
    assert merge is not None, "a chain that was read from text has no cores"
    tensors = [cores[k] for k in merge.group]
    tensors += [torch.eye(size, dtype=tensors[0].dtype, device=tensors[0].device) for size in merge.kept]
    shape = (link.inner, link.outer) if link.after == 1 else (link.outer, link.inner)
    merged = contract(merge.order, tensors).permute(merge.axes)
    return (merged.reshape(shape),) * blocks if merge.shared else merged.reshape(blocks, *shape).unbind()


def _fields(value: Link | Chain) -> list[Any]:
    return [getattr(value, field.name) for field in fields(value)]


def _tuple(values: list[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)


def _enter(link: Link, x: Tensor, rows: int) -> Tensor:
    """The running tensor as ``link`` multiplies it."""
    x = _permute(x, rows, link.shape, link.permutation)
    return x.reshape(-1, link.inner) if link.after == 1 else x.reshape(-1, link.inner, link.after)


def _multiply(link: Link, matrix: Tensor, x: Tensor) -> Tensor:
    if link.after == 1:
        return matmul(x, matrix)
    return torch.bmm(matrix.expand(x.shape[0], link.outer, link.inner), x)


def _matrix_gradient(link: Link, x: Tensor, y: Tensor, total: Tensor | None) -> Tensor:
    """The gradient of a link's matrix, from what came into the link and the gradient of what it gave."""
    if link.after > 1:
        y = y.reshape(-1, link.outer, link.after)
        if link.outer * link.inner <= 4 * (link.outer + link.inner) * link.after:
            gradient = torch.bmm(y, x.mT).sum(0)
        else:  # moving the axes takes less time than one matrix a row
            gradient = torch.einsum("noa,nia->oi", y, x)
        return gradient if total is None else total.add_(gradient)
    y = y.reshape(-1, link.outer)
    # A dense weight is stored transposed, and so must be its gradient; to the others it makes no difference.
    return matmul(y.T, x).T if total is None else add_matmul(total.T, y.T, x).T


def _multiply_back(link: Link, matrix: Tensor, y: Tensor, rows: int) -> Tensor:
    """The gradient of what came into ``link``, from the gradient of what it gave."""
    if link.after == 1:
        y = matmul(y.reshape(-1, link.outer), matrix.T)
    else:
        y = y.reshape(-1, link.outer, link.after)
        y = torch.bmm(matrix.T.expand(y.shape[0], link.inner, link.outer), y)
    return _permute_back(y, rows, link.shape, link.permutation)


def _permute(x: Tensor, rows: int, shape: Sequence[int], permutation: Sequence[int] | None) -> Tensor:
    """Reorder all axes but the rows."""
    return x if permutation is None else x.reshape(rows, *shape).permute(0, *(k + 1 for k in permutation))


def _permute_back(y: Tensor, rows: int, shape: Sequence[int], permutation: Sequence[int] | None) -> Tensor:
    """Undo :func:`_permute`."""
    if permutation is None:
        return y
    inverse = sorted(range(len(permutation)), key=lambda k: permutation[k])
    return y.reshape(rows, *(shape[k] for k in permutation)).permute(0, *(k + 1 for k in inverse))
