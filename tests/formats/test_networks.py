"""Every format against its own dense matrix, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from htzoo.formats import Dense, Format, HierarchicalTucker, TensorTrain, format_from_dict
from htzoo.formats.initialize import initialize
from htzoo.formats.merge import frobenius_norm, to_dense
from htzoo.formats.multiply import multiply
from htzoo.formats.network import Network
from htzoo.formats.plan import GPU, plan

HT_UCF11 = HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5)


@st.composite
def formats(draw: st.DrawFn) -> tuple[Format, int, int]:
    """A format with two to six modes, and the features that it stands for."""
    count = draw(st.integers(2, 6))
    modes = st.lists(st.integers(1, 4 if count < 5 else 3), min_size=count, max_size=count)
    in_modes, out_modes = tuple(draw(modes)), tuple(draw(modes))
    kind = draw(st.sampled_from(["TT", "HT", "dense"]))
    sizes = math.prod(in_modes), math.prod(out_modes)
    if kind == "dense":
        return Dense(), *sizes
    if kind == "TT":
        ranks = draw(st.lists(st.integers(1, 4), min_size=count - 1, max_size=count - 1))
        return TensorTrain(in_modes, out_modes, tuple(ranks)), *sizes
    return HierarchicalTucker(in_modes, out_modes, draw(st.integers(1, 3)), draw(st.integers(1, 3))), *sizes


def build(drawn: tuple[Format, int, int], gates: int) -> tuple[Network, list[torch.Tensor]] | None:
    """The network with random cores, or None where the drawn ranks are more than the modes allow."""
    chosen, in_features, out_features = drawn
    try:
        network = chosen.network(in_features, out_features, gates)
    except ValueError:  # what it says is tested below
        return None
    generator = torch.Generator().manual_seed(0)
    cores = [torch.randn(core.shape, generator=generator, dtype=torch.float64) for core in network.cores]
    return network, [core.requires_grad_() for core in cores]


@settings(deadline=None, max_examples=50)
@given(formats(), st.sampled_from([1, 3, 4]), st.sampled_from([1, 5, 64]))
def test_product_and_gradients_equal_the_dense_matrix(drawn: tuple[Format, int, int], gates: int, rows: int) -> None:
    built = build(drawn, gates)
    if built is None:
        return
    network, cores = built
    x = torch.randn(rows, network.in_features, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(rows, network.out_features, dtype=torch.float64)
    ours = multiply(network, cores, x)
    dense = x @ to_dense(network, cores).T
    scale = 1 + dense.abs().max()
    assert (ours - dense).abs().max() < 1e-10 * scale
    for got, expected in zip(
        torch.autograd.grad(ours, [x, *cores], upstream), torch.autograd.grad(dense, [x, *cores], upstream), strict=True
    ):
        assert (got - expected).abs().max() < 1e-10 * (1 + expected.abs().max())


@settings(deadline=None, max_examples=40)
@given(formats(), st.sampled_from([1, 4]))
def test_norm_and_initial_variance_are_exact(drawn: tuple[Format, int, int], gates: int) -> None:
    built = build(drawn, gates)
    if built is None:
        return
    network, cores = built
    assert torch.isclose(frobenius_norm(network, cores), to_dense(network, cores).norm(), rtol=1e-10)
    for variance in (None, 0.3):
        initialize(network, cores, variance)
        expected = 1 / network.in_features if variance is None else variance
        assert to_dense(network, cores).square().mean().item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("chosen", "gates", "count"),
    [
        (HT_UCF11, 4, 1245),
        (HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 3, 3), 4, 810),
        (TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4), 4, 3360),
        (TensorTrain((4, 20, 20, 36), (4, 4, 4, 4), 4), 4, 3392),
        (TensorTrain((4, 20, 20, 36), (4, 4, 4, 4), 4), 3, 3328),
        (Dense(), 4, 58982400),
    ],
)
def test_published_counts(chosen: Format, gates: int, count: int) -> None:
    assert chosen.network(57600, 256, gates).num_parameters == count


def test_many_modes() -> None:
    """More labels than the alphabet has letters."""
    network = TensorTrain((1,) * 12 + (2, 2), (1,) * 12 + (2, 2), 1).network(4, 4)
    assert to_dense(network, [torch.ones(core.shape) for core in network.cores]).tolist() == [[1.0] * 4] * 4


def test_first_entry_of_a_tensor_train_is_the_product_of_its_slices() -> None:
    """The definition, written out once without any of our code."""
    network = TensorTrain((2, 3), (2, 2), 2).network(6, 4)
    first, second = (torch.randn(core.shape, dtype=torch.float64) for core in network.cores)
    matrix = to_dense(network, [first, second])
    for o1, o2, i1, i2 in [(0, 0, 0, 0), (1, 0, 1, 2), (1, 1, 0, 1)]:
        entry = sum(first[i1, o1, r] * second[r, i2, o2] for r in range(2))
        assert torch.isclose(matrix[o1 * 2 + o2, i1 * 3 + i2], torch.as_tensor(entry))


def test_one_entry_of_a_hierarchical_tucker_is_the_sum_over_its_tree() -> None:
    network = HierarchicalTucker((2, 3, 2), (2, 2, 2), 2, 2).network(12, 8)
    cores = {core.name: torch.randn(core.shape, dtype=torch.float64) for core in network.cores}
    matrix = to_dense(network, list(cores.values()))
    o, i = (1, 0, 1), (1, 2, 0)
    leaves = [cores[f"leaf_{k}"][:, i[k - 1], o[k - 1]] for k in (1, 2, 3)]
    right = torch.einsum("kpq,p,q->k", cores["transfer_2_3"], leaves[1], leaves[2])
    entry = torch.einsum("pq,p,q->", cores["transfer_1_3"], leaves[0], right)
    assert torch.isclose(matrix[o[0] * 4 + o[1] * 2 + o[2], i[0] * 6 + i[1] * 2 + i[2]], entry)


def test_five_modes_give_the_published_tree() -> None:
    names = [core.name for core in HT_UCF11.network(57600, 256, 4).cores if core.name.startswith("transfer")]
    assert sorted(names) == ["transfer_1_2", "transfer_1_5", "transfer_3_5", "transfer_4_5"]


@pytest.mark.parametrize("chosen", [HT_UCF11, TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4)])
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
    assert multiply_adds < 58982400 / 8  # papers.md's two-product form needs 1/11.8 of the dense count
    assert plan(network, 128) is found  # cached
    assert plan(network, 128, machine=GPU).products


def test_product_follows_double_backward() -> None:
    built = build((HierarchicalTucker((2, 3), (2, 2), 2, 1), 6, 4), 1)
    assert built is not None
    network, cores = built
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))
    assert torch.autograd.gradgradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))


@pytest.mark.parametrize("chosen", [HT_UCF11, TensorTrain((2, 3, 4), (2, 2, 2), (2, 3)), Dense()])
def test_plain_data_round_trip(chosen: Format) -> None:
    assert format_from_dict(chosen.to_dict()) == chosen
    assert hash(format_from_dict(chosen.to_dict())) == hash(chosen)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "HierarchicalTuckr"}, "did you mean HierarchicalTucker"),
        ({}, "format name is None"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2]}, "rank"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2], "rank": 2, "rnk": 1}, "rnk"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2], "rank": [1, 2]}, "one number, or 1 of them"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2], "rank": 2}, "same number of modes"),
        ({"name": "TensorTrain", "in_modes": [2, 0], "out_modes": [2, 2], "rank": 2}, "in_modes is"),
        ({"name": "TensorTrain", "in_modes": "23", "out_modes": [2, 2], "rank": 2}, "in_modes is '23'"),
        (
            {"name": "HierarchicalTucker", "in_modes": [2, 3], "out_modes": [2, 2], "leaf_rank": True, "inner_rank": 1},
            "leaf_rank",
        ),
    ],
)
def test_wrong_formats_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        format_from_dict(values)


def test_modes_and_ranks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in_modes .* multiply to 57,600, but the input has 14,400 features"):
        HT_UCF11.network(14400, 256, 4)
    with pytest.raises(ValueError, match=r"out_modes .* multiply to 256, but the output has 128 features"):
        HT_UCF11.network(57600, 128, 4)
    with pytest.raises(ValueError, match=r"rank 9 on edge r1 .* give a rank of at most 4"):
        TensorTrain((2, 9), (2, 9), 9).network(18, 18)
