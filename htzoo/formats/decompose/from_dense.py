"""Any matrix into any format."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.formats.contract import to_dense
from htzoo.formats.decompose.least_squares import least_squares
from htzoo.formats.decompose.tree_svd import steps_to_root, tree_svd
from htzoo.formats.format import Format
from htzoo.formats.initialize import initialize
from htzoo.formats.network import Network

_MAX_SWEEPS = 500
_FIRST_SWEEPS = 10  # of every start, before the best goes on
_MIN_STARTS, _MAX_STARTS = 3, 16
_START_VALUES = 1 << 21  # values of the matrix that all starts read together, which decides their number within limits


class Decomposition(NamedTuple):
    """Cores, and how far their network is from the matrix.

    Args:
        cores: one tensor a core, of the network's shapes, all with the same Frobenius norm.
        error: Frobenius norm of the difference, divided by that of the matrix.
    """

    cores: list[Tensor]
    error: float


@torch.no_grad()
def from_dense(
    matrix: Tensor, format: Format | Network, gates: int = 1, *, sweeps: int | None = None, tolerance: float = 1e-4
) -> Decomposition:
    """The cores of ``format`` that are closest to ``matrix`` in the Frobenius norm.

    A network that is a tree (TT, HT, Tucker, dense) is found by truncated singular value decompositions: exact where
    the ranks allow, and within a known factor of the best otherwise (:func:`tree_svd`). Any other network (TR, BT, CP,
    KCP) is fitted by alternating least squares from the best of a few random starts, so its error is that of a local
    minimum, and :func:`torch.manual_seed` fixes it. All is computed in float64.

    Args:
        matrix: of shape (gates * out_features, in_features).
        format: the format, or a network of the matrix's shape.
        gates: weights on top of each other in ``matrix``; of no meaning with a network.
        sweeps: at most so many sweeps of least squares; None is 500, or none where singular values give the cores.
        tolerance: stop when a sweep lowers the error by less than this fraction of it.

    Returns:
        The cores in the matrix's dtype and on its device, and the relative error.

    Raises:
        ValueError: the matrix does not fit the format, or is not made of finite floating-point numbers.
    """
    check_matrix(matrix, gates)
    out_features, in_features = matrix.shape
    network = format if isinstance(format, Network) else format.network(in_features, out_features // gates, gates)
    shape = (network.out_features, network.in_features)
    if matrix.shape != shape:
        raise ValueError(f"matrix has shape {tuple(matrix.shape)}, but the network {shape}: give one of that shape")
    exact = matrix.double()
    if steps_to_root(network) is not None:
        cores = tree_svd(network, exact)
    else:
        sweeps = _MAX_SWEEPS if sweeps is None else sweeps
        cores = _best_start(network, exact, min(sweeps, _FIRST_SWEEPS))
        sweeps -= min(sweeps, _FIRST_SWEEPS)
    if sweeps:
        least_squares(network, exact, cores, sweeps, tolerance)
    _balance(cores)
    cores = [core.to(matrix.dtype) for core in cores]
    return Decomposition(cores, relative_error(network, cores, exact))


def relative_error(network: Network, cores: list[Tensor], matrix: Tensor) -> float:
    """Frobenius norm of the difference between network and matrix, divided by that of the matrix (by 1 if it is 0)."""
    difference = to_dense(network, [core.double() for core in cores]) - matrix
    return float(difference.norm()) / (float(matrix.norm()) or 1.0)


def check_matrix(matrix: Tensor, gates: int) -> None:
    """Refuse what is no matrix of ``gates`` weights.

    Raises:
        ValueError: it has not two axes, its rows are no multiple of the gates, or its entries are not finite.
    """
    if matrix.dim() != 2 or matrix.shape[0] % gates:
        raise ValueError(
            f"matrix has shape {tuple(matrix.shape)}: give two axes, the first a multiple of {gates} gates"
        )
    if not matrix.is_floating_point() or not matrix.isfinite().all():
        raise ValueError(f"matrix holds {matrix.dtype}, or infinities or nan: give finite floating-point numbers")


def _best_start(network: Network, matrix: Tensor, sweeps: int) -> list[Tensor]:
    """Random cores after a few sweeps, the best of some draws."""
    found: tuple[float, list[Tensor]] | None = None
    starts = min(max(_START_VALUES // matrix.numel(), _MIN_STARTS), _MAX_STARTS)
    for _ in range(starts):
        cores = [matrix.new_empty(core.shape) for core in network.cores]
        initialize(network, cores, matrix.square().mean().item() or None)
        error = least_squares(network, matrix, cores, sweeps, tolerance=0.0)
        if found is None or error < found[0]:
            found = error, cores
    assert found is not None
    return found[1]


def _balance(cores: list[Tensor]) -> None:
    """Share the norm evenly among the cores, so that none trains faster than another."""
    norms = [core.norm().item() for core in cores]
    if all(norms):
        mean = math.exp(sum(map(math.log, norms)) / len(norms)) if len(norms) > 1 else norms[0]
        for core, norm in zip(cores, norms, strict=True):
            core.mul_(mean / norm)
