"""Plans: short, found quickly, without copies where the published shapes allow it."""

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
from htzoo.formats.cost_model import CostModel, plan_macs
from htzoo.formats.machine import CPU, GPU, Machine
from htzoo.formats.search import plan
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
def test_planning_looks_at_few_steps(chosen: Format, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exhaustive search would price millions; 20,000 take a fraction of a second."""
    network = chosen.network(57600, 256, 4) if chosen in UCF11 else chosen.network(729, 729, 4)
    price, priced = CostModel.step, []
    monkeypatch.setattr(CostModel, "step", lambda *arguments: priced.append(arguments) or price(*arguments))
    assert plan.__wrapped__(network, 96, input_gradient=True, machine=machine).steps
    assert 0 < len(priced) < 20_000


@pytest.mark.parametrize("chosen", [HT_UCF11, TT_UCF11])
def test_plan_is_a_short_chain_without_copies(chosen: Format) -> None:
    network = chosen.network(57600, 256, 4)
    found = plan(network, 128)
    assert len(found.steps) <= 3
    assert found.permutation is None
    assert all(step.permutation is None for step in found.steps)
    assert plan_macs(network, found) < 58982400 / 8  # merging both halves of the tree needs 1/11.8 of the dense count
    assert plan(network, 128) is found  # cached
    assert plan(network, 128, machine=GPU).steps


@pytest.mark.parametrize("rows", [1, 96])
def test_ring_is_never_built_whole(rows: int) -> None:
    """Many small groups of a ring look cheap at first, and must not crowd out the short chain."""
    network = TR_UCF11.network(57600, 256, 4)
    assert max(network.size((*step.contracted, *step.new)) for step in plan(network, rows).steps) < 57600 * 60


def test_blocks_are_multiplied_one_by_one() -> None:
    assert plan(BT_UCF11.network(57600, 256, 4), 128).sliced == "b"
