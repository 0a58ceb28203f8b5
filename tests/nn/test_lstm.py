"""htzoo.nn.LSTM against torch.nn.LSTM with the rebuilt weights, in float64."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from htzoo.formats import Dense, HierarchicalTucker, TensorTrain
from htzoo.nn import LSTM, Weight

HT = HierarchicalTucker((3, 4, 5), (2, 3, 2), leaf_rank=3, inner_rank=3)
TT = TensorTrain((3, 4, 5), (2, 3, 2), 2)
HIDDEN_TT = TensorTrain((3, 4), (3, 4), 3)
CASES = list(itertools.product([HT, TT, None], [None, HIDDEN_TT], [1, 2], [False, True]))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def make(input_format: object, hidden_format: object, layers: int, bidirectional: bool, **options: object) -> LSTM:
    return LSTM(
        60,
        12,
        layers,
        bidirectional=bidirectional,
        input_format=input_format,
        hidden_format=hidden_format,
        dtype=torch.float64,
        **options,
    )


def states(layers: int, bidirectional: bool, batch: int = 3) -> tuple[Tensor, Tensor]:
    shape = (layers * (2 if bidirectional else 1), batch, 12)
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))


def check_equal(ours: LSTM, dense: nn.LSTM, x: Tensor | PackedSequence, state: tuple[Tensor, Tensor] | None) -> None:
    """Outputs, states, and the gradients with respect to input, states and weights."""
    results = []
    data = x.data if isinstance(x, PackedSequence) else x
    weights = {name: p for name, p in dense.named_parameters() if name.startswith("weight")}
    for module in (ours, dense):
        output, (h, c) = module(x, state)
        values = output.data if isinstance(output, PackedSequence) else output
        loss = (values * torch.linspace(-1, 1, values.numel()).reshape(values.shape)).sum() + h.sum() + (c * c).sum()
        wanted = [data, *(state or ()), *module.parameters()]
        gradients = dict(zip(map(id, wanted), torch.autograd.grad(loss, wanted), strict=True))
        results.append((values, h, c, gradients))
    (y, h, c, got), (y_dense, h_dense, c_dense, expected) = results
    for a, b in [(y, y_dense), (h, h_dense), (c, c_dense)]:
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-10
    for tensor in (data, *(state or ())):
        assert (got[id(tensor)] - expected[id(tensor)]).abs().max() < 1e-10
    for name, dense_weight in weights.items():
        weight = ours.get_submodule(name)
        assert isinstance(weight, Weight)
        pulled_back = torch.autograd.grad(weight.to_dense(), weight.cores, expected[id(dense_weight)])
        for core, gradient in zip(weight.cores, pulled_back, strict=True):
            assert (got[id(core)] - gradient).abs().max() < 1e-9
    for name, bias in ours.named_parameters():
        if name.startswith("bias"):
            twin = dense.get_parameter(name.replace("bias_", "bias_ih_"))
            assert (got[id(bias)] - expected[id(twin)]).abs().max() < 1e-10


@pytest.mark.parametrize(("input_format", "hidden_format", "layers", "bidirectional"), CASES)
def test_equals_torch(input_format: object, hidden_format: object, layers: int, bidirectional: bool) -> None:
    ours = make(input_format, hidden_format, layers, bidirectional, batch_first=True)
    dense = ours.to_dense()
    x = torch.randn(3, 5, 60, dtype=torch.float64, requires_grad=True)
    check_equal(ours, dense, x, states(layers, bidirectional))
    check_equal(ours, dense, x, None)


@pytest.mark.parametrize(("layers", "bidirectional"), list(itertools.product([1, 2], [False, True])))
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packed_sequences_equal_torch(layers: int, bidirectional: bool, enforce_sorted: bool) -> None:
    ours = make(HT, None, layers, bidirectional)
    lengths = (5, 3, 2) if enforce_sorted else (2, 5, 3)
    packed = pack_sequence([torch.randn(n, 60, dtype=torch.float64) for n in lengths], enforce_sorted)
    packed.data.requires_grad_()
    check_equal(ours, ours.to_dense(), packed, states(layers, bidirectional))
    check_equal(ours, ours.to_dense(), packed, None)


@pytest.mark.parametrize("bias", [True, False])
def test_time_first_and_unbatched_input(bias: bool) -> None:
    ours = make(TT, None, 1, True, bias=bias)
    dense = ours.to_dense()
    check_equal(ours, dense, torch.randn(5, 3, 60, dtype=torch.float64, requires_grad=True), states(1, True))
    x = torch.randn(5, 60, dtype=torch.float64)
    state = tuple(value[:, 0] for value in states(1, True))
    for chosen in (state, None):
        (y, (h, c)), (y_dense, (h_dense, c_dense)) = ours(x, chosen), dense(x, chosen)
        for a, b in [(y, y_dense), (h, h_dense), (c, c_dense)]:
            assert a.shape == b.shape
            assert (a - b).abs().max() < 1e-10


def test_padded_frames_change_nothing() -> None:
    ours = make(HT, None, 1, False, batch_first=True)
    x = torch.randn(2, 6, 60, dtype=torch.float64)
    packed = pack_padded_sequence(x, torch.tensor([4, 6]), batch_first=True, enforce_sorted=False)
    _, (h, _) = ours(packed)
    _, (alone, _) = ours(x[:1, :4])
    assert torch.allclose(h[:, :1], alone, atol=1e-12)


def test_gradcheck() -> None:
    small = LSTM(
        6, 4, input_format=HierarchicalTucker((2, 3), (2, 2), 2, 1), hidden_format=TensorTrain((2, 2), (2, 2), 2)
    ).double()
    x = torch.randn(3, 2, 6, dtype=torch.float64, requires_grad=True)
    parameters = dict(small.named_parameters())

    def run(x: Tensor, *values: Tensor) -> Tensor:
        y, _ = torch.func.functional_call(small, dict(zip(parameters, values, strict=True)), (x,))
        return y

    assert torch.autograd.gradcheck(run, (x, *parameters.values()))


def test_initial_weights() -> None:
    lstm = LSTM(60, 12, input_format=HT)
    assert lstm.weight_ih_l0.to_dense().square().mean().item() == pytest.approx(1 / 60, rel=1e-5)
    for gate in lstm.weight_hh_l0.to_dense().chunk(4):
        assert torch.allclose(gate @ gate.T, torch.eye(12), atol=1e-5)
    assert lstm.bias_l0.chunk(4)[1].tolist() == [1.0] * 12
    assert lstm.bias_l0.sum() == 12


def test_dropout_acts_between_layers_in_training_only() -> None:
    ours = make(HT, None, 2, False, dropout=0.5)
    x = torch.randn(5, 3, 60, dtype=torch.float64)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])


def test_names_and_counts_follow_torch() -> None:
    ours = make(HT, None, 2, True)
    dense = ours.to_dense()
    names = {name.split(".")[0] for name, _ in ours.named_parameters()}
    assert {name.replace("bias_", "bias_ih_") for name in names} == {
        name for name, _ in dense.named_parameters() if not name.startswith("bias_hh")
    }
    weight = ours.weight_ih_l0
    assert weight.num_parameters == sum(core.numel() for core in weight.parameters()) < weight.to_dense().numel()
    assert isinstance(ours.weight_ih_l1.format, Dense)


@pytest.mark.parametrize(
    ("x", "state", "message"),
    [
        (torch.zeros(5, 3, 61), None, r"input has shape \(5, 3, 61\): .* 60 features"),
        (torch.zeros(0, 3, 60), None, "at least one frame"),
        (torch.zeros(60), None, "input has shape"),
        (torch.zeros(5, 3, 60), (torch.zeros(1, 2, 12), torch.zeros(1, 3, 12)), r"h_0 has shape \(1, 2, 12\)"),
        (torch.zeros(5, 60), (torch.zeros(1, 12), torch.zeros(1, 3, 12)), r"c_0 has shape \(1, 3, 12\).*\(1, 12\)"),
    ],
)
def test_wrong_shapes_are_refused(x: Tensor, state: tuple[Tensor, Tensor] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LSTM(60, 12, input_format=HT)(x, state)


def test_wrong_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dropout is 1\.5"):
        LSTM(60, 12, dropout=1.5)
