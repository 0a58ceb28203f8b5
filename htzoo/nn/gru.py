"""Gated recurrent unit with tensorized weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.nn.recurrence import Cell, State
from htzoo.nn.recurrent import Recurrent

aten = torch.ops.aten


class _GRUCell(Cell):
    gates = 3
    states = 1

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        (h,) = state
        x_r, x_z, x_n = x_part.chunk(3, -1)
        h_r, h_z, h_n = h_part.chunk(3, -1)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        n = (x_n + r * h_n).tanh()
        return (n + z * (h - n),), (r, z, n, h_n)

    def factors(self, saved: Sequence[Tensor], before: State, after: State) -> tuple[Tensor, ...]:
        r, z, n, h_n = saved
        of_n = aten.tanh_backward(1 - z, n)
        of_z = aten.sigmoid_backward(before[0] - n, z)
        of_r = aten.sigmoid_backward(of_n * h_n, r)
        return torch.cat((of_r, of_z, of_n), -1), torch.cat((of_r, of_z, of_n * r), -1), z

    def step_back(self, factors: Sequence[Tensor], gradient: State) -> tuple[Tensor, Tensor, tuple[Tensor | None, ...]]:
        x_gates, h_gates, z = factors
        (d_h,) = gradient
        tripled = d_h.repeat(1, 3)
        return x_gates * tripled, h_gates * tripled, (d_h * z,)


class GRU(Recurrent):
    """Drop-in for :class:`torch.nn.GRU` whose weights are tensor networks; the arguments are :class:`Recurrent`'s.

    The gates are reset, update and new. The reset gate acts on the new gate's hidden part with its bias, which is why
    that bias is a vector of its own, ``bias_hn``, beside the one of all gates.
    """

    twin = nn.GRU
    cell = _GRUCell()

    def _biases(self) -> dict[str, int]:
        return {**super()._biases(), "bias_hn": 1}

    def _hidden_bias(self, suffix: str) -> Tensor | None:
        bias: Tensor | None = getattr(self, f"bias_hn_{suffix}")
        return None if bias is None else nn.functional.pad(bias, (2 * self.hidden_size, 0))

    def forward(
        self, x: Tensor | PackedSequence, state: Tensor | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run the sequence.

        Args:
            x: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or packed.
            state: h_0 of shape (layers * directions, batch, hidden_size) or without batch; zeros when None.

        Returns:
            The outputs of the last layer, like ``x`` with directions * hidden_size features, and h_n.

        Raises:
            ValueError: ``x`` or ``state`` has the wrong shape or type.
        """
        output, (h_n,) = self._run(x, None if state is None else (state,))
        return output, h_n

    def to_dense(self) -> nn.GRU:
        """A :class:`torch.nn.GRU` with the rebuilt weights, which gives equal outputs."""
        twin = self._to_twin()
        assert isinstance(twin, nn.GRU)
        return twin
