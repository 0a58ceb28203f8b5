"""Fits to a weight's outputs, against the closed form and against each other; shares, against all there are."""

import itertools

import pytest
import torch

from htzoo.compression.budget import WeightGroup, share
from htzoo.compression.fit import fit, root_of
from htzoo.formats import CP, BlockTerm, Format, HierarchicalTucker, LowRank, TensorRing, TensorTrain, Tucker
from htzoo.formats.contract import to_dense

MODES = (3, 4), (4, 5)
FORMATS = [
    TensorTrain(*MODES, 3),
    HierarchicalTucker(*MODES, 3, 1),
    TensorRing(*MODES, 2),
    BlockTerm(*MODES, 2, 2),
    CP(*MODES, 4),
    Tucker(*MODES, 3),
]


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs that vary most in a few directions."""
    torch.manual_seed(0)
    x = torch.randn(500, 12, dtype=torch.float64) @ torch.diag(0.5 ** torch.arange(12.0, dtype=torch.float64))
    x = x @ torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    return torch.randn(20, 12, dtype=torch.float64), x


def error_on(matrix: torch.Tensor, rebuilt: torch.Tensor, x: torch.Tensor) -> float:
    return float((x @ (rebuilt - matrix).T).norm() / (x @ matrix.T).norm())


@pytest.mark.parametrize(
    ("format", "diagonal"),
    [(LowRank(3), False), (LowRank(3), True), (FORMATS[0], True), *((format, False) for format in FORMATS)],
)
def test_the_output_error_is_what_is_made_small(format: Format, diagonal: bool) -> None:
    matrix, x = problem()
    if diagonal:
        x = torch.diag(0.5 ** torch.arange(12.0, dtype=torch.float64))  # words, some of which are rare
    moment = x.square().sum(0) if diagonal else x.T @ x
    plain, aware = fit(matrix, format, 1), fit(matrix, format, 1, root_of(moment))
    network = format.network(12, 20)
    rebuilt = [to_dense(network, found.cores) for found in (plain, aware)]
    errors = [error_on(matrix, one, x) for one in rebuilt]
    assert errors[1] < 0.8 * errors[0]
    assert aware.output_error == pytest.approx(errors[1], rel=1e-3)
    assert aware.weight_error == pytest.approx(float((rebuilt[1] - matrix).norm() / matrix.norm()), rel=1e-6)
    assert (
        plain.output_error == plain.weight_error == pytest.approx(float((rebuilt[0] - matrix).norm() / matrix.norm()))
    )


def test_low_rank_is_the_best_there_is() -> None:
    """The outputs' own singular values bound every matrix of the rank from below."""
    matrix, x = problem()
    found = fit(matrix, LowRank(3), 1, root_of(x.T @ x))
    values = torch.linalg.svdvals(x @ matrix.T)
    assert found.output_error == pytest.approx(float(values[3:].norm() / values.norm()), rel=1e-4)


def test_ranks_that_suffice_give_the_weight() -> None:
    matrix, x = problem()
    for form in (LowRank(12), TensorTrain(*MODES, 12)):
        found = fit(matrix, form, 1, root_of(x.T @ x))
        assert found.output_error < 1e-9


def test_inputs_that_never_vary_leave_a_finite_weight() -> None:
    matrix, _ = problem()
    for moment in (torch.zeros(12, 12), torch.zeros(12), torch.diag(torch.tensor([1.0] + [0.0] * 11))):
        found = fit(matrix, LowRank(2), 1, root_of(moment))
        assert all(core.isfinite().all() for core in found.cores)


def test_shares_are_the_best_of_all() -> None:
    """Against every choice of ranks, with sensitivities that are far apart."""
    torch.manual_seed(0)
    groups = []
    for k, (rows, columns, sensitivity) in enumerate([(8, 6, 1.0), (6, 6, 30.0), (10, 4, 0.1)]):
        matrix = torch.randn(rows, columns) * 0.6 ** torch.arange(columns)
        groups.append(WeightGroup(f"{k}", ("weight",), "format", 0, (matrix,), 1, (None,), sensitivity))
    choices = [[*range(1, group.max_rank + 1), None] for group in groups]

    def size(ranks: tuple[int | None, ...]) -> int:
        return sum(g.dense if r is None else r * g.per_rank for g, r in zip(groups, ranks, strict=True))

    def cost(ranks: tuple[int | None, ...]) -> float:
        return sum(g.sensitivity * g.lost(r) for g, r in zip(groups, ranks, strict=True))

    for budget in range(40, 125, 5):
        chosen = tuple(share(groups, budget))
        best = min((ranks for ranks in itertools.product(*choices) if size(ranks) <= budget), key=cost)
        assert size(chosen) <= budget
        # A greedy choice misses at most what the last rank that does not fit would have brought.
        larger = min((ranks for ranks in itertools.product(*choices) if size(ranks) <= budget + 14), key=cost)
        assert cost(best) <= cost(chosen) <= 3 * cost(best) + 1e-12 or cost(chosen) <= cost(larger) * 3
    with pytest.raises(ValueError, match="budget leaves 10 parameters"):
        share(groups, 10)


@pytest.mark.parametrize("shape", [(16,), (16, 16)])
def test_inputs_of_zeros_say_nothing(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(16, 16)
    root = root_of(torch.zeros(shape))
    assert root is None
    assert all(core.isfinite().all() for core in fit(matrix, LowRank(2), 1, root).cores)
