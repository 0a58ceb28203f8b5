"""Compiled recurrences against PyTorch's layers in float64."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from htzoo.formats import Dense, Format, TensorTrain
from htzoo.native.library import library, status
from htzoo.nn import GRU, LSTM, RNN, compiled_recurrence
from htzoo.nn.recurrent_layer import Recurrent

pytestmark = pytest.mark.skipif(library() is None, reason=status())

CELLS = {"LSTM": (LSTM, {}), "GRU": (GRU, {}), "tanh": (RNN, {}), "relu": (RNN, {"nonlinearity": "relu"})}


def make(name: str, *sizes: int, **options: object) -> Recurrent:
    kind, own = CELLS[name]
    return kind(*sizes, **own, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is called in compiled code."""
    found: list[str] = []
    real = compiled_recurrence._call
    monkeypatch.setattr(compiled_recurrence, "_call", lambda name, *rest: (found.append(name), real(name, *rest)))
    return found


def check_close(found: Tensor, expected: Tensor) -> None:
    """Rounding errors of a sum grow with its terms, however small the sum is: compare with the largest entry."""
    assert (found.double() - expected).abs().max() <= 5e-6 * max(1, expected.abs().max())


def run(layer: torch.nn.Module, sequences: Sequence[Tensor], state: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Outputs, last state, and gradients of inputs and initial state."""
    dtype = next(layer.parameters()).dtype
    sequences = [sequence.detach().to(dtype).requires_grad_() for sequence in sequences]
    state = [value.detach().to(dtype).requires_grad_() for value in state]
    y, last = layer(pack_sequence(sequences, enforce_sorted=False), tuple(state) if len(state) > 1 else state[0])
    results = [y.data, *(last if isinstance(last, tuple) else (last,))]
    torch.manual_seed(seed)
    sum((torch.randn(value.shape).to(dtype) * value).sum() for value in results).backward()
    return [value.detach() for value in results] + [value.grad for value in (*sequences, *state)]


@pytest.mark.parametrize("name", CELLS)
@settings(deadline=None, max_examples=15)
@given(
    st.sampled_from([8, 24, 64]),
    st.lists(st.integers(1, 6), min_size=1, max_size=17),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 3]),
    st.integers(0, 1000),
)
def test_any_recurrence(
    name: str, hidden: int, lengths: list[int], bidirectional: bool, bias: bool, threads: int, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = make(name, 5, hidden, 2, bidirectional=bidirectional, bias=bias)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5 if parameter.dim() == 1 else hidden**-0.5)
    twin = layer.to_dense().double()
    sequences = [torch.randn(length, 5) for length in lengths]
    state = [torch.randn(4 if bidirectional else 2, len(lengths), hidden) for _ in range(layer.cell.states)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: threads)
        patch.setattr(compiled_recurrence, "_MIN_MACS", 1)
        assert compiled_recurrence.takes(name, layer.matrices()["weight_hh_l0"].prepare(3).chain, torch.empty(1))
        found = run(layer, sequences, state, seed)
    for ours, others in zip(found, run(twin, sequences, state, seed), strict=True):
        check_close(ours, others)
    for key, parameter in layer.named_parameters():
        if key.startswith("weight_hh"):
            expected = twin.get_parameter(key.partition(".")[0]).grad
            check_close(parameter.grad, expected)
        elif key.startswith("bias"):
            check_close(parameter.grad, twin.get_parameter(key).grad)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_no_state_and_many_frames(
    name: str, threads: int, bidirectional: bool, batch_first: bool, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than the gradient of the hidden weight takes at once, in either order."""
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(compiled_recurrence, "_MIN_MACS", 1)
    layer = make(name, 5, 24, 2, bidirectional=bidirectional, batch_first=batch_first)
    twin = layer.to_dense().double()
    x = torch.randn(23, 17, 5) if batch_first else torch.randn(17, 23, 5)
    found, expected = layer(x)[0], twin(x.double())[0]
    upstream = torch.randn(found.shape)
    found.backward(upstream)
    expected.backward(upstream.double())
    assert calls.count("recur_back") == (4 if bidirectional else 2)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for key, parameter in layer.named_parameters():
        if key.startswith("weight"):
            check_close(parameter.grad, twin.get_parameter(key.partition(".")[0]).grad)


def test_what_is_not_finite_shows_at_once(calls: list[str]) -> None:
    """As in PyTorch's layers, although the first state is zero."""
    layer = LSTM(5, 8)
    layer.weight_hh_l0.data[0, 0] = torch.nan
    assert layer(torch.randn(1, 3, 5))[0].isnan().any() and layer.to_dense()(torch.randn(1, 3, 5))[0].isnan().any()
    assert calls == ["recur"]


def test_one_frame_has_no_gradient_of_the_hidden_weight() -> None:
    layer = LSTM(5, 8)
    layer(torch.randn(1, 3, 5))[0].sum().backward()
    assert torch.equal(layer.weight_hh_l0.grad, torch.zeros(32, 8))


@pytest.mark.parametrize("name", CELLS)
def test_extreme_numbers(name: str, calls: list[str]) -> None:
    """Gates saturate, small numbers keep their digits, and what is not finite stays so."""
    scales = torch.tensor([0, 1e-30, 1e-6, 1e-3, 0.29, 0.31, 1, 3, 9, 30, 88, 1e3, 1e30])
    layer, twin = make(name, 1, 8, bias=False), make(name, 1, 8, bias=False, dtype=torch.float64)
    with torch.no_grad():
        for weight in (layer.weight_ih_l0, twin.weight_ih_l0):
            weight.fill_(1)
        for weight in (layer.weight_hh_l0, twin.weight_hh_l0):
            weight.zero_()
        x = torch.cat((scales, -scales))[None, :, None]
        found, expected = layer(x)[0], twin(x.double())[0]
        assert calls == ["recur"]
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-7 if name == "GRU" else 1e-37)
        assert layer(torch.full((1, 1, 1), torch.nan))[0].isnan().all()


def test_where_it_is_used(calls: list[str]) -> None:
    x = torch.randn(3, 2, 5)
    for layer in (LSTM(5, 12), LSTM(5, 16, hidden_format=TensorTrain((4, 4), (4, 4), 2)), LSTM(5, 8).double()):
        layer(x.to(next(layer.parameters()).dtype))[0].sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        LSTM(5, 8)(x)[0].sum().backward()
    assert calls == []
    LSTM(5, 8)(x)[0].sum().backward()
    assert calls == ["recur", "recur_back"]


@pytest.mark.parametrize("joint", [Dense(), TensorTrain((4, 4), (2, 4), 2), TensorTrain((2, 8), (8, 1), 4)])
def test_joint_weights(joint: Format, calls: list[str]) -> None:
    torch.manual_seed(0)
    layer = LSTM(8, 8, joint_format=joint)
    x = torch.randn(4, 2, 8)
    torch.testing.assert_close(layer(x)[0], layer.to_dense()(x)[0])
    assert calls == (["recur"] if isinstance(joint, Dense) else [])


def test_gradients_of_gradients(calls: list[str]) -> None:
    torch.manual_seed(0)
    layer = GRU(3, 8)
    twin = layer.to_dense()
    x = torch.randn(4, 2, 3, requires_grad=True)
    found = []
    for module in (layer, twin):
        (d_x,) = torch.autograd.grad(module(x)[0].pow(2).sum(), x, create_graph=True)
        found.append(torch.autograd.grad(d_x.pow(2).sum(), x)[0])
    assert "recur" in calls
    torch.testing.assert_close(*found)


def test_only_the_state_is_trained(calls: list[str]) -> None:
    """Frozen weights get no gradient, and cost none."""
    layer = LSTM(3, 8).requires_grad_(False)
    state = tuple(torch.randn(1, 2, 8, requires_grad=True) for _ in range(2))
    layer(torch.randn(4, 2, 3), state)[0].sum().backward()
    assert calls == ["recur", "recur_back"]
    assert all(value.grad.abs().sum() > 0 for value in state)
