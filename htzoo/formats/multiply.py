"""Multiply batches of inputs with a network, in pieces that stay in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from htzoo.formats.chain import Chain, chain_of
from htzoo.formats.network import Network
from htzoo.formats.plan import CPU


def multiply(network: Network, cores: Sequence[Tensor], x: Tensor) -> Tensor:
    """``x @ W.T`` without building W.

    Args:
        network: how the cores are joined.
        cores: one tensor a core, of the network's shapes.
        x: inputs of shape (rows, in_features).

    Returns:
        Outputs of shape (rows, out_features). Gradients flow to ``x`` and to the cores.
    """
    chain = chain_of(network, x.shape[0], x.device, input_gradient=x.requires_grad)
    return product(chain, chain.matrices(cores), x)


def product(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """What ``chain.apply`` gives, with less memory and a faster backward.

    A few rows at a time pass the whole chain, forward and backward, so that what lies between two products stays in the
    cache. What is cheaper computed again than written to memory and read back is not kept for the backward.
    """
    if torch.compiler.is_compiling():
        return chain.apply(matrices, x)
    y: Tensor = _Product.apply(chain, x, *matrices)[0]
    return y


def matrix_gradients(chain: Chain, matrices: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """Gradients of the matrices, from inputs ``x`` and the gradient ``y`` of the outputs. Not differentiable."""
    rows = rows_at_once(chain, x)
    totals: list[Tensor] | None = None
    for x_part, y_part in zip(torch.split(x, rows), torch.split(y, rows)):
        _, totals = chain.gradients(matrices, x_part, y_part, totals=totals)
    assert totals is not None
    return totals


def rows_at_once(chain: Chain, x: Tensor) -> int:
    """How many rows of ``x`` go through the chain together: all, where there is nothing between products."""
    if len(chain.links) == 1 or x.device.type != "cpu":
        return x.shape[0]
    pieces = math.ceil(x.shape[0] * chain.numbers * x.element_size() / (CPU.cache * torch.get_num_threads()))
    return math.ceil(x.shape[0] / pieces)


class _Product(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(chain: Chain, x: Tensor, *matrices: Tensor) -> tuple[Tensor, ...]:
        """Outputs, and what the backward shall find."""
        results = [chain.apply_and_save(matrices, part) for part in torch.split(x, rows_at_once(chain, x))]
        y = results[0][0] if len(results) == 1 else torch.cat([y for y, _ in results])
        return y, *(tensor for _, saved in results for tensor in saved)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the tensors."""
        ctx.chain, *tensors = inputs
        saved = output[1:]
        ctx.mark_non_differentiable(*saved)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *saved)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of the matrices."""
        if d_y is None:
            return (None,) * len(ctx.needs_input_grad)
        chain: Chain = ctx.chain
        _, x_wanted, *matrices_wanted = ctx.needs_input_grad
        x, *tensors = ctx.saved_tensors
        matrices, saved = tensors[: len(matrices_wanted)], tensors[len(matrices_wanted) :]
        # Where the gradient itself will be differentiated, all is computed again, by differentiable operations.
        rows = x.shape[0] if torch.is_grad_enabled() else rows_at_once(chain, x)
        if not any(matrices_wanted):
            d_x = [chain.apply_transposed(matrices, part) for part in torch.split(d_y, rows)]
            return None, torch.cat(d_x), *(None for _ in matrices)
        parts = torch.split(x, rows)
        per_part = 0 if torch.is_grad_enabled() else len(saved) // len(parts)
        d_x = []
        totals: list[Tensor] | None = None
        for k, (x_part, y_part) in enumerate(zip(parts, torch.split(d_y, rows))):
            found = saved[k * per_part : (k + 1) * per_part]
            d_part, totals = chain.gradients(matrices, x_part, y_part, found, input_gradient=x_wanted, totals=totals)
            if d_part is not None:
                d_x.append(d_part)
        assert totals is not None
        return None, torch.cat(d_x) if d_x else None, *totals
