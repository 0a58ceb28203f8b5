"""Columns of a network against the same columns of its dense matrix."""

import pytest
import torch

from htzoo.formats import Dense, Format, HierarchicalTucker, TensorTrain
from htzoo.formats.column_slice import columns_of
from htzoo.formats.contract import to_dense


@pytest.mark.parametrize(
    "format", [Dense(), TensorTrain((2, 3, 4), (2, 2, 2), 3), HierarchicalTucker((4, 6), (2, 4), 3, 1)]
)
@pytest.mark.parametrize(("start", "stop"), [(0, 24), (0, 12), (12, 24), (5, 19), (21, 22), (23, 24), (0, 1)])
def test_columns_equal_those_of_the_matrix(format: Format, start: int, stop: int) -> None:
    network = format.network(24, 8)
    cores = [torch.randn(core.shape, dtype=torch.float64) for core in network.cores]
    part = columns_of(network, start, stop)
    matrix = to_dense(part.network, part.cores(cores))
    front, behind = part.padding
    assert front >= 0 and behind >= 0
    assert front + stop - start + behind == part.network.in_features
    expected = to_dense(network, cores)[:, start:stop]
    assert torch.allclose(matrix[:, front : matrix.shape[1] - behind], expected, atol=1e-12)


def test_only_needed_blocks_are_kept() -> None:
    network = TensorTrain((2, 8, 4), (2, 2, 2), 2).network(64, 8)
    part = columns_of(network, 60, 64)  # the last index of the first two modes
    assert part.slices == (("i1", 1, 2), ("i2", 7, 8), ("i3", 0, 4))
    assert part.padding == (0, 0)
