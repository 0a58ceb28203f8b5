"""The plain matrix."""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.format import Format
from htzoo.formats.network import Core, Network


@dataclass(frozen=True)
class Dense(Format):
    """No decomposition: a network of one core."""

    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """See :meth:`Format.network`."""
        return Network((Core.of("weight", o1=gates * out_features, i1=in_features),), ("i1",), ("o1",))
