"""Random cores whose matrix has exactly the requested variance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from htzoo.formats.contract import frobenius_norm
from htzoo.formats.network import Network


@torch.no_grad()
def initialize(network: Network, cores: Sequence[Tensor], variance: float | None = None) -> None:
    """Fill ``cores`` in place so that the mean square of the entries of the matrix is ``variance``, on every draw.

    An entry is a sum of T products of L values, so normal cores of standard deviation ``(variance / T) ** (1 / 2L)``
    give that variance on average; in a small network, one draw can deviate by a factor of two. The cores are therefore
    rescaled by the exact norm of the draw (from Gram matrices), each by the same factor.

    Args:
        network: how the cores are joined.
        cores: one tensor for each core, of the network's shapes.
        variance: mean square of an entry; 1 / in_features when None, which keeps the variance of the input.
    """
    if any(core.is_meta for core in cores):
        return  # shapes without values: nothing to draw
    variance = 1 / network.in_features if variance is None else variance
    count = len(network.cores)
    spread = (variance / network.num_terms) ** (1 / (2 * count))
    for core in cores:
        core.normal_(0, spread)
    target = (variance * network.in_features * network.out_features) ** 0.5
    # On the CPU, because not every device has float64.
    scale = (target / frobenius_norm(network, [core.cpu() for core in cores])) ** (1 / count)
    for core in cores:
        core.mul_(scale.to(core.device))
