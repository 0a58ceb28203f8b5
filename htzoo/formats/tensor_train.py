"""Tensor Train (TT)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class TensorTrain(ModeFormat):
    """``W[(o_1..o_d), (i_1..i_d)] = G_1[i_1, o_1, :] G_2[:, i_2, o_2, :] ... G_d[:, i_d, o_d]``.

    Yang, Krompass and Tresp, "Tensor-Train Recurrent Neural Networks for Video Classification", ICML 2017. The outer
    ranks are 1, and the cores have no axes for them.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        rank: one integer for all, or the inner ranks (r_1 .. r_{d-1}).

    Raises:
        ValueError: the modes are not paired, or the number of ranks is not that of the modes minus 1.
    """

    short_name = "tt"
    paper = "Yang, Krompass, Tresp: Tensor-Train Recurrent Neural Networks for Video Classification, ICML 2017"
    paired = True

    rank: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        object.__setattr__(self, "rank", positive_integers("rank", self.rank, len(self.in_modes) - 1))

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``core_k`` of shape (r_{k-1}, n_k, m_k, r_k)."""
        ranks = positive_integers("rank", self.rank, len(in_modes) - 1)
        cores = []
        for k, (n, m) in enumerate(zip(in_modes, out_modes, strict=True), start=1):
            left = {f"r{k - 1}": ranks[k - 2]} if k > 1 else {}
            right = {f"r{k}": ranks[k - 1]} if k <= len(ranks) else {}
            cores.append(Core.of(f"core_{k}", **left, **{f"i{k}": n, f"o{k}": m}, **right))
        return tuple(cores)

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """One between each two cores."""
        return in_count - 1

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """See :meth:`Format.from_ranks`."""
        return cls(in_modes, out_modes, ranks)
