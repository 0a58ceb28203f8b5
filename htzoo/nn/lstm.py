"""Long Short-Term Memory with tensorized weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.nn.recurrence import Cell, State
from htzoo.nn.recurrent import Recurrent

aten = torch.ops.aten


class _LSTMCell(Cell):
    gates = 4
    states = 2

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        i, f, g, o = (x_part + h_part).chunk(4, -1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * state[1] + i * g
        return (o * c.tanh(), c), (i, f, g, o)

    def factors(self, saved: Sequence[Tensor], before: State, after: State) -> tuple[Tensor, ...]:
        i, f, g, o = saved
        tanh_c = after[1].tanh()
        gates = (
            aten.sigmoid_backward(g, i),
            aten.sigmoid_backward(before[1], f),
            aten.tanh_backward(i, g),
            aten.sigmoid_backward(tanh_c, o),
        )
        return torch.cat(gates, -1), aten.tanh_backward(o, tanh_c), f

    def step_back(self, factors: Sequence[Tensor], gradient: State) -> tuple[Tensor, Tensor, tuple[Tensor | None, ...]]:
        gates, of_h, f = factors
        d_h, d_c = gradient
        d_c = torch.addcmul(d_c, d_h, of_h)
        d_gates = gates * torch.cat((d_c, d_c, d_c, d_h), -1)
        return d_gates, d_gates, (None, d_c * f)


class LSTM(Recurrent):
    """Drop-in for :class:`torch.nn.LSTM` whose weights are tensor networks; the arguments are :class:`Recurrent`'s.

    The gates are input, forget, cell and output. The forget gate's bias starts at 1, the others at 0.
    """

    twin = nn.LSTM
    cell = _LSTMCell()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """See :meth:`Recurrent.reset_parameters`; the forget gate's bias starts at 1."""
        super().reset_parameters()
        for _, suffix in self._cells():
            if self.bias:
                self.get_parameter(f"bias_{suffix}").chunk(4)[1].fill_(1)

    def forward(
        self, x: Tensor | PackedSequence, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run the sequence.

        Args:
            x: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or packed.
            state: (h_0, c_0), each (layers * directions, batch, hidden_size) or without batch; zeros when None.

        Returns:
            The outputs of the last layer, like ``x`` with directions * hidden_size features, and (h_n, c_n).

        Raises:
            ValueError: ``x`` or ``state`` has the wrong shape or type.
        """
        output, (h_n, c_n) = self._run(x, state)
        return output, (h_n, c_n)

    def to_dense(self) -> nn.LSTM:
        """A :class:`torch.nn.LSTM` with the rebuilt weights, which gives equal outputs."""
        twin = self._to_twin()
        assert isinstance(twin, nn.LSTM)
        return twin
