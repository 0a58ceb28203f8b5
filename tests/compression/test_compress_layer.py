"""Trained torch layers against their tensorized twins."""

import itertools

import pytest
import torch
from torch import nn

import htzoo
from htzoo.formats import Dense, HierarchicalTucker, TensorTrain
from htzoo.nn import LSTM, Weight

FULL_TT = TensorTrain((3, 4), (3, 2), 8)
FULL_HT = HierarchicalTucker((3, 4), (3, 2), leaf_rank=8, inner_rank=1)
HIDDEN = TensorTrain((3, 2), (3, 2), 4)
CASES = list(itertools.product([FULL_TT, None], [None, HIDDEN], [1, 2], [False, True], [False, True]))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("format", "hidden_format", "layers", "bidirectional", "bias"), CASES)
def test_full_ranks_give_equal_outputs(
    format: TensorTrain | None, hidden_format: TensorTrain | None, layers: int, bidirectional: bool, bias: bool
) -> None:
    dense = nn.LSTM(12, 6, layers, bias, True, 0.3 * (layers > 1), bidirectional, dtype=torch.float64).eval()
    twin = htzoo.compress(dense, format or Dense(), hidden_format=hidden_format)
    assert isinstance(twin, LSTM)
    assert not twin.training
    x = torch.randn(4, 5, 12, dtype=torch.float64)
    y, state = twin(x)
    y_dense, state_dense = dense(x)
    assert (y - y_dense).abs().max() < 1e-12
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(state, state_dense, strict=True))
    for name, weight in twin.named_modules():
        if isinstance(weight, Weight):
            assert weight.error is not None
            assert weight.error < 1e-13
            assert torch.allclose(weight.to_dense(), dense.get_parameter(name))


def test_dense_weights_are_copied_bit_by_bit() -> None:
    dense = nn.LSTM(12, 6)
    twin = htzoo.compress(dense, FULL_TT)
    assert torch.equal(twin.weight_hh_l0.to_dense(), dense.weight_hh_l0)


def test_small_ranks_give_the_error_that_is_kept() -> None:
    dense = nn.LSTM(12, 6)
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    twin = htzoo.compress(dense, TensorTrain((3, 4), (3, 2), 2))
    missed = (twin.weight_ih_l0.to_dense() - dense.weight_ih_l0).norm() / dense.weight_ih_l0.norm()
    assert twin.weight_ih_l0.error == pytest.approx(missed.item(), rel=1e-5)
    assert 0.1 < twin.weight_ih_l0.error < 1
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())
    assert twin.training
    assert all(parameter.requires_grad for parameter in twin.parameters())
    assert twin.weight_ih_l0.cores[0].dtype == torch.float32


def test_weight_is_set_to_the_closest() -> None:
    weight = Weight(FULL_HT, 12, 6, 4, dtype=torch.float64)
    assert weight.error is None
    matrix = torch.randn(24, 12, dtype=torch.float64)
    error = weight.set_dense(matrix)
    assert error == weight.error
    assert error == pytest.approx(((weight.to_dense() - matrix).norm() / matrix.norm()).item(), rel=1e-9)
    other = Weight(FULL_HT, 12, 6, 4, dtype=torch.float64)
    other.set_dense(weight.to_dense())
    assert other.error < 1e-13
    x = torch.randn(5, 12, dtype=torch.float64)
    assert torch.allclose(weight(x), other(x))
    assert list(weight.state_dict()) == [core.name for core in weight.network.cores]


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match=r"module is a Conv1d: give one of .*LSTM of torch\.nn or htzoo\.nn"):
        htzoo.compress(nn.Conv1d(2, 2, 1), FULL_TT)
    with pytest.raises(ValueError, match="projection_format is given, but GRU layers have no projection"):
        htzoo.compress(nn.GRU(12, 6), projection_format=FULL_TT)
    with pytest.raises(ValueError, match="format and input_format are both given"):
        htzoo.compress(nn.LSTM(12, 6), FULL_TT, input_format=FULL_TT)
    with pytest.raises(ValueError, match="joint_format is given together with"):
        htzoo.compress(nn.LSTM(12, 6), FULL_TT, joint_format=JOINT[nn.LSTM])
    with pytest.raises(ValueError, match="hidden_format is given, but Linear layers have one weight"):
        htzoo.compress(nn.Linear(12, 6), FULL_TT, hidden_format=HIDDEN)
    with pytest.raises(ValueError, match="multiply to 12, but the input has 13"):
        htzoo.compress(nn.LSTM(13, 6), FULL_TT)
    with pytest.raises(ValueError, match=r"matrix has shape \(12, 24\), but the network \(24, 12\)"):
        Weight(FULL_TT, 12, 6, 4).set_dense(torch.zeros(12, 24))


def test_package_exports_compress_and_nothing_unknown() -> None:
    assert "compress" in dir(htzoo)
    with pytest.raises(AttributeError, match="no attribute 'decompress'"):
        _ = htzoo.decompress


# [W U] has 12 + 6 columns. Full ranks: a cell of one gate has no more.
JOINT = {
    cell: HierarchicalTucker((3, 6), (3, 2), leaf_rank=9 if cell is nn.RNN else 12, inner_rank=1)
    for cell in (nn.RNN, nn.GRU, nn.LSTM)
}


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
def test_joint_format_takes_both_weights_of_the_first_layer(
    cell: type[nn.RNNBase], layers: int, bidirectional: bool
) -> None:
    dense = cell(12, 6, layers, bidirectional=bidirectional, dtype=torch.float64)
    twin = htzoo.compress(dense, joint_format=JOINT[cell])
    x = torch.randn(4, 5, 12, dtype=torch.float64)
    assert (twin(x)[0] - dense(x)[0]).abs().max() < 1e-12
    both = torch.cat([dense.weight_ih_l0, dense.weight_hh_l0], 1)
    assert (twin.weight_l0.to_dense() - both).abs().max() < 1e-12
    assert twin.weight_l0.error < 1e-13
    rough = htzoo.compress(dense, joint_format=HierarchicalTucker((3, 6), (3, 2), leaf_rank=2, inner_rank=1))
    missed = (rough.weight_l0.to_dense() - both).norm() / both.norm()
    assert rough.weight_l0.error == pytest.approx(missed.item(), rel=1e-9)


def test_format_is_another_word_for_input_format() -> None:
    dense = nn.GRU(12, 6)
    for twin in (htzoo.compress(dense, FULL_TT), htzoo.compress(dense, input_format=FULL_TT)):
        assert isinstance(twin.weight_ih_l0.format, TensorTrain)
        assert isinstance(twin.weight_hh_l0, nn.Parameter)
    assert isinstance(htzoo.compress(dense, hidden_format=HIDDEN).weight_ih_l0, nn.Parameter)


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_layers_of_the_package_are_rebuilt_first(cell: type[nn.RNNBase]) -> None:
    """Without a format the twin is dense and holds the same numbers; that twin can be compressed again."""
    dense = cell(12, 6, dtype=torch.float64)
    dense.load_state_dict({name: torch.randn_like(value) for name, value in dense.state_dict().items()})
    ours = htzoo.compress(dense)
    assert torch.equal(ours.weight_ih_l0.to_dense(), dense.weight_ih_l0)
    again = htzoo.compress(ours, FULL_TT, hidden_format=HIDDEN)
    x = torch.randn(4, 5, 12, dtype=torch.float64)
    for twin in (ours, again, htzoo.compress(again, joint_format=JOINT[cell])):
        assert (twin(x)[0] - dense(x)[0]).abs().max() < 1e-12


@pytest.mark.parametrize(
    "dense",
    [
        nn.RNN(12, 6, nonlinearity="relu"),
        nn.RNN(12, 6, 2, bias=False),
        nn.GRU(12, 6, 2, bidirectional=True),
        nn.GRU(12, 6, bias=False),
        nn.Linear(12, 6),
        nn.Linear(12, 6, bias=False),
    ],
    ids=str,
)
def test_other_layers(dense: nn.Module) -> None:
    dense = dense.double()
    twin = htzoo.compress(dense, FULL_TT)
    assert type(twin).__name__ == type(dense).__name__
    x = torch.randn(5, 3, 12, dtype=torch.float64)
    ours, expected = twin(x), dense(x)
    if isinstance(expected, torch.Tensor):
        ours, expected = (ours,), (expected,)
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(ours, expected, strict=True))
