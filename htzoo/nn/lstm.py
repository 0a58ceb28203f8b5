"""Long Short-Term Memory with tensorized weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from htzoo.formats import Dense, Format
from htzoo.nn.sequence import Rows, pack, unpack
from htzoo.nn.weight import Weight

State = tuple[Tensor, Tensor]


class LSTM(nn.Module):
    """Drop-in for :class:`torch.nn.LSTM` whose weights are tensor networks.

    The gates stand in PyTorch's order (input, forget, cell, output) and count as one weight, so a format's first output
    mode carries them. All frames pass the input-to-hidden weight in one product, before the recurrence. There is one
    bias vector a layer and direction (PyTorch's two are added before use and have one sum).

    Inputs, outputs and states have the shapes of :class:`torch.nn.LSTM`, :class:`PackedSequence` and a single unbatched
    sequence included.

    Args:
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        num_layers: layers on top of each other; those above the first have a dense input weight.
        bias: whether there is a bias. The forget gate's starts at 1, the others at 0.
        batch_first: whether inputs and outputs are (batch, time, features) rather than (time, batch, features).
        dropout: dropout probability on the output of every layer but the last.
        bidirectional: whether a second recurrence runs backward in time.
        input_format: format of the first layer's input-to-hidden weight; None is dense.
        hidden_format: format of every hidden-to-hidden weight; None is dense, and starts orthogonal.
        device: where the parameters live.
        dtype: floating-point type of the parameters.

    Raises:
        ValueError: a format does not fit the sizes, or dropout is not a probability.
    """

    weight_hh_l0: Weight

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
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout}: give a probability between 0 and 1")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        for layer, suffix in self._cells():
            width = input_size if layer == 0 else hidden_size * (2 if bidirectional else 1)
            chosen = (input_format if layer == 0 else None) or Dense()
            weight_ih = Weight(chosen, width, hidden_size, 4, device=device, dtype=dtype)
            weight_hh = Weight(hidden_format or Dense(), hidden_size, hidden_size, 4, device=device, dtype=dtype)
            self.add_module(f"weight_ih_{suffix}", weight_ih)
            self.add_module(f"weight_hh_{suffix}", weight_hh)
            vector = nn.Parameter(torch.empty(4 * hidden_size, device=device, dtype=dtype)) if bias else None
            self.register_parameter(f"bias_{suffix}", vector)
        self.reset_parameters()

    def _cells(self) -> list[tuple[int, str]]:
        """(layer, suffix of its parameters' names) of every layer and direction, in the order of the states."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [(layer, f"l{layer}{direction}") for layer in range(self.num_layers) for direction in directions]

    def _weights(self, suffix: str) -> tuple[Weight, Weight, Tensor | None]:
        weight_ih, weight_hh = getattr(self, f"weight_ih_{suffix}"), getattr(self, f"weight_hh_{suffix}")
        return weight_ih, weight_hh, getattr(self, f"bias_{suffix}")

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights anew: networks of exact variance, dense recurrent weights orthogonal, forget bias 1."""
        for _, suffix in self._cells():
            weight_ih, weight_hh, bias = self._weights(suffix)
            weight_ih.reset_parameters()
            weight_hh.reset_parameters()
            if isinstance(weight_hh.format, Dense):
                for gate in weight_hh.cores[0].chunk(4):
                    nn.init.orthogonal_(gate)
            if bias is not None:
                bias.zero_()
                bias[self.hidden_size : 2 * self.hidden_size] = 1

    def forward(self, x: Tensor | PackedSequence, state: State | None = None) -> tuple[Tensor | PackedSequence, State]:
        """Run the sequence.

        Args:
            x: (time, batch, input_size), (batch, time, input_size) with ``batch_first``, (time, input_size), or packed.
            state: (h_0, c_0), each (layers * directions, batch, hidden_size) or without batch; zeros when None.

        Returns:
            The outputs of the last layer, like ``x`` with directions * hidden_size features, and (h_n, c_n).

        Raises:
            ValueError: ``x`` or ``state`` has the wrong shape.
        """
        rows = pack(x, self.input_size, self.batch_first)
        h_0, c_0 = self._initial(rows, state)
        data = inputs = rows.data
        outputs: list[Tensor] = []
        last_h, last_c = [], []
        for k, (layer, suffix) in enumerate(self._cells()):
            reverse = suffix.endswith("_reverse")
            if not reverse:
                inputs = data if layer == 0 else nn.functional.dropout(data, self.dropout, self.training)
                outputs = []
            weight_ih, weight_hh, bias = self._weights(suffix)
            gates = weight_ih(inputs)
            gates = rows.by_time(gates) if layer == 0 else gates
            gates = gates if bias is None else gates + bias
            y, h, c = _recur(gates, rows.batch_sizes, h_0[k], c_0[k], weight_hh, reverse)
            outputs.append(y)
            last_h.append(h)
            last_c.append(c)
            if reverse or not self.bidirectional:
                data = torch.cat(outputs, -1) if self.bidirectional else y
        h_n, c_n = rows.restore(torch.stack(last_h)), rows.restore(torch.stack(last_c))
        return unpack(rows, data), (h_n, c_n)

    def _initial(self, rows: Rows, state: State | None) -> State:
        shape = (len(self._cells()), rows.batch_sizes[0], self.hidden_size)
        if state is None:
            zeros = rows.data.new_zeros(shape, dtype=self.weight_hh_l0.cores[0].dtype)
            return zeros, zeros
        expected = (shape[0], *shape[2:]) if rows.unbatched else shape
        for name, value in zip(("h_0", "c_0"), state, strict=True):
            if value.shape != expected:
                raise ValueError(f"{name} has shape {tuple(value.shape)}: give one of shape {tuple(expected)}")
        h_0, c_0 = (value.unsqueeze(1) if rows.unbatched else value for value in state)
        return rows.sort(h_0), rows.sort(c_0)

    @torch.no_grad()
    def to_dense(self) -> nn.LSTM:
        """A :class:`torch.nn.LSTM` with the rebuilt weights, which gives equal outputs."""
        weight = self.weight_hh_l0.cores[0]
        dense = nn.LSTM(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            self.bias,
            self.batch_first,
            self.dropout,
            self.bidirectional,
            device=weight.device,
            dtype=weight.dtype,
        )
        for _, suffix in self._cells():
            weight_ih, weight_hh, bias = self._weights(suffix)
            getattr(dense, f"weight_ih_{suffix}").copy_(weight_ih.to_dense())
            getattr(dense, f"weight_hh_{suffix}").copy_(weight_hh.to_dense())
            if bias is not None:
                getattr(dense, f"bias_ih_{suffix}").copy_(bias)
                getattr(dense, f"bias_hh_{suffix}").zero_()
        return dense.train(self.training)


def _recur(
    gates: Tensor, batch_sizes: list[int], h: Tensor, c: Tensor, weight_hh: Weight, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The recurrence of one layer and direction.

    Args:
        gates: input part of the pre-activations (rows, 4 * hidden), rows sorted by time, long sequences first.
        batch_sizes: how many sequences are still running at every time.
        h: initial hidden state (batch, hidden).
        c: initial cell state (batch, hidden).
        weight_hh: hidden-to-hidden weight.
        reverse: whether to start at every sequence's end.

    Returns:
        Hidden states (rows, hidden) in the order of ``gates``, and the last hidden and cell state (batch, hidden).
    """
    h_0, c_0 = h, c
    steps = torch.split(gates, batch_sizes)
    times = range(len(steps))
    running = batch_sizes[-1] if reverse else batch_sizes[0]
    h, c = h_0[:running], c_0[:running]
    ended: list[tuple[Tensor, Tensor]] = []
    outputs: list[Tensor] = [h] * len(steps)
    for t in reversed(times) if reverse else times:
        now = batch_sizes[t]
        if now > running:  # going backward, more sequences begin
            h, c = torch.cat((h, h_0[running:now])), torch.cat((c, c_0[running:now]))
        elif now < running:  # going forward, the shortest sequences end
            ended.append((h[now:], c[now:]))
            h, c = h[:now], c[:now]
        running = now
        i, f, g, o = (steps[t] + weight_hh(h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs[t] = h
    ended.append((h, c))
    h_n, c_n = (torch.cat([pair[k] for pair in reversed(ended)]) for k in (0, 1))
    return torch.cat(outputs), h_n, c_n
