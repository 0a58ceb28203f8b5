"""Contract a few tensors with labelled edges into one, two at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.formats.network import Network

Edges = tuple[str, ...]


class Pair(NamedTuple):
    """A contraction of two tensors, as one matrix product or a batch of them.

    Args:
        left: position of the first tensor among the remaining ones; the result is appended at the end.
        right: position of the second; larger than ``left``.
        left_axes: its axes in the order: those that both tensors and the result have, its own, those summed over.
        right_axes: the same of the second, in the order: those of both, those summed over, its own.
        batch: number of axes that both tensors and the result have.
        inner: number of axes summed over.
    """

    left: int
    right: int
    left_axes: tuple[int, ...]
    right_axes: tuple[int, ...]
    batch: int
    inner: int


class PairwiseOrder(NamedTuple):
    """The order of contraction, and its cost.

    Args:
        steps: every contraction of two.
        edges: axes of the last tensor.
        macs: of all steps.
        written: values written by all steps.
    """

    steps: tuple[Pair, ...]
    edges: Edges
    macs: int
    written: int


def merge(operands: Sequence[Tensor], edges: Sequence[Edges], result: Edges) -> Tensor:
    """Sum the product of ``operands`` over every edge that is not in ``result``.

    Args:
        operands: tensors; axis j of operand k has the label ``edges[k][j]``.
        edges: labels, axis by axis, of every operand.
        result: labels of the axes of the result, in order.

    Returns:
        A tensor with the axes ``result``. A single operand comes back as a permuted view.
    """
    sizes = {edge: size for labels, tensor in zip(edges, operands) for edge, size in zip(labels, tensor.shape)}
    order = merge_order(sizes, edges, result)
    return contract(order, operands).permute([order.edges.index(edge) for edge in result])


def contract(order: PairwiseOrder, operands: Sequence[Tensor]) -> Tensor:
    """Contract ``operands`` in this order; the axes of the result are ``order.edges``."""
    pool = list(operands)
    for pair in order.steps:
        b, a = pool.pop(pair.right), pool.pop(pair.left)
        pool.append(_multiply(pair, _permuted(a, pair.left_axes), _permuted(b, pair.right_axes)))
    return pool[0]


def _permuted(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    return tensor if axes == tuple(range(len(axes))) else tensor.permute(axes)


def _multiply(pair: Pair, a: Tensor, b: Tensor) -> Tensor:
    """As :func:`torch.einsum`, whose start takes several times as long as a small product."""
    batch, own = a.shape[: pair.batch], a.shape[pair.batch : a.dim() - pair.inner]
    inner, others = a.shape[a.dim() - pair.inner :], b.shape[pair.batch + pair.inner :]
    counts = [math.prod(shape) for shape in (batch, own, inner, others)]
    if pair.batch:
        product = torch.bmm(a.reshape(counts[:3]), b.reshape(counts[0], *counts[2:]))
    else:
        product = a.reshape(counts[1:3]) @ b.reshape(counts[2:])
    return product.reshape((*batch, *own, *others))


def merge_order(sizes: Mapping[str, int], edges: Sequence[Edges], result: Iterable[str]) -> PairwiseOrder:
    """How :func:`merge` contracts tensors with these axes."""
    shapes = tuple(tuple(sizes[edge] for edge in labels) for labels in edges)
    return _greedy_order(tuple(edges), shapes, frozenset(result))


@lru_cache(maxsize=16384)
def _greedy_order(
    edges: tuple[Edges, ...], shapes: tuple[tuple[int, ...], ...], result: frozenset[str]
) -> PairwiseOrder:
    """Always the pair whose product increases the total size least, then the cheapest."""
    sizes = {edge: size for labels, shape in zip(edges, shapes) for edge, size in zip(labels, shape)}

    def size_of(labels: Iterable[str]) -> int:
        return math.prod(sizes[edge] for edge in labels)

    pool = list(edges)
    steps = []
    macs = written = 0
    while len(pool) > 1:
        choices = []
        for left, right in combinations(range(len(pool)), 2):
            a, b = pool[left], pool[right]
            needed = result.union(*(labels for k, labels in enumerate(pool) if k not in (left, right)))
            both = [edge for edge in a if edge in b]
            groups = (
                tuple(edge for edge in both if edge in needed),
                tuple(edge for edge in a if edge not in both),
                tuple(edge for edge in both if edge not in needed),
                tuple(edge for edge in b if edge not in both),
            )
            cost = size_of((*a, *groups[3]))
            grown = size_of((*groups[0], *groups[1], *groups[3])) - size_of(a) - size_of(b)
            choices.append((grown, cost, left, right, groups))
        _, cost, left, right, (batch, own, inner, others) = min(choices)
        b, a = pool.pop(right), pool.pop(left)
        left_axes = tuple(a.index(edge) for edge in (*batch, *own, *inner))
        right_axes = tuple(b.index(edge) for edge in (*batch, *inner, *others))
        steps.append(Pair(left, right, left_axes, right_axes, len(batch), len(inner)))
        pool.append((*batch, *own, *others))
        macs += cost
        written += size_of(pool[-1])
    return PairwiseOrder(tuple(steps), pool[0], macs, written)


def to_dense(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The matrix that the cores stand for, of shape (outputs, inputs). Differentiable."""
    edges = [core.edges for core in network.cores]
    full = merge(cores, edges, (*network.outputs, *network.inputs))
    return full.reshape(network.out_features, network.in_features)


def frobenius_norm(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The exact Frobenius norm of the matrix, a scalar in float64, without building the matrix.

    The network is contracted with a copy of itself over all modes, core by core in the cheapest order, so not even the
    square of a single core is built.
    """
    open_edges = {*network.inputs, *network.outputs}
    edges = [core.edges for core in network.cores]
    copies = [tuple(edge if edge in open_edges else f"{edge}'" for edge in core) for core in edges]
    values = [core.double() for core in cores]
    return merge([*values, *values], [*edges, *copies], ()).clamp_min(0).sqrt()
