"""Hierarchical Tucker (HT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from htzoo.formats.format import ModeFormat, positive_integers
from htzoo.formats.network import Core

Tree: TypeAlias = "int | tuple[Tree, Tree]"


@dataclass(frozen=True)
class HierarchicalTucker(ModeFormat):
    """A leaf matrix per pair of modes, joined by transfer tensors over a binary dimension tree.

    ``u_s[k, (i, o)_s] = sum_{p, q} G_s[k, p, q] u_left[p, (i, o)_left] u_right[q, (i, o)_right]``, and ``W`` is ``u``
    at the root, where k is 1. Yin et al., "Compressing Recurrent Neural Networks Using Hierarchical Tucker Tensor
    Decomposition", arXiv 2005.04366. For five modes the balanced tree is ((1, 2), (3, (4, 5))), the one that reproduces
    the published counts.

    Args:
        in_modes: factors of the input size.
        out_modes: factors of the output size, as many as input modes.
        leaf_rank: rank of every leaf matrix.
        inner_rank: rank of every transfer tensor but the root's.
        tree: the dimension tree, nested pairs of mode numbers counted from 1; balanced when None.

    Raises:
        ValueError: the modes are not paired, a rank is not above zero, or the tree does not hold every mode once.
    """

    leaf_rank: int
    inner_rank: int
    tree: tuple[Tree, Tree] | None = None

    def __post_init__(self) -> None:
        """Check modes and ranks."""
        super().__post_init__()
        self._check_paired()
        positive_integers("leaf_rank", [self.leaf_rank])
        positive_integers("inner_rank", [self.inner_rank])
        if self.tree is not None:
            tree = _as_tree(self.tree)
            if isinstance(tree, int) or sorted(_modes(tree)) != list(range(1, len(self.in_modes) + 1)):
                raise ValueError(
                    f"tree is {self.tree}: give nested pairs with every mode number from 1 to {len(self.in_modes)} once"
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


def _balanced(first: int, last: int) -> Tree:
    """The tree over modes first..last whose right half is the larger."""
    if first == last:
        return first
    middle = first + (last - first + 1) // 2
    return _balanced(first, middle - 1), _balanced(middle, last)


def _as_tree(values: Any) -> Tree:
    """Nested pairs of mode numbers, lists or tuples, as nested tuples."""
    if type(values) is int:
        return values
    if isinstance(values, list | tuple) and len(values) == 2:
        return _as_tree(values[0]), _as_tree(values[1])
    raise ValueError(f"tree holds {values!r}: give nested pairs of mode numbers, such as [[1, 2], [3, [4, 5]]]")


def _modes(tree: Tree) -> Sequence[int]:
    """The mode numbers in a tree, from left to right."""
    return (tree,) if isinstance(tree, int) else (*_modes(tree[0]), *_modes(tree[1]))


def _name(tree: Tree) -> str:
    """``first_last`` for the neighbouring modes below a node; runs of modes with gaps between them are joined."""
    modes = sorted(_modes(tree))
    gaps = [k for k, (a, b) in enumerate(pairwise(modes), start=1) if b - a > 1]
    runs = [modes[first:last] for first, last in pairwise((0, *gaps, len(modes)))]
    return "_and_".join(str(run[0]) if len(run) == 1 else f"{run[0]}_{run[-1]}" for run in runs)
