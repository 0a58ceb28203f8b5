"""Low rank: two matrices in place of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htzoo.formats.format import Format, positive_integers
from htzoo.formats.network import Core, Network

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class LowRank(Format):
    """``W = U V``: the simplest compression, and the baseline that every other format has to beat.

    Lu, Sindhwani and Sainath, "Learning Compact Recurrent Neural Networks", ICASSP 2016. The closest one to a given
    matrix is its truncated singular value decomposition. It has no modes, so it fits a weight of any size.

    Args:
        rank: columns of ``U`` and rows of ``V``.

    Raises:
        ValueError: the rank is not a whole number above zero.
    """

    short_name = "lowrank"
    paper = "Lu, Sindhwani, Sainath: Learning Compact Recurrent Neural Networks, ICASSP 2016"

    rank: int

    def __post_init__(self) -> None:
        """Check the rank."""
        positive_integers("rank", [self.rank])

    def network(self, in_features: int, out_features: int, gates: int = 1) -> Network:
        """``in_factor`` of shape (in_features, rank), and ``out_factor`` of shape (gates * out_features, rank)."""
        cores = (
            Core.of("in_factor", i1=in_features, r1=self.rank),
            Core.of("out_factor", o1=gates * out_features, r1=self.rank),
        )
        try:
            return Network(cores, ("i1",), ("o1",))
        except ValueError as error:
            raise ValueError(f"LowRank: {error}") from None

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """One."""
        return 1

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """The modes do not matter."""
        return cls(*ranks)
