"""Decompose a weight such that its outputs, not its entries, change least."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from htzoo.formats import Format, LowRank
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import from_dense
from htzoo.formats.network import Network

_RIDGE = 1e-6  # of the mean second moment: inputs that never vary keep a little weight
_SWEEPS, _STEPS, _TOLERANCE = 8, 12, 1e-3


class Fit(NamedTuple):
    """Cores, and what they miss.

    Attributes:
        cores: one tensor for each core, in the matrix's dtype and on its device.
        weight_error: Frobenius norm of the difference over that of the matrix.
        output_error: root of the mean square of the outputs' difference over that of the outputs, for inputs of the
            given second moments; the same as ``weight_error`` without moments.
    """

    cores: list[Tensor]
    weight_error: float
    output_error: float


def root_of(moment: Tensor) -> Tensor | None:
    """R with ``R @ R.T = moment`` plus a small ridge, float64; None where all inputs were zero, which say nothing.

    Args:
        moment: second moments of the inputs, (n, n); or their diagonal (n,), for which R is a diagonal too.
    """
    moment = moment.double()
    if not moment.any():
        return None
    if moment.dim() == 1:
        return (moment + _RIDGE * moment.mean().clamp_min(torch.finfo(torch.float64).tiny)).sqrt()
    values, vectors = torch.linalg.eigh((moment + moment.T) / 2)
    values = values.clamp_min(0)
    values = values + _RIDGE * values.mean().clamp_min(torch.finfo(torch.float64).tiny)
    root: Tensor = vectors * values.sqrt()
    return root


def times_root(matrix: Tensor, root: Tensor | None) -> Tensor:
    """``matrix @ R``, float64: its norm is the norm of the outputs."""
    matrix = matrix.double()
    if root is None:
        return matrix
    return matrix * root if root.dim() == 1 else matrix @ root


@torch.no_grad()
def fit(matrix: Tensor, format: Format, gates: int, root: Tensor | None = None) -> Fit:
    """The cores of ``format`` whose outputs are closest to those of ``matrix``.

    Without ``root`` this is :func:`htzoo.formats.decompose.from_dense`. With it, the error is weighted by the inputs'
    second moments ``S = R R.T``: the mean of ``|W x - V x|^2`` is ``|(W - V) R|^2``. For low rank the best has a closed
    form: the truncated singular values of ``W R``, multiplied with the inverse of R (Chen et al., "DRONE: Data-aware
    Low-rank Compression for Large NLP Models", NeurIPS 2021). Any other network is linear in each core, so the cores
    are improved one after the other by conjugate gradients on their normal equations; the error never grows.

    Args:
        matrix: of shape (gates * out_features, in_features).
        format: the format.
        gates: stacked weights in ``matrix``.
        root: R of :func:`root_of`.

    Raises:
        ValueError: the matrix does not fit the format, or is not made of finite numbers.
    """
    network = format.network(matrix.shape[1], matrix.shape[0] // gates, gates)
    target = times_root(matrix, root)
    if root is not None and isinstance(format, LowRank):
        u, s, vh = torch.linalg.svd(target, full_matrices=False)
        u, scale, vh = u[:, : format.rank], s[: format.rank].sqrt(), vh[: format.rank]
        right = vh / root if root.dim() == 1 else torch.linalg.solve(root, vh, left=False)
        found = {"out_factor": u * scale, "in_factor": (scale[:, None] * right).T}
        cores = [found[core.name].contiguous() for core in network.cores]
    else:
        start, error = from_dense(matrix, network, gates)
        cores = [core.double() for core in start]
        if root is not None and error > 1e-12:
            _improve(network, cores, target, root)
    rebuilt = to_dense(network, cores)
    exact = matrix.double()
    return Fit(
        [core.to(matrix) for core in cores],
        float((rebuilt - exact).norm() / exact.norm().clamp_min(1e-300)),
        float((times_root(rebuilt, root) - target).norm() / target.norm().clamp_min(1e-300)),
    )


def _improve(network: Network, cores: list[Tensor], target: Tensor, root: Tensor) -> None:
    """Alternating least squares on ``|V R - target|``, in place."""
    before = float("inf")
    for _ in range(_SWEEPS):
        for k in range(len(cores)):
            _solve(network, cores, k, target, root)
        error = float((times_root(to_dense(network, cores), root) - target).norm())
        if before - error < _TOLERANCE * error:
            return
        before = error


def _solve(network: Network, cores: list[Tensor], k: int, target: Tensor, root: Tensor) -> None:
    """Conjugate gradients for core ``k``, starting from what it is."""

    def outputs(core: Tensor) -> Tensor:
        tensors = [core if j == k else other for j, other in enumerate(cores)]
        return times_root(to_dense(network, tensors), root)

    with torch.enable_grad():
        at = cores[k].detach().requires_grad_()
        linear = outputs(at)

    def transposed(residual: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(linear, at, residual, retain_graph=True)
        return gradient

    residual = target - linear.detach()
    left = transposed(residual)
    direction, square = left.clone(), left.square().sum()
    enough = 1e-16 * square
    core = at.detach().clone()
    for _ in range(_STEPS):
        if square <= enough or square == 0:
            break
        moved = outputs(direction)
        step = square / moved.square().sum().clamp_min(1e-300)
        core += step * direction
        residual = residual - step * moved
        left = transposed(residual)
        before, square = square, left.square().sum()
        direction = left + square / before * direction
    cores[k] = core
