"""The layers that every format is compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

FLOOR_RANK = 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def vendor_layer(cell: str, input_size: int, hidden_size: int) -> nn.Module:
    """PyTorch's own layer, ``batch_first``."""
    layer: nn.Module = getattr(nn, cell)(input_size, hidden_size, batch_first=True)
    return layer


class HandLoop(nn.Module):
    """One product for all frames, and a loop over time written with autograd: what people write by hand.

    Args:
        cell: ``LSTM``, ``GRU`` or ``RNN``.
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        input_rank: rank of the input-to-hidden weight, two plain products; None is one dense matrix.
        hidden_rank: the same of the hidden-to-hidden weight.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        input_rank: int | None = None,
        hidden_rank: int | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.step = _STEPS[cell]
        self.input = _product(input_size, GATES[cell] * hidden_size, input_rank)
        self.hidden = _product(hidden_size, GATES[cell] * hidden_size, hidden_rank)
        self.bias = nn.Parameter(torch.zeros(GATES[cell] * hidden_size))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs (batch, time, hidden_size) of ``x`` (batch, time, input_size), and the last state."""
        h = c = x.new_zeros(x.shape[0], self.hidden_size)
        outputs = []
        for gates in (self.input(x) + self.bias).unbind(1):
            h, c = self.step(gates, self.hidden(h), h, c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


def _product(columns: int, rows: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(columns, rows, bias=False)
    return nn.Sequential(nn.Linear(columns, rank, bias=False), nn.Linear(rank, rows, bias=False))


def _lstm(x_part: Tensor, h_part: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = (x_part + h_part).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru(x_part: Tensor, h_part: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x_part.chunk(3, -1), h_part.chunk(3, -1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return n + z * (h - n), c


def _rnn(x_part: Tensor, h_part: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    return (x_part + h_part).tanh(), c


_STEPS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN": _rnn,
}
