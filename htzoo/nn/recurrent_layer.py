"""What all recurrent layers share: parameters, layers, directions, sequences of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.formats import Dense, Format
from htzoo.nn.recurrence import Cell, Hidden, State, recur
from htzoo.nn.sequence import Rows, pack, unpack
from htzoo.nn.weight import Weight, check_dtype


class Recurrent(nn.Module):
    """Base of the drop-ins for :mod:`torch.nn`'s recurrent layers, whose weights are tensor networks.

    The gates stand in PyTorch's order and count as one weight, so a format's first output mode carries them. All frames
    pass the input-to-hidden weight in one product, before the recurrence. There is one bias vector a layer and
    direction (PyTorch's two are added before use and have one sum).

    With ``joint_format`` the two weights of the first layer are one, ``[W U]``, which acts on ``[x; h]``. All frames
    still pass their columns in one product, and the steps multiply with the columns of h.

    Inputs, outputs and states have the shapes of PyTorch's layers, :class:`PackedSequence` and a single unbatched
    sequence included. Under autocast the products run in the lower precision; states and outputs keep the parameters'.
    In a compiled model the layer runs uncompiled, as do PyTorch's; :func:`torch.export.export` takes it in.

    Args:
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        num_layers: layers on top of each other; those above the first have a dense input weight.
        bias: whether there is a bias.
        batch_first: whether inputs and outputs are (batch, time, features) rather than (time, batch, features).
        dropout: dropout probability on the output of every layer but the last.
        bidirectional: whether a second recurrence runs backward in time.
        input_format: format of the first layer's input-to-hidden weight; None is dense.
        hidden_format: format of every hidden-to-hidden weight; None is dense, and starts orthogonal.
        joint_format: format of the first layer's two weights as one, with input modes that multiply to ``input_size +
            hidden_size``. The layers above, whose inputs are of other sizes, are dense.
        device: where the parameters live.
        dtype: floating-point type of the parameters.

    Raises:
        ValueError: a size is not positive, a format does not fit the sizes, formats exclude each other, or dropout is
            not a probability.
    """

    twin: ClassVar[Callable[..., nn.RNNBase]]
    cell: Cell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        input_format: Format | None = None,
        hidden_format: Format | None = None,
        joint_format: Format | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value < 1:
                raise ValueError(f"{name} is {value}: give at least 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout}: give a probability between 0 and 1")
        if joint_format is not None and (input_format is not None or hidden_format is not None):
            raise ValueError(
                "joint_format is given together with input_format or hidden_format: "
                "give either joint_format alone, or the other two"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        for layer, suffix in self._cells():
            width = input_size if layer == 0 else hidden_size * (2 if bidirectional else 1)
            if layer == 0 and joint_format is not None:
                weights = {"weight": (joint_format, width + hidden_size)}
            else:
                weights = {
                    "weight_ih": ((input_format if layer == 0 else None) or Dense(), width),
                    "weight_hh": (hidden_format or Dense(), hidden_size),
                }
            for name, (chosen, columns) in weights.items():
                weight = Weight(chosen, columns, hidden_size, self.cell.gates, device=device, dtype=dtype)
                self.add_module(f"{name}_{suffix}", weight)
            for name, gates in self._biases().items():
                vector = nn.Parameter(torch.empty(gates * hidden_size, device=device, dtype=dtype)) if bias else None
                self.register_parameter(f"{name}_{suffix}", vector)
        self.reset_parameters()

    def _cells(self) -> list[tuple[int, str]]:
        """(layer, suffix of its parameters' names) of every layer and direction, in the order of the states."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [(layer, f"l{layer}{direction}") for layer in range(self.num_layers) for direction in directions]

    def _biases(self) -> dict[str, int]:
        """Name of every bias vector of a layer and direction, and how many gates it has."""
        return {"bias": self.cell.gates}

    def _weights(self, suffix: str) -> tuple[tuple[Weight, tuple[int, int] | None], ...]:
        """Input and hidden weight, each with its columns (None: all)."""
        joint = getattr(self, f"weight_{suffix}", None)
        if joint is None:
            return (getattr(self, f"weight_ih_{suffix}"), None), (getattr(self, f"weight_hh_{suffix}"), None)
        columns = joint.network.in_features
        return (joint, (0, columns - self.hidden_size)), (joint, (columns - self.hidden_size, columns))

    def _hidden_bias(self, suffix: str) -> Tensor | None:
        """What is added to the hidden part of the pre-activations, where that is not the same as to the input part."""
        return None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights anew: networks of exact variance, dense recurrent weights orthogonal, no bias."""
        for _, suffix in self._cells():
            for weight in dict(self._weights(suffix)):
                weight.reset_parameters()
            hidden = getattr(self, f"weight_hh_{suffix}", None)
            if hidden is not None and isinstance(hidden.format, Dense):
                for gate in hidden.cores[0].chunk(self.cell.gates):  # in float32: QR has no half precision
                    gate.copy_(nn.init.orthogonal_(torch.empty(gate.shape, dtype=torch.float32, device=gate.device)))
            if self.bias:
                for name in self._biases():
                    self.get_parameter(f"{name}_{suffix}").zero_()

    def _run(self, x: Tensor | PackedSequence, state: State | None) -> tuple[Tensor | PackedSequence, State]:
        """Outputs and last state of all layers, of an input of any kind."""
        rows = pack(x, self.input_size, self.batch_first)
        parameter = next(self.parameters())
        check_dtype("input", rows.data, parameter)
        initial = self._initial(rows, state, parameter)
        data = inputs = rows.data
        outputs: list[Tensor] = []
        last: list[State] = []
        for k, (layer, suffix) in enumerate(self._cells()):
            reverse = suffix.endswith("_reverse")
            if not reverse:
                inputs = data if layer == 0 else nn.functional.dropout(data, self.dropout, self.training)
                outputs = []
            (weight_ih, columns), (weight_hh, hidden_columns) = self._weights(suffix)
            gates = weight_ih(inputs) if columns is None else weight_ih(inputs, columns)
            bias = getattr(self, f"bias_{suffix}")
            gates = gates if bias is None else gates + bias
            hidden = Hidden(weight_hh.text, weight_hh.cores, hidden_columns, self._hidden_bias(suffix))
            start = tuple(value[k] for value in initial)
            y, end = recur(self.cell, gates, rows.order, start, hidden, reverse)
            outputs.append(y)
            last.append(end)
            if reverse or not self.bidirectional:
                data = torch.cat(outputs, -1) if self.bidirectional else y
        return unpack(rows, data), tuple(rows.restore(torch.stack(values)) for values in zip(*last))

    def _initial(self, rows: Rows, state: State | None, parameter: Tensor) -> State:
        """The initial state of every layer and direction, sorted as the rows are."""
        shape = (len(self._cells()), rows.order.batch, self.hidden_size)
        if state is None:
            return (parameter.new_zeros(shape),) * self.cell.states
        expected = (shape[0], *shape[2:]) if rows.unbatched else shape
        names = ("h_0", "c_0")[: self.cell.states]
        if len(state) != len(names) or not all(isinstance(value, Tensor) for value in state):
            raise ValueError(f"hx is not what the layer starts from: give {' and '.join(names)} of shape {expected}")
        for name, value in zip(names, state):
            if value.shape != expected:
                raise ValueError(f"{name} has shape {tuple(value.shape)}: give one of shape {tuple(expected)}")
            check_dtype(name, value, parameter)
        batched = [value.unsqueeze(1) if rows.unbatched else value for value in state]
        return tuple(rows.sort(value.to(parameter.dtype)) for value in batched)

    def flatten_parameters(self) -> None:
        """Do nothing: it is there for code that calls it of PyTorch's layers."""

    def to_dense(self) -> nn.RNNBase:
        """PyTorch's layer with the rebuilt weights, which gives equal outputs."""
        return self._to_twin()

    @torch.no_grad()
    def _to_twin(self, **options: object) -> nn.RNNBase:
        """PyTorch's layer with the rebuilt weights."""
        parameter = next(self.parameters())
        dense = self.twin(
            self.input_size,
            self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout if self.num_layers > 1 else 0.0,  # PyTorch warns of one that does nothing
            bidirectional=self.bidirectional,
            device=parameter.device,
            dtype=parameter.dtype,
            **options,
        )
        for _, suffix in self._cells():
            for name, (weight, columns) in zip(("weight_ih", "weight_hh"), self._weights(suffix), strict=True):
                dense.get_parameter(f"{name}_{suffix}").copy_(weight.to_dense()[:, slice(*(columns or (None,)))])
            if self.bias:
                dense.get_parameter(f"bias_ih_{suffix}").copy_(self.get_parameter(f"bias_{suffix}"))
                hidden_bias = self._hidden_bias(suffix)
                dense.get_parameter(f"bias_hh_{suffix}").copy_(
                    torch.zeros_like(dense.get_parameter(f"bias_hh_{suffix}")) if hidden_bias is None else hidden_bias
                )
        return dense.train(self.training)


class OneState(Recurrent):
    """Layers whose state is the hidden state alone."""

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run the sequence.

        Args:
            input: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or
                packed.
            hx: h_0 of shape (layers * directions, batch, hidden_size) or without batch; zeros when None.

        Returns:
            The outputs of the last layer, like ``input`` with directions * hidden_size features, and h_n.

        Raises:
            ValueError: ``input`` or ``hx`` has the wrong shape or type.
        """
        output, (h_n,) = self._run(input, None if hx is None else (hx,))
        return output, h_n
