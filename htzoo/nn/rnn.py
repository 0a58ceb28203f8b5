"""Elman network with tensorized weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.formats import Format
from htzoo.nn.cell import Cell, Partial, State
from htzoo.nn.layer_formats import LayerFormats
from htzoo.nn.recurrent_layer import OneState

aten = torch.ops.aten


class _TanhCell(Cell):
    name = "tanh"
    gates = 1
    states = 1
    kept = (1,)

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        h = (x_part + h_part).tanh()
        return (h,), (h,)

    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        d_gate = aten.tanh_backward(gradient[0], saved[0])
        return d_gate, d_gate, (None,)


class _ReLUCell(_TanhCell):
    name = "relu"

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        h = (x_part + h_part).relu()
        return (h,), (h,)

    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        d_gate = aten.threshold_backward(gradient[0], saved[0], 0)
        return d_gate, d_gate, (None,)


_CELLS: dict[str, Cell] = {"tanh": _TanhCell(), "relu": _ReLUCell()}


class RNN(OneState):
    """Drop-in for :class:`torch.nn.RNN` whose weights are tensor networks.

    Args:
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        num_layers: layers on top of each other.
        nonlinearity: ``tanh`` or ``relu``.
        bias: this and all that follow are :class:`Recurrent`'s.
        batch_first: whether inputs and outputs are (batch, time, features).
        dropout: dropout probability on the output of every layer but the last.
        bidirectional: whether a second recurrence runs backward in time.
        device: where the parameters live.
        dtype: floating-point type of the parameters.
        proj_size: 0; PyTorch's layer takes it too, and has no projection either.
        input_format: format of the first layer's input-to-hidden weight, or a list with one for each layer.
        hidden_format: format of every hidden-to-hidden weight, or a list with one for each layer.
        joint_format: format of the first layer's two weights as one.

    Raises:
        ValueError: as :class:`Recurrent`, or the nonlinearity is unknown.
    """

    dense_class = nn.RNN

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        proj_size: int = 0,
        input_format: LayerFormats = None,
        hidden_format: LayerFormats = None,
        joint_format: Format | None = None,
    ) -> None:
        if nonlinearity not in _CELLS:
            raise ValueError(f"nonlinearity is {nonlinearity!r}: give one of {', '.join(_CELLS)}")
        self.nonlinearity = nonlinearity
        self.cell = _CELLS[nonlinearity]
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
            input_format=input_format,
            hidden_format=hidden_format,
            joint_format=joint_format,
        )
        self.mode = f"RNN_{nonlinearity.upper()}"

    def to_dense(self) -> nn.RNN:
        """A :class:`torch.nn.RNN` with the rebuilt weights, which gives equal outputs."""
        dense = self._to_dense(nonlinearity=self.nonlinearity)
        assert isinstance(dense, nn.RNN)
        return dense
