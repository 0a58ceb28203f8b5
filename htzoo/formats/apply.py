"""Multiply batches of inputs with a network, in pieces that stay in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from htzoo.formats import compiled
from htzoo.formats.chain import Chain, chain_of
from htzoo.formats.machine import CPU
from htzoo.formats.matmul import is_transformed
from htzoo.formats.network import Network


def multiply(network: Network, cores: Sequence[Tensor], x: Tensor) -> Tensor:
    """``x @ W.T`` without building W.

    Args:
        network: how the cores are joined.
        cores: one tensor a core, of the network's shapes.
        x: inputs of shape (rows, in_features).

    Returns:
        Outputs of shape (rows, out_features). Gradients flow to ``x`` and to the cores.
    """
    chain = chain_of(network, x.shape[0], x.device, x.dtype, input_gradient=x.requires_grad)
    return product(chain, chain.matrices(cores), x)


def product(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """What ``chain.apply`` gives, with less memory and a faster backward.

    A few rows at a time pass the whole chain, forward and backward, so that what lies between two products stays in the
    cache. What is cheaper computed again than written to memory and read back is not kept for the backward.
    """
    if torch.compiler.is_compiling() or is_transformed(x, *matrices):  # these derive a backward of their own
        return chain.apply(matrices, x)
    y: Tensor = _Product.apply(chain, x, *matrices)
    return y


def forward(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and what :func:`backward` shall find."""
    if compiled.takes(chain, x, *matrices):
        return compiled.forward(chain, matrices, x)
    if torch.compiler.is_compiling():  # the number of rows, and with it that of the pieces, is not known
        return chain.apply_and_save(matrices, x)
    results = [chain.apply_and_save(matrices, part) for part in torch.split(x, rows_at_once(chain, x))]
    if len(results) == 1:
        return results[0]
    return torch.cat([y for y, _ in results]), [tensor for _, saved in results for tensor in saved]


def backward(
    chain: Chain,
    matrices: Sequence[Tensor],
    x: Tensor,
    d_y: Tensor,
    saved: Sequence[Tensor],
    *,
    input_gradient: bool,
    totals: list[Tensor] | None = None,
) -> tuple[Tensor | None, list[Tensor]]:
    """Gradients of the input, where wanted, and of the matrices.

    Args:
        chain: the products.
        matrices: as given to :func:`forward`.
        x: the inputs.
        d_y: the gradient of the outputs.
        saved: from :func:`forward`.
        input_gradient: whether the gradient of ``x`` is wanted.
        totals: gradients of the matrices for other inputs; those for these inputs are added to them, in place.
    """
    if compiled.takes(chain, x, d_y, *matrices):
        return compiled.backward(chain, matrices, x, d_y, saved, input_gradient=input_gradient, totals=totals)
    # Where the gradient itself will be differentiated, all is computed again, by differentiable operations.
    again = torch.is_grad_enabled()
    count = 0 if again else chain.num_saved
    if again:
        rows = x.shape[0]
    elif saved:  # the pieces of the forward, whatever the number of threads has become
        rows = math.ceil(x.shape[0] / (len(saved) // count))
    else:
        rows = rows_at_once(chain, x)
    parts = torch.split(x, rows)
    d_x = []
    for k, (x_part, y_part) in enumerate(zip(parts, torch.split(d_y, rows))):
        found = saved[k * count : (k + 1) * count]
        d_part, totals = chain.gradients(matrices, x_part, y_part, found, input_gradient=input_gradient, totals=totals)
        if d_part is not None:
            d_x.append(d_part)
    assert totals is not None
    return (torch.cat(d_x) if len(d_x) > 1 else d_x[0] if d_x else None), totals


def backward_to_input(chain: Chain, matrices: Sequence[Tensor], d_y: Tensor) -> Tensor:
    """The gradient of the input alone."""
    if compiled.takes(chain, d_y, *matrices):
        return compiled.backward_to_input(chain, matrices, d_y)
    parts = torch.split(d_y, rows_at_once(chain, d_y))
    return torch.cat([chain.apply_transposed(matrices, part) for part in parts])


def rows_at_once(chain: Chain, x: Tensor) -> int:
    """How many rows of ``x`` go through the chain together: all, where little lies between two products."""
    if x.device.type != "cpu":
        return x.shape[0]
    pieces = math.ceil(x.shape[0] * chain.between * x.element_size() / (CPU.cache * torch.get_num_threads()))
    return math.ceil(x.shape[0] / max(pieces, 1))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, chain: Chain, x: Tensor, *matrices: Tensor) -> Tensor:
        """Outputs."""
        y, saved = forward(chain, matrices, x)
        ctx.chain = chain
        ctx.save_for_backward(x, *matrices, *saved)
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of the matrices."""
        _, x_wanted, *matrices_wanted = ctx.needs_input_grad
        x, *tensors = ctx.saved_tensors
        matrices, saved = tensors[: len(matrices_wanted)], tensors[len(matrices_wanted) :]
        if not any(matrices_wanted):
            return None, backward_to_input(ctx.chain, matrices, d_y), *(None for _ in matrices)
        d_x, d_matrices = backward(ctx.chain, matrices, x, d_y, saved, input_gradient=x_wanted)
        return None, d_x, *d_matrices
