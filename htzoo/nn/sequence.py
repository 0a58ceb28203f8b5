"""One shape for every kind of sequence input: rows of frames, and how they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from htzoo.nn.errors import InputError


@dataclass(frozen=True)
class Order:
    """How the frames of all sequences lie, as rows.

    Args:
        batch: number of sequences.
        time: number of frames of the longest sequence.
        batch_first: whether the rows go through one sequence after the other, all equally long, rather than through
            time.
        packed_sizes: how many sequences run at every time, longest first; never grows. None where all are equally long.
    """

    batch: int
    time: int
    batch_first: bool = False
    packed_sizes: Tensor | None = None

    @property
    def batch_sizes(self) -> list[int]:
        """How many sequences run at every time."""
        return [self.batch] * self.time if self.packed_sizes is None else self.packed_sizes.tolist()

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The rows of every time, uncopied."""
        if self.packed_sizes is not None:
            return torch.split(rows, self.batch_sizes)
        if self.batch_first:
            return rows.reshape(self.batch, self.time, rows.shape[-1]).unbind(1)
        return rows.reshape(self.time, self.batch, rows.shape[-1]).unbind()

    def join(self, steps: Sequence[Tensor]) -> Tensor:
        """Undo :meth:`split`."""
        if not self.batch_first:
            return torch.cat(tuple(steps))
        return torch.stack(tuple(steps), 1).reshape(self.batch * self.time, steps[0].shape[-1])


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
        batch = x.sorted_indices.shape[0] if x.sorted_indices is not None else int(x.batch_sizes[0])
        return Rows(x.data, Order(batch, len(x.batch_sizes), packed_sizes=x.batch_sizes), packed=x)
    if x.dim() == 2:
        return Rows(x, Order(1, x.shape[0]), unbatched=True)
    order = Order(x.shape[1 - time], x.shape[time], batch_first)
    return Rows(x.reshape(-1, features), order)


def unpack(rows: Rows, data: Tensor) -> Tensor | PackedSequence:
    """Give outputs (rows, features) the kind and shape of the input that ``rows`` was read from."""
    if rows.packed is not None:
        return rows.packed._replace(data=data)
    if rows.unbatched:
        return data
    order = rows.order
    shape = (order.batch, order.time) if order.batch_first else (order.time, order.batch)
    return data.reshape(*shape, data.shape[-1])
