"""How fast layers are before and after, at the sizes at which models are used."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from htzoo.nn import Embedding
from htzoo.nn.recurrent_layer import Recurrent

_WARM_UP = 1  # rounds that do not count: the plan of the products is made in the first


class Case(NamedTuple):
    """A size of input: sequences at once, and the steps of each."""

    batch: int
    steps: int

    def __str__(self) -> str:
        return f"{self.batch} sequence{'s' if self.batch > 1 else ''} of {self.steps:,} steps"


CASES = (Case(16, 8), Case(1, 160), Case(1, 1000))


def milliseconds(
    layers: Sequence[nn.Module], case: Case = CASES[0], *, training: bool = False, repeats: int = 3
) -> list[float]:
    """Median time of each of some layers, which run in turns so that a busy machine slows all of them alike.

    Args:
        layers: layers with the same inputs.
        case: size of the input.
        training: whether to time forward and backward, and not forward only.
        repeats: rounds.
    """
    x = example_input(layers[0], case)
    times: list[list[float]] = [[] for _ in layers]
    for _ in range(_WARM_UP + repeats):
        for layer, own in zip(layers, times, strict=True):
            start = perf_counter()
            with torch.set_grad_enabled(training):
                output = layer(x)
                if training:
                    (output[0] if isinstance(output, tuple) else output).sum().backward()
            own.append(1000 * (perf_counter() - start))
            layer.zero_grad(set_to_none=True)
    return [round(median(own[_WARM_UP:]), 3) for own in times]


def example_input(layer: nn.Module, case: Case) -> Tensor:
    """Random input of a layer."""
    if isinstance(layer, nn.Embedding | Embedding):
        return torch.randint(layer.num_embeddings, (case.batch, case.steps))
    dtype = next(layer.parameters()).dtype
    if isinstance(layer, nn.RNNBase | Recurrent):
        shape = (case.batch, case.steps) if layer.batch_first else (case.steps, case.batch)
        return torch.randn(*shape, layer.input_size, dtype=dtype)
    return torch.randn(case.batch, case.steps, int(layer.in_features), dtype=dtype)  # type: ignore[arg-type]
