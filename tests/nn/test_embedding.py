"""htzoo.nn.Embedding against torch.nn.Embedding with the rebuilt table."""

import pytest
import torch
from torch import nn

import htzoo
from htzoo.formats import CP, BlockTerm, Format, HierarchicalTucker, KroneckerCP, TensorRing, TensorTrain, Tucker
from htzoo.nn import Embedding, InputError

SIZES = (3, 4, 5), (2, 3, 2)  # 60 places for 57 words, vectors of 12
FORMATS = [
    TensorTrain(*SIZES, 3),
    HierarchicalTucker(*SIZES, 2, 2),
    TensorRing(*SIZES, 2),
    BlockTerm(*SIZES, 2, 2),
    KroneckerCP(*SIZES, 2, 2),
    CP(*SIZES, 4),
    Tucker(*SIZES, 2),
]


@pytest.mark.parametrize("padding_idx", [None, 0, -1])
@pytest.mark.parametrize("format", [None, *FORMATS], ids=lambda format: type(format).__name__)
def test_equals_torch(format: Format | None, padding_idx: int | None) -> None:
    torch.manual_seed(0)
    ours = Embedding(57, 12, padding_idx, format=format, dtype=torch.float64)
    dense = ours.to_dense()
    assert dense.padding_idx == ours.padding_idx
    index = torch.tensor([[0, 56, 3, 3], [17, 0, 56, 41]])
    y = ours(index)
    assert torch.allclose(y, dense(index), atol=1e-12)
    upstream = torch.randn_like(y)
    y.backward(upstream)
    dense(index).backward(upstream)
    if format is None:
        assert torch.equal(ours.weight.grad, dense.weight.grad)
        return
    full = nn.functional.pad(dense.weight.grad.T, (0, 3))
    expected = torch.autograd.grad(ours.weight.to_dense(), ours.weight.cores, full)
    for core, gradient in zip(ours.weight.cores, expected, strict=True):
        assert torch.allclose(core.grad, gradient, atol=1e-12)


def test_initial_table_and_no_index() -> None:
    ours = Embedding(60, 12, format=FORMATS[0])
    assert ours.weight.to_dense().square().mean().item() == pytest.approx(1, rel=1e-5)
    assert ours(torch.empty(2, 0, dtype=torch.int64)).shape == (2, 0, 12)


def test_compressed_from_a_trained_table() -> None:
    dense = nn.Embedding(57, 12, padding_idx=0)
    ours = htzoo.compress(dense, TensorTrain((3, 4, 5), (2, 3, 2), (6, 10)))  # the ranks suffice
    index = torch.arange(57)
    torch.testing.assert_close(ours(index), dense(index), atol=1e-5, rtol=1e-5)
    assert ours.padding_idx == 0
    assert torch.equal(htzoo.compress(dense)(index), dense(index))


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in_modes multiply to 60, which is less than the 61 embeddings"):
        Embedding(61, 12, format=FORMATS[0])
    with pytest.raises(ValueError, match=r"max_norm is 1\.0, which needs a dense table"):
        Embedding(57, 12, max_norm=1.0, format=FORMATS[0])
    with pytest.raises(ValueError, match="padding_idx is 57"):
        Embedding(57, 12, 57)
    ours = Embedding(57, 12, format=FORMATS[0])
    for index in (57, -1):
        with pytest.raises(IndexError, match=f"input has index {index}: give 0 to 56"):
            ours(torch.tensor([3, index]))
    with pytest.raises(InputError, match=r"input is torch\.float32: give indices"):
        ours(torch.zeros(3))
