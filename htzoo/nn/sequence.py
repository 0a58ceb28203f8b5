"""One shape for every kind of sequence input: rows of frames, and how many sequences run at every time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


@dataclass(frozen=True)
class Rows:
    """All frames of a batch as rows.

    Args:
        data: (rows, features); frames longer than what is computed from them stay in the order of the input, uncopied.
        batch_sizes: how many sequences are running at every time; never grows.
        packed: the packed input that this came from, or None.
        unbatched: whether the input was a single sequence without a batch axis.
        batch_first: whether ``data`` goes through one sequence after the other, rather than through time.
    """

    data: Tensor
    batch_sizes: list[int]
    packed: PackedSequence | None = None
    unbatched: bool = False
    batch_first: bool = False

    def by_time(self, values: Tensor) -> Tensor:
        """Bring values computed from ``data``, row by row, into the order of time."""
        if not self.batch_first:
            return values
        shape = (self.batch_sizes[0], len(self.batch_sizes), values.shape[-1])
        return values.reshape(shape).transpose(0, 1).flatten(0, 1)

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


def pack(x: Tensor | PackedSequence, features: int, batch_first: bool, outputs: int) -> Rows:
    """Read an input of any kind that :class:`torch.nn.LSTM` takes.

    Args:
        x: the input.
        features: how long its last axis must be.
        batch_first: whether (batch, time, features) or (time, batch, features).
        outputs: how many numbers will be computed from each row. What is shorter, they or the row, is brought into the
            order of time.

    Raises:
        ValueError: the shape is not one of them, or the last axis is not ``features`` long.
    """
    data = x.data if isinstance(x, PackedSequence) else x
    ranks = (2,) if isinstance(x, PackedSequence) else (2, 3)
    time = 1 if batch_first and data.dim() == 3 else 0
    if data.dim() not in ranks or data.shape[-1] != features or data.shape[time] == 0:
        raise ValueError(
            f"input has shape {tuple(data.shape)}: give sequences of at least one frame of {features:,} features"
        )
    if isinstance(x, PackedSequence):
        return Rows(x.data, x.batch_sizes.tolist(), packed=x)
    if x.dim() == 2:
        return Rows(x, [1] * x.shape[0], unbatched=True)
    if batch_first and features < outputs:
        x, batch_first = x.transpose(0, 1), False
    time, batch = (x.shape[1], x.shape[0]) if batch_first else (x.shape[0], x.shape[1])
    return Rows(x.reshape(-1, features), [batch] * time, batch_first=batch_first)


def unpack(rows: Rows, data: Tensor, batch_first: bool) -> Tensor | PackedSequence:
    """Give outputs (rows by time, features) the kind and shape of the input that ``rows`` was read from."""
    if rows.packed is not None:
        return rows.packed._replace(data=data)
    if rows.unbatched:
        return data
    frames = data.reshape(len(rows.batch_sizes), rows.batch_sizes[0], data.shape[-1])
    return frames.transpose(0, 1) if batch_first else frames
