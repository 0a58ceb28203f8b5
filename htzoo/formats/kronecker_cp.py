"""Kronecker CP (KCP)."""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core


@dataclass(frozen=True)
class KroneckerCP(ModeFormat):
    """A sum of Kronecker products of low-rank matrices; the terms are stacked along an edge ``t`` that all cores share.

    ``W = sum_t A_t1 (x) A_t2 (x) .. (x) A_td``, and ``A_tk[o_k, i_k] = sum_r u_k[t, r, o_k] v_k[t, r, i_k]``. With
    rank 1 this is CP. **Our reading** of Wang et al., "Kronecker CP Decomposition with Fast Multiplication for
    Compressing RNNs", arXiv 2008.09342: neither their shapes nor their code are public, so no published count
    confirms it.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        rank: rank of every Kronecker factor.
        terms: number of Kronecker products.

    Raises:
        ValueError: the modes are not paired, or an argument is not a whole number above zero.
    """

    short_name = "kcp"
    paper = "Wang et al.: Kronecker CP Decomposition with Fast Multiplication for Compressing RNNs, arXiv 2008.09342"
    paired = True

    rank: int
    terms: int

    def __post_init__(self) -> None:
        """Check modes, rank and terms."""
        super().__post_init__()
        positive_integers("rank", [self.rank])
        positive_integers("terms", [self.terms])

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``in_factor_k`` of shape (terms, r, n_k), and ``out_factor_k`` of shape (terms, r, m_k)."""
        cores = []
        for side, letter, modes in (("in", "i", in_modes), ("out", "o", out_modes)):
            for k, size in enumerate(modes, start=1):
                edges = {"t": self.terms, f"r{k}": self.rank, f"{letter}{k}": size}
                cores.append(Core.of(f"{side}_factor_{k}", **edges))
        return tuple(cores)
