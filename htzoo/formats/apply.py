"""Multiply batches of inputs with a network, in pieces that stay in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from htzoo.formats import compiled_chain
from htzoo.formats.chain import Chain, chain_of
from htzoo.formats.column_slice import columns_of
from htzoo.formats.machine import CPU
from htzoo.formats.modes import autocasts, full_precision, is_exporting, is_transformed
from htzoo.formats.network import Network
from htzoo.formats.text import dense_network, network_of, network_text
from htzoo.native.operators import composite


@dataclass(frozen=True)
class Prepared:
    """A weight ready for many products of about the same number of rows: its cores are merged.

    Args:
        chain: the sequence of matrix products.
        matrices: one for each product.
        padding: number of zeros in front of and behind each input.
    """

    chain: Chain
    matrices: tuple[Tensor, ...]
    padding: tuple[int, int] = (0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (rows, in_features)."""
        return product(self.chain, self.matrices, self._pad(x))

    def plain(self, x: Tensor) -> Tensor:
        """What a call gives, of PyTorch's own operations."""
        return self.chain.apply(self.matrices, self._pad(x))

    def plain_transposed(self, d_y: Tensor) -> Tensor:
        """``d_y @ W``, of PyTorch's own operations."""
        return self._unpad(self.chain.apply_transposed(self.matrices, d_y))

    def gradients(self, x: Tensor, d_y: Tensor) -> list[Tensor]:
        """Gradients of the matrices, from inputs and the gradient of the outputs."""
        return backward(self.chain, self.matrices, self._pad(x), d_y, (), input_gradient=False)[1]

    def apply(self, x: Tensor) -> Tensor:
        """What a call gives, without gradients. For kernels of operators only: the tensors must be plain."""
        if compiled_chain.takes(self.chain, x, *self.matrices):
            return compiled_chain.apply(self.chain, self.matrices, self._pad(x))
        return self.plain(x)

    def apply_transposed(self, d_y: Tensor) -> Tensor:
        """``d_y @ W``, without gradients. For kernels of operators only: the tensors must be plain."""
        if compiled_chain.takes(self.chain, d_y, *self.matrices):
            return self._unpad(compiled_chain.apply_transposed(self.chain, self.matrices, d_y))
        return self.plain_transposed(d_y)

    def _unpad(self, x: Tensor) -> Tensor:
        first, last = self.padding
        return x.narrow(1, first, x.shape[1] - first - last) if first or last else x

    def _pad(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, self.padding) if any(self.padding) else x


def prepare(
    network: Network | str | None,
    cores: Sequence[Tensor],
    rows: int | torch.SymInt,
    *,
    input_gradient: bool = True,
    columns: tuple[int, int] | None = None,
) -> Prepared:
    """Merge the cores for products with about ``rows`` inputs at a time. Gradient flows to the cores.

    The cores are merged in the parameters' precision; under autocast the merged matrices are then cast once.

    Args:
        network: how the cores are joined, or its text; None where the one core is the matrix.
        cores: one tensor a core, of the network's shapes.
        rows: number of inputs that are multiplied at a time.
        input_gradient: whether the gradient of the inputs is wanted.
        columns: first and last + 1 of the columns to multiply with; all columns when None.
    """
    if not isinstance(network, Network):
        network = dense_network(*reversed(cores[0].shape)) if network is None else network_of(network)
    padding = (0, 0)
    device = cores[0].device
    dtype = torch.get_autocast_dtype(device.type) if autocasts(device) else cores[0].dtype
    if columns is not None:
        part = columns_of(network, *columns)
        network, cores, padding = part.network, part.cores(cores), part.padding
    chain = chain_of(network, rows, device, dtype, input_gradient=input_gradient)
    with full_precision(cores[0]):
        matrices = chain.matrices(cores)
    return Prepared(chain, tuple(matrix.to(dtype) for matrix in matrices), padding)


def multiply(
    network: Network | str | None, cores: Sequence[Tensor], x: Tensor, columns: tuple[int, int] | None = None
) -> Tensor:
    """``x @ W.T`` without building W.

    Args:
        network: how the cores are joined, or its text (:func:`htzoo.formats.text.network_text`); None where the one
            core is the matrix.
        cores: one tensor a core, of the network's shapes.
        x: inputs of shape (rows, in_features), or as many features as ``columns``.
        columns: first and last + 1 of the columns to multiply with; all columns when None.

    Returns:
        Outputs of shape (rows, out_features), under autocast in its type. Gradients flow to ``x`` and to the cores.
    """
    text = network_text(network) if isinstance(network, Network) else network
    if is_exporting():
        return _multiply(x, list(cores), text, columns)
    y: Tensor = torch.ops.htzoo.multiply.default(x, list(cores), text, columns)
    return y


@composite("multiply(Tensor x, Tensor[] cores, str? network, int[]? columns=None) -> Tensor")
def _multiply(x: Tensor, cores: list[Tensor], network: str | None, columns: tuple[int, int] | None = None) -> Tensor:
    prepared = prepare(network, cores, x.shape[0], input_gradient=x.requires_grad, columns=columns)
    return prepared(x.to(prepared.matrices[0].dtype))


def product(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """What ``chain.apply`` gives, with less memory and a faster backward.

    A few rows at a time pass the whole chain, forward and backward, so that what lies between two products stays in the
    cache. What is cheaper computed again than written to memory and read back is not kept for the backward.
    """
    if is_exporting() or is_transformed(x, *matrices):  # torch.func derives a backward of its own
        return chain.apply(matrices, x)
    y: Tensor = _Product.apply(chain, x, *matrices)
    return y


def forward(chain: Chain, matrices: Sequence[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and what :func:`backward` shall find."""
    if compiled_chain.takes(chain, x, *matrices):
        return compiled_chain.forward(chain, matrices, x)
    results = [chain.apply_and_save(matrices, part) for part in _pieces(x, rows_at_once(chain, x))]
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
) -> tuple[Tensor | None, list[Tensor]]:
    """Gradients of the input, where wanted, and of the matrices.

    Args:
        chain: the products.
        matrices: as given to :func:`forward`.
        x: the inputs.
        d_y: the gradient of the outputs.
        saved: from :func:`forward`.
        input_gradient: whether the gradient of ``x`` is wanted.
    """
    if compiled_chain.takes(chain, x, d_y, *matrices):
        return compiled_chain.backward(chain, matrices, x, d_y, saved, input_gradient=input_gradient)
    # What compiled code keeps has a form of its own, and what was kept has no graph, which gradients that will be
    # differentiated need: all is computed again.
    again = chain.native or torch.is_grad_enabled()
    count = 0 if again else chain.num_saved
    if again:
        rows = x.shape[0]
    elif saved:  # the pieces of the forward, whatever the number of threads has become
        rows = -(-x.shape[0] // (len(saved) // count))
    else:
        rows = rows_at_once(chain, x)
    d_x = []
    totals: list[Tensor] | None = None
    for k, (x_part, y_part) in enumerate(zip(_pieces(x, rows), _pieces(d_y, rows))):
        found = saved[k * count : (k + 1) * count]
        d_part, totals = chain.gradients(matrices, x_part, y_part, found, input_gradient=input_gradient, totals=totals)
        if d_part is not None:
            d_x.append(d_part)
    assert totals is not None
    return (torch.cat(d_x) if len(d_x) > 1 else d_x[0] if d_x else None), totals


def backward_to_input(chain: Chain, matrices: Sequence[Tensor], d_y: Tensor) -> Tensor:
    """The gradient of the input alone."""
    if compiled_chain.takes(chain, d_y, *matrices):
        return compiled_chain.backward_to_input(chain, matrices, d_y)
    parts = [chain.apply_transposed(matrices, part) for part in _pieces(d_y, rows_at_once(chain, d_y))]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _pieces(x: Tensor, rows: int) -> Sequence[Tensor]:
    is_whole = not isinstance(x.shape[0], int) or rows >= x.shape[0]
    return (x,) if is_whole else torch.split(x, rows)


def rows_at_once(chain: Chain, x: Tensor) -> int:
    """How many rows of ``x`` go through the chain together: all, where little lies between two products."""
    rows = x.shape[0]
    if x.device.type != "cpu" or not isinstance(rows, int):  # left open by a tracer
        return rows
    pieces = math.ceil(rows * chain.between * x.element_size() / (CPU.cache * torch.get_num_threads()))
    return math.ceil(rows / pieces) if pieces > 1 else rows


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
