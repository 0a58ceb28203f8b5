"""htzoo.nn.Linear against torch.nn.Linear with the rebuilt weight, in float64."""

import pytest
import torch

from htzoo.formats import Format, HierarchicalTucker, TensorTrain
from htzoo.nn import Linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("format", [None, TensorTrain((3, 4), (2, 5), 2), HierarchicalTucker((3, 4), (2, 5), 2, 1)])
@pytest.mark.parametrize("shape", [(12,), (7, 12), (2, 3, 12)])
def test_equals_torch(shape: tuple[int, ...], format: Format | None, bias: bool) -> None:
    ours = Linear(12, 10, bias, format=format, dtype=torch.float64)
    if bias:
        torch.nn.init.normal_(ours.bias)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    results = []
    for module in (ours, ours.to_dense()):
        y = module(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), x)))
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-10


def test_starts_with_exact_variance_and_no_bias() -> None:
    ours = Linear(12, 10, format=TensorTrain((3, 4), (2, 5), 2))
    ours.bias.data.fill_(1)
    ours.reset_parameters()
    assert ours.weight.to_dense().square().mean().item() == pytest.approx(1 / 12, rel=1e-5)
    assert not ours.bias.any()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 13), r"input has shape \(3, 13\): give a last axis of 12 features"),
        (torch.zeros(()), "input has shape"),
        (torch.zeros(3, 12, dtype=torch.float64), r"input is torch\.float64, but .* torch\.float32: convert"),
        (torch.zeros(3, 12, dtype=torch.int64), r"convert with input\.to\(torch\.float32\)$"),
    ],
)
@pytest.mark.parametrize("format", [None, TensorTrain((3, 4), (3, 2), 2)])
def test_wrong_input_is_refused(format: TensorTrain | None, x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Linear(12, 6, format=format)(x)


@pytest.mark.parametrize("format", [None, TensorTrain((3, 4), (2, 5), 2), HierarchicalTucker((3, 4), (2, 5), 2, 1)])
def test_compiles_into_one_graph(format: Format | None) -> None:
    torch._dynamo.reset()
    ours = Linear(12, 10, format=format, dtype=torch.float64)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    for rows in (3, 5):
        x = torch.randn(rows, 12, dtype=torch.float64, requires_grad=True)
        results = []
        for module in (ours, compiled):
            y = module(x)
            results.append((y, *torch.autograd.grad(y.square().sum(), [x, *ours.parameters()])))
        assert all((a - b).abs().max() < 1e-10 for a, b in zip(*results, strict=True))
