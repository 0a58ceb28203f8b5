"""The ranks that a wanted accuracy takes."""

from __future__ import annotations

import torch
from torch import Tensor

from htzoo.formats.decompose.from_dense import check_matrix
from htzoo.formats.decompose.tree_svd import tails
from htzoo.formats.hierarchical_tucker import HierarchicalTucker
from htzoo.formats.tensor_train import TensorTrain


@torch.no_grad()
def choose_ranks(
    matrix: Tensor,
    kind: type[TensorTrain] | type[HierarchicalTucker],
    in_modes: tuple[int, ...],
    out_modes: tuple[int, ...],
    tolerance: float,
    gates: int = 1,
) -> TensorTrain | HierarchicalTucker:
    """The smallest format that :func:`from_dense` is sure to bring within a relative error of ``matrix``.

    The error of :func:`tree_svd` is bounded by the singular values that its ranks cut off. A tensor train gets the
    ranks that spread the tolerance evenly over its bonds (Oseledets 2011); hierarchical Tucker the pair of ranks with
    the fewest parameters among those whose bound is within the tolerance.

    Args:
        matrix: of shape (gates * out_features, in_features).
        kind: ``TensorTrain`` or ``HierarchicalTucker``.
        in_modes: factors of the input size.
        out_modes: factors of the output size, gates not counted.
        tolerance: relative error allowed.
        gates: weights on top of each other in ``matrix``.

    Returns:
        The format, its ranks filled in.

    Raises:
        ValueError: the modes do not fit the matrix, it is not made of finite floating-point numbers, or no equal ranks
            at all leaves and inner nodes are sure to reach the tolerance.
    """
    check_matrix(matrix, gates)
    features = matrix.shape[1], matrix.shape[0] // gates, gates
    exact = matrix.double()
    allowed = tolerance * exact.norm().item()
    if issubclass(kind, TensorTrain):
        found = tails(kind(in_modes, out_modes, 1).network(*features), exact)
        share = allowed / len(found) ** 0.5
        ranks = tuple(max(1, int((tail > share).sum())) for tail in found.values())
        return kind(in_modes, out_modes, ranks)
    network = kind(in_modes, out_modes, 1, 1).network(*features)
    found = tails(network, exact)
    found.pop(network.cores[-1].edges[0])  # the root's two bonds cut off the same modes
    leaves = {edge for core in network.cores if core.name.startswith("leaf") for edge in core.edges}
    leaf_squares = _add([tail.square() for edge, tail in found.items() if edge in leaves])
    inner_squares = _add([tail.square() for edge, tail in found.items() if edge not in leaves])
    sizes = []
    for leaf_rank in range(1, len(leaf_squares)):
        left = allowed**2 - leaf_squares[leaf_rank].item()
        least = max(1, int((inner_squares > left).sum()))
        for inner_rank in {least, max(least, leaf_rank)}:  # with three modes the root wants both equal
            chosen = kind(in_modes, out_modes, leaf_rank, inner_rank)
            try:
                size = chosen.network(*features).num_parameters
            except ValueError:  # more than the modes allow
                continue
            if left >= 0:
                sizes.append((size, leaf_rank, inner_rank))
    if not sizes:
        raise ValueError(
            f"no equal ranks of {kind.__name__} over in_modes {in_modes} and out_modes {out_modes} are sure to reach a "
            f"relative error of {tolerance}: give modes whose products are more alike, or a larger tolerance"
        )
    _, leaf_rank, inner_rank = min(sizes)
    return kind(in_modes, out_modes, leaf_rank, inner_rank)


def _add(terms: list[Tensor]) -> Tensor:
    """The sum, shorter terms being 0 where they end."""
    total = torch.zeros(max((len(term) for term in terms), default=1), dtype=torch.float64)
    for term in terms:
        total[: len(term)] += term.cpu()
    return total
