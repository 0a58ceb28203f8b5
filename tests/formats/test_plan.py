"""Plans: short, found quickly, without copies where the published shapes allow it."""

import importlib

import pytest

from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
)
from htzoo.formats.plan import CPU, GPU, Machine, plan
from tests.formats.shapes import BT_UCF11, HT_UCF11, TR_UCF11, TT_UCF11, UCF11

SMALL = [
    CP((3,) * 6, (3,) * 6, 4),
    BlockTerm((3,) * 6, (3,) * 6, 3, 2),
    HierarchicalTucker((3,) * 6, (3,) * 6, 3, 3),
    KroneckerCP((3,) * 6, (3,) * 6, 2, 3),
    TensorRing((3,) * 6, (3,) * 6, 4),
    TensorTrain((3,) * 6, (3,) * 6, 4),
    Tucker((3,) * 6, (3,) * 6, 2),
]


@pytest.mark.parametrize("machine", [CPU, GPU])
@pytest.mark.parametrize("chosen", [*UCF11, *SMALL])
def test_planning_looks_at_few_links(chosen: Format, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exhaustive search would price millions; 20,000 take a fraction of a second."""
    network = chosen.network(57600, 256, 4) if chosen in UCF11 else chosen.network(729, 729, 4)
    module = importlib.import_module("htzoo.formats.plan")
    price, priced = module._seconds, []
    monkeypatch.setattr(module, "_seconds", lambda *link: priced.append(link) or price(*link))
    assert plan.__wrapped__(network, 96, input_gradient=True, machine=machine).products
    assert 0 < len(priced) < 20_000


@pytest.mark.parametrize("chosen", [HT_UCF11, TT_UCF11])
def test_plan_is_a_short_chain_without_copies(chosen: Format) -> None:
    network = chosen.network(57600, 256, 4)
    found = plan(network, 128)
    assert len(found.products) <= 3
    assert found.permutation is None
    assert all(product.permutation is None for product in found.products)
    multiply_adds = 0
    for product in found.products:
        inner, outer = network.size(product.contracted), network.size(product.new)
        multiply_adds += product.before * product.after * inner * outer
    assert multiply_adds < 58982400 / 8  # merging both halves of the tree needs 1/11.8 of the dense count
    assert plan(network, 128) is found  # cached
    assert plan(network, 128, machine=GPU).products


@pytest.mark.parametrize("rows", [1, 96])
def test_ring_is_never_built_whole(rows: int) -> None:
    """Many small groups of a ring look cheap at first, and must not crowd out the short chain."""
    network = TR_UCF11.network(57600, 256, 4)
    assert max(network.size((*link.contracted, *link.new)) for link in plan(network, rows).products) < 57600 * 60


def test_blocks_are_multiplied_one_by_one() -> None:
    assert plan(BT_UCF11.network(57600, 256, 4), 128).split == "b"
