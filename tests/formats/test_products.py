"""Products with any network of any format, against its own dense matrix in float64."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from htzoo.formats import BlockTerm, Format, HierarchicalTucker, format_classes
from htzoo.formats.apply import multiply
from htzoo.formats.contract import frobenius_norm, to_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.search import plan
from tests.formats.shapes import networks, random_cores

CLASSES = format_classes().values()


@pytest.mark.parametrize("cls", CLASSES)
@settings(deadline=None, max_examples=15)
@given(st.data(), st.sampled_from([1, 5, 64]))
def test_product_and_gradients_equal_the_dense_matrix(cls: type[Format], data: st.DataObject, rows: int) -> None:
    network = data.draw(networks(cls))
    cores = random_cores(network)
    x = torch.randn(rows, network.in_features, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(rows, network.out_features, dtype=torch.float64)
    ours = multiply(network, cores, x)
    dense = x @ to_dense(network, cores).T
    assert (ours - dense).abs().max() < 1e-10 * (1 + dense.abs().max())
    for got, expected in zip(
        torch.autograd.grad(ours, [x, *cores], upstream), torch.autograd.grad(dense, [x, *cores], upstream), strict=True
    ):
        assert (got - expected).abs().max() < 1e-10 * (1 + expected.abs().max())


@pytest.mark.parametrize("cls", CLASSES)
@settings(deadline=None, max_examples=10)
@given(st.data(), st.sampled_from([None, 0.3]))
def test_norm_and_initial_variance_are_exact(cls: type[Format], data: st.DataObject, variance: float | None) -> None:
    network = data.draw(networks(cls))
    cores = random_cores(network)
    assert torch.isclose(frobenius_norm(network, cores), to_dense(network, cores).norm(), rtol=1e-10)
    initialize(network, cores, variance)
    expected = 1 / network.in_features if variance is None else variance
    assert to_dense(network, cores).square().mean().item() == pytest.approx(expected, rel=1e-10)


def test_one_chain_a_block_equals_the_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    network = BlockTerm((4, 3, 2), (2, 2, 3), 2, 3).network(24, 12, 4)
    cores = random_cores(network)
    one = replace(plan(network.slice("b"), 8), sliced="b")
    monkeypatch.setattr("htzoo.formats.chain.plan", lambda *_, **__: one)
    x = torch.randn(8, 24, dtype=torch.float64)
    ours, dense = multiply(network, cores, x), x @ to_dense(network, cores).T
    assert torch.allclose(ours, dense, rtol=1e-10)
    for got, expected in zip(
        torch.autograd.grad(ours.square().sum(), cores), torch.autograd.grad(dense.square().sum(), cores), strict=True
    ):
        assert torch.allclose(got, expected, rtol=1e-10)


def test_product_follows_double_backward() -> None:
    network = HierarchicalTucker((2, 3), (2, 2), 2, 1).network(6, 4)
    cores = random_cores(network)
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))
    assert torch.autograd.gradgradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))
