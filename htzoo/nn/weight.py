"""A trainable weight matrix in a format."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.formats.decompose import from_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.merge import to_dense
from htzoo.formats.multiply import multiply


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
        for core in self.network.cores:
            self.register_parameter(core.name, nn.Parameter(torch.empty(core.shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @property
    def cores(self) -> list[Tensor]:
        """The cores, in the network's order."""
        return [self.get_parameter(core.name) for core in self.network.cores]

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

    def forward(self, x: Tensor) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (..., in_features)."""
        y = multiply(self.network, self.cores, x.reshape(-1, self.network.in_features))
        return y.reshape(*x.shape[:-1], self.network.out_features)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        size = f"{self.network.out_features} x {self.network.in_features}"
        return f"{size}, {self.format}, {self.num_parameters:,} parameters"
