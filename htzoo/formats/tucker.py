"""Tucker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Tucker(ModeFormat):
    """One core tensor over all modes, and a factor matrix for each mode.

    ``W[o, i] = sum_{r, s} G[r_1..r_p, s_1..s_q] prod_k V_k[i_k, r_k] prod_k U_k[o_k, s_k]``. Tjandra, Sakti and
    Nakamura, "Tensor Decomposition for Compressing Recurrent Neural Network", arXiv 1802.10410.

    A mode whose rank equals its size has no factor matrix and is an axis of the core tensor: a square factor would add
    parameters and no expressive power. TedNet's "Tucker-2" of 94,880 parameters is, for an LSTM,
    ``Tucker((16, 16, 8), (2048,), (10, 16, 8, 10))``.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size.
        rank: one integer for all, or one for each mode, input modes first. At most the size of the mode, gates counted.

    Raises:
        ValueError: the number of ranks is not that of the modes.
    """

    short_name = "tucker"
    paper = "Tjandra, Sakti, Nakamura: Tensor Decomposition for Compressing Recurrent Neural Network, arXiv 1802.10410"

    rank: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        ranks = positive_integers("rank", self.rank, len(self.in_modes) + len(self.out_modes))
        object.__setattr__(self, "rank", ranks)

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``core`` of shape (r_1, .., r_{p+q}), ``in_factor_k`` of shape (n_k, r) and ``out_factor_k`` (m_k, r)."""
        ranks = positive_integers("rank", self.rank, len(in_modes) + len(out_modes))
        modes = [("in", f"i{k}", n) for k, n in enumerate(in_modes, start=1)]
        modes += [("out", f"o{k}", m) for k, m in enumerate(out_modes, start=1)]
        axes = {}
        factors = []
        for (side, mode, size), rank in zip(modes, ranks, strict=True):
            if rank == size:
                axes[mode] = size
            else:
                axes[f"r_{mode}"] = rank
                factors.append(Core.of(f"{side}_factor_{mode[1:]}", **{mode: size, f"r_{mode}": rank}))
        return (Core.of("core", **axes), *factors)

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """One a mode."""
        return in_count + out_count

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """See :meth:`Format.from_ranks`."""
        return cls(in_modes, out_modes, ranks)
