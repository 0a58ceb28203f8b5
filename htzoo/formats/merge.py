"""Contract a few tensors with labelled edges into one, two at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

from htzoo.formats.network import Network

Edges = tuple[str, ...]


def merge(operands: Sequence[Tensor], edges: Sequence[Edges], result: Edges) -> Tensor:
    """Sum the product of ``operands`` over every edge that is not in ``result``.

    Args:
        operands: tensors; axis j of operand k has the label ``edges[k][j]``.
        edges: labels, axis by axis, of every operand.
        result: labels of the axes of the result, in order.

    Returns:
        A tensor with the axes ``result``. A single operand comes back as a permuted view.
    """
    shapes = tuple(tuple(tensor.shape) for tensor in operands)
    steps, labels = _pairwise_order(tuple(edges), shapes, result)
    pool = list(operands)
    for left, right, equation in steps:
        b, a = pool.pop(right), pool.pop(left)  # left < right
        pool.append(torch.einsum(equation, a, b))
    return pool[0].permute([labels.index(edge) for edge in result])


def merge_cost(sizes: Mapping[str, int], edges: Sequence[Edges], result: Edges) -> tuple[int, int, int]:
    """What :func:`merge` takes: (multiply-adds, numbers written, pairwise steps)."""
    shapes = tuple(tuple(sizes[edge] for edge in labels) for labels in edges)
    adds = written = 0
    pool = list(edges)
    steps, _ = _pairwise_order(tuple(edges), shapes, result)
    for left, right, _ in steps:
        b, a = pool.pop(right), pool.pop(left)
        pool.append(_kept(a, b, pool, result))
        adds += math.prod(sizes[edge] for edge in {*a, *b})
        written += math.prod(sizes[edge] for edge in pool[-1])
    return adds, written, len(steps)


def _kept(a: Edges, b: Edges, others: Sequence[Edges], result: Edges) -> Edges:
    needed = {*result, *(edge for labels in others for edge in labels)}
    return tuple(edge for edge in dict.fromkeys((*a, *b)) if edge in needed)


@lru_cache(maxsize=4096)
def _pairwise_order(
    edges: tuple[Edges, ...], shapes: tuple[tuple[int, ...], ...], result: Edges
) -> tuple[tuple[tuple[int, int, str], ...], Edges]:
    """Greedy order: always the pair whose product grows the pool least, then costs least."""
    sizes: dict[str, int] = {}
    for labels, shape in zip(edges, shapes, strict=True):
        sizes.update(zip(labels, shape, strict=True))

    def numbers(labels: Edges) -> int:
        return math.prod(sizes[edge] for edge in labels)

    pool = list(edges)
    steps = []
    while len(pool) > 1:
        best: tuple[tuple[int, int], int, int, Edges] | None = None
        for left, right in combinations(range(len(pool)), 2):
            a, b = pool[left], pool[right]
            kept = _kept(a, b, [labels for k, labels in enumerate(pool) if k not in (left, right)], result)
            cost = (numbers(kept) - numbers(a) - numbers(b), math.prod(sizes[edge] for edge in {*a, *b}))
            if best is None or cost < best[0]:
                best = (cost, left, right, kept)
        assert best is not None
        _, left, right, kept = best
        b, a = pool.pop(right), pool.pop(left)
        letters = {edge: chr(ord("a") + k) for k, edge in enumerate(dict.fromkeys((*a, *b)))}
        sides = ["".join(letters[edge] for edge in labels) for labels in (a, b, kept)]
        steps.append((left, right, f"{sides[0]},{sides[1]}->{sides[2]}"))
        pool.append(kept)
    return tuple(steps), pool[0]


def to_dense(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The matrix that the cores stand for, of shape (outputs, inputs). Differentiable."""
    edges = [core.edges for core in network.cores]
    full = merge(cores, edges, (*network.outputs, *network.inputs))
    return full.reshape(network.out_features, network.in_features)


def frobenius_norm(network: Network, cores: Sequence[Tensor]) -> Tensor:
    """The exact Frobenius norm of the matrix, a scalar in float64, without building the matrix.

    Every core meets its twin over the modes first (a Gram matrix, or a Gram tensor for more than one rank), then the
    Grams are contracted over the ranks.
    """
    open_edges = {*network.inputs, *network.outputs}
    grams, labels = [], []
    for core, tensor in zip(network.cores, cores, strict=True):
        twin = tuple(edge if edge in open_edges else f"{edge}'" for edge in core.edges)
        ranks = tuple(edge for edge in (*core.edges, *twin) if edge not in open_edges)
        values = tensor.double()
        grams.append(merge([values, values], [core.edges, twin], ranks))
        labels.append(ranks)
    return merge(grams, labels, ()).clamp_min(0).sqrt()
