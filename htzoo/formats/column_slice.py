"""A range of columns of a network's matrix, as a network of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from torch import Tensor

from htzoo.formats.network import Network


@dataclass(frozen=True)
class Columns:
    """A range of columns. Cores are sliced as far as the modes allow; zeros added to the inputs stand for the rest.

    Args:
        network: the network of the sliced cores.
        slices: (edge, start, stop) of every sliced input mode.
        padding: number of zeros in front of and behind each input.
    """

    network: Network
    slices: tuple[tuple[str, int, int], ...]
    padding: tuple[int, int]

    def cores(self, cores: Sequence[Tensor]) -> list[Tensor]:
        """The sliced cores, which are views of the given ones. Gradients flow."""
        sliced = []
        for core, tensor in zip(self.network.cores, cores):
            for edge, start, stop in self.slices:
                if edge in core.edges:
                    tensor = tensor.narrow(core.edges.index(edge), start, stop - start)
            sliced.append(tensor)
        return sliced


class _Part(Network):
    """A network with the ranks of the whole, which may be larger than its own modes allow."""

    def __post_init__(self) -> None:
        """Check nothing: the whole was checked."""


@lru_cache(maxsize=1024)
def columns_of(network: Network, start: int, stop: int) -> Columns:
    """Columns ``start`` to ``stop`` of the matrix of ``network``.

    The first input mode varies slowest, so a range of its indices is a block of columns; the smallest block that
    contains the wanted columns is taken. If one index is enough, the next mode is sliced too, and so on.
    """
    slices = []
    rest = network.in_features
    for edge in network.inputs:
        rest //= network.sizes[edge]
        first, last = start // rest, -(-stop // rest)
        slices.append((edge, first, last))
        start, stop = start - first * rest, stop - first * rest
        if last - first > 1:
            break
    covered = (slices[-1][2] - slices[-1][1]) * rest
    sizes = {edge: last - first for edge, first, last in slices}
    cores = tuple(
        replace(core, shape=tuple(sizes.get(edge, size) for edge, size in zip(core.edges, core.shape)))
        for core in network.cores
    )
    return Columns(_Part(cores, network.inputs, network.outputs), tuple(slices), (start, covered - stop))
