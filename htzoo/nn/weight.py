"""Trainable weight matrices: cores in a format, or a plain parameter where the format is dense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from htzoo.formats import Dense, Format
from htzoo.formats.apply import Prepared, multiply, prepare
from htzoo.formats.contract import to_dense
from htzoo.formats.decompose import from_dense
from htzoo.formats.initialize import initialize
from htzoo.formats.modes import autocasts
from htzoo.formats.network import Network
from htzoo.formats.text import dense_network, network_of, network_text
from htzoo.nn.errors import InputError


def check_dtype(name: str, value: Tensor, parameter: Tensor) -> None:
    """Refuse a tensor whose type differs from the parameters', unless autocast converts it.

    Raises:
        InputError: the types differ.
    """
    autocast = autocasts(value.device)
    if value.dtype != parameter.dtype and not (autocast and value.is_floating_point()):
        raise InputError(
            f"{name} is {value.dtype}, but the layer's parameters are {parameter.dtype}: "
            f"convert with {name}.to({parameter.dtype})"
            + (", or run under torch.autocast" if value.is_floating_point() else "")
        )


def check_input(x: Tensor, features: int, parameter: Tensor) -> None:
    """Refuse an input whose last axis has another size than ``features``, or that :func:`check_dtype` refuses.

    Raises:
        InputError: it is refused.
    """
    if x.dim() == 0 or x.shape[-1] != features:
        raise InputError(f"input has shape {tuple(x.shape)}: give a last axis of {features:,} features")
    check_dtype("input", x, parameter)


@dataclass(frozen=True)
class Matrix:
    """A weight as the layers multiply with it: a network and the tensors that fill it, wherever they are kept.

    Calling it multiplies: inputs of shape (..., in_features) become (..., out_features).

    Args:
        format: the format of the network.
        in_features: columns.
        out_features: rows, gates included.
        cores: one tensor for each core, in the network's order.
        text: the network as operators take it; None where the one core is the matrix.
    """

    format: Format
    in_features: int
    out_features: int
    cores: Sequence[Tensor]
    text: str | None = None

    @property
    def network(self) -> Network:
        """How the cores are joined; its outputs include the gates."""
        return network_of(self.text) if self.text is not None else dense_network(self.in_features, self.out_features)

    @property
    def num_parameters(self) -> int:
        """Total size of the cores."""
        return self.network.num_parameters

    def to_dense(self) -> Tensor:
        """The matrix, of shape (out_features, in_features). Gradient flows to the cores."""
        return to_dense(self.network, self.cores)

    def prepare(self, rows: int, *, input_gradient: bool = True, columns: tuple[int, int] | None = None) -> Prepared:
        """Merge the cores: see :func:`htzoo.formats.apply.prepare`."""
        return prepare(self.network, self.cores, rows, input_gradient=input_gradient, columns=columns)

    def __call__(self, x: Tensor, columns: tuple[int, int] | None = None) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (..., in_features), or as many features as ``columns`` has.

        Raises:
            InputError: ``x`` has another last axis, or another type than the cores.
        """
        first, last = columns or (0, self.in_features)
        check_input(x, last - first, self.cores[0])
        flat = x.reshape(-1, x.shape[-1])
        return multiply(self.text, self.cores, flat, columns).reshape(*x.shape[:-1], self.out_features)


class Weight(nn.Module):
    """A matrix of shape (gates * out_features, in_features) whose parameters are the cores of ``format``.

    Calling it multiplies: inputs of shape (..., in_features) become (..., gates * out_features).

    To draw it with another variance call :meth:`reset_parameters`: initialisers of :mod:`torch.nn.init` scale one core
    at a time, and know nothing of the product.

    Args:
        format: the tensor network.
        in_features: columns.
        out_features: rows, gates not counted.
        gates: weights on top of each other (4 LSTM, 3 GRU, 1 otherwise).
        device: where the cores live.
        dtype: floating-point type of the cores.

    Attributes:
        error: relative error of the last :meth:`set_dense`; None before the first.

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
    def matrix(self) -> Matrix:
        """The same weight without the module around it."""
        return Matrix(self.format, self.in_features, self.out_features, self.cores, self.text)

    @property
    def num_parameters(self) -> int:
        """Total size of the cores."""
        return self.network.num_parameters

    def reset_parameters(self, variance: float | None = None) -> None:
        """Draw the cores again, such that the matrix has exactly this mean square (1 / in_features when None)."""
        initialize(self.network, self.cores, variance)

    def to_dense(self) -> Tensor:
        """The matrix, of shape (gates * out_features, in_features). Gradient flows to the cores."""
        return self.matrix.to_dense()

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
        """See :meth:`Matrix.prepare`."""
        return self.matrix.prepare(rows, input_gradient=input_gradient, columns=columns)

    def forward(self, x: Tensor) -> Tensor:
        """``x @ W.T`` for ``x`` of shape (..., in_features).

        Raises:
            InputError: ``x`` has another last axis, or another type than the cores.
        """
        check_input(x, self.in_features, self.cores[0])
        flat = x.reshape(-1, x.shape[-1])
        return multiply(self.text, self.cores, flat).reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        size = f"{self.network.out_features} x {self.network.in_features}"
        return f"{size}, {self.format}, {self.num_parameters:,} parameters"


def explain_dense_matrix(
    module: nn.Module,
    state_dict: Mapping[str, Any],
    prefix: str,
    _: Any,
    __: Any,
    ___: Any,
    ____: Any,
    errors: list[str],
) -> None:
    """A hook before a state dict is loaded: say what to do with a dense matrix where the weight has cores."""
    for name, weight in module.named_children():
        if isinstance(weight, Weight) and isinstance(state_dict.get(prefix + name), Tensor):
            errors.append(
                f"{prefix + name} is a dense matrix in the state dict, and {weight.format} here: load the state dict "
                "into the layer of torch.nn and give that to htzoo.compress"
            )


AnyWeight: TypeAlias = "Weight | Tensor"  # what a layer keeps under the name of a weight; a dense one is a parameter


def make_weight(
    format: Format | None,
    in_features: int,
    out_features: int,
    gates: int = 1,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Weight | nn.Parameter:
    """A weight in a format, or a plain parameter where the format is dense; see :class:`Weight` for the arguments.

    Raises:
        ValueError: the format does not fit the features.
    """
    if format is not None and not isinstance(format, Dense):
        return Weight(format, in_features, out_features, gates, device=device, dtype=dtype)
    parameter = nn.Parameter(torch.empty(gates * out_features, in_features, device=device, dtype=dtype))
    reset_weight(parameter)
    return parameter


def reset_weight(weight: AnyWeight) -> None:
    """Draw a weight again, its mean square being exactly 1 / in_features."""
    if isinstance(weight, Weight):
        weight.reset_parameters()
    else:
        matrix = matrix_of(weight)
        initialize(matrix.network, matrix.cores)


def set_weight(weight: AnyWeight, matrix: Tensor) -> None:
    """Set a weight to ``matrix``, or to the closest in its format."""
    if isinstance(weight, Weight):
        weight.set_dense(matrix)
    else:
        weight.copy_(matrix)


def matrix_of(weight: AnyWeight) -> Matrix:
    """A weight as a network and its cores, whichever way it is kept."""
    if isinstance(weight, Weight):
        return weight.matrix
    return Matrix(_DENSE, weight.shape[1], weight.shape[0], (weight,))


_DENSE = Dense()
