"""Tensor Ring (TR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class TensorRing(ModeFormat):
    """``W[o, i] = trace(N_1[:, i_1, :] ... N_p[:, i_p, :] O_1[:, o_1, :] ... O_q[:, o_q, :])``.

    Input and output modes are separate nodes of one ring, so there may be more of the one than of the other.

    Pan et al., "Compressing Recurrent Neural Networks with Tensor Ring for Action Recognition", AAAI 2019.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size.
        rank: one integer for all, or the ring ranks (R_0 .. R_{p+q-1}): node k, counted from 0, is between R_k and
            R_{k+1}, and the last node connects back to R_0.

    Raises:
        ValueError: the number of ranks is not that of the nodes.
    """

    short_name = "tr"
    paper = "Pan et al.: Compressing Recurrent Neural Networks with Tensor Ring for Action Recognition, AAAI 2019"

    rank: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        ranks = positive_integers("rank", self.rank, len(self.in_modes) + len(self.out_modes))
        object.__setattr__(self, "rank", ranks)

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``in_core_k``, then ``out_core_k``, of shape (R, mode, next R)."""
        ranks = positive_integers("rank", self.rank, len(in_modes) + len(out_modes))
        nodes = [("in", f"i{k}", n) for k, n in enumerate(in_modes, start=1)]
        nodes += [("out", f"o{k}", m) for k, m in enumerate(out_modes, start=1)]
        cores = []
        for k, (side, mode, size) in enumerate(nodes):
            after = (k + 1) % len(nodes)
            edges = {f"r{k}": ranks[k], mode: size, f"r{after}": ranks[after]}
            cores.append(Core.of(f"{side}_core_{mode[1:]}", **edges))
        return tuple(cores)

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """One a node."""
        return in_count + out_count

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """See :meth:`Format.from_ranks`."""
        return cls(in_modes, out_modes, ranks)
