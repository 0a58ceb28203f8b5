"""Alternating least squares over any network, hyperedges included."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from htzoo.formats.contract import Edges, merge, to_dense
from htzoo.formats.network import Network

_RIDGE = 1e-12  # of the largest eigenvalue of the normal equations
_EXACT = 1e-14  # relative error below which only rounding is left
_LARGEST = 1 << 21  # values of normal equations that are built and factored
_STEPS, _CLOSE = 50, 1e-8  # of conjugate gradients where they are not; and where to stop, of what is left


class _Labelled(NamedTuple):
    """A tensor with one label an axis."""

    tensor: Tensor
    edges: Edges


def least_squares(network: Network, matrix: Tensor, cores: list[Tensor], sweeps: int, tolerance: float = 1e-4) -> float:
    """Improve ``cores`` in place, one at a time, each being set to its best for the others as they are.

    In one core alone the network is linear: its best solves normal equations whose matrix is the network of the other
    cores with a copy of themselves, never built as a design matrix. Where the others fall into parts that are not
    connected (both sides of a tensor train, the factors of Tucker), that matrix is a Kronecker product and is solved
    part by part.
    The products that neighbouring cores have in common are formed once (a dimension tree: Phan, Tichavsky and Cichocki,
    "Fast Alternating LS Algorithms for High Order CANDECOMP/PARAFAC Tensor Factorizations", IEEE Trans. Signal Process.
    61, 2013), so a sweep reads the whole matrix three times, however many cores there are. The error never grows.

    Args:
        network: how the cores are joined.
        matrix: of shape (out_features, in_features), float64.
        cores: one tensor a core, float64; where to start, and the result.
        sweeps: at most so many times through all cores.
        tolerance: stop when a sweep lowers the error by less than this fraction of it.

    Returns:
        The relative error. A bar shows it where the work takes more than two seconds.
    """
    edges = (*network.outputs, *network.inputs)
    data = _Labelled(matrix.reshape([network.sizes[edge] for edge in edges]), edges)
    norm = matrix.norm().item() or 1.0
    error = float("inf")
    with tqdm(total=sweeps, desc="least squares", unit="sweep", delay=2, leave=False) as bar:
        for _ in range(sweeps):
            _sweep(network, cores, range(len(cores)), [data], [])
            before, error = error, (to_dense(network, cores) - matrix).norm().item() / norm
            bar.set_postfix(error=f"{error:.3g}", refresh=False)
            bar.update()
            if error < _EXACT or before - error < tolerance * error:
                break
    return error


def _sweep(
    network: Network, cores: list[Tensor], group: Sequence[int], data: Sequence[_Labelled], outside: list[_Labelled]
) -> None:
    """Update the cores of ``group``, one after the other.

    Args:
        network: how the cores are joined.
        cores: all cores; those of ``group`` are changed.
        group: positions of the cores to update.
        data: the matrix contracted with all cores outside ``group``; those of them that have no modes, which would
            only make it larger, stand beside it.
        outside: all cores outside ``group`` contracted with a copy of themselves, one tensor for each
            connected part, unless too large.
    """
    if len(group) == 1:
        core = network.cores[group[0]]
        tensor, edges = _contract(data, core.edges)
        target = tensor.permute([edges.index(edge) for edge in core.edges])
        cores[group[0]] = _solve(cores[group[0]], core.edges, target, outside)
        return
    middle = len(group) // 2
    for kept, used in ((group[:middle], group[middle:]), (group[middle:], group[:middle])):
        wanted = {edge for k in kept for edge in network.cores[k].edges}
        ones = [_Labelled(cores[k], network.cores[k].edges) for k in used]
        copies = [_Labelled(one.tensor, tuple(_copied(network, edge) for edge in one.edges)) for one in ones]
        parts = [one for part in _joined([*outside, *ones, *copies]) for one in _merged(part, wanted)]
        beside = [*data[1:], *(one for one in ones if not _has_modes(network, one))]
        later = wanted.union(*(one.edges for one in beside))
        whole = _contract([data[0], *(one for one in ones if _has_modes(network, one))], later)
        _sweep(network, cores, kept, [whole, *beside], parts)


def _has_modes(network: Network, one: _Labelled) -> bool:
    return any(_copied(network, edge) == edge for edge in one.edges)


def _copied(network: Network, edge: str) -> str:
    """The label of an edge in the copy of a core; modes keep theirs."""
    return edge if edge in network.inputs or edge in network.outputs else f"{edge}'"


def _contract(operands: Sequence[_Labelled], wanted: Collection[str]) -> _Labelled:
    """Sum over every edge but the ``wanted`` ones and their copies."""
    found = dict.fromkeys(edge for operand in operands for edge in operand.edges)
    kept = tuple(edge for edge in found if edge.rstrip("'") in wanted)
    return _Labelled(merge([one.tensor for one in operands], [one.edges for one in operands], kept), kept)


def _merged(part: list[_Labelled], wanted: Collection[str]) -> list[_Labelled]:
    """A joined part as one tensor, if that is not too large."""
    sizes = {edge: size for one in part for edge, size in zip(one.edges, one.tensor.shape)}
    values = math.prod(size for edge, size in sizes.items() if edge.rstrip("'") in wanted)
    return [_contract(part, wanted)] if values <= _LARGEST else part


def _joined(operands: Iterable[_Labelled]) -> list[list[_Labelled]]:
    """Sort the operands into parts that share no edge, an edge and its copy being the same."""
    parts: list[tuple[set[str], list[_Labelled]]] = []
    for operand in operands:
        edges, members = {edge.rstrip("'") for edge in operand.edges}, [operand]
        for part in [part for part in parts if part[0] & edges]:
            parts.remove(part)
            edges, members = edges | part[0], [*part[1], *members]
        parts.append((edges, members))
    return [members for _, members in parts]


def _solve(core: Tensor, edges: Edges, target: Tensor, outside: Sequence[_Labelled]) -> Tensor:
    """The core that solves ``G core = target``, G being what ``outside`` contracts to.

    A small ridge pulls it towards ``core``, not towards zero: directions that G does not see stay as they are, the
    error cannot grow, and a solution stays where it is.
    """
    if len(_joined(outside)) < len(outside):
        return _solve_step_by_step(core, edges, target, outside)
    if len(outside) == 1:
        (part,) = outside
        matrices = _matrices(part, edges)
        ridge = _RIDGE * torch.linalg.matrix_norm(matrices).max().clamp_min(torch.finfo(core.dtype).tiny)
        factor, failed = torch.linalg.cholesky_ex(matrices + ridge * torch.eye(matrices.shape[-1]).to(core))
        if not failed.any():  # a tenth of the time that the eigenvectors take
            left = target - _along(core, edges, part.edges, matrices.matmul)
            return core + _along(left, edges, part.edges, lambda x: torch.cholesky_solve(x, factor))
    return _solve_in_eigenvectors(core, edges, target, outside)


def _solve_step_by_step(core: Tensor, edges: Edges, target: Tensor, outside: Sequence[_Labelled]) -> Tensor:
    """:func:`_solve` where G is too large to be built: steps of conjugate gradients, none of which adds to the error.

    The core tensor of a block term needs this: it has blocks x rank^d values, and G has their square.
    """
    known = {edge for one in outside for edge in one.edges}
    after = tuple(f"{edge}'" if f"{edge}'" in known else edge for edge in edges)

    def times(x: Tensor) -> Tensor:
        return merge([x, *(one.tensor for one in outside)], [edges, *(one.edges for one in outside)], after)

    left = target - times(core)
    direction, square = left, left.square().sum()
    enough = _CLOSE**2 * square
    for _ in range(_STEPS):
        product = times(direction)
        curvature = (direction * product).sum()
        if square <= enough or curvature <= 0:
            break
        core = core + square / curvature * direction
        left = left - square / curvature * product
        before, square = square, left.square().sum()
        direction = left + square / before * direction
    return core


def _solve_in_eigenvectors(core: Tensor, edges: Edges, target: Tensor, outside: Sequence[_Labelled]) -> Tensor:
    """:func:`_solve` for any number of parts: the eigenvectors of G, their Kronecker product, are made of theirs."""
    values = torch.ones_like(core)
    bases = []
    for part in outside:
        squares, basis = torch.linalg.eigh(_matrices(part, edges))
        bases.append(basis)
        core, target = (_along(x, edges, part.edges, basis.mT.matmul) for x in (core, target))
        values = _along(values, edges, part.edges, torch.diag_embed(squares.clamp_min(0)).matmul)
    ridge = (_RIDGE * values.max()).clamp_min(torch.finfo(values.dtype).tiny)
    core = core + (target - values * core) / (values + ridge)
    for part, basis in zip(outside, bases, strict=True):
        core = _along(core, edges, part.edges, basis.matmul)
    return core


def _matrices(part: _Labelled, edges: Edges) -> Tensor:
    """A part of G as matrices over the axes ``edges`` of a core: one for every value of the modes that both have."""
    stacked, bonds, _ = _split(edges, part.edges)
    axes = (*stacked, *bonds, *(f"{edge}'" for edge in bonds))
    tensor = part.tensor.permute([part.edges.index(edge) for edge in axes])
    width = math.prod(tensor.shape[len(stacked) : len(stacked) + len(bonds)])
    return tensor.reshape(-1, width, width)


def _along(x: Tensor, edges: Edges, joined: Edges, act: Callable[[Tensor], Tensor]) -> Tensor:
    """Have ``act`` change the axes ``joined`` of ``x``, which it gets as those that :func:`_matrices` multiply."""
    stacked, bonds, rest = _split(edges, joined)
    order = (*stacked, *bonds, *rest)
    moved = x.permute([edges.index(edge) for edge in order])
    count, width = (math.prod(x.shape[edges.index(edge)] for edge in axes) for axes in (stacked, bonds))
    result = act(moved.reshape(count, width, -1))
    return result.reshape(moved.shape).permute([order.index(edge) for edge in edges])


def _split(edges: Edges, joined: Edges) -> tuple[Edges, Edges, Edges]:
    """Those of ``edges`` that stand in ``joined`` alone, those with their copies, and those that do not."""
    bonds = tuple(edge for edge in edges if f"{edge}'" in joined)
    stacked = tuple(edge for edge in edges if edge in joined and edge not in bonds)
    return stacked, bonds, tuple(edge for edge in edges if edge not in joined)
