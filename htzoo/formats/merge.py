"""Contract a few tensors with labelled edges into one, two at a time."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.formats.network import Network

Edges = tuple[str, ...]


class PairwiseOrder(NamedTuple):
    """In which order to contract, and what it takes.

    Args:
        steps: (left, right, equation) of every contraction of two; the positions count the tensors still there, and the
            result goes to the end.
        edges: axes of the last tensor.
        multiply_adds: of all steps.
        written: numbers written by all steps.
    """

    steps: tuple[tuple[int, int, str], ...]
    edges: Edges
    multiply_adds: int
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
    for left, right, equation in order.steps:
        b, a = pool.pop(right), pool.pop(left)  # left < right
        pool.append(torch.einsum(equation, a, b))
    return pool[0]


def merge_order(sizes: Mapping[str, int], edges: Sequence[Edges], result: Iterable[str]) -> PairwiseOrder:
    """How :func:`merge` contracts tensors with these axes."""
    shapes = tuple(tuple(sizes[edge] for edge in labels) for labels in edges)
    return _greedy_order(tuple(edges), shapes, frozenset(result))


@lru_cache(maxsize=16384)
def _greedy_order(
    edges: tuple[Edges, ...], shapes: tuple[tuple[int, ...], ...], result: frozenset[str]
) -> PairwiseOrder:
    """Always the pair whose product grows the pool least, then costs least."""
    sizes = {edge: size for labels, shape in zip(edges, shapes) for edge, size in zip(labels, shape)}

    def numbers(labels: Iterable[str]) -> int:
        return math.prod(sizes[edge] for edge in labels)

    pool = list(edges)
    steps = []
    multiply_adds = written = 0
    while len(pool) > 1:
        choices = []
        for left, right in combinations(range(len(pool)), 2):
            a, b = pool[left], pool[right]
            needed = result.union(*(labels for k, labels in enumerate(pool) if k not in (left, right)))
            union = dict.fromkeys((*a, *b))
            kept = tuple(edge for edge in union if edge in needed)
            cost = numbers(union)
            choices.append((numbers(kept) - numbers(a) - numbers(b), cost, left, right, kept))
        _, cost, left, right, kept = min(choices)
        b, a = pool.pop(right), pool.pop(left)
        letters = dict(zip(dict.fromkeys((*a, *b)), string.ascii_letters))
        sides = ["".join(letters[edge] for edge in labels) for labels in (a, b, kept)]
        steps.append((left, right, f"{sides[0]},{sides[1]}->{sides[2]}"))
        pool.append(kept)
        multiply_adds += cost
        written += numbers(kept)
    return PairwiseOrder(tuple(steps), pool[0], multiply_adds, written)


def to_dense(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The matrix that the cores stand for, of shape (outputs, inputs). Differentiable."""
    edges = [core.edges for core in network.cores]
    full = merge(cores, edges, (*network.outputs, *network.inputs))
    return full.reshape(network.out_features, network.in_features)


def frobenius_norm(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The exact Frobenius norm of the matrix, a scalar in float64, without building the matrix.

    The network is contracted with its twin over all modes, core by core in the cheapest order, so that not even the
    square of a single core is built.
    """
    open_edges = {*network.inputs, *network.outputs}
    edges = [core.edges for core in network.cores]
    twins = [tuple(edge if edge in open_edges else f"{edge}'" for edge in core) for core in edges]
    values = [core.double() for core in cores]
    return merge([*values, *values], [*edges, *twins], ()).clamp_min(0).sqrt()
