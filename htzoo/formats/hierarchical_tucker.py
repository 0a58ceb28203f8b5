"""Hierarchical Tucker (HT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from htzoo.formats.format import EXAMPLE_IN_MODES, EXAMPLE_OUT_MODES, ModeFormat, positive_integers
from htzoo.formats.network import Core

if TYPE_CHECKING:
    from typing_extensions import Self

Tree: TypeAlias = "int | tuple[Tree, Tree]"


@dataclass(frozen=True)
class HierarchicalTucker(ModeFormat):
    """A leaf matrix per pair of modes, joined by transfer tensors over a binary dimension tree.

    Every node s of the tree has ``u_s[k, (i, o)_s] = sum_{p, q} G_s[k, p, q] u_left[p, (i, o)_left] u_right[q, (i,
    o)_right]``; ``W`` is ``u`` at the root, where k is 1. The balanced tree of five modes, ((1, 2), (3, (4, 5))),
    reproduces the published parameter counts.

    Yin et al., "Compressing Recurrent Neural Networks Using Hierarchical Tucker Tensor Decomposition", arXiv
    2005.04366.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        leaf_rank: rank of every leaf matrix.
        inner_rank: rank of every transfer tensor but the root's.
        tree: the dimension tree, as nested pairs of mode indices counted from 1; balanced when None.

    Raises:
        ValueError: the modes are not paired, a rank is not above zero, or the tree does not have every mode once.
    """

    short_name = "ht"
    paper = (
        "Yin et al.: Compressing Recurrent Neural Networks Using Hierarchical Tucker Tensor Decomposition, "
        "arXiv 2005.04366"
    )
    paired = True

    leaf_rank: int
    inner_rank: int
    tree: tuple[Tree, Tree] | None = None

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        positive_integers("leaf_rank", [self.leaf_rank])
        positive_integers("inner_rank", [self.inner_rank])
        if self.tree is not None:
            tree = _as_tree(self.tree)
            if isinstance(tree, int) or sorted(_modes(tree)) != list(range(1, len(self.in_modes) + 1)):
                raise ValueError(
                    f"tree is {self.tree}: give nested pairs with every mode index from 1 to {len(self.in_modes)} once"
                )
            object.__setattr__(self, "tree", tree)

    def cores(self, in_modes: tuple[int, ...], out_modes: tuple[int, ...]) -> tuple[Core, ...]:
        """``leaf_k`` of shape (r, n_k, m_k), and ``transfer_a_b``, over modes a to b, of shape (r, r_left, r_right)."""
        cores = []

        def add(tree: Tree, *, root: bool) -> dict[str, int]:
            """Add a subtree; return the edge to its parent."""
            if isinstance(tree, int):
                upward = {f"r{tree}_{tree}": self.leaf_rank}
                modes = {f"i{tree}": in_modes[tree - 1], f"o{tree}": out_modes[tree - 1]}
                cores.append(Core.of(f"leaf_{tree}", **upward, **modes))
                return upward
            name = _name(tree)
            upward = {} if root else {f"r{name}": self.inner_rank}
            left, right = (add(child, root=False) for child in tree)
            cores.append(Core.of(f"transfer_{name}", **upward, **left, **right))
            return upward

        add(_balanced(1, len(in_modes)) if self.tree is None else self.tree, root=True)
        return tuple(cores)

    @classmethod
    def num_ranks(cls, in_count: int, out_count: int) -> int:
        """Two; with two modes the leaf rank alone, because no transfer tensor has a parent."""
        return min(in_count - 1, 2)

    @classmethod
    def from_ranks(cls, in_modes: tuple[int, ...], out_modes: tuple[int, ...], ranks: tuple[int, ...]) -> Self:
        """See :meth:`Format.from_ranks`."""
        return cls(in_modes, out_modes, leaf_rank=ranks[0], inner_rank=ranks[-1])

    @classmethod
    def example(cls) -> Self:
        """See :meth:`Format.example`; the modes are not in the tree's usual order."""
        return cls(EXAMPLE_IN_MODES, EXAMPLE_OUT_MODES, leaf_rank=2, inner_rank=2, tree=((3, 1), 2))


def _balanced(first: int, last: int) -> Tree:
    """The balanced tree over the modes first to last; of an odd number of modes, the right half has one more."""
    if first == last:
        return first
    middle = first + (last - first + 1) // 2
    return _balanced(first, middle - 1), _balanced(middle, last)


def _as_tree(values: Any) -> Tree:
    """Nested pairs of mode indices, given as lists or tuples, as nested tuples."""
    if type(values) is int:
        return values
    if isinstance(values, list | tuple) and len(values) == 2:
        return _as_tree(values[0]), _as_tree(values[1])
    raise ValueError(f"tree holds {values!r}: give nested pairs of mode indices, such as [[1, 2], [3, [4, 5]]]")


def _modes(tree: Tree) -> Sequence[int]:
    """The mode indices in a tree, from left to right."""
    return (tree,) if isinstance(tree, int) else (*_modes(tree[0]), *_modes(tree[1]))


def _name(tree: Tree) -> str:
    """``first_last`` for the neighbouring modes below a node; runs of modes with gaps between them are joined."""
    modes = sorted(_modes(tree))
    gaps = [k for k, (a, b) in enumerate(pairwise(modes), start=1) if b - a > 1]
    runs = [modes[first:last] for first, last in pairwise((0, *gaps, len(modes)))]
    return "_and_".join(str(run[0]) if len(run) == 1 else f"{run[0]}_{run[-1]}" for run in runs)
