"""A planned product with all sizes known: merge the cores once, multiply many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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
EXPORTED_ROWS = 256  # an exported graph serves every batch size: planned for this many rows, it is right for all


@dataclass(frozen=True)
class Link:
    """One matrix product of a chain.

    Args:
        group: positions of the cores that are merged into the matrix.
        order: how they are merged.
        axes: where the axes of the merged tensor go: first that of the blocks, where they differ, then those of the
            matrix's rows, then those of its columns.
        shape: sizes of the running tensor's axes before the permutation, rows not counted.
        permutation: reordering of these axes that must come first, or None.
        inner: how many numbers the product sums over.
        outer: how many take their place.
        after: how many numbers lie behind them in memory; 1 makes this one plain matrix product.
        kept: sizes of the edges that are contracted and come back: the matrix is block-diagonal over them.
        saved: whether the backward should find what came into this product, rather than compute it again.
        shared: whether all blocks have this matrix.
    """

    group: tuple[int, ...]
    order: PairwiseOrder
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    inner: int
    outer: int
    after: int
    kept: tuple[int, ...]
    saved: bool
    shared: bool


@dataclass(frozen=True, eq=False)
class Chain:
    """The products of a plan, in order. Every method is differentiable.

    Args:
        links: the products, in order; once for every block.
        blocks: how many blocks there are: products of their own whose results are added.
        shape: sizes of the result's axes before the last reordering, rows not counted.
        permutation: the last reordering, or None.
        in_features: columns of the matrix that the chain stands for.
        out_features: its rows.
        between: how many numbers of a row lie between two products, at the widest place.
        native: whether it is made for compiled code.
    """

    links: tuple[Link, ...]
    blocks: int
    shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    in_features: int
    out_features: int
    between: int
    native: bool

    @property
    def num_saved(self) -> int:
        """How many tensors :meth:`apply_and_save` keeps."""
        return self.blocks * sum(link.saved for link in self.links)

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but one product with a matrix (in_features, out_features)."""
        first = self.links[0]
        return len(self.links) == self.blocks == first.after == 1 and first.permutation is self.permutation is None

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


def chain_of(network: Network, rows: int, device: torch.device, dtype: torch.dtype, *, input_gradient: bool) -> Chain:
    """The chain for about ``rows`` inputs at once.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once; of no account in an export.
        device: where they are multiplied.
        dtype: in which precision.
        input_gradient: whether the gradient with respect to the input is wanted too.
    """
    if torch.compiler.is_compiling():
        return exported_chain(network, device)
    return _fastest(network, _rounded(rows), device, dtype, input_gradient)


@lru_cache(maxsize=1024)
def _fastest(network: Network, rows: int, device: torch.device, dtype: torch.dtype, input_gradient: bool) -> Chain:
    machine = machine_of(network, rows, device, dtype, input_gradient=input_gradient)
    return _chain(network, rows, input_gradient, machine)


def exported_chain(network: Network, device: torch.device) -> Chain:
    """The chain of PyTorch's own products that an exported graph has, for every number of rows."""
    return _chain(network, EXPORTED_ROWS, True, CPU if device.type == "cpu" else GPU)


def machine_of(
    network: Network, rows: int, device: torch.device, dtype: torch.dtype, *, input_gradient: bool
) -> Machine:
    """What a chain is planned for; the arguments are those of :func:`chain_of`.

    Compiled code where there is some and it is predicted to be clearly faster: where ranks are high, the products are
    so large that libraries are best at them.
    """
    if device.type != "cpu":
        return GPU
    if dtype != torch.float32 or len(network.cores) == 1 or library() is None:
        return CPU
    compiled, libraries = (
        plan(network, _rounded(rows), input_gradient=input_gradient, machine=machine) for machine in (NATIVE, CPU)
    )
    return NATIVE if compiled.seconds < _CLEARLY * libraries.seconds else CPU


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
    new = tuple(_twin(edge) if edge in kept else edge for edge in step.new if edge != split)
    contracted = tuple(edge for edge in step.contracted if edge != split)
    shared = not any(split in whole.cores[k].edges for k in step.group)
    blocks = () if split is None or shared else (split,)
    axes = (*blocks, *contracted, *new) if step.after == 1 else (*blocks, *new, *contracted)
    sizes = {**whole.sizes, **{_twin(edge): network.sizes[edge] for edge in kept}}
    edges = [*(whole.cores[k].edges for k in step.group), *((edge, _twin(edge)) for edge in kept)]
    order = merge_order(sizes, edges, axes)
    return Link(
        step.group,
        order,
        tuple(order.edges.index(edge) for edge in axes),
        tuple(network.sizes[edge] for edge in layout),
        step.permutation,
        network.size(step.contracted),
        network.size(step.new),
        step.after,
        tuple(network.sizes[edge] for edge in kept),
        step.saved,
        shared,
    )


def _twin(edge: str) -> str:
    """The label of an edge behind a block-diagonal matrix."""
    return f"{edge}'"


def _matrices(link: Link, cores: Sequence[Tensor], blocks: int) -> Sequence[Tensor]:
    """The link's matrix in every block; all are merged together."""
    tensors = [cores[k] for k in link.group]
    tensors += [torch.eye(size, dtype=tensors[0].dtype, device=tensors[0].device) for size in link.kept]
    shape = (link.inner, link.outer) if link.after == 1 else (link.outer, link.inner)
    merged = contract(link.order, tensors).permute(link.axes)
    return (merged.reshape(shape),) * blocks if link.shared else merged.reshape(blocks, *shape).unbind()


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
