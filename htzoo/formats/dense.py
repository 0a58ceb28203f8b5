"""The dense matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htzoo.formats.format import Format
from htzoo.formats.network import Core, Network

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Dense(Format):
    """No decomposition: a network of one core."""

    short_name = "dense"

    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """See :meth:`Format.network`."""
        return Network((Core.of("weight", o1=gates * out_features, i1=in_features),), ("i1",), ("o1",))

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """None."""
        return 0

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """There is only one."""
        return cls()
