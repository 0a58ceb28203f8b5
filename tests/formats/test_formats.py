"""What the formats are: names, parameter counts, definitions, and what is refused."""

import pytest
import torch
import yaml

from htzoo.formats import (
    CP,
    BlockTerm,
    Dense,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    LowRank,
    TensorRing,
    TensorTrain,
    Tucker,
    find_format,
    format_classes,
    format_from_dict,
)
from htzoo.formats.contract import to_dense
from htzoo.names import UnknownNameError
from tests.formats.shapes import (
    BT_UCF11,
    CP_UCF11,
    HT_UCF11,
    KCP_UCF11,
    TR_UCF11,
    TT_UCF11,
    TUCKER_UCF11,
    UCF11,
    features,
)

CLASSES = format_classes().values()


@pytest.mark.parametrize("cls", CLASSES)
def test_a_format_describes_itself(cls: type[Format]) -> None:
    example = cls.example()
    assert type(example) is cls
    network = example.network(60, 24, 4)
    assert (network.in_features, network.out_features) == (60, 96)
    assert cls.__doc__ and cls.__doc__[0] != cls.__name__[0]  # written, not made by dataclass
    assert cls.label().lower() == cls.short_name
    assert not cls.paper.endswith(".")
    for name in (cls.__name__, cls.short_name, cls.short_name.upper(), cls.__name__.lower()):
        assert find_format(name) is cls


@pytest.mark.parametrize("cls", CLASSES)
def test_every_rank_counts(cls: type[Format]) -> None:
    """``num_ranks`` is the number of ranks that ``from_ranks`` uses: raising any of them adds parameters."""
    modes = (4, 5, 6, 7)
    twos = (2,) * cls.num_ranks(4, 4)
    few = cls.from_ranks(modes, modes, twos).network(840, 840).num_parameters
    for k in range(len(twos)):
        more = cls.from_ranks(modes, modes, (*twos[:k], 3, *twos[k + 1 :])).network(840, 840)
        assert more.num_parameters > few


def test_each_name_belongs_to_one_format() -> None:
    before = format_classes()
    for name, short_name in (("Other", "tt"), ("TT", "other"), ("Other", "tensortrain"), ("TensorTrain", "other")):
        with pytest.raises(
            ValueError, match=rf"format {name} \('{short_name}'\) .* is named like TensorTrain \('tt'\)"
        ):
            type(name, (Format,), {"short_name": short_name})
    assert format_classes() == before


def test_unknown_names() -> None:
    for name, message in (
        ("HierarchicalTuckr", "did you mean HierarchicalTucker"),
        ("lowrnk", r"did you mean lowrank\?"),
        ("xyz", "known formats are bt, cp, dense, ht, kcp, lowrank, tr, tt, tucker"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            find_format(name)


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
        (LowRank(4), (57600, 256), 4, 4 * (57600 + 1024)),
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
    network = chosen.network(*features(chosen))
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


def test_low_rank_is_a_product_of_two_matrices() -> None:
    network = LowRank(3).network(5, 2, 4)
    cores = [torch.randn(core.shape, dtype=torch.float64) for core in network.cores]
    assert torch.allclose(to_dense(network, cores), cores[1] @ cores[0].T)


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


@pytest.mark.parametrize(
    "chosen",
    [
        *UCF11,
        TensorTrain((2, 3, 4), (2, 2, 2), (2, 3)),
        *(cls.example() for cls in CLASSES),
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
        ({"name": "lowrank", "rank": 0}, "rank is \\[0\\]"),
        ({"name": "lowrank", "rank": 2, "in_modes": [2]}, "LowRank: .* 'in_modes'; its arguments are rank"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2]}, "rank"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2], "rank": 2, "rnk": 1}, "rnk"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2, 2], "rank": [1, 2]}, "one integer, or 1 of them"),
        ({"name": "TensorTrain", "in_modes": [2, 3], "out_modes": [2], "rank": 2}, "same number of modes"),
        ({"name": "TensorTrain", "in_modes": [2, 0], "out_modes": [2, 2], "rank": 2}, "in_modes is"),
        ({"name": "TensorTrain", "in_modes": "23", "out_modes": [2, 2], "rank": 2}, "in_modes is '23'"),
        (
            {"name": "HierarchicalTucker", "in_modes": [2, 3], "out_modes": [2, 2], "leaf_rank": True, "inner_rank": 1},
            "leaf_rank",
        ),
        ({**HT_UCF11.to_dict(), "tree": [[1, 2], [3, [4, 4]]]}, "every mode index from 1 to 5 once"),
        ({**HT_UCF11.to_dict(), "tree": [1, 2, 3, 4, 5]}, "give nested pairs"),
        ({**HT_UCF11.to_dict(), "tree": 1}, "every mode index"),
        ({**TR_UCF11.to_dict(), "rank": [5, 5]}, "one integer, or 13 of them"),
        ({**BT_UCF11.to_dict(), "blocks": 0}, "blocks"),
        ({**BT_UCF11.to_dict(), "rank": [4, 4]}, "rank"),
        ({**KCP_UCF11.to_dict(), "terms": 1.5}, "terms"),
        ({**CP_UCF11.to_dict(), "rank": None}, "rank"),
        ({**TUCKER_UCF11.to_dict(), "rank": (2, 2)}, "one integer, or 8 of them"),
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
    with pytest.raises(ValueError, match=r"LowRank: rank 5 on edge r1 .* give a rank of at most 4"):
        LowRank(5).network(4, 2, 4)
    with pytest.raises(ValueError, match=r"rank 9 on edge r0 .* give a rank of at most 8"):
        TensorRing((4, 9), (9, 4), (9, 2, 9, 9)).network(36, 36)
