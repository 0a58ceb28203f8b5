"""Compiled products against PyTorch's in float64, which others compare with the dense matrix.

All numbers are whole, of which float32 makes no error.
"""

import importlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from htzoo.formats import (
    Dense,
    Format,
    HierarchicalTucker,
    TensorRing,
    TensorTrain,
    compiled_chain,
    format_classes,
    suggest,
)
from htzoo.formats.apply import backward_to_input, multiply, product
from htzoo.formats.chain import Chain, chain_of
from htzoo.formats.contract import to_dense
from htzoo.formats.machine import NATIVE, Machine
from htzoo.formats.network import Network
from htzoo.native.library import library, status
from tests.formats.shapes import UCF11, networks

pytestmark = pytest.mark.skipif(library() is None, reason=status())

CNN = [
    TensorRing((16, 16, 8), (16, 16, 8), 10),
    HierarchicalTucker((4, 8, 8, 8), (4, 8, 8, 8), 8, 8),
    TensorTrain((1, 2048), (2048, 1), 3),
]


def whole_numbers(shape: Sequence[int], seed: int) -> Tensor:
    """-1, 0 and 1; mostly 0 where there are many, so that sums of many products stay exact."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-1, 2, tuple(shape), generator=generator).float()
    return numbers * (torch.rand(numbers.shape, generator=generator) < 1000 / numbers.numel())


def machines() -> st.SearchStrategy[Machine]:
    """Machines on which other chains are the fastest."""
    names = ("macs", "memory_bytes", "kept_bytes", "cache_bytes", "values_reordered", "runs_reordered", "kernel")
    factors = st.tuples(*(st.sampled_from([0.1, 1.0, 10.0]) for _ in names))
    changed = factors.map(lambda found: replace(NATIVE, **{n: getattr(NATIVE, n) * f for n, f in zip(names, found)}))
    return st.builds(lambda machine, vector: replace(machine, vector=vector), changed, st.sampled_from([4, 8, 16]))


def check(network: Network, chain: Chain, rows: int, input_gradient: bool) -> None:
    """Outputs and gradients are those of PyTorch's products, to the bit."""
    cores = [whole_numbers(core.shape, k).requires_grad_() for k, core in enumerate(network.cores)]
    x = whole_numbers((rows, network.in_features), 100).requires_grad_(input_gradient)
    upstream = whole_numbers((rows, network.out_features), 101)
    assert chain.native
    wanted = [*cores, x] if input_gradient else cores
    found = product(chain, chain.matrices(cores), x)
    assert found.grad_fn is not None and compiled_chain.takes(chain, x.detach()) is False  # gradients are on
    expected = multiply(network, [core.double() for core in cores], x.double())
    assert torch.equal(found.double(), expected)
    d_found = torch.autograd.grad(found, wanted, upstream)
    d_expected = torch.autograd.grad(expected, wanted, upstream.double())
    for ours, others in zip(d_found, d_expected, strict=True):
        assert torch.equal(ours, others.float())
    with torch.no_grad():
        assert compiled_chain.takes(chain, x)
        d_x = backward_to_input(chain, chain.matrices(cores), upstream)
    x = x.detach().double().requires_grad_()
    (d_expected_x,) = torch.autograd.grad(multiply(network, [core.double() for core in cores], x), x, upstream.double())
    assert torch.equal(d_x, d_expected_x.float())


def chain_for(network: Network, rows: int, input_gradient: bool, machine: Machine) -> Chain:
    return importlib.import_module("htzoo.formats.chain")._chain(network, rows, input_gradient, machine)


@pytest.mark.parametrize("cls", [cls for cls in format_classes().values() if cls is not Dense])
@settings(deadline=None, max_examples=25)
@given(st.data(), st.sampled_from([1, 5, 13]), st.booleans(), machines())
def test_any_chain(cls: type[Format], data: st.DataObject, rows: int, input_gradient: bool, machine: Machine) -> None:
    network = data.draw(networks(cls))
    check(network, chain_for(network, rows, input_gradient, machine), rows, input_gradient)


@pytest.mark.parametrize("piece", [1, 2**20])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chosen", [*UCF11, *CNN])
def test_published_shapes_in_pieces_and_threads(
    chosen: Format, threads: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = chosen in UCF11
    network = chosen.network(*((57600, 256) if large else (2048, 2048)), 4)
    chain = chain_for(network, 96 if large else 400, not large, NATIVE)
    monkeypatch.setattr(compiled_chain, "NATIVE", replace(NATIVE, piece=piece))
    monkeypatch.setattr(compiled_chain, "_MIN_MACS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    check(network, chain, 7, not large)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("chosen", UCF11)
def test_what_is_kept_and_what_is_computed_again(chosen: Format, saved: bool) -> None:
    network = chosen.network(57600, 256, 4)
    chain = chain_for(network, 96, False, NATIVE)
    links = tuple(replace(link, saved=saved and k > 0) for k, link in enumerate(chain.links))
    check(network, replace(chain, links=links), 5, False)


def test_what_is_kept_is_reordered_by_a_copy() -> None:
    """The matrix behind the first product is narrow, and what comes into it is kept in another order."""
    network = TensorTrain((3, 12, 8, 10), (1, 5, 4, 1), 2).network(2880, 20)
    machine = replace(NATIVE, cache_bytes=NATIVE.cache_bytes / 10, kernel=NATIVE.kernel / 10)
    chain = chain_for(network, 7, True, machine)
    links = tuple(replace(link, saved=k > 0) for k, link in enumerate(chain.links))
    assert [link.permutation is not None for link in links] == [False, True]
    assert links[1].inner == 72 and links[1].outer == 5
    check(network, replace(chain, links=links), 5, True)


def test_only_float32_on_a_cpu_and_several_cores() -> None:
    cpu = torch.device("cpu")
    network = TensorTrain((2, 3), (2, 3), 2).network(6, 6)
    assert chain_of(network, 5, cpu, torch.float32, input_gradient=True).native
    assert not chain_of(network, 5, cpu, torch.float64, input_gradient=True).native
    assert not chain_of(network, 5, cpu, torch.bfloat16, input_gradient=True).native
    assert not chain_of(network, 5, torch.device("meta"), torch.float32, input_gradient=True).native
    dense = Dense().network(6, 6)
    assert not chain_of(dense, 5, cpu, torch.float32, input_gradient=True).native


def test_high_ranks_are_left_to_libraries() -> None:
    """Of a budget of a fifteenth, the products are hundreds of numbers long and wide."""
    cpu = torch.device("cpu")
    for budget, native in ((15, False), (150, True)):
        chosen = suggest("HierarchicalTucker", 768, 256, gates=4, budget=768 * 1024 // budget)
        network = chosen.network(768, 256, 4)
        assert chain_of(network, 1024, cpu, torch.float32, input_gradient=False).native is native


def test_inputs_that_are_not_contiguous() -> None:
    network = TensorTrain((2, 3), (2, 3), 2).network(6, 6)
    cores = [whole_numbers(core.shape, k) for k, core in enumerate(network.cores)]
    chain = chain_of(network, 5, torch.device("cpu"), torch.float32, input_gradient=True)
    x = whole_numbers((6, 5), 3).T
    with torch.no_grad():
        assert torch.equal(product(chain, chain.matrices(cores), x), x @ to_dense(network, cores).T)


def test_no_rows() -> None:
    network = TensorTrain((2, 3), (2, 3), 2).network(6, 6)
    cores = [whole_numbers(core.shape, k).requires_grad_() for k, core in enumerate(network.cores)]
    chain = chain_of(network, 5, torch.device("cpu"), torch.float32, input_gradient=True)
    y = product(chain, chain.matrices(cores), torch.empty(0, 6))
    assert y.shape == (0, 6)
    assert all(not gradient.any() for gradient in torch.autograd.grad(y.sum(), cores))
