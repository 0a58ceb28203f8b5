"""A plan: a batch of inputs meets a few merged matrices, one after the other.

The cores are divided into groups. Each group is merged into one small matrix, once for all inputs, and the running
tensor, which starts as the batch of inputs and ends as the outputs, is multiplied with these matrices in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from htzoo.formats.contract import Edges


@dataclass(frozen=True)
class Step:
    """One matrix product: ``contracted`` axes of the running tensor are replaced, in place, by ``new`` ones.

    An edge that cores of later steps share is in both, and the matrix is block-diagonal in it.

    Args:
        group: positions of the cores that are merged into the matrix.
        contracted: edges summed over, in the order of the running tensor's axes.
        new: edges that take their place.
        permutation: reordering of the running tensor's axes that must come first (rows not counted), or None.
        before: product of the sizes of the axes in front of the contracted ones, rows not counted.
        after: product of the sizes of the axes behind them; if 1, the step is one plain matrix product, otherwise a
            batch of them with the matrix on the left.
        saved: whether the backward keeps what enters this step rather than computing it again. What enters the first
            step is always there.
    """

    group: tuple[int, ...]
    contracted: Edges
    new: Edges
    permutation: tuple[int, ...] | None
    before: int
    after: int
    saved: bool = False


@dataclass(frozen=True)
class Plan:
    """Steps from the inputs to the outputs.

    Args:
        steps: in order.
        permutation: reordering of the result's axes, or None if they are in the right order.
        seconds: predicted time of forward and backward together.
        sliced: an edge that more than two cores share and that is summed over outside: the steps run once for every
            slice of the cores along it, and the results are added. None if there is no such edge.
    """

    steps: tuple[Step, ...]
    permutation: tuple[int, ...] | None
    seconds: float
    sliced: str | None = None
