"""Which frames of a clip, in which order, and which clips in which process."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, DistributedSampler

FrameOrder = Literal["forward", "shuffled", "repeated"]


def uniform_indices(available: int, frames: int) -> npt.NDArray[np.int64]:
    """Choose the middle frames of `frames` equal segments of a clip: 8 of 24 are 1, 4, .., 22.

    Args:
        available: Frames of the clip.
        frames: Frames wanted.

    Returns:
        Increasing indices, shape (min(available, frames),): a clip that is too short gives all it has.

    Raises:
        ValueError: One of the two is not positive.
    """
    if available < 1 or frames < 1:
        raise ValueError(f"cannot choose {frames} of {available} frames; both must be at least 1.")
    if available <= frames:
        return np.arange(available)
    return (2 * np.arange(frames) + 1) * available // (2 * frames)


def ordered(length: int, order: FrameOrder, seed: int, index: int) -> npt.NDArray[np.int64]:
    """Positions at which to look up the frames of a clip, to test whether a model sees motion.

    Args:
        length: Frames chosen from the clip, T.
        order: "forward" leaves them, "shuffled" permutes them, "repeated" shows one of them T times.
        seed: Seed of the draws.
        index: The clip, which gets the same draw every time.

    Returns:
        Positions between 0 and T - 1, shape (T,).

    Raises:
        ValueError: `order` is none of the three.
    """
    if order == "forward":
        return np.arange(length)
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    if order == "shuffled":
        return rng.permutation(length)
    if order == "repeated":
        return np.full(length, rng.integers(length))
    raise ValueError(f"frame_order is {order!r}; choose forward, shuffled or repeated.")


class EachOnceSampler(DistributedSampler[Any]):
    """Deal the clips out to the processes in order, each clip once: process r of n gets r, r + n, r + 2n, ...

    Torch's DistributedSampler repeats clips so that all processes have equally many, which counts some twice in a
    test. This one is its subclass because Lightning replaces every other kind of sampler in a run of several processes.
    """

    def __init__(self, dataset: Dataset[Any], num_replicas: int, rank: int) -> None:
        """Deal out `dataset` to `num_replicas` processes, of which this is number `rank`, from 0."""
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, shuffle=False)
        self._mine = range(rank, len(dataset), num_replicas)  # type: ignore[arg-type]  # Dataset does not promise len

    def __iter__(self) -> Iterator[int]:
        """Yield positions in the dataset."""
        return iter(self._mine)

    def __len__(self) -> int:
        """Clips of this process."""
        return len(self._mine)
