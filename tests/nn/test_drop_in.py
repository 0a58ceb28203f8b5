"""What code written for torch.nn's layers does with them: names, state dicts, errors, and other packages' tools."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import pack_sequence

from htzoo.formats import Format, TensorTrain
from htzoo.nn import GRU, LSTM, RNN, InputError, Linear
from htzoo.nn.layer_arguments import layer_arguments, layer_formats
from htzoo.nn.layer_formats import formats_from_plain

TT = TensorTrain((3, 4), (2, 4), 2)
HIDDEN = TensorTrain((2, 4), (2, 4), 3)
PAIRS = [(LSTM, nn.LSTM, {}), (GRU, nn.GRU, {}), (RNN, nn.RNN, {}), (RNN, nn.RNN, {"nonlinearity": "relu"})]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS)
def test_state_dicts_go_both_ways(ours: type, theirs: type, options: dict[str, str]) -> None:
    a, b = (cls(12, 8, 2, bidirectional=True, **options) for cls in (ours, theirs))
    for source, target in ((b, a), (a, b)):
        for value in source.state_dict().values():
            value.normal_(0, 0.3)
        target.load_state_dict(source.state_dict())
        x = torch.randn(5, 3, 12)
        torch.testing.assert_close(a(x)[0], b(x)[0])
    assert a.mode == b.mode and isinstance(a, nn.RNNBase)
    assert [[w.shape for w in layer] for layer in a.all_weights] == [
        [w.shape for w in layer] for layer in b.all_weights
    ]
    assert str(b).removeprefix(theirs.__name__) == str(a).removeprefix(ours.__name__)


def test_a_dense_state_dict_is_no_cores() -> None:
    for layer, dense in ((LSTM(12, 8, input_format=TT), nn.LSTM(12, 8)), (Linear(12, 8, format=TT), nn.Linear(12, 8))):
        with pytest.raises(
            RuntimeError, match=r"is a dense matrix in the state dict, and TensorTrain.*htzoo\.compress"
        ):
            layer.load_state_dict(dense.state_dict())


@pytest.mark.parametrize(("ours", "_", "options"), PAIRS)
def test_state_dicts_of_before_are_read(ours: type, _: type, options: dict[str, str]) -> None:
    """One bias (a GRU had the hidden one of its last gate beside it), and dense weights one level deeper."""
    layer = ours(12, 8, 2, input_format=TT, **options)
    for value in layer.state_dict().values():
        value.normal_(0, 0.3)
    former = {}
    with torch.no_grad():
        for k in (0, 1):
            hidden = getattr(layer, f"bias_hh_l{k}")
            if ours is GRU:
                hidden[:16] = 0
                former[f"net.bias_hn_l{k}"] = hidden[16:].clone()
            else:
                hidden.zero_()
    for name, value in layer.state_dict().items():
        if name.startswith("bias_ih"):
            former["net." + name.replace("_ih", "")] = value
        elif name.startswith("weight"):
            former[f"net.{name}" + (".weight" if isinstance(getattr(layer, name, None), nn.Parameter) else "")] = value
    assert "net.weight_hh_l0.weight" in former and "net.weight_ih_l0.core_1" in former
    again = nn.ModuleDict({"net": ours(12, 8, 2, input_format=TT, **options)})
    again.load_state_dict(former)
    x = torch.randn(5, 3, 12)
    assert torch.equal(again["net"](x)[0], layer(x)[0])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("formats", [{}, {"input_format": TT, "hidden_format": TensorTrain((1, 5), (2, 4), 2)}])
def test_projection_equals_torch(formats: dict[str, Format], bidirectional: bool) -> None:
    """With initial states, and packed sequences of unequal lengths, each of which ends at a step of its own."""
    if formats:
        formats = {**formats, "projection_format": TensorTrain((2, 4), (1, 5), 2)}
    ours = LSTM(12, 8, 2, bidirectional=bidirectional, proj_size=5, dtype=torch.float64, **formats)
    for value in ours.state_dict().values():
        value.normal_(0, 0.4)
    dense = ours.to_dense()
    assert dense.proj_size == 5
    directions = 2 if bidirectional else 1
    h = torch.randn(2 * directions, 3, 5, dtype=torch.float64, requires_grad=True)
    c = torch.randn(2 * directions, 3, 8, dtype=torch.float64, requires_grad=True)
    sequences = [torch.randn(n, 12, dtype=torch.float64) for n in (2, 5, 3)]
    for x in (torch.randn(4, 3, 12, dtype=torch.float64), pack_sequence(sequences, enforce_sorted=False)):
        for state in (None, (h, c)):
            results = []
            for layer in (ours, dense):
                y, last = layer(x, state)
                values = [y if isinstance(y, Tensor) else y.data, *last]
                total = sum(value.sin().sum() for value in values)
                results.append([*values, *(torch.autograd.grad(total, (h, c)) if state else ())])
            for a, b in zip(*results, strict=True):
                assert a.shape == b.shape
                assert (a - b).abs().max() < 1e-10


def test_gradients_of_a_projection() -> None:
    layer = LSTM(3, 4, proj_size=2, dtype=torch.float64)
    x = torch.randn(3, 2, 3, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]

    def call(*values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(call, tuple(layer.parameters()))


def test_projection_sizes_are_checked() -> None:
    assert GRU(12, 8, proj_size=0).proj_size == 0 == RNN(12, 8, proj_size=0).proj_size
    for make, message in (
        (lambda: GRU(12, 8, proj_size=2), "only an LSTM has a projection"),
        (lambda: LSTM(12, 8, proj_size=8), "give 0 for none, or less than hidden_size, 8"),
        (lambda: LSTM(12, 8, projection_format=TT), "projection_format is given, but proj_size is 0"),
        (lambda: LSTM(12, 8, 2, input_format=[TT]), r"input_format is .* a list of 2, each a format or None"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_format_for_each_layer() -> None:
    upper = TensorTrain((4, 4), (2, 4), 3)
    layer = LSTM(12, 8, 3, bidirectional=True, input_format=[TT, upper, None], hidden_format=[None, HIDDEN, None])
    assert layer.weight_ih_l1_reverse.format == upper and isinstance(layer.weight_ih_l2, nn.Parameter)
    assert layer.weight_hh_l1.format == HIDDEN and isinstance(layer.weight_hh_l0, nn.Parameter)
    x = torch.randn(5, 3, 12)
    torch.testing.assert_close(layer(x)[0], layer.to_dense()(x)[0])
    plain = layer_arguments(layer)
    assert plain["input_format"] == [TT.to_dict(), upper.to_dict(), None]
    again = LSTM(**{key: formats_from_plain(v) if key.endswith("format") else v for key, v in plain.items()})
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(x)[0], layer(x)[0])
    # One format stands for the first layer's input weight, and for every hidden weight.
    single = layer_formats(LSTM(12, 8, 2, input_format=TT, hidden_format=HIDDEN))
    assert (single["input_format"], single["hidden_format"]) == (TT.to_dict(), HIDDEN.to_dict())


def test_a_dense_weight_is_a_plain_parameter() -> None:
    layer = LSTM(12, 8, input_format=TT)
    x = torch.randn(5, 3, 12)
    layer = LSTM(12, 8, input_format=TT)
    before = layer(x)[0]
    parametrizations.weight_norm(layer, "weight_hh_l0")
    torch.testing.assert_close(layer(x)[0], before)
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original1.grad is not None
    layer = LSTM(12, 8, input_format=TT)
    prune.l1_unstructured(layer, "weight_hh_l0", amount=0.5)
    assert (layer.weight_hh_l0 == 0).float().mean() == 0.5
    torch.testing.assert_close(layer(x)[0], layer.to_dense()(x)[0])
    linear = Linear(12, 8)
    linear.weight.data.fill_(0)
    assert torch.equal(linear(x), linear.bias.expand(5, 3, 8))


def test_biases_can_be_set_by_either_name() -> None:
    x = torch.randn(5, 3, 12)
    outputs = []
    for name in ("bias_ih_l0", "bias_hh_l0"):
        torch.manual_seed(1)
        layer = LSTM(12, 8)
        getattr(layer, name).data[8:16] += 2
        outputs.append(layer(x)[0])
    torch.testing.assert_close(*outputs)


def test_copies_and_pickles() -> None:
    layer = LSTM(12, 8, 2, input_format=TT, hidden_format=HIDDEN)
    x = torch.randn(5, 3, 12)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer).double().float()):
        assert torch.equal(again(x)[0], layer(x)[0])


@pytest.mark.parametrize(
    "make", [lambda **o: LSTM(12, 8, **o), lambda **o: GRU(12, 8, **o), lambda **o: Linear(12, 8, **o)]
)
def test_wrong_shapes_raise_what_torch_raises(make: object) -> None:
    layer = make()
    for kind in (RuntimeError, ValueError, InputError):
        with pytest.raises(kind, match="input has shape"):
            layer(torch.randn(5, 3, 13))


def test_arguments_by_position() -> None:
    assert Linear(12, 8, False, "meta", torch.float16).weight.dtype == torch.float16
    layer = LSTM(12, 8, 2, True, True, 0.5, False, 4, "meta", torch.float64)
    assert layer.proj_size == 4 and layer.weight_hr_l1.is_meta and layer.weight_hr_l1.dtype == torch.float64
    assert RNN(12, 8, 2, "relu", True, True, 0.5, False, "meta").weight_hh_l0.is_meta


@pytest.mark.parametrize("format", [None, TT])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_under_autocast_gives_one_type(format: Format | None, bias: bool) -> None:
    layer = Linear(12, 8, bias, format=format)
    x = torch.randn(5, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), atol=0.1, rtol=0.1)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo's own
def test_export_of_a_projection() -> None:
    layer = LSTM(12, 8, proj_size=5, input_format=TT, batch_first=True).eval()
    dynamic = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("time", min=1, max=64)}
    exported = torch.export.export(layer, (torch.randn(3, 4, 12),), dynamic_shapes=(dynamic,))
    x = torch.randn(2, 7, 12)
    torch.testing.assert_close(exported.module()(x), layer(x))
