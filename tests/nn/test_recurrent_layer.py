"""htzoo.nn's recurrent layers against torch.nn's with the rebuilt weights, in float64."""

import itertools
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence
from torch.utils.checkpoint import checkpoint

from htzoo.formats import Dense, HierarchicalTucker, TensorTrain
from htzoo.nn import GRU, LSTM, RNN
from htzoo.nn.recurrent_layer import Recurrent

HT = HierarchicalTucker((3, 4, 5), (2, 3, 2), leaf_rank=3, inner_rank=3)
TT = TensorTrain((3, 4, 5), (2, 3, 2), 2)
HIDDEN_TT = TensorTrain((3, 4), (3, 4), 3)
FORMATS = {
    "none": {},
    "input": {"input_format": HT},
    "hidden": {"hidden_format": HIDDEN_TT},
    "both": {"input_format": TT, "hidden_format": HIDDEN_TT},
    "joint": {"joint_format": TensorTrain((6, 4, 3), (2, 3, 2), 3)},  # 60 + 12, the first mode splits evenly
    "joint_padded": {"joint_format": HierarchicalTucker((2, 9, 4), (2, 3, 2), 2, 2)},  # h begins inside a block
    "joint_dense": {"joint_format": Dense()},
}
CELLS = {"rnn": (RNN, {}), "relu": (RNN, {"nonlinearity": "relu"}), "gru": (GRU, {}), "lstm": (LSTM, {})}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def make(cell: str, formats: str, layers: int = 1, bidirectional: bool = False, **options: object) -> Recurrent:
    layer, chosen = CELLS[cell]
    made = layer(
        60,
        12,
        layers,
        bidirectional=bidirectional,
        **{"dtype": torch.float64, **chosen, **FORMATS[formats], **options},
    )
    with torch.no_grad():
        for name, value in made.state_dict().items():
            if name.startswith("bias"):
                value.normal_()
    return made


def states(cell: str, layers: int = 1, bidirectional: bool = False, batch: int = 3) -> tuple[Tensor, ...]:
    shape = (layers * (2 if bidirectional else 1), batch, 12)
    count = 2 if cell == "lstm" else 1
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(count))


def run(module: nn.Module, x: Tensor | PackedSequence, state: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    """Output data and last states, as a flat tuple."""
    single = isinstance(module, LSTM | nn.LSTM)
    output, last = module(x, state if state is None or single else state[0])
    values = output.data if isinstance(output, PackedSequence) else output
    return values, *(last if single else (last,))


def loss_of(results: tuple[Tensor, ...]) -> Tensor:
    y, *last = results
    return (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum() + sum((value * value).sum() for value in last)


def check_equal(ours: Recurrent, x: Tensor | PackedSequence, state: tuple[Tensor, ...] | None) -> None:
    """Outputs, states, and the gradients with respect to input, states, weights and biases."""
    dense = ours.to_dense()
    data = x.data if isinstance(x, PackedSequence) else x
    given = [data, *(state or ())]
    found, expected = run(ours, x, state), run(dense, x, state)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-10
    parameters, dense_parameters = dict(ours.named_parameters()), dict(dense.named_parameters())
    gradients = torch.autograd.grad(loss_of(found), [*given, *parameters.values()])
    wanted = torch.autograd.grad(loss_of(expected), [*given, *dense_parameters.values()])
    for a, b in zip(gradients[: len(given)], wanted[: len(given)], strict=True):
        assert (a - b).abs().max() < 1e-10
    got = dict(zip(parameters, gradients[len(given) :], strict=True))
    by_name = dict(zip(dense_parameters, wanted[len(given) :], strict=True))
    for name, matrix in ours.matrices().items():
        if name in by_name:
            gradient = by_name[name]
        else:
            parts = [by_name[name.replace("weight_", f"weight_{part}_")] for part in ("ih", "hh")]
            gradient = torch.cat(parts, 1)
        pulled_back = torch.autograd.grad(matrix.to_dense(), matrix.cores, gradient)
        kept = getattr(ours, name)
        names = [name] if isinstance(kept, nn.Parameter) else [f"{name}.{core}" for core in kept.names]
        for key, value in zip(names, pulled_back, strict=True):
            assert (got.pop(key) - value).abs().max() < 1e-10 * (1 + value.abs().max())
    for name, gradient in got.items():
        assert (gradient - by_name[name]).abs().max() < 1e-10


@pytest.mark.parametrize(("layers", "bidirectional"), list(itertools.product([1, 2], [False, True])))
@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("cell", CELLS)
def test_equals_torch(cell: str, formats: str, layers: int, bidirectional: bool) -> None:
    ours = make(cell, formats, layers, bidirectional, batch_first=True)
    x = torch.randn(3, 5, 60, dtype=torch.float64, requires_grad=True)
    check_equal(ours, x, states(cell, layers, bidirectional))
    check_equal(ours, x, None)


@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize(("layers", "bidirectional"), list(itertools.product([1, 2], [False, True])))
@pytest.mark.parametrize("formats", ["input", "both", "joint_padded"])
@pytest.mark.parametrize("cell", CELLS)
def test_packed_sequences_equal_torch(
    cell: str, formats: str, layers: int, bidirectional: bool, enforce_sorted: bool
) -> None:
    ours = make(cell, formats, layers, bidirectional)
    lengths = (5, 3, 2) if enforce_sorted else (2, 5, 3)
    packed = pack_sequence([torch.randn(n, 60, dtype=torch.float64) for n in lengths], enforce_sorted)
    packed.data.requires_grad_()
    check_equal(ours, packed, states(cell, layers, bidirectional))
    check_equal(ours, packed, None)


@pytest.mark.parametrize("formats", ["input", "joint"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_time_first_and_unbatched_input(cell: str, bias: bool, formats: str) -> None:
    ours = make(cell, formats, 1, True, bias=bias)
    check_equal(ours, torch.randn(5, 3, 60, dtype=torch.float64, requires_grad=True), states(cell, 1, True))
    x = torch.randn(5, 60, dtype=torch.float64, requires_grad=True)
    check_equal(ours, x, tuple(value[:, 0] for value in states(cell, 1, True)))
    check_equal(ours, x, None)


@pytest.mark.parametrize("cell", CELLS)
def test_without_gradient_and_in_a_second_backward(cell: str) -> None:
    """Without a gradient the plain steps run, and must give what the kept ones give."""
    ours = make(cell, "both", 2, True)
    x = torch.randn(4, 2, 60, dtype=torch.float64)
    results = run(ours, x, None)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(results, run(ours, x, None), strict=True))
    loss = loss_of(results)
    first, second = (torch.autograd.grad(loss, list(ours.parameters()), retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_of_the_input_alone(cell: str) -> None:
    ours = make(cell, "both").requires_grad_(False)
    x = torch.randn(4, 2, 60, dtype=torch.float64, requires_grad=True)
    gradients = [torch.autograd.grad(loss_of(run(module, x, None)), x)[0] for module in (ours, ours.to_dense())]
    assert (gradients[0] - gradients[1]).abs().max() < 1e-10


def test_checkpointing_and_functional_call_change_nothing() -> None:
    ours = make("lstm", "both")
    x = torch.randn(4, 2, 60, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(ours(x)[0].square().sum(), x)
    again = checkpoint(lambda x: ours(x)[0], x, use_reentrant=False)
    copies = {name: 1 * parameter for name, parameter in ours.named_parameters()}
    called, _ = torch.func.functional_call(ours, copies, (x,))
    for output in (again, called):
        assert torch.equal(torch.autograd.grad(output.square().sum(), x)[0], expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, in jvp
@pytest.mark.parametrize("formats", ["none", "both", "joint_padded"])
@pytest.mark.parametrize("cell", CELLS)
def test_function_transforms(cell: str, formats: str) -> None:
    """torch.func's gradient, derivative along a tangent, and one gradient a sequence, against PyTorch's layer."""
    ours = make(cell, formats, batch_first=True)
    dense = ours.to_dense()
    x, tangent = torch.randn(2, 3, 4, 60, dtype=torch.float64)

    def loss_by(layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x)[0].square().sum()

    torch.testing.assert_close(torch.func.grad(partial(loss_by, ours))(x), torch.func.grad(partial(loss_by, dense))(x))
    along = torch.func.jvp(partial(loss_by, ours), (x,), (tangent,))[1]
    torch.testing.assert_close(along, (torch.func.grad(partial(loss_by, dense))(x) * tangent).sum())
    one_each = torch.vmap(torch.func.grad(partial(loss_by, ours)))(x)
    torch.testing.assert_close(one_each, torch.func.grad(partial(loss_by, ours))(x))


@pytest.mark.parametrize("cell", CELLS)
def test_no_sequence_at_all(cell: str) -> None:
    for ours in (make(cell, formats, 2, True, batch_first=True) for formats in FORMATS):
        x = torch.empty(0, 5, 60, dtype=torch.float64, requires_grad=True)
        results = run(ours, x, None)
        assert [a.shape for a in results] == [b.shape for b in run(ours.to_dense(), x, None)]
        results[0].sum().backward()
        assert x.grad is not None and x.grad.shape == x.shape


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    ours = make("lstm", "input", dtype=dtype)
    x = torch.randn(5, 3, 60)
    torch.testing.assert_close(ours(x.to(dtype))[0].float(), ours.float()(x)[0], atol=0.03, rtol=0)


def test_padded_frames_change_nothing() -> None:
    ours = make("lstm", "input", batch_first=True)
    x = torch.randn(2, 6, 60, dtype=torch.float64)
    packed = pack_padded_sequence(x, torch.tensor([4, 6]), batch_first=True, enforce_sorted=False)
    _, (h, _) = ours(packed)
    _, (alone, _) = ours(x[:1, :4])
    assert torch.allclose(h[:, :1], alone, atol=1e-12)


SMALL_FORMATS = [
    {"input_format": HierarchicalTucker((2, 3), (2, 2), 2, 1), "hidden_format": TensorTrain((2, 2), (2, 2), 2)},
    {"joint_format": TensorTrain((2, 5), (2, 2), 2)},
]


@pytest.mark.parametrize("formats", SMALL_FORMATS, ids=["both", "joint"])
@pytest.mark.parametrize("layer", [RNN, GRU, LSTM])
def test_gradcheck(layer: type[Recurrent], formats: dict[str, object]) -> None:
    small = layer(6, 4, bidirectional=True, dtype=torch.float64, **formats)
    parameters = dict(small.named_parameters())
    data = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    sizes = torch.tensor([2, 1])

    def call(data: Tensor, *values: Tensor) -> Tensor:
        packed = PackedSequence(data, sizes)
        output, _ = torch.func.functional_call(small, dict(zip(parameters, values, strict=True)), (packed,))
        return output.data

    inputs = (data, *parameters.values())
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("formats", ["none", "both", "joint_padded"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])  # a ReLU near 0 flips
def test_autocast_is_close(cell: str, formats: str, dtype: torch.dtype) -> None:
    ours = make(cell, formats, 2, True, dtype=torch.float32)
    x = torch.randn(5, 3, 60)
    exact = run(ours, x, None)
    exact_gradients = torch.autograd.grad(loss_of(exact), list(ours.parameters()))
    with torch.autocast("cpu", dtype=dtype):
        rough = run(ours, x, None)
        inside = torch.autograd.grad(loss_of(rough), list(ours.parameters()), retain_graph=True)
    outside = torch.autograd.grad(loss_of(rough), list(ours.parameters()))
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        assert (a - b).norm() < 0.05 * a.norm()
    for gradients in (inside, outside):
        assert all((a - b).norm() < 0.15 * a.norm() for a, b in zip(exact_gradients, gradients, strict=True))


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("cell", CELLS)
def test_all_tensors_are_made_on_the_device(cell: str, formats: str) -> None:
    """On meta, which has shapes alone, every operation with a tensor of another device raises: it stands for a GPU."""
    layer = make(cell, formats, 2, True).to("meta")
    x = torch.empty(3, 5, 60, dtype=torch.float64, device="meta", requires_grad=True)
    with torch.no_grad():
        layer(x)
    y, _ = layer(x)
    y.sum().backward()
    assert y.shape == (3, 5, 24)
    assert all(value.grad is not None and value.grad.is_meta for value in (x, *layer.parameters()))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo's own
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_compiled_model_gives_equal_results(cell: str) -> None:
    ours = make(cell, "both", batch_first=True)
    compiled = torch.compile(ours, backend="aot_eager")
    for batch in (2, 3):
        x = torch.randn(batch, 4, 60, dtype=torch.float64, requires_grad=True)
        results = []
        for module in (ours, compiled):
            output, _ = module(x)
            results.append((output, *torch.autograd.grad(output.square().sum(), [x, *ours.parameters()])))
        assert all((a - b).abs().max() < 1e-10 for a, b in zip(*results, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("cell", "formats", "layers", "bidirectional"),
    [
        ("lstm", "both", 1, False),
        ("lstm", "none", 2, True),
        ("gru", "joint_padded", 1, True),
        ("rnn", "none", 2, False),
    ],
)
def test_export_serves_every_batch_size_and_length(
    cell: str, formats: str, layers: int, bidirectional: bool, dtype: torch.dtype
) -> None:
    ours = make(cell, formats, layers, bidirectional, batch_first=True).eval().to(dtype)
    dynamic = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("time", min=1, max=64)}
    exported = torch.export.export(ours, (torch.randn(3, 4, 60, dtype=dtype),), dynamic_shapes=(dynamic,))
    for batch, time in ((1, 1), (2, 9), (7, 2)):
        x = torch.randn(batch, time, 60, dtype=dtype)
        (y, states), (expected, ends) = exported.module()(x), ours(x)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(states, ends)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_initial_weights(cell: str) -> None:
    layer, _ = CELLS[cell]
    made = layer(60, 12, input_format=HT)
    assert made.weight_ih_l0.to_dense().square().mean().item() == pytest.approx(1 / 60, rel=1e-5)
    for gate in made.weight_hh_l0.split(12):
        assert torch.allclose(gate @ gate.T, torch.eye(12), atol=1e-5)
    assert made.bias_ih_l0.sum() == (12 if cell == "lstm" else 0)
    assert not made.bias_hh_l0.any()
    if cell == "lstm":
        assert made.bias_ih_l0.chunk(4)[1].tolist() == [1.0] * 12


def test_dropout_acts_between_layers_in_training_only() -> None:
    ours = make("gru", "input", 2, dropout=0.5)
    x = torch.randn(5, 3, 60, dtype=torch.float64)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_names_and_counts_follow_torch(cell: str) -> None:
    """Names of parameters and of the state dict; of the biases an LSTM and an RNN train one only."""
    ours = make(cell, "input", 2, True)
    dense = ours.to_dense()
    names = list(dict.fromkeys(name.split(".")[0] for name in ours.state_dict()))
    assert sorted(names) == sorted(dense.state_dict())
    trained = {name.split(".")[0] for name, _ in ours.named_parameters()}
    untrained = set() if cell == "gru" else {name for name in names if name.startswith("bias_hh")}
    assert trained == {*names} - untrained
    weight = ours.weight_ih_l0
    assert weight.num_parameters == sum(core.numel() for core in weight.parameters()) < weight.to_dense().numel()
    assert isinstance(ours.weight_ih_l1, nn.Parameter)


def test_joint_weight_stands_alone_in_the_first_layer() -> None:
    names = {name.split(".")[0] for name in make("lstm", "joint", 2).state_dict()}
    assert names == {
        *("weight_l0", "bias_ih_l0", "bias_hh_l0"),
        *("weight_ih_l1", "weight_hh_l1", "bias_ih_l1", "bias_hh_l1"),
    }


@pytest.mark.parametrize(
    ("x", "state", "message"),
    [
        (torch.zeros(5, 3, 61), None, r"input has shape \(5, 3, 61\): .* 60 features"),
        (torch.zeros(0, 3, 60), None, "at least one frame"),
        (torch.zeros(60), None, "input has shape"),
        (torch.zeros(5, 3, 60, dtype=torch.float64), None, r"input is torch\.float64, but .* torch\.float32"),
        (torch.zeros(5, 3, 60), (torch.zeros(1, 2, 12), torch.zeros(1, 3, 12)), r"h_0 has shape \(1, 2, 12\)"),
        (torch.zeros(5, 60), (torch.zeros(1, 12), torch.zeros(1, 3, 12)), r"c_0 has shape \(1, 3, 12\).*\(1, 12\)"),
        (
            torch.zeros(5, 3, 60),
            (torch.zeros(1, 3, 12),),
            r"hx is not .* give h_0 of shape \(1, 3, 12\) and c_0 of shape",
        ),
    ],
)
def test_wrong_input_is_refused(x: Tensor, state: tuple[Tensor, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LSTM(60, 12, input_format=HT)(x, state)


@pytest.mark.parametrize("cell", CELLS)
def test_wrong_types_and_shapes_are_refused_by_every_cell(cell: str) -> None:
    ours = make(cell, "both", dtype=torch.float32)
    x, state = torch.zeros(5, 3, 60), tuple(value.float() for value in states(cell))
    wrong = [
        (x.double(), None, r"input is torch\.float64, but .* torch\.float32: convert"),
        (x.long(), None, r"input is torch\.int64, .* convert with input\.to\(torch\.float32\)$"),
        (x[..., :59], None, r"input has shape \(5, 3, 59\): .* 60 features"),
        (x, (state[0].double(), *state[1:]), r"h_0 is torch\.float64"),
        (x, (state[0][:, :2], *state[1:]), r"h_0 has shape \(1, 2, 12\): give one of shape \(1, 3, 12\)"),
    ]
    for data, start, message in wrong:
        with pytest.raises(ValueError, match=message):
            run(ours, data, start)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.5}, r"dropout is 1\.5"),
        ({"num_layers": 0}, "num_layers is 0: give at least 1"),
        ({"nonlinearity": "elu"}, "nonlinearity is 'elu': give one of tanh, relu"),
        ({"joint_format": Dense(), "hidden_format": HIDDEN_TT}, "joint_format alone"),
        ({"joint_format": TT}, r"multiply to 60, but the input has 72 features"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RNN(60, 12, **options)
