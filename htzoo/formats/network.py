"""A weight matrix as a tensor network: cores, and the edges that join them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property


@dataclass(frozen=True)
class Core:
    """One tensor of a network.

    Args:
        name: name of the parameter that holds the tensor.
        edges: one label for each axis. Cores that carry the same label are summed over it together.
        shape: one size for each axis.
    """

    name: str
    edges: tuple[str, ...]
    shape: tuple[int, ...]

    @staticmethod
    def of(name: str, **sizes: int) -> Core:
        """A core from its sizes: ``Core.of("core_1", i1=8, o1=16, r1=4)``."""
        return Core(name, tuple(sizes), tuple(sizes.values()))


@dataclass(frozen=True)
class Network:
    """A matrix ``W[o, i]`` of ``prod(outputs)`` rows and ``prod(inputs)`` columns, given by its cores.

    More than two cores may carry the same edge (the shared rank of CP, the blocks of BT); ``inputs`` and ``outputs``
    are the open edges, slowest-varying first.

    Raises:
        ValueError: a rank is larger than the cores at its two ends allow.
    """

    cores: tuple[Core, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse ranks that add parameters without letting the matrix represent more."""
        for core in self.cores:
            for edge, size in zip(core.edges, core.shape, strict=True):
                # An edge of more than two cores keeps its value while this edge is summed over.
                others = self.size(e for e in core.edges if e != edge and len(self.holders(e)) <= 2)
                if len(self.holders(edge)) == 2 and size > others:
                    raise ValueError(
                        f"rank {size} on edge {edge} is more than {core.name} of shape {core.shape} can use: "
                        f"give a rank of at most {others}"
                    )

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Edge label -> size."""
        return {edge: size for core in self.cores for edge, size in zip(core.edges, core.shape, strict=True)}

    @cached_property
    def _holders(self) -> dict[str, frozenset[int]]:
        return {edge: frozenset(k for k, core in enumerate(self.cores) if edge in core.edges) for edge in self.sizes}

    def holders(self, edge: str) -> frozenset[int]:
        """Positions of the cores that carry ``edge``."""
        return self._holders[edge]

    @property
    def num_parameters(self) -> int:
        """Number of parameters of all cores."""
        return sum(math.prod(core.shape) for core in self.cores)

    @property
    def in_features(self) -> int:
        """Columns of the matrix."""
        return self.size(self.inputs)

    @property
    def out_features(self) -> int:
        """Rows of the matrix."""
        return self.size(self.outputs)

    @property
    def num_terms(self) -> int:
        """Number of terms in the sum that one entry of the matrix is; each term has one factor from every core."""
        return self.size(edge for edge in self.sizes if edge not in self.inputs and edge not in self.outputs)

    def size(self, edges: Iterable[str]) -> int:
        """Product of the sizes of ``edges``."""
        return math.prod(self.sizes[edge] for edge in edges)

    def slice(self, edge: str) -> Network:
        """The network of one slice of the cores along ``edge``, which stays as an axis of size 1."""
        cores = (
            replace(core, shape=tuple(1 if e == edge else size for e, size in zip(core.edges, core.shape)))
            for core in self.cores
        )
        return replace(self, cores=tuple(cores))

    def open_edges(self, group: Iterable[int]) -> tuple[str, ...]:
        """Edges that remain when the cores in ``group`` are merged: modes, and edges to cores outside the group."""
        members = frozenset(group)
        found = Counter(edge for k in sorted(members) for edge in self.cores[k].edges)
        kept = (*self.inputs, *self.outputs)
        return tuple(edge for edge in found if edge in kept or self.holders(edge) - members)
