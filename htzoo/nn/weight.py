"""A trainable weight matrix in a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.formats.apply import backward, backward_to_input, forward, product
from htzoo.formats.chain import Chain, chain_of, exported_chain
from htzoo.formats.column_slice import columns_of
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import from_dense
from htzoo.formats.initialize import initialize
from htzoo.nn.autocast import autocasts


@dataclass(frozen=True)
class Prepared:
    """A weight made ready for many products with about as many rows: its cores are merged.

    Args:
        chain: the products.
        matrices: one a product.
        padding: how many zeros an input gets in front and behind.
    """

    chain: Chain
    matrices: tuple[Tensor, ...]
    padding: tuple[int, int] = (0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (rows, in_features)."""
        return product(self.chain, self.matrices, self._pad(x))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``x @ W.T``, and what :meth:`backward` shall find."""
        return forward(self.chain, self.matrices, self._pad(x))

    def backward(
        self, x: Tensor, d_y: Tensor, saved: Sequence[Tensor], totals: list[Tensor] | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradient of ``x`` from that of the outputs, and the gradients of the matrices added to ``totals``."""
        x = self._pad(x)
        d_x, totals = backward(self.chain, self.matrices, x, d_y, saved, input_gradient=True, totals=totals)
        assert d_x is not None
        return self._unpad(d_x), totals

    def backward_to_matrices(self, x: Tensor, d_y: Tensor) -> list[Tensor]:
        """Gradients of the matrices alone."""
        return backward(self.chain, self.matrices, self._pad(x), d_y, (), input_gradient=False)[1]

    def backward_to_input(self, d_y: Tensor) -> Tensor:
        """Gradient of the inputs alone: ``d_y @ W``."""
        return self._unpad(backward_to_input(self.chain, self.matrices, d_y))

    def _unpad(self, x: Tensor) -> Tensor:
        return x[:, self.padding[0] : x.shape[1] - self.padding[1]]

    def _pad(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, self.padding) if any(self.padding) else x


def check_dtype(name: str, value: Tensor, parameter: Tensor) -> None:
    """Refuse what is not of the parameters' type, unless autocast converts it.

    Raises:
        ValueError: it is not.
    """
    autocast = autocasts(value.device)
    if value.dtype != parameter.dtype and not (autocast and value.is_floating_point()):
        raise ValueError(
            f"{name} is {value.dtype}, but the layer's parameters are {parameter.dtype}: "
            f"convert with {name}.to({parameter.dtype})"
            + (", or run under torch.autocast" if value.is_floating_point() else "")
        )


class Weight(nn.Module):
    """A matrix of shape (gates * out_features, in_features) whose parameters are the cores of ``format``.

    Calling it multiplies: inputs of shape (..., in_features) become (..., gates * out_features).

    Args:
        format: the tensor network.
        in_features: columns.
        out_features: rows, gates not counted.
        gates: weights on top of each other (4 LSTM, 3 GRU, 1 otherwise).
        device: where the cores live.
        dtype: floating-point type of the cores.

    Attributes:
        error: relative error of the last :meth:`set_dense`; None where there was none.

    Raises:
        ValueError: the format does not fit the features.
    """

    error: float | None = None
    compiled_chain: Chain

    def __init__(
        self,
        format: Format,
        in_features: int,
        out_features: int,
        gates: int = 1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.format = format
        self.gates = gates
        self.network = format.network(in_features, out_features, gates)
        self.in_features, self.out_features = self.network.in_features, self.network.out_features
        self.names = [core.name for core in self.network.cores]
        for core in self.network.cores:
            self.register_parameter(core.name, nn.Parameter(torch.empty(core.shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @property
    def cores(self) -> list[Tensor]:
        """The cores, in the network's order."""
        return [getattr(self, name) for name in self.names]

    @property
    def num_parameters(self) -> int:
        """How many numbers the cores hold together."""
        return self.network.num_parameters

    def reset_parameters(self, variance: float | None = None) -> None:
        """Draw the cores anew, the matrix having exactly this mean square (1 / in_features when None)."""
        initialize(self.network, self.cores, variance)

    def to_dense(self) -> Tensor:
        """The matrix, of shape (gates * out_features, in_features). Gradient flows to the cores."""
        return to_dense(self.network, self.cores)

    @torch.no_grad()
    def set_dense(self, matrix: Tensor) -> float:
        """Set the cores to those whose matrix is closest to ``matrix`` (:func:`htzoo.formats.decompose.from_dense`).

        Args:
            matrix: of shape (gates * out_features, in_features).

        Returns:
            The relative error, which :attr:`error` keeps.

        Raises:
            ValueError: the matrix has another shape, or entries that are not finite.
        """
        found, self.error = from_dense(matrix, self.network, self.gates)
        for core, closest in zip(self.cores, found, strict=True):
            core.copy_(closest)
        return self.error

    def prepare(self, rows: int, *, input_gradient: bool = True, columns: tuple[int, int] | None = None) -> Prepared:
        """Merge the cores for products with about ``rows`` inputs at a time. Gradient flows to the cores.

        The merging is done in the parameters' precision; under autocast the merged matrices are cast, once.

        Args:
            rows: how many inputs are multiplied at a time.
            input_gradient: whether the inputs' gradient is wanted.
            columns: first and last + 1 of the columns to multiply with; all of them when None.
        """
        cores = self.cores
        device = cores[0].device
        dtype = torch.get_autocast_dtype(device.type) if autocasts(device) else cores[0].dtype
        network, padding = self.network, (0, 0)
        if columns is not None:
            part = columns_of(network, *columns)
            network, cores, padding = part.network, part.cores(cores), part.padding
        if torch.compiler.is_dynamo_compiling():
            self._plan_for_compiler()
            chain = self.compiled_chain
        else:
            chain = chain_of(network, rows, device, dtype, input_gradient=input_gradient)
        if not autocasts(device):
            return Prepared(chain, tuple(chain.matrices(cores)), padding)
        with torch.autocast(device.type, enabled=False):
            matrices = chain.matrices(cores)
        return Prepared(chain, tuple(matrix.to(dtype) for matrix in matrices), padding)

    def _plan_for_compiler(self) -> bool:
        """Search for a plan outside the graph, once for every number of rows. The result must be plain: keep it."""
        self.compiled_chain = exported_chain(self.network, self.cores[0].device)
        return True

    # All that torch.compiler.assume_constant_result does, but for importing the compiler, which takes a second.
    _plan_for_compiler._dynamo_marked_constant = True  # type: ignore[attr-defined]

    def forward(self, x: Tensor, columns: tuple[int, int] | None = None) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (..., in_features), or as many features as ``columns`` are.

        Raises:
            ValueError: ``x`` has another last axis, or another type than the cores.
        """
        first, last = columns or (0, self.in_features)
        if x.dim() == 0 or x.shape[-1] != last - first:
            raise ValueError(f"input has shape {tuple(x.shape)}: give a last axis of {last - first:,} features")
        check_dtype("input", x, self.cores[0])
        flat = x.reshape(-1, x.shape[-1])
        product = self.prepare(flat.shape[0], input_gradient=x.requires_grad, columns=columns)
        return product(flat.to(product.matrices[0].dtype)).reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        size = f"{self.network.out_features} x {self.network.in_features}"
        return f"{size}, {self.format}, {self.num_parameters:,} parameters"
