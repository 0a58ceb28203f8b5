"""One budget for all weights of a model, shared by what each one costs the output."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from htzoo.compression.find_layers import FoundLayer
from htzoo.compression.fit import root_of, times_root


@dataclass
class WeightGroup:
    """Weights of one layer that share a format: both directions of one input-to-hidden weight, for example.

    Attributes:
        layer: name of the layer.
        names: names of the weights in the layer.
        argument: the constructor's argument that gives their format.
        index: which of the layer's own layers they are of.
        matrices: each of shape (gates * out_features, in_features); an embedding's table is transposed.
        gates: stacked weights in each.
        roots: roots of the second moments of their inputs; None where these are not known.
        sensitivity: squared relative error of the model's output for a squared relative output error of 1 of the
            weights, as measured; 1 where it was not.
        is_table: whether they are an embedding's table, whose columns may be padded.
    """

    layer: str
    names: tuple[str, ...]
    argument: str
    index: int
    matrices: tuple[Tensor, ...]
    gates: int
    roots: tuple[Tensor | None, ...]
    sensitivity: float = 1.0
    is_table: bool = False
    squares: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Squared singular values of the weights on their inputs, summed over the weights, as shares of their sum."""
        values = [torch.linalg.svdvals(times_root(m, root)).square() for m, root in zip(self.matrices, self.roots)]
        total = torch.stack(values).sum(0)
        self.squares = total / total.sum().clamp_min(1e-300)

    @property
    def dense(self) -> int:
        """Parameters of the dense weights."""
        return sum(matrix.numel() for matrix in self.matrices)

    @property
    def per_rank(self) -> int:
        """Parameters that one more rank takes."""
        return sum(sum(matrix.shape) for matrix in self.matrices)

    @property
    def max_rank(self) -> int:
        """The highest rank that is smaller than the dense weights; 0 where none is."""
        return (self.dense - 1) // self.per_rank

    @property
    def least(self) -> int:
        """The minimum number of parameters: rank 1, or dense where that is smaller."""
        return self.per_rank if self.max_rank else self.dense

    def lost(self, rank: int | None) -> float:
        """Squared relative output error at a rank of two factors; None is dense."""
        return 0.0 if rank is None else float(self.squares[rank:].sum())


def weight_groups(layer: FoundLayer, moments: dict[str, Tensor]) -> list[WeightGroup]:
    """The weights of a layer.

    Args:
        layer: the layer.
        moments: second moments of their inputs by the weights' names, where they are known.

    Raises:
        ValueError: a parameter is not finite.
    """
    dense = layer.dense
    for name, parameter in dense.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            key = f"{layer.name}.{name}" if layer.name else name
            raise ValueError(f"{key} has values that are not finite: give a model whose training went well")

    def root(name: str) -> Tensor | None:
        return root_of(moments[name]) if name in moments else None

    if not isinstance(dense, nn.RNNBase):
        weight = next(dense.parameters()).detach()
        matrix = weight.T if isinstance(dense, nn.Embedding) else weight
        is_table = isinstance(dense, nn.Embedding)
        return [WeightGroup(layer.name, ("weight",), "format", 0, (matrix,), 1, (root("weight"),), is_table=is_table)]
    gates = dense.get_parameter("weight_hh_l0").shape[0] // dense.hidden_size
    arguments = {"weight_ih": "input_format", "weight_hh": "hidden_format"}
    if dense.proj_size:
        arguments["weight_hr"] = "projection_format"
    groups = []
    for k in range(dense.num_layers):
        for kind, argument in arguments.items():
            names = tuple(f"{kind}_l{k}{end}" for end in ("", "_reverse")[: 1 + dense.bidirectional])
            matrices = tuple(dense.get_parameter(name).detach() for name in names)
            own_gates = 1 if kind == "weight_hr" else gates
            groups.append(WeightGroup(layer.name, names, argument, k, matrices, own_gates, tuple(map(root, names))))
    return groups


def share(groups: Sequence[WeightGroup], budget: int) -> list[int | None]:
    """A rank of two factors for every group, None for dense, that together stay within a budget.

    What a rank adds to a group's output is its singular values', so the gain of one more rank falls from rank to rank,
    and taking the rank with the largest gain for its parameters, again and again, is optimal up to the last one that
    fits. A weight whose factors would be larger than itself stays dense.

    Args:
        groups: the weights.
        budget: parameters of all of them together.

    Raises:
        ValueError: not even rank 1 fits.
    """
    least = sum(group.least for group in groups)
    if least > budget:
        raise ValueError(f"budget leaves {budget:,} parameters for the weights, and rank 1 for each takes {least:,}")
    ranks: list[int | None] = [1 if group.max_rank else None for group in groups]
    left = budget - least
    heap: list[tuple[float, int]] = []

    def step(k: int) -> tuple[int | None, int]:
        """The next rank of a group, and what it adds to the parameters."""
        group, rank = groups[k], ranks[k]
        assert rank is not None
        if rank < group.max_rank:
            return rank + 1, group.per_rank
        return None, group.dense - rank * group.per_rank

    def push(k: int) -> None:
        group = groups[k]
        following, cost = step(k)
        gain = group.sensitivity * (group.lost(ranks[k]) - group.lost(following))
        heapq.heappush(heap, (-gain / max(cost, 1), k))

    for k, rank in enumerate(ranks):
        if rank is not None:
            push(k)
    while heap:
        _, k = heapq.heappop(heap)
        following, cost = step(k)
        if cost > left:
            continue
        left -= cost
        ranks[k] = following
        if following is not None:
            push(k)
    return ranks
