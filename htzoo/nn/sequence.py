"""One shape for every kind of sequence input: rows of frames, and how they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from htzoo.nn.errors import InputError


class Order(NamedTuple):
    """How the frames of all sequences lie, as rows.

    Args:
        batch_sizes: how many sequences are running at every time, long ones first; never grows.
        batch_first: whether the rows go through one sequence after the other, all equally long, rather than through
            time.
    """

    batch_sizes: list[int]
    batch_first: bool = False

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The rows of every time, uncopied."""
        if self.batch_first:
            return rows.reshape(self.batch_sizes[0], len(self.batch_sizes), rows.shape[-1]).unbind(1)
        return torch.split(rows, self.batch_sizes)

    def join(self, steps: Sequence[Tensor]) -> Tensor:
        """Undo :meth:`split`."""
        return torch.stack(tuple(steps), 1).flatten(0, 1) if self.batch_first else torch.cat(tuple(steps))


@dataclass(frozen=True)
class Rows:
    """All frames of a batch as rows.

    Args:
        data: (rows, features), in the order of the input, uncopied.
        order: how they lie.
        packed: the packed input that this came from, or None.
        unbatched: whether the input was a single sequence without a batch axis.
    """

    data: Tensor
    order: Order
    packed: PackedSequence | None = None
    unbatched: bool = False

    def sort(self, state: Tensor) -> Tensor:
        """Bring the batch axis (the second) of a state into the order of the rows."""
        if self.packed is None or self.packed.sorted_indices is None:
            return state
        return state.index_select(1, self.packed.sorted_indices)

    def restore(self, state: Tensor) -> Tensor:
        """Undo :meth:`sort`, and drop the batch axis where the input had none."""
        if self.unbatched:
            return state.squeeze(1)
        if self.packed is None or self.packed.unsorted_indices is None:
            return state
        return state.index_select(1, self.packed.unsorted_indices)


def pack(x: Tensor | PackedSequence, features: int, batch_first: bool) -> Rows:
    """Read an input of any kind that :class:`torch.nn.LSTM` takes.

    Args:
        x: the input.
        features: how long its last axis must be.
        batch_first: whether (batch, time, features) or (time, batch, features).

    Raises:
        InputError: the shape is not one of them, or the last axis is not ``features`` long.
    """
    data = x.data if isinstance(x, PackedSequence) else x
    ranks = (2,) if isinstance(x, PackedSequence) else (2, 3)
    time = 1 if batch_first and data.dim() == 3 else 0
    if data.dim() not in ranks or data.shape[-1] != features or data.shape[time] == 0:
        raise InputError(
            f"input has shape {tuple(data.shape)}: give sequences of at least one frame of {features:,} features"
        )
    if isinstance(x, PackedSequence):
        return Rows(x.data, Order(x.batch_sizes.tolist()), packed=x)
    if x.dim() == 2:
        return Rows(x, Order([1] * x.shape[0]), unbatched=True)
    order = Order([x.shape[1 - time]] * x.shape[time], batch_first)
    return Rows(x.reshape(-1, features), order)


def unpack(rows: Rows, data: Tensor) -> Tensor | PackedSequence:
    """Give outputs (rows, features) the kind and shape of the input that ``rows`` was read from."""
    if rows.packed is not None:
        return rows.packed._replace(data=data)
    if rows.unbatched:
        return data
    shape = len(rows.order.batch_sizes), rows.order.batch_sizes[0]
    return data.reshape(*(reversed(shape) if rows.order.batch_first else shape), data.shape[-1])
