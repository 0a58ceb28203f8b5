"""The recurrence as one operation of an exported graph, for any batch size and any number of frames."""

from __future__ import annotations

from torch import Tensor

from htzoo.nn.cell import Cell, State


def recur_for_export(
    cell: Cell,
    x_parts: Tensor,
    state: State,
    matrix: Tensor,
    hidden_bias: Tensor | None,
    projection: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, State]:
    """What :func:`htzoo.nn.recurrence.recur` computes, in operations that a graph can hold.

    Args:
        cell: what one step does.
        x_parts: input part of the pre-activations (time, batch, gates * hidden).
        state: initial state, each (batch, hidden).
        matrix: the hidden-to-hidden weight (gates * hidden, hidden).
        hidden_bias: added to the hidden part of the pre-activations.
        projection: multiplied with every new hidden state.
        reverse: whether to run backward in time.

    Returns:
        Hidden states (time, batch, hidden), and the last state.
    """
    from torch._higher_order_ops.scan import scan  # no public name yet; tests run it in both runtimes

    def step(now: State, x_part: Tensor) -> tuple[State, Tensor]:
        h_part = now[0] @ matrix.T
        (h, *others), _ = cell.step(x_part, h_part if hidden_bias is None else h_part + hidden_bias, now)
        h = h if projection is None else h @ projection.T
        return (h, *others), h.clone()

    last, outputs = scan(step, state, x_parts.flip(0) if reverse else x_parts)
    return (outputs.flip(0) if reverse else outputs), tuple(last)
