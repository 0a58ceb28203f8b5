"""Decomposition against the matrices, the bounds and the optima that are known."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from htzoo.formats import Dense, Format, HierarchicalTucker, TensorTrain
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import choose_ranks, from_dense
from htzoo.formats.decompose.least_squares import least_squares
from htzoo.formats.decompose.tree_svd import steps_to_root, tails
from htzoo.formats.network import Core, Network

TT = TensorTrain((2, 3, 4), (3, 2, 2), (3, 4))
HT = HierarchicalTucker((2, 3, 2, 3), (3, 2, 2, 2), leaf_rank=3, inner_rank=4)
HT5 = HierarchicalTucker((2, 2, 3, 2, 2), (2, 2, 1, 2, 2), leaf_rank=2, inner_rank=3)
INPUTS, OUTPUTS = {"i1": 3, "i2": 4, "i3": 3}, {"o1": 4, "o2": 2, "o3": 3}
MODES = {**INPUTS, **OUTPUTS}


def _network(*cores: Core) -> Network:
    return Network(cores, tuple(INPUTS), tuple(OUTPUTS))


CP = _network(*(Core.of(f"factor_{mode}", **{mode: size}, r=3) for mode, size in MODES.items()))
RING = _network(
    *(
        Core.of(f"core_{k}", **{f"r{k}": 2, mode: size, f"r{(k + 1) % len(MODES)}": 2})
        for k, (mode, size) in enumerate(MODES.items())
    )
)
BLOCKS = _network(
    Core.of("core", b=2, r1=2, r2=2, r3=2),
    *(Core.of(f"factor_{k}", b=2, **{m: MODES[m] for m in (f"i{k}", f"o{k}")}, **{f"r{k}": 2}) for k in (1, 2, 3)),
)
KRONECKER = _network(*(Core.of(f"factor_{mode}", t=2, **{f"r{mode[1]}": 2}, **{mode: s}) for mode, s in MODES.items()))
TUCKER = _network(
    Core.of("core", **{f"r{mode}": 2 for mode in MODES}),
    *(Core.of(f"factor_{mode}", **{mode: size, f"r{mode}": 2}) for mode, size in MODES.items()),
)
SHARED_MODE = _network(
    Core.of("core_1", i1=3, o1=4, r=2), Core.of("core_2", i1=3, i2=4, r=2, o2=2), Core.of("core_3", i3=3, o3=3, r=2)
)
LOOPS = {
    "CP": CP,
    "ring": RING,
    "block term": BLOCKS,
    "Kronecker CP": KRONECKER,
    "a mode in two cores": SHARED_MODE,
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=["factored", "step by step"])
def _solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "step by step":
        monkeypatch.setattr("htzoo.formats.decompose.least_squares._LARGEST", 0)


def sizes(chosen: TensorTrain | HierarchicalTucker, gates: int = 1) -> tuple[int, int, int]:
    return math.prod(chosen.in_modes), math.prod(chosen.out_modes), gates


def draw(network: Network) -> list[Tensor]:
    return [torch.randn(core.shape, dtype=torch.float64) for core in network.cores]


def noise(network: Network) -> Tensor:
    return torch.randn(network.out_features, network.in_features, dtype=torch.float64)


@pytest.mark.parametrize("chosen", [TT, HT, HT5, Dense()])
@pytest.mark.parametrize("gates", [1, 4])
def test_a_matrix_in_the_format_is_found_exactly(chosen: Format, gates: int) -> None:
    features = (6, 5, gates) if isinstance(chosen, Dense) else sizes(chosen, gates)
    network = chosen.network(*features)
    matrix = to_dense(network, draw(network))
    cores, error = from_dense(matrix, chosen, gates)
    assert error < 1e-13
    assert torch.allclose(to_dense(network, cores), matrix, atol=1e-12 * matrix.norm().item())
    assert [core.shape for core in cores] == [core.shape for core in network.cores]
    norms = torch.stack([core.norm() for core in cores])
    assert torch.allclose(norms, norms.mean())


@st.composite
def trees(draw: st.DrawFn) -> TensorTrain | HierarchicalTucker:
    count = draw(st.integers(2, 5))
    modes = st.lists(st.integers(1, 3), min_size=count, max_size=count)
    in_modes, out_modes = tuple(draw(modes)), tuple(draw(modes))
    rank = st.integers(1, 4)
    if draw(st.booleans()):
        return TensorTrain(in_modes, out_modes, tuple(draw(rank) for _ in range(count - 1)))
    return HierarchicalTucker(in_modes, out_modes, draw(rank), draw(rank))


@settings(deadline=None, max_examples=60)
@given(trees(), st.integers(0, 2**31))
def test_error_is_within_the_bound(chosen: TensorTrain | HierarchicalTucker, seed: int) -> None:
    """sqrt(d - 1) and sqrt(2d - 3) times the largest tail, which no network of these ranks can be better than."""
    try:
        network = chosen.network(*sizes(chosen))
    except ValueError:  # a rank is larger than the modes allow
        reject()
    torch.manual_seed(seed)
    decay = torch.rand(network.in_features, dtype=torch.float64) ** 4
    matrix = noise(network) * decay
    error = from_dense(matrix, network).error * matrix.norm().item()
    modes = len(chosen.in_modes)
    factor = modes - 1 if isinstance(chosen, TensorTrain) else 2 * modes - 3
    cut = {edge: tail[min(network.sizes[edge], len(tail) - 1)].item() for edge, tail in tails(network, matrix).items()}
    assert max(cut.values()) <= error * (1 + 1e-9) + 1e-12
    assert error <= factor**0.5 * max(cut.values()) * (1 + 1e-9) + 1e-12


def test_two_modes_give_the_best_approximation() -> None:
    """With one bond the truncated singular value decomposition is optimal (Eckart-Young), written out here by hand."""
    matrix = torch.randn(8, 6, dtype=torch.float64)
    unfolded = matrix.reshape(2, 4, 3, 2).permute(0, 2, 1, 3).reshape(6, 8)
    values = torch.linalg.svdvals(unfolded)
    error = from_dense(matrix, TensorTrain((3, 2), (2, 4), 2)).error
    assert error == pytest.approx((values[2:].norm() / values.norm()).item(), rel=1e-12)


def test_more_rank_than_the_matrix_has_stays_trainable() -> None:
    matrix = torch.ones(12, 24, dtype=torch.float64)
    network = TT.network(24, 12)
    cores, error = from_dense(matrix, TT)
    assert error < 1e-14
    cores = [core.requires_grad_() for core in cores]
    (to_dense(network, cores) - torch.randn(12, 24)).square().sum().backward()
    for left, right in pairwise(cores):
        gradients = left.grad.flatten(0, -2).norm(dim=0) + right.grad.flatten(1).norm(dim=1)
        assert (gradients > 0).all()


def test_tucker_is_a_tree_and_loops_are_not() -> None:
    assert steps_to_root(TUCKER) is not None
    assert all(steps_to_root(network) is None for network in LOOPS.values())
    matrix = to_dense(TUCKER, draw(TUCKER))
    assert from_dense(matrix, TUCKER).error < 1e-13


@pytest.mark.parametrize("name", LOOPS)
def test_least_squares_recovers_any_network(name: str) -> None:
    network = LOOPS[name]
    matrix = to_dense(network, draw(network))
    cores, error = from_dense(matrix, network)
    assert error < 1e-10
    assert all(core.dtype == torch.float64 for core in cores)
    assert torch.allclose(to_dense(network, cores), matrix, atol=1e-9 * matrix.norm().item())


@pytest.mark.usefixtures("_solver")
@pytest.mark.parametrize("name", [*LOOPS, "Tucker", "TT", "HT"])
@pytest.mark.parametrize("rank_of_data", ["in the format", "full"])
def test_least_squares_never_grow_the_error(name: str, rank_of_data: str) -> None:
    trees = {"Tucker": TUCKER, "TT": TT.network(*sizes(TT)), "HT": HT.network(*sizes(HT))}
    network = {**LOOPS, **trees}[name]
    matrix = noise(network) if rank_of_data == "full" else to_dense(network, draw(network))
    cores = draw(network)
    errors = [least_squares(network, matrix, cores, 1) for _ in range(15)]
    assert errors[-1] < errors[0] <= 1
    assert all(after <= before * (1 + 1e-9) + 1e-11 for before, after in pairwise(errors))
    assert errors[-1] == pytest.approx(((to_dense(network, cores) - matrix).norm() / matrix.norm()).item(), abs=1e-13)


@pytest.mark.usefixtures("_solver")
@pytest.mark.parametrize("name", LOOPS)
def test_every_update_solves_the_dense_least_squares_problem(name: str) -> None:
    """The last core of a sweep is the best for the others: the gradient with respect to it is zero."""
    network = LOOPS[name]
    matrix, cores = noise(network), draw(network)
    least_squares(network, matrix, cores, 1)
    last = cores[-1].requires_grad_()
    loss = (to_dense(network, [*cores[:-1], last]) - matrix).square().sum()
    (gradient,) = torch.autograd.grad(loss, last)
    assert gradient.abs().max() < 1e-7 * loss.item()


@pytest.mark.parametrize("chosen", [TT, HT])
def test_sweeps_refine_the_singular_vectors(chosen: TensorTrain | HierarchicalTucker) -> None:
    matrix = noise(chosen.network(*sizes(chosen)))
    assert from_dense(matrix, chosen, sweeps=20).error < from_dense(matrix, chosen).error


def test_tolerance_and_sweeps_stop_the_work() -> None:
    matrix = noise(CP)
    torch.manual_seed(1)
    rough = from_dense(matrix, CP, tolerance=0.5).error
    torch.manual_seed(1)
    fine = from_dense(matrix, CP, tolerance=1e-8).error
    assert fine < rough
    assert from_dense(matrix, CP, sweeps=1).error < 1


@pytest.mark.parametrize("format", [TT, CP])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_result_has_the_dtype_of_the_matrix(format: Format | Network, dtype: torch.dtype) -> None:
    network = format if isinstance(format, Network) else format.network(24, 12)
    matrix = to_dense(network, draw(network)).to(dtype)
    cores, error = from_dense(matrix, format)
    assert all(core.dtype == dtype for core in cores)
    assert error < 30 * torch.finfo(dtype).eps


@pytest.mark.parametrize("format", [TT, CP])
def test_zero_matrix(format: Format | Network) -> None:
    network = format if isinstance(format, Network) else format.network(24, 12)
    assert from_dense(torch.zeros(network.out_features, network.in_features), format).error < 1e-50


@pytest.mark.parametrize("tolerance", [0.3, 0.05])
@pytest.mark.parametrize("chosen", [TT, HT, HT5])
def test_chosen_ranks_reach_the_tolerance(chosen: TensorTrain | HierarchicalTucker, tolerance: float) -> None:
    network = chosen.network(*sizes(chosen, 2))
    matrix = to_dense(network, draw(network))
    matrix += 0.01 * matrix.norm() * noise(network) / noise(network).norm()
    found = choose_ranks(matrix, type(chosen), chosen.in_modes, chosen.out_modes, tolerance, 2)
    assert from_dense(matrix, found, 2).error <= tolerance
    assert found.network(*sizes(chosen, 2)).num_parameters <= network.num_parameters


@pytest.mark.parametrize("chosen", [TT, HT])
def test_chosen_ranks_of_a_matrix_in_the_format_are_its_own(chosen: TensorTrain | HierarchicalTucker) -> None:
    network = chosen.network(*sizes(chosen))
    matrix = to_dense(network, draw(network))
    assert choose_ranks(matrix, type(chosen), chosen.in_modes, chosen.out_modes, 1e-9) == chosen


@pytest.mark.parametrize(
    ("matrix", "gates", "message"),
    [
        (torch.zeros(12), 1, r"matrix has shape \(12,\): give two axes"),
        (torch.zeros(12, 24), 5, "a multiple of 5 gates"),
        (torch.zeros(12, 25), 1, "multiply to 24, but the input has 25 features"),
        (torch.full((12, 24), torch.nan), 1, "finite floating-point"),
        (torch.zeros(12, 24, dtype=torch.int64), 1, r"torch\.int64"),
    ],
)
def test_wrong_matrices_are_refused(matrix: Tensor, gates: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_dense(matrix, TT, gates)
    with pytest.raises(ValueError, match=message):
        choose_ranks(matrix, TensorTrain, TT.in_modes, TT.out_modes, 0.1, gates)


def test_wrong_shape_for_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\), but the network \(24, 36\)"):
        from_dense(torch.zeros(3, 4), CP)


def test_tolerance_out_of_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="no equal ranks of HierarchicalTucker"):
        choose_ranks(torch.randn(4, 24), HierarchicalTucker, (2, 3, 4), (1, 2, 2), 1e-3)
