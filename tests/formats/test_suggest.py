"""Suggested shapes stay within the budget."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from htzoo.formats import (
    Format,
    HierarchicalTucker,
    LowRank,
    ModeFormat,
    TensorTrain,
    count_macs,
    format_classes,
    suggest,
)
from htzoo.formats.suggest import MAX_MODES, balanced_modes

CLASSES = [cls for cls in format_classes().values() if issubclass(cls, ModeFormat)]
SMOOTH = [16, 24, 36, 60, 96, 128, 210, 256, 1000, 2048, 57600]


@settings(deadline=None, max_examples=30)
@given(
    cls=st.sampled_from(CLASSES),
    in_features=st.sampled_from(SMOOTH),
    out_features=st.sampled_from(SMOOTH[:-1]),
    gates=st.sampled_from([1, 3, 4]),
    budget=st.integers(500, 30_000),
)
def test_fits_the_budget_and_the_sizes(
    cls: type[Format], in_features: int, out_features: int, gates: int, budget: int
) -> None:
    try:
        found = suggest(cls, in_features, out_features, gates=gates, budget=budget)
    except ValueError as error:
        message = str(error)
        assume("stays within" not in message)  # nothing fits so small a budget
        raise
    assert isinstance(found, cls) and isinstance(found, ModeFormat)
    assert math.prod(found.in_modes) == in_features and math.prod(found.out_modes) == out_features
    assert found.network(in_features, out_features, gates).num_parameters <= budget


@pytest.mark.parametrize("cls", CLASSES)
def test_fits_both_limits(cls: type[Format]) -> None:
    found = suggest(cls, 2048, 256, gates=4, budget=8000, macs=200_000)
    network = found.network(2048, 256, 4)
    assert network.num_parameters <= 8000 and count_macs(network, 128) <= 200_000


@pytest.mark.parametrize("cls", CLASSES)
def test_no_rank_can_be_raised_alone_or_uses_most_of_the_budget(cls: type[Format]) -> None:
    network = suggest(cls, 57600, 256, gates=4, budget=4000).network(57600, 256, 4)
    assert network.num_parameters > 2000


def test_low_rank_fits_any_size() -> None:
    found = suggest("lowrank", 257, 101, gates=4, budget=2000)
    assert found == LowRank(2000 // (257 + 4 * 101))


def test_a_larger_budget_is_used() -> None:
    ranks = [suggest("CP", 57600, 256, gates=4, budget=budget).to_dict()["rank"] for budget in (500, 1000, 4000)]
    assert ranks == sorted(set(ranks))


def test_close_to_the_published_shape_of_ucf11() -> None:
    found = suggest(HierarchicalTucker, 57600, 256, gates=4, budget=1300)
    assert isinstance(found, HierarchicalTucker)
    published = HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 4, 5).network(57600, 256, 4)
    ours = found.network(57600, 256, 4)
    assert min(found.leaf_rank, found.inner_rank) >= 4
    assert count_macs(ours, 128) <= count_macs(published, 128)


def test_gates_count() -> None:
    alone = suggest(TensorTrain, 1024, 256, budget=2000).network(1024, 256)
    assert (
        alone.num_parameters <= 2000 < suggest(TensorTrain, 1024, 256, budget=2000).network(1024, 256, 4).num_parameters
    )


@given(size=st.integers(2, 5000), count=st.integers(1, MAX_MODES))
def test_balanced_modes_multiply_and_none_is_missed(size: int, count: int) -> None:
    modes = balanced_modes(size, count)
    primes = sum(1 for _ in _prime_factors(size))
    assert bool(modes) == (primes >= count)
    if modes:
        assert len(modes) == count and math.prod(modes) == size and min(modes) > 1
        assert list(modes) == sorted(modes)


def test_balanced_modes_of_the_frames() -> None:
    assert balanced_modes(57600, 2) == (240, 240)
    assert balanced_modes(57600, 4) == (15, 15, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dense", 64, 64), "format is 'dense', which has no ranks to choose: give one of bt, cp, ht"),
        (("tensor", 64, 64), "no format 'tensor'"),
        (("TensorTrain", 0, 64), "in_features is 0: give a whole number above zero"),
        (("TensorTrain", 64, 257), r"out_features is 257, which has no factors to be modes: .* such as 256"),
        (("CP", 57601, 256), r"in_features is 57,601, which has no factors to be modes"),
    ],
)
def test_bad_sizes(arguments: tuple[str, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suggest(*arguments, budget=1000)


def test_bad_budgets() -> None:
    with pytest.raises(ValueError, match="neither budget nor macs is given"):
        suggest("CP", 64, 64)
    with pytest.raises(ValueError, match="macs is -1: give a whole number above zero"):
        suggest("CP", 64, 64, macs=-1)
    with pytest.raises(ValueError, match=r"stays within 10 parameters: the smallest tried has [\d,]+ parameters"):
        suggest("TensorTrain", 57600, 256, budget=10)
    with pytest.raises(ValueError, match="or choose sizes without the prime factor 113"):
        suggest("TensorTrain", 57856, 256, gates=4, budget=300)


def _prime_factors(size: int) -> list[int]:
    return next(([f, *_prime_factors(size // f)] for f in range(2, size) if size % f == 0), [size])
