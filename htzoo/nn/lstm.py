"""Long Short-Term Memory with tensorized weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.nn.cell import Cell, Partial, State
from htzoo.nn.recurrent_layer import Recurrent

aten = torch.ops.aten


class _LSTMCell(Cell):
    name = "LSTM"
    gates = 4
    states = 2
    kept = (2, 1, 1, 1)  # i and f, g, o, tanh c

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        gates = x_part + h_part
        size = gates.shape[-1] // 4
        i_f, g, o = torch.split(gates, [2 * size, size, size], -1)  # slices of them have no ONNX form
        i_f, g, o = i_f.sigmoid(), g.tanh(), o.sigmoid()
        i, f = i_f.chunk(2, -1)
        c = torch.addcmul(f * state[1], i, g)
        tanh_c = c.tanh()
        return (o * tanh_c, c), (i_f, g, o, tanh_c)

    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        i_f, g, o, tanh_c = saved
        i, f = i_f.chunk(2, -1)
        d_h, d_c = gradient
        d_c = torch.addcmul(d_c, d_h, aten.tanh_backward(o, tanh_c))
        gates = (
            aten.sigmoid_backward(d_c * g, i),
            aten.sigmoid_backward(d_c * before[1], f),
            aten.tanh_backward(d_c * i, g),
            aten.sigmoid_backward(d_h * tanh_c, o),
        )
        d_gates = torch.cat(gates, -1)
        return d_gates, d_gates, (None, d_c * f)


class LSTM(Recurrent):
    """Drop-in for :class:`torch.nn.LSTM` whose weights are tensor networks; the arguments are :class:`Recurrent`'s.

    The gates are input, forget, cell and output. The forget gate's bias starts at 1, the others at 0.
    """

    dense_class = nn.LSTM
    cell = _LSTMCell()
    projects = True

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """See :meth:`Recurrent.reset_parameters`; the forget gate's bias starts at 1."""
        super().reset_parameters()
        for _, suffix in self._cells():
            if self.bias:
                getattr(self, f"bias_ih_{suffix}").chunk(4)[1].fill_(1)

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run the sequence.

        Args:
            input: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or
                packed.
            hx: (h_0, c_0), each (layers * directions, batch, hidden_size) or without batch; zeros when None. With a
                projection h_0 has proj_size features.

        Returns:
            The outputs of the last layer, like ``input`` with directions * hidden_size features (proj_size with a
            projection), and (h_n, c_n).

        Raises:
            InputError: ``input`` or ``hx`` has the wrong shape or type (a ValueError and a RuntimeError).
        """
        output, (h_n, c_n) = self._run(input, hx)
        return output, (h_n, c_n)

    def to_dense(self) -> nn.LSTM:
        """A :class:`torch.nn.LSTM` with the rebuilt weights, which gives equal outputs."""
        dense = self._to_dense(proj_size=self.proj_size)
        assert isinstance(dense, nn.LSTM)
        return dense
