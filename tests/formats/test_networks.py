"""Every format against its own dense matrix, in float64."""

import importlib
import math
from dataclasses import replace

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from htzoo.formats import (
    CP,
    FORMATS,
    BlockTerm,
    Dense,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
    format_from_dict,
)
from htzoo.formats.apply import multiply
from htzoo.formats.contract import frobenius_norm, to_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.network import Network
from htzoo.formats.plan import CPU, GPU, Machine, plan

HT_UCF11 = HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5)


TT_UCF11 = TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4)
TR_UCF11 = TensorRing((4, 2, 5, 8, 6, 5, 3, 2), (4, 4, 2, 4, 2), (10, *[5] * 12))
BT_UCF11 = BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), 4, 2)
CP_UCF11 = CP((8, 20, 20, 18), (4, 4, 4, 4), 10)
KCP_UCF11 = KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), 2, 1)
TUCKER_UCF11 = Tucker((8, 20, 20, 18), (4, 4, 4, 4), 2)
UCF11 = [HT_UCF11, TT_UCF11, TR_UCF11, BT_UCF11, CP_UCF11, KCP_UCF11, TUCKER_UCF11]


@st.composite
def trees(draw: st.DrawFn, count: int) -> object:
    """A dimension tree over the modes 1 to ``count``, in any order."""
    nodes: list[object] = list(draw(st.permutations(range(1, count + 1))))
    while len(nodes) > 1:
        right = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        left = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        nodes.append((left, right))
    return nodes[0]


@st.composite
def formats(draw: st.DrawFn, names: tuple[str, ...] = tuple(FORMATS)) -> tuple[Format, int, int]:
    """A format with two to six modes, and the features that it stands for."""

    def modes(count: int) -> tuple[int, ...]:
        size = st.integers(1, 4 if count < 5 else 3)
        return tuple(draw(st.lists(size, min_size=count, max_size=count)))

    def ranks(count: int) -> int | tuple[int, ...]:
        several = st.lists(st.integers(1, 4), min_size=count, max_size=count).map(tuple)
        return draw(st.one_of(st.integers(1, 3), several))

    name = draw(st.sampled_from(names))
    count = draw(st.integers(2, 6))
    in_modes, out_modes = modes(count), modes(count)
    if name in ("TensorRing", "CP", "Tucker"):
        in_modes, out_modes = modes(draw(st.integers(1, 6))), modes(draw(st.integers(1, 5)))
    number = st.integers(1, 3)
    chosen: Format
    match name:
        case "Dense":
            chosen = Dense()
        case "TensorTrain":
            chosen = TensorTrain(in_modes, out_modes, ranks(count - 1))
        case "TensorRing":
            chosen = TensorRing(in_modes, out_modes, ranks(len(in_modes) + len(out_modes)))
        case "Tucker":
            whole = st.tuples(*(st.integers(1, min(size, 2)) for size in (*in_modes, *out_modes)))
            chosen = Tucker(in_modes, out_modes, draw(whole))
        case "CP":
            chosen = CP(in_modes, out_modes, draw(number))
        case "KroneckerCP":
            chosen = KroneckerCP(in_modes, out_modes, draw(number), draw(number))
        case "BlockTerm":
            chosen = BlockTerm(in_modes, out_modes, draw(st.integers(1, 2)), draw(number))
        case _:
            tree = draw(st.one_of(st.none(), trees(count)))
            chosen = HierarchicalTucker(in_modes, out_modes, draw(number), draw(number), tree)  # type: ignore[arg-type]
    return chosen, math.prod(in_modes), math.prod(out_modes)


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


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=15)
@given(st.data(), st.sampled_from([1, 3, 4]), st.sampled_from([1, 5, 64]))
def test_product_and_gradients_equal_the_dense_matrix(name: str, data: st.DataObject, gates: int, rows: int) -> None:
    built = build(data.draw(formats((name,))), gates)
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


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=10)
@given(st.data(), st.sampled_from([1, 4]))
def test_norm_and_initial_variance_are_exact(name: str, data: st.DataObject, gates: int) -> None:
    built = build(data.draw(formats((name,))), gates)
    if built is None:
        return
    network, cores = built
    assert torch.isclose(frobenius_norm(network, cores), to_dense(network, cores).norm(), rtol=1e-10)
    for variance in (None, 0.3):
        initialize(network, cores, variance)
        expected = 1 / network.in_features if variance is None else variance
        assert to_dense(network, cores).square().mean().item() == pytest.approx(expected, rel=1e-10)


FEATURES = (2048, 2048)  # of a CNN, to an LSTM
HOLLYWOOD2 = TensorTrain((10, 18, 13, 30), (4, 4, 4, 4), 4)


@pytest.mark.parametrize(
    ("chosen", "features", "gates", "count"),
    [
        (HT_UCF11, (57600, 256), 4, 1245),
        (HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 3, 3), (57600, 256), 4, 810),
        (TT_UCF11, (57600, 256), 4, 3360),
        (TT_UCF11, (57600, 256), 3, 3232),
        (TensorTrain((4, 20, 20, 36), (4, 4, 4, 4), 4), (57600, 256), 4, 3392),
        (TensorTrain((4, 20, 20, 36), (4, 4, 4, 4), 4), (57600, 256), 3, 3328),
        (HOLLYWOOD2, (70200, 256), 3, 2944),
        (HOLLYWOOD2, (70200, 256), 4, 3104),
        (BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), 1, 2), (57600, 256), 4, 722),
        (BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), 2, 2), (57600, 256), 4, 1472),
        (BT_UCF11, (57600, 256), 4, 3392),
        (TR_UCF11, (57600, 256), 4, 1725),
        (TensorRing((64, 32), (32, 64), (40, 60, 48, 48)), FEATURES, 4, 663552),
        (TensorRing((64, 32), (32, 64), (52, 17, 34, 37)), FEATURES, 4, 359232),  # PSTRN-M
        (TensorRing((64, 32), (32, 64), (45, 42, 36, 42)), FEATURES, 4, 483840),  # PSTRN-S
        (KCP_UCF11, (57600, 256), 4, 212),  # one of many shapes that give the published 278,219x
        # TedNet's five
        (TensorRing((64, 32), (32, 64), 20), FEATURES, 4, 115200),
        (TensorTrain((64, 32), (32, 64), 10), FEATURES, 4, 102400),
        (BlockTerm((64, 32), (32, 64), 5, 2), FEATURES, 4, 102450),
        (CP((64, 32), (32, 64), 400), FEATURES, 4, 115200),
        (Tucker((16, 16, 8), (2048,), (10, 16, 8, 10)), FEATURES, 4, 94880),
        (Dense(), (57600, 256), 4, 58982400),
    ],
)
def test_published_counts(chosen: Format, features: tuple[int, int], gates: int, count: int) -> None:
    assert chosen.network(*features, gates).num_parameters == count


@pytest.mark.parametrize(
    ("chosen", "terms", "numbers"),
    [
        (TT_UCF11, 4**3, 4),
        (TR_UCF11, 10 * 5**12, 8 + 5),
        (BT_UCF11, 2 * 4**4, 4 + 1),
        (HT_UCF11, 4**5 * 5**3, 2 * 5 - 1),
        (CP_UCF11, 10, 4 + 4),
        (KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), 2, 3), 3 * 2**4, 2 * 4),
        (TUCKER_UCF11, 2**8, 8 + 1),
    ],
)
def test_an_entry_is_a_sum_of_terms_of_as_many_numbers_as_cores(chosen: Format, terms: int, numbers: int) -> None:
    """An entry is a sum of T products of L numbers; an edge that many cores share counts once."""
    network = chosen.network(57600, 256, 4)
    assert network.num_terms == terms
    assert len(network.cores) == numbers


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


def entry(chosen: Format, o: tuple[int, ...], i: tuple[int, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One entry of a matrix with random cores, and the cores."""
    network = chosen.network(math.prod(chosen.in_modes), math.prod(chosen.out_modes))  # type: ignore[attr-defined]
    cores = {core.name: torch.randn(core.shape, dtype=torch.float64) for core in network.cores}
    matrix = to_dense(network, list(cores.values()))
    return matrix.reshape(*chosen.out_modes, *chosen.in_modes)[(*o, *i)], cores  # type: ignore[attr-defined]


def test_one_entry_of_a_tensor_ring_is_the_trace_of_its_slices() -> None:
    found, cores = entry(TensorRing((2, 3), (4,), (2, 3, 4)), (3,), (1, 2))
    slices = cores["in_core_1"][:, 1], cores["in_core_2"][:, 2], cores["out_core_1"][:, 3]
    assert torch.isclose(found, torch.linalg.multi_dot(slices).trace())


def test_one_entry_of_a_block_term_is_the_sum_of_its_blocks() -> None:
    found, cores = entry(BlockTerm((2, 3), (3, 2), 2, 3), (2, 1), (1, 2))
    first, second = cores["factor_1"][:, 1, 2], cores["factor_2"][:, 2, 1]
    assert torch.isclose(found, sum(cores["core"][b] @ second[b] @ first[b] for b in range(3)))


def test_kronecker_cp_is_a_sum_of_kronecker_products() -> None:
    network = KroneckerCP((2, 3), (3, 2), 2, 3).network(6, 6)
    cores = {core.name: torch.randn(core.shape, dtype=torch.float64) for core in network.cores}
    factors = [cores[f"out_factor_{k}"].mT @ cores[f"in_factor_{k}"] for k in (1, 2)]
    expected = sum(torch.kron(factors[0][t], factors[1][t]) for t in range(3))
    assert torch.allclose(to_dense(network, list(cores.values())), expected)


def test_one_entry_of_a_cp_is_a_sum_of_products() -> None:
    found, cores = entry(CP((2, 3), (4,), 5), (3,), (1, 2))
    assert torch.isclose(found, (cores["in_factor_1"][1] * cores["in_factor_2"][2] * cores["out_factor_1"][3]).sum())


def test_one_entry_of_a_tucker_contracts_its_core() -> None:
    found, cores = entry(Tucker((3, 2), (4,), (2, 2, 3)), (3,), (1, 0))
    expected = cores["in_factor_1"][1] @ cores["core"][:, 0] @ cores["out_factor_1"][3]  # core axes r_i1, i2, r_o1
    assert list(cores) == ["core", "in_factor_1", "out_factor_1"]
    assert torch.isclose(found, expected)


def test_five_modes_give_the_published_tree() -> None:
    names = [core.name for core in HT_UCF11.network(57600, 256, 4).cores if core.name.startswith("transfer")]
    assert sorted(names) == ["transfer_1_2", "transfer_1_5", "transfer_3_5", "transfer_4_5"]


def test_a_given_tree_names_its_nodes() -> None:
    tree = [[1, [3, 5]], [2, 4]]
    chosen = HierarchicalTucker((2,) * 5, (2,) * 5, 2, 2, tree)  # type: ignore[arg-type]
    assert chosen.tree == ((1, (3, 5)), (2, 4))
    names = [core.name for core in chosen.network(32, 32).cores if core.name.startswith("transfer")]
    assert sorted(names) == ["transfer_1_5", "transfer_1_and_3_and_5", "transfer_2_and_4", "transfer_3_and_5"]
    balanced = HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), 4, 5, ((1, 2), (3, (4, 5))))
    assert balanced.network(57600, 256, 4) == HT_UCF11.network(57600, 256, 4)


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


def test_one_chain_a_block_equals_the_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(BT_UCF11.network(57600, 256, 4), 128).split == "b"
    built = build((BlockTerm((4, 3, 2), (2, 2, 3), 2, 3), 24, 12), 4)
    assert built is not None
    network, cores = built
    one = replace(plan(network.slice("b"), 8), split="b")
    monkeypatch.setattr("htzoo.formats.chain.plan", lambda *_, **__: one)
    x = torch.randn(8, 24, dtype=torch.float64)
    ours, dense = multiply(network, cores, x), x @ to_dense(network, cores).T
    assert torch.allclose(ours, dense, rtol=1e-10)
    for got, expected in zip(
        torch.autograd.grad(ours.square().sum(), cores), torch.autograd.grad(dense.square().sum(), cores), strict=True
    ):
        assert torch.allclose(got, expected, rtol=1e-10)


@pytest.mark.parametrize("rows", [1, 96])
def test_ring_is_never_built_whole(rows: int) -> None:
    """Many small groups of a ring look cheap at first, and must not crowd out the short chain."""
    network = TR_UCF11.network(57600, 256, 4)
    assert max(network.size((*link.contracted, *link.new)) for link in plan(network, rows).products) < 57600 * 60


def test_product_follows_double_backward() -> None:
    built = build((HierarchicalTucker((2, 3), (2, 2), 2, 1), 6, 4), 1)
    assert built is not None
    network, cores = built
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))
    assert torch.autograd.gradgradcheck(lambda *inputs: multiply(network, inputs[1:], inputs[0]), (x, *cores))


@pytest.mark.parametrize(
    "chosen",
    [
        *UCF11,
        TensorTrain((2, 3, 4), (2, 2, 2), (2, 3)),
        HierarchicalTucker((2, 3, 4), (2, 2, 2), 2, 2, ((1, 3), 2)),
        Dense(),
    ],
)
def test_plain_data_round_trip(chosen: Format) -> None:
    assert format_from_dict(yaml.safe_load(yaml.safe_dump(chosen.to_dict()))) == chosen
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
        ({**HT_UCF11.to_dict(), "tree": [[1, 2], [3, [4, 4]]]}, "every mode number from 1 to 5 once"),
        ({**HT_UCF11.to_dict(), "tree": [1, 2, 3, 4, 5]}, "give nested pairs"),
        ({**HT_UCF11.to_dict(), "tree": 1}, "every mode number"),
        ({**TR_UCF11.to_dict(), "rank": [5, 5]}, "one number, or 13 of them"),
        ({**BT_UCF11.to_dict(), "blocks": 0}, "blocks"),
        ({**BT_UCF11.to_dict(), "rank": [4, 4]}, "rank"),
        ({**KCP_UCF11.to_dict(), "terms": 1.5}, "terms"),
        ({**CP_UCF11.to_dict(), "rank": None}, "rank"),
        ({**TUCKER_UCF11.to_dict(), "rank": (2, 2)}, "one number, or 8 of them"),
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
    with pytest.raises(ValueError, match=r"rank 5 on edge r1 .* give a rank of at most 4"):
        BlockTerm((2, 9), (2, 9), 5, 3).network(18, 18)  # the blocks give a factor matrix no more room
    with pytest.raises(ValueError, match=r"rank 3 on edge r_i1 .* give a rank of at most 2"):
        Tucker((2, 9), (2, 9), 3).network(18, 18)
    with pytest.raises(ValueError, match=r"rank 9 on edge r0 .* give a rank of at most 8"):
        TensorRing((4, 9), (9, 4), (9, 2, 9, 9)).network(36, 36)
