"""Formats to test with: published shapes, and any shape of any format."""

import math
from dataclasses import replace

import torch
from hypothesis import assume
from hypothesis import strategies as st

from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    ModeFormat,
    TensorRing,
    TensorTrain,
    Tucker,
)
from htzoo.formats.network import Network

HT_UCF11 = HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5)
TT_UCF11 = TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4)
TR_UCF11 = TensorRing((4, 2, 5, 8, 6, 5, 3, 2), (4, 4, 2, 4, 2), (10, *[5] * 12))
BT_UCF11 = BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), 4, 2)
CP_UCF11 = CP((8, 20, 20, 18), (4, 4, 4, 4), 10)
KCP_UCF11 = KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), 2, 1)
TUCKER_UCF11 = Tucker((8, 20, 20, 18), (4, 4, 4, 4), 2)
UCF11 = [HT_UCF11, TT_UCF11, TR_UCF11, BT_UCF11, CP_UCF11, KCP_UCF11, TUCKER_UCF11]


@st.composite
def trees(draw: st.DrawFn, count: int) -> object:
    """A dimension tree over the modes 1 to ``count``, in any order."""
    nodes: list[object] = list(draw(st.permutations(range(1, count + 1))))
    while len(nodes) > 1:
        right = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        left = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        nodes.append((left, right))
    return nodes[0]


@st.composite
def networks(draw: st.DrawFn, cls: type[Format], gates: tuple[int, ...] = (1, 3, 4)) -> Network:
    """A network of the format, with one to six modes on each side and any ranks that they allow."""
    count = draw(st.integers(2 if cls.paired else 1, 6))
    sides = []
    for length in (count, count if cls.paired else draw(st.integers(1, 5))):
        size = st.integers(1, 4 if length < 5 else 3)
        sides.append(tuple(draw(st.lists(size, min_size=length, max_size=length))))
    free = cls.num_ranks(*map(len, sides))
    ranks = draw(st.lists(st.integers(1, 4 if cls.paired else 3), min_size=free, max_size=free))
    sizes = math.prod(sides[0]), math.prod(sides[1]), draw(st.sampled_from(gates))
    while True:
        chosen = cls.from_ranks(*sides, tuple(ranks))
        if isinstance(chosen, HierarchicalTucker) and draw(st.booleans()):
            chosen = replace(chosen, tree=draw(trees(count)))
        try:
            return chosen.network(*sizes)
        except ValueError:  # a rank is larger than the modes allow; tests of the messages are elsewhere
            assume(max(ranks) > 1)
            ranks[ranks.index(max(ranks))] -= 1


def random_cores(network: Network) -> list[torch.Tensor]:
    """Normal cores in float64 that want gradients."""
    generator = torch.Generator().manual_seed(0)
    cores = [torch.randn(core.shape, generator=generator, dtype=torch.float64) for core in network.cores]
    return [core.requires_grad_() for core in cores]


def features(chosen: Format) -> tuple[int, int]:
    """Columns and rows of the weights that a format over modes is for."""
    assert isinstance(chosen, ModeFormat)
    return math.prod(chosen.in_modes), math.prod(chosen.out_modes)
