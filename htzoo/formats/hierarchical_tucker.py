"""Hierarchical Tucker (HT)."""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core


@dataclass(frozen=True)
class HierarchicalTucker(ModeFormat):
    """A leaf matrix per pair of modes, joined by transfer tensors over a balanced binary dimension tree.

    ``u_s[k, (i, o)_s] = sum_{p, q} G_s[k, p, q] u_left[p, (i, o)_left] u_right[q, (i, o)_right]``, and ``W`` is ``u``
    at the root, where k is 1. Yin et al., "Compressing Recurrent Neural Networks Using Hierarchical Tucker Tensor
    Decomposition", arXiv 2005.04366. For five modes the tree is ((1, 2), (3, (4, 5))), the one that reproduces the
    published counts.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        leaf_rank: rank of every leaf matrix.
        inner_rank: rank of every transfer tensor but the root's.

    Raises:
        ValueError: the modes are not paired, or a rank is not above zero.
    """

    leaf_rank: int
    inner_rank: int

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        self._check_paired()
        positive_integers("leaf_rank", [self.leaf_rank])
        positive_integers("inner_rank", [self.inner_rank])

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``leaf_k`` of shape (r, n_k, m_k), and ``transfer_a_b``, over modes a to b, of shape (r, r_left, r_right)."""
        cores = []

        def add(first: int, last: int, *, root: bool) -> dict[str, int]:
            """Add the subtree over modes first..last; return the edge to its parent."""
            upward = {} if root else {f"r{first}_{last}": self.leaf_rank if first == last else self.inner_rank}
            if first == last:
                cores.append(
                    Core.of(
                        f"leaf_{first}",
                        **upward,
                        **{f"i{first}": in_modes[first - 1], f"o{first}": out_modes[first - 1]},
                    )
                )
            else:
                middle = first + (last - first + 1) // 2  # the right half is the larger
                left = add(first, middle - 1, root=False)
                right = add(middle, last, root=False)
                cores.append(Core.of(f"transfer_{first}_{last}", **upward, **left, **right))
            return upward

        add(1, len(in_modes), root=True)
        return tuple(cores)
