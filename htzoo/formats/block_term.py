"""Block Term (BT)."""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core


@dataclass(frozen=True)
class BlockTerm(ModeFormat):
    """A sum of Tucker terms (blocks) over pairs of modes, stacked along an edge ``b`` that all cores share.

    ``W[o, i] = sum_b sum_{p_1..p_d} G[b, p_1..p_d] prod_k A_k[b, i_k, o_k, p_k]``. Ye et al., "Learning Compact
    Recurrent Neural Networks with Block-Term Tensor Decomposition", CVPR 2018.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        rank: size of every axis of a block's core tensor.
        blocks: number of Tucker terms.

    Raises:
        ValueError: the modes are not paired, or an argument is not a whole number above zero.
    """

    short_name = "bt"
    paper = "Ye et al.: Learning Compact Recurrent Neural Networks with Block-Term Tensor Decomposition, CVPR 2018"
    paired = True

    rank: int
    blocks: int

    def __post_init__(self) -> None:
        """Check modes, rank and blocks."""
        super().__post_init__()
        positive_integers("rank", [self.rank])
        positive_integers("blocks", [self.blocks])

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``core`` of shape (blocks, r, .., r), and ``factor_k`` of shape (blocks, n_k, m_k, r)."""
        ranks = {f"r{k}": self.rank for k in range(1, len(in_modes) + 1)}
        cores = [Core.of("core", b=self.blocks, **ranks)]
        for k, (n, m) in enumerate(zip(in_modes, out_modes, strict=True), start=1):
            edges = {f"i{k}": n, f"o{k}": m, f"r{k}": self.rank}
            cores.append(Core.of(f"factor_{k}", b=self.blocks, **edges))
        return tuple(cores)
