"""Gated recurrent unit with tensorized weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from htzoo.nn.cell import Cell, Partial, State
from htzoo.nn.recurrent_layer import OneState

aten = torch.ops.aten


class _GRUCell(Cell):
    name = "GRU"
    gates = 3
    states = 1
    kept = (2, 1, 1)  # r and z, n, the hidden part of n
    one_gradient = False

    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        (h,) = state
        size = h.shape[-1]
        x_rz, x_n = torch.split(x_part, [2 * size, size], -1)  # slices of them have no ONNX form
        h_rz, h_n = torch.split(h_part, [2 * size, size], -1)
        r_z = (x_rz + h_rz).sigmoid()
        r, z = r_z.chunk(2, -1)
        n = torch.addcmul(x_n, r, h_n).tanh()
        return (torch.addcmul(n, z, h - n),), (r_z, n, h_n)

    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        r_z, n, h_n = saved
        r, z = r_z.chunk(2, -1)
        (d_h,) = gradient
        d_n = aten.tanh_backward(d_h * (1 - z), n)
        d_z = aten.sigmoid_backward(d_h * (before[0] - n), z)
        d_r = aten.sigmoid_backward(d_n * h_n, r)
        return torch.cat((d_r, d_z, d_n), -1), torch.cat((d_r, d_z, d_n * r), -1), (d_h * z,)


class GRU(OneState):
    """Drop-in for :class:`torch.nn.GRU` whose weights are tensor networks; the arguments are :class:`Recurrent`'s.

    The gates are reset, update and new. The reset gate acts on the new gate's hidden part with its bias, so ``bias_hh``
    is trained beside ``bias_ih``.
    """

    dense_class = nn.GRU
    cell = _GRUCell()
    trains_hidden_bias = True

    def to_dense(self) -> nn.GRU:
        """A :class:`torch.nn.GRU` with the rebuilt weights, which gives equal outputs."""
        dense = self._to_dense()
        assert isinstance(dense, nn.GRU)
        return dense
