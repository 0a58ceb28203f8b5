"""A trainable weight matrix in a format."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.formats.apply import Prepared, multiply, prepare
from htzoo.formats.autocast import autocasts
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import from_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.text import network_text


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
        self.text = network_text(self.network)
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
        return prepare(self.network, self.cores, rows, input_gradient=input_gradient, columns=columns)

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
        return multiply(self.text, self.cores, flat, columns).reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        size = f"{self.network.out_features} x {self.network.in_features}"
        return f"{size}, {self.format}, {self.num_parameters:,} parameters"
