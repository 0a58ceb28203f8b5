"""What one step of a recurrence does, and the walk over all steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Partial = tuple[Tensor | None, ...]
CELLS: dict[str, Cell] = {}  # by name: operators take plain values


class Cell(ABC):
    """What one kind of recurrent cell does in one step; it has no parameters.

    The state's first tensor is the hidden state, and the output. ``x_part`` and ``h_part`` are what the input and the
    hidden state contribute to the pre-activations, gates side by side.

    Attributes:
        name: key in :data:`CELLS`.
        gates: how many times the hidden size the pre-activations are wide.
        states: number of tensors of a state.
        kept: widths of the tensors that :meth:`step` gives for :meth:`step_back`, in hidden sizes.
        one_gradient: whether the gradients of ``x_part`` and ``h_part`` are always the same.
    """

    name: ClassVar[str]
    gates: ClassVar[int]
    states: ClassVar[int]
    kept: ClassVar[tuple[int, ...]]
    one_gradient: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        """Add the cell to :data:`CELLS`."""
        CELLS[cls.name] = cls()

    @abstractmethod
    def step(self, x_part: Tensor, h_part: Tensor, state: State) -> tuple[State, State]:
        """The next state, and the tensors that :meth:`step_back` needs. Differentiable."""

    @abstractmethod
    def step_back(self, saved: State, before: State, gradient: State) -> tuple[Tensor, Tensor, Partial]:
        """Gradients of ``x_part``, ``h_part`` and the state ``before``, from that of the state after.

        The state's leave out what goes through ``h_part``; None stands for zero.
        """


class Hidden(NamedTuple):
    """The hidden part of the pre-activations.

    Args:
        network: text of the hidden-to-hidden weight's network (:func:`htzoo.formats.text.network_text`); None where its
            one core is the matrix.
        cores: its cores.
        columns: first and last + 1 of the columns to multiply with; all columns when None.
        bias: added to the product, or None.
    """

    network: str | None
    cores: Sequence[Tensor]
    columns: tuple[int, int] | None = None
    bias: Tensor | None = None


def walk(step: Callable[[int, State], State], batch_sizes: list[int], state: State, reverse: bool) -> State:
    """Call ``step(time, state)`` at every time with the state of the sequences that run then; return the last states.

    Args:
        step: gives the next state; each (running sequences, features).
        batch_sizes: how many sequences run at every time; never grows.
        state: where every sequence starts, each (batch, features).
        reverse: whether time runs backward.
    """
    start = state
    times = range(len(batch_sizes))
    running = batch_sizes[-1] if reverse else batch_sizes[0]
    state = tuple(value[:running] for value in start)
    ended: list[State] = []
    for t in reversed(times) if reverse else times:
        now = batch_sizes[t]
        if now > running:  # going backward, more sequences begin
            state = tuple(torch.cat((value, first[running:now])) for value, first in zip(state, start))
        elif now < running:  # going forward, the shortest sequences end
            ended.append(tuple(value[now:] for value in state))
            state = tuple(value[:now] for value in state)
        running = now
        state = step(t, state)
    ended.append(state)
    return tuple(torch.cat(values) for values in zip(*reversed(ended)))
