"""Products in pieces, against the dense matrix in float64."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from htzoo.formats import BlockTerm, Format, HierarchicalTucker, TensorRing, TensorTrain
from htzoo.formats.apply import multiply, product, rows_at_once
from htzoo.formats.chain import Chain, chain_of
from htzoo.formats.contract import to_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.machine import CPU

ROWS = 11
CHOSEN = {
    "ht": HierarchicalTucker((3, 4, 5), (2, 3, 2), leaf_rank=3, inner_rank=3),
    "tt": TensorTrain((3, 4, 5), (2, 3, 2), 3),
    "tr": TensorRing((3, 4, 5), (4, 3), 3),
    "bt": BlockTerm((3, 4, 5), (2, 3, 2), rank=2, blocks=2),
}


def weight(chosen: Format) -> tuple[Chain, list[Tensor], list[Tensor], Tensor]:
    """A chain, its cores, its matrices and inputs."""
    torch.manual_seed(0)
    network = chosen.network(60, 12)
    cores = [torch.empty(core.shape, dtype=torch.float64, requires_grad=True) for core in network.cores]
    initialize(network, cores)
    x = torch.randn(ROWS, 60, dtype=torch.float64, requires_grad=True)
    chain = chain_of(network, ROWS, x.device, x.dtype, input_gradient=True)
    return chain, cores, chain.matrices(cores), x


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("pieces", [1, 4, ROWS])
@pytest.mark.parametrize("name", CHOSEN)
def test_pieces_give_the_gradients_of_the_whole(
    name: str, pieces: int, saved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of the cache, and whether the backward finds what came into a product or computes it again."""
    chain, cores, _, x = weight(CHOSEN[name])
    links = tuple(replace(link, saved=saved and k > 0) for k, link in enumerate(chain.links))
    chain = replace(chain, links=links, between=max(chain.between, 1))
    threads = torch.get_num_threads()
    cache = ROWS * chain.between * 8 / pieces / threads
    monkeypatch.setattr("htzoo.formats.apply.CPU", replace(CPU, cache=cache))
    assert -(-ROWS // rows_at_once(chain, x)) == pieces
    network = CHOSEN[name].network(60, 12)
    upstream = torch.randn(ROWS, 12, dtype=torch.float64)
    results = []
    for y in (product(chain, chain.matrices(cores), x), x @ to_dense(network, cores).T):
        results.append((y, *torch.autograd.grad(y, [x, *cores], upstream)))
    assert all((a - b).abs().max() < 1e-10 for a, b in zip(*results, strict=True))


def test_the_backward_has_the_pieces_of_the_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the number of threads, of which their size depends, has changed in between."""
    chain, cores, _, x = weight(CHOSEN["tr"])
    assert chain.num_saved == 1
    expected = torch.autograd.grad(product(chain, chain.matrices(cores), x).sum(), cores)
    for before, after in ((0.3, 0.1), (0.1, 0.3)):
        monkeypatch.setattr("htzoo.formats.apply.CPU", replace(CPU, cache=before * ROWS * chain.between * 8))
        y = product(chain, chain.matrices(cores), x).sum()
        monkeypatch.setattr("htzoo.formats.apply.CPU", replace(CPU, cache=after * ROWS * chain.between * 8))
        found = torch.autograd.grad(y, cores)
        assert all((a - b).abs().max() < 1e-10 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", CHOSEN)
def test_second_derivatives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, cores, _, x = weight(CHOSEN[name])
    monkeypatch.setattr("htzoo.formats.apply.CPU", replace(CPU, cache=1))  # a row at a time
    network = CHOSEN[name].network(60, 12)
    short = x[:3].detach().requires_grad_()
    inputs = (short, *cores)
    assert torch.autograd.gradgradcheck(lambda x, *cores: multiply(network, cores, x), inputs, fast_mode=True)


def test_gradient_of_the_input_alone_and_of_the_matrices_alone() -> None:
    chain, _, matrices, x = weight(CHOSEN["ht"])
    fixed = [matrix.detach() for matrix in matrices]
    upstream = torch.randn(ROWS, 12, dtype=torch.float64)
    (both, *d_both) = torch.autograd.grad(product(chain, matrices, x), [x, *matrices], upstream)
    (d_x,) = torch.autograd.grad(product(chain, fixed, x), x, upstream)
    d_matrices = torch.autograd.grad(product(chain, matrices, x.detach()), matrices, upstream)
    assert (d_x - both).abs().max() < 1e-12
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(d_matrices, d_both, strict=True))


def test_function_transforms() -> None:
    """torch.func's gradients, and one gradient a row by vmap."""
    _, cores, _, x = weight(CHOSEN["tt"])
    network = CHOSEN["tt"].network(60, 12)
    values = tuple(core.detach() for core in cores)

    def loss(cores: tuple[Tensor, ...], x: Tensor) -> Tensor:
        return multiply(network, cores, x.reshape(-1, 60)).square().sum()

    whole = torch.func.grad(loss)(values, x.detach())
    rows = torch.func.vmap(torch.func.grad(loss), (None, 0))(values, x.detach())
    expected = torch.autograd.grad(loss(tuple(cores), x), cores)
    for found, by_row, gradient in zip(whole, rows, expected, strict=True):
        assert (found - gradient).abs().max() < 1e-10
        assert (by_row.sum(0) - gradient).abs().max() < 1e-10
