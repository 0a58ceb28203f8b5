"""CANDECOMP/PARAFAC (CP)."""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core


@dataclass(frozen=True)
class CP(ModeFormat):
    """``W[o, i] = sum_r U_1[o_1, r] .. U_q[o_q, r] V_1[i_1, r] .. V_p[i_p, r]``.

    Input and output modes have separate factor matrices, so there may be more of the one than of the other.

    Tjandra, Sakti and Nakamura, "Tensor Decomposition for Compressing Recurrent Neural Network", arXiv 1802.10410.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size.
        rank: number of rank-one terms.

    Raises:
        ValueError: a mode or the rank is not above zero.
    """

    short_name = "cp"
    paper = "Tjandra, Sakti, Nakamura: Tensor Decomposition for Compressing Recurrent Neural Network, arXiv 1802.10410"

    rank: int

    def __post_init__(self) -> None:
        """Check modes and rank."""
        super().__post_init__()
        positive_integers("rank", [self.rank])

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``in_factor_k`` of shape (n_k, r), and ``out_factor_k`` of shape (m_k, r)."""
        inputs = (Core.of(f"in_factor_{k}", **{f"i{k}": n}, r=self.rank) for k, n in enumerate(in_modes, start=1))
        outputs = (Core.of(f"out_factor_{k}", **{f"o{k}": m}, r=self.rank) for k, m in enumerate(out_modes, start=1))
        return (*inputs, *outputs)
