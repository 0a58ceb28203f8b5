"""Layers where PyTorch traces, batches, or stands something else in the place of a tensor."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map

from htzoo.formats import BlockTerm, TensorTrain
from htzoo.nn import GRU, LSTM, RNN, Linear

FORMAT = TensorTrain((8, 8), (4, 8), 3)
HIDDEN = TensorTrain((4, 8), (4, 8), 3)
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: LSTM(64, 32),
    "lstm_tt": lambda: LSTM(64, 32, input_format=FORMAT, bidirectional=True),
    "lstm_joint": lambda: LSTM(64, 32, joint_format=TensorTrain((8, 12), (4, 8), 3), batch_first=True),
    "gru_tt_hidden": lambda: GRU(64, 32, input_format=FORMAT, hidden_format=HIDDEN),
    "rnn": lambda: RNN(64, 32, num_layers=2),
    "linear_bt": lambda: Linear(64, 32, format=BlockTerm((8, 8), (4, 8), 2, 2)),
    "linear": lambda: Linear(64, 32),
    "lstm_float64": lambda: LSTM(64, 32, input_format=FORMAT, dtype=torch.float64),
}


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return LAYERS[request.param]()


def output(result: Any) -> Tensor:
    return result[0] if isinstance(result, tuple) else result


def inputs(layer: nn.Module, *shape: int) -> Tensor:
    return torch.randn(*(shape or (4, 3)), 64, dtype=next(layer.parameters()).dtype)


class Wrapped(Tensor):
    """A tensor without storage of its own."""

    value: Tensor

    @staticmethod
    def __new__(cls, value: Tensor) -> "Wrapped":
        made = Tensor._make_wrapper_subclass(cls, value.shape, dtype=value.dtype, device=value.device)
        made.value = value
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(lambda v: v.value if isinstance(v, Wrapped) else v, (args, kwargs or {}))
        return tree_map(lambda v: Wrapped(v) if isinstance(v, Tensor) else v, function(*args, **kwargs))


def test_fake_tensors(layer: nn.Module) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        x = mode.from_tensor(inputs(layer))
        y = output(layer(x))
        assert isinstance(y, FakeTensor) and y.shape[:2] == x.shape[:2]
        y.sum().backward()
    assert all(isinstance(p.grad, FakeTensor) and p.grad.shape == p.shape for p in layer.parameters())


def test_built_under_fake_tensors() -> None:
    with FakeTensorMode():
        y, _ = LSTM(64, 32, input_format=FORMAT)(torch.randn(4, 3, 64))
    assert isinstance(y, FakeTensor) and y.shape == (4, 3, 32)


def test_wrapper_subclasses(layer: nn.Module) -> None:
    x = inputs(layer)
    found = output(layer(Wrapped(x)))
    assert isinstance(found, Wrapped)
    torch.testing.assert_close(found.value, output(layer(x)))


def test_negative_views(layer: nn.Module) -> None:
    """Their memory has the other sign."""
    x = inputs(layer)
    torch.testing.assert_close(output(layer(torch._neg_view(x))), output(layer(-x)), rtol=0, atol=0)
    y = output(layer(x))
    upstream = torch.randn_like(y)
    parameters = list(layer.parameters())
    found = torch.autograd.grad(y, parameters, torch._neg_view(upstream), retain_graph=True)
    expected = torch.autograd.grad(y, parameters, -upstream)
    for ours, others in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, others, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_make_fx(layer: nn.Module, mode: str) -> None:
    traced = make_fx(lambda x: output(layer(x)), tracing_mode=mode, _allow_non_fake_inputs=True)(inputs(layer))
    x = inputs(layer, 5, 7) if mode == "symbolic" else inputs(layer)
    torch.testing.assert_close(traced(x), output(layer(x)))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_jit_trace(layer: nn.Module) -> None:
    traced = torch.jit.trace(layer, inputs(layer))
    x = inputs(layer)
    torch.testing.assert_close(output(traced(x)), output(layer(x)))


def test_batched_gradients(layer: nn.Module) -> None:
    y = output(layer(inputs(layer)))
    upstream = torch.randn(3, *y.shape, dtype=y.dtype)
    parameters = list(layer.parameters())
    found = torch.autograd.grad(y, parameters, upstream, is_grads_batched=True, retain_graph=True)
    for k, one in enumerate(upstream):
        for ours, others in zip(found, torch.autograd.grad(y, parameters, one, retain_graph=True), strict=True):
            torch.testing.assert_close(ours[k], others, rtol=1e-4, atol=1e-4)


def test_vectorized_jacobian(layer: nn.Module) -> None:
    def function(x: Tensor) -> Tensor:
        return output(layer(x)).sum((0, 1))

    x = inputs(layer)
    found, expected = (torch.autograd.functional.jacobian(function, x, vectorize=v) for v in (True, False))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_vmap(layer: nn.Module) -> None:
    x = inputs(layer)
    found = torch.vmap(lambda x: output(layer(x)))(torch.stack([x, 2 * x]))
    torch.testing.assert_close(found[1], output(layer(2 * x)))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")  # PyTorch's own, of its decompositions
def test_forward_mode() -> None:
    layer = LSTM(64, 32, input_format=FORMAT, dtype=torch.float64)
    x, direction = inputs(layer), inputs(layer)
    y, tangent = torch.func.jvp(lambda x: output(layer(x)), (x,), (direction,))
    step = 1e-6
    slope = (output(layer(x + step * direction)) - output(layer(x - step * direction))) / (2 * step)
    torch.testing.assert_close(y, output(layer(x)))
    torch.testing.assert_close(tangent, slope, rtol=1e-5, atol=1e-7)


def check_compiled(layer: nn.Module, compiled: nn.Module, x: Tensor) -> None:
    """Outputs and all gradients, in training and inference."""
    results = []
    for module in (compiled, layer):
        own = x.clone().requires_grad_()
        y = output(module(own))
        y.square().sum().backward()
        results.append([y, own.grad, *(parameter.grad for parameter in layer.parameters())])
        layer.zero_grad()
    for ours, others in zip(*results, strict=True):
        torch.testing.assert_close(ours, others, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(output(compiled(x)), output(layer(x)))


def test_compiled_in_one_graph(layer: nn.Module) -> None:
    torch._dynamo.reset()
    check_compiled(layer, torch.compile(layer, fullgraph=True, backend="aot_eager"), inputs(layer))


def test_compiled_once_for_every_batch_and_time(layer: nn.Module) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    check_compiled(layer, compiled, inputs(layer, 4, 3))
    with torch.compiler.set_stance("fail_on_recompile"):
        for shape in ((6, 5), (9, 2)):
            check_compiled(layer, compiled, inputs(layer, *shape))


def test_compiled_under_autocast(layer: nn.Module) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = inputs(layer)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = output(compiled(x)), output(layer(x))
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_by_inductor() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    layer = nn.Sequential(Linear(64, 64, format=TensorTrain((8, 8), (8, 8), 3)), LSTM(64, 32, input_format=FORMAT))
    check_compiled(layer, torch.compile(layer, fullgraph=True), inputs(layer))


def test_exports_are_of_pytorch(layer: nn.Module) -> None:
    """A graph that others run must not need htzoo."""
    x = inputs(layer)
    with torch.no_grad():
        program = torch.export.export(layer.eval(), (x,))
    assert "htzoo" not in str(program.graph)
    torch.testing.assert_close(output(program.module()(x)), output(layer(x)), rtol=1e-4, atol=1e-5)


def test_saved_tensors_may_move(layer: nn.Module) -> None:
    """What is kept for the backward is copied elsewhere, and comes back as another tensor."""
    x = inputs(layer)
    gradients = []
    for hooks in (
        torch.autograd.graph.save_on_cpu(),
        torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        with hooks:
            y = output(layer(x))
        gradients.append(torch.autograd.grad(y.square().sum(), list(layer.parameters())))
    for ours, others in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, others, rtol=0, atol=0)
