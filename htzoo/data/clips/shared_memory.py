"""Batches from worker processes on machines with little shared memory, such as containers.

PyTorch hands tensors over in /dev/shm. When that is full, a worker drops its batch and training waits for it for ever.
Arrays of numpy go through a pipe instead, which takes a few milliseconds more and no shared memory.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

SHARED_MEMORY = "/dev/shm"
_LOADERS = 2  # of a process that have workers at the same time: for training and for validation


class ThroughPipes:
    """A collate function whose batches hold arrays of numpy in place of tensors."""

    def __init__(self, collate: Callable[[Sequence[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Any]) -> dict[str, Any]:
        """Make a batch."""
        return {name: value.numpy() for name, value in self.collate(items).items()}


def as_tensors(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch with tensors in place of arrays."""
    return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}


def fits(batch_bytes: int, workers: int, prefetch: int, world: int) -> bool:
    """Whether the batches of a loader fit into the machine's shared memory; a warning says what to do if not.

    Args:
        batch_bytes: Size of a batch.
        workers: Processes that make batches.
        prefetch: Batches that each of them makes in advance.
        world: Training processes on the machine, which share the memory.
    """
    try:
        status = os.statvfs(SHARED_MEMORY)
    except (AttributeError, OSError):  # Windows has no such call
        return True  # a system that has it elsewhere
    free = status.f_bavail * status.f_frsize
    needed = batch_bytes * (workers * prefetch + 1) * _LOADERS * world
    if workers and needed > free:
        warnings.warn(
            f"{SHARED_MEMORY} has {free >> 20:,} MB free but batches need up to {-(-needed >> 20):,} MB: they go "
            "through pipes, which is slower; give the container more (docker run --shm-size) or set "
            "--data.num_workers 0",
            stacklevel=2,
        )
        return False
    return True
