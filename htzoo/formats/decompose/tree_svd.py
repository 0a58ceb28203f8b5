"""Truncated singular value decompositions along a tree: TT-SVD, HT-SVD and HOSVD are one algorithm."""

from __future__ import annotations

import torch
from torch import Tensor

from htzoo.formats.network import Network


def steps_to_root(network: Network) -> list[tuple[int, str]] | None:
    """(core, the edge towards the root) for every core but the last, children first; the last core is the root.

    None where the network is not a tree: it has a loop, an edge with more than two ends, a mode in more than one core,
    or parts that are not joined.
    """
    modes = {*network.inputs, *network.outputs}
    if any(len(network.holders(edge)) != (1 if edge in modes else 2) for edge in network.sizes):
        return None
    root = len(network.cores) - 1
    steps: list[tuple[int, str]] = []
    seen = {root}

    def visit(core: int, upward: str | None) -> None:
        for edge in network.cores[core].edges:
            below = network.holders(edge) - {core}
            if edge != upward and below and not below <= seen:
                seen.update(below)
                (child,) = below
                visit(child, edge)
                steps.append((child, edge))

    visit(root, None)
    whole = len(steps) == root and len(network.sizes) - len(modes) == root
    return steps if whole else None


def tree_svd(network: Network, matrix: Tensor) -> list[Tensor]:
    """Cores whose network is quasi-optimal for ``matrix``, and equal to it where the ranks allow.

    From the leaves to the root, every core becomes the leading left singular vectors of what is left of the tensor,
    unfolded into the core's own axes against all others, and what is left is projected on them. The truncations are
    orthogonal to each other, so the squared error is at most the sum, over the edges, of the squared singular values
    that each cuts off the matrix's own unfolding; each of these sums is at most the squared error of the best network
    of these ranks. Two edges that cut off the same modes (those at the root of HT) count once. Hence within a factor
    of sqrt(d - 1) for TT (Oseledets, "Tensor-Train Decomposition", SIAM J. Sci. Comput. 33, 2011), sqrt(2d - 3) for HT
    (Grasedyck, "Hierarchical Singular Value Decomposition of Tensors", SIAM J. Matrix Anal. Appl. 31, 2010) and sqrt(d)
    for Tucker (Vannieuwenhoven et al., "A New Truncation Strategy for the HOSVD", SIAM J. Sci. Comput. 34, 2012).

    Args:
        network: a tree (:func:`steps_to_root`).
        matrix: of shape (out_features, in_features).

    Returns:
        One tensor a core. A rank that ``matrix`` has no use for is filled with orthonormal vectors, not zeros, which
        can still be trained.
    """
    steps = steps_to_root(network)
    assert steps is not None
    cores = [matrix.new_empty(())] * len(network.cores)
    edges = (*network.outputs, *network.inputs)
    rest = matrix.reshape([network.sizes[edge] for edge in edges])
    for k, upward in steps:
        core = network.cores[k]
        own = tuple(edge for edge in core.edges if edge != upward)
        others = tuple(edge for edge in edges if edge not in own)
        unfolded = rest.permute([edges.index(edge) for edge in (*own, *others)]).reshape(network.size(own), -1)
        vectors = _leading_vectors(unfolded, network.sizes[upward])
        edges = (upward, *others)
        rest = (vectors.T @ unfolded).reshape([network.sizes[edge] for edge in edges])
        axes = (*own, upward)
        tensor = vectors.reshape([network.sizes[edge] for edge in axes])
        cores[k] = tensor.permute([axes.index(edge) for edge in core.edges]).contiguous()
    cores[-1] = rest.permute([edges.index(edge) for edge in network.cores[-1].edges]).clone()
    return cores


def _leading_vectors(unfolded: Tensor, rank: int) -> Tensor:
    """The first ``rank`` left singular vectors, completed to so many where the matrix has fewer."""
    rows, columns = unfolded.shape
    if columns > rows:  # the triangle of a QR has the same left singular vectors, and is small
        unfolded = torch.linalg.qr(unfolded.T, mode="r").R.T
    vectors: Tensor = torch.linalg.svd(unfolded, full_matrices=rank > columns).U
    return vectors[:, :rank]


def tails(network: Network, matrix: Tensor) -> dict[str, Tensor]:
    """For every bond of a tree, by how much cutting it to rank r misses ``matrix``, at position r (0 included).

    These are the norms of the trailing singular values of the unfolding that the bond stands for: lower bounds on the
    error of every network with such a rank.
    """
    steps = steps_to_root(network)
    assert steps is not None
    edges = (*network.outputs, *network.inputs)
    tensor = matrix.reshape([network.sizes[edge] for edge in edges])
    below: dict[str, tuple[str, ...]] = {}
    found = {}
    for k, upward in steps:
        parts = [below.get(edge, (edge,)) for edge in network.cores[k].edges if edge != upward]
        own = below[upward] = tuple(edge for part in parts for edge in part)
        others = tuple(edge for edge in edges if edge not in own)
        unfolded = tensor.permute([edges.index(edge) for edge in (*own, *others)]).reshape(network.size(own), -1)
        unfolded = unfolded.T if unfolded.shape[1] > unfolded.shape[0] else unfolded
        values = torch.linalg.svdvals(torch.linalg.qr(unfolded, mode="r").R)
        squares = torch.cat([values.square(), values.new_zeros(1)])
        found[upward] = squares.flip(0).cumsum(0).flip(0).sqrt()
    return found
