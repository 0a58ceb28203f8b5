"""A recurrent layer in plain operations, for :func:`torch.export.export`: any batch size and any number of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from htzoo.nn.recurrence import State
    from htzoo.nn.recurrent_layer import Recurrent


def is_exporting() -> bool:
    """Whether :func:`torch.export.export` is tracing. PyTorch before 2.7 does not tell, and has no loop to export."""
    return hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting()


def run_for_export(layer: Recurrent, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Outputs and last state, as the layer computes them, with the loop over time as one operation of the graph.

    The hidden-to-hidden weight is rebuilt as a matrix in the graph, so that the loop holds plain products only.

    Args:
        layer: the layer, in evaluation mode.
        x: (time, batch, features), or (batch, time, features) with ``batch_first``.
        state: where the layer starts, each (layers * directions, batch, hidden); zeros when None.

    Returns:
        Outputs in the layout of ``x``, and the last state.
    """
    from torch._higher_order_ops.scan import scan  # no public name yet; tests run it in both runtimes

    data = x.transpose(0, 1) if layer.batch_first else x
    last: list[State] = []
    for number in range(layer.num_layers):
        outputs = []
        inputs = data
        for reverse in (False, True)[: 1 + layer.bidirectional]:
            suffix = f"l{number}{'_reverse' if reverse else ''}"
            (weight_ih, columns), (weight_hh, hidden_columns) = layer._weights(suffix)
            bias, hidden_bias = layer._biases(suffix)
            projection = layer._projection(suffix)
            back = None if projection is None else projection.to_dense().T
            hidden = weight_hh.to_dense()[:, slice(*(hidden_columns or (None,)))]
            gates = weight_ih(inputs, columns) if bias is None else weight_ih(inputs, columns) + bias
            if state is None:
                start = tuple(gates.new_zeros(gates.shape[1], size) for size in layer._state_sizes)
            else:
                start = tuple(value[len(last)] for value in state)

            def step(now: State, x_part: Tensor) -> tuple[State, Tensor]:
                h_part = now[0] @ hidden.T  # noqa: B023 (called before the loop goes on, as the others)
                h_part = h_part if hidden_bias is None else h_part + hidden_bias  # noqa: B023
                (h, *others), _ = layer.cell.step(x_part, h_part, now)
                h = h if back is None else h @ back  # noqa: B023
                return (h, *others), h.clone()

            end, steps = scan(step, start, gates.flip(0) if reverse else gates)
            outputs.append(steps.flip(0) if reverse else steps)
            last.append(tuple(end))
        data = torch.cat(outputs, -1) if layer.bidirectional else outputs[0]
    return (data.transpose(0, 1) if layer.batch_first else data), tuple(torch.stack(values) for values in zip(*last))
