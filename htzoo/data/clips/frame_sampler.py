"""Which frames of a clip, in which order, and which clips in which process."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, DistributedSampler

from htzoo.data.clips.motion_images import FRAMES_A_PICTURE, motion_pictures

Indices = npt.NDArray[np.int64]
FrameOrder = Literal["forward", "shuffled", "repeated"]
Sampling = Literal["uniform", "segments", "fixed_random", "all"]

# Frames of a segment that training draws from: odd, so that the one in the middle is the one that `uniform` takes.
_DRAWN_FROM = 5


@dataclass(frozen=True)
class FrameSampler:
    """Which frames of a clip are read, and which of those the model sees.

    The two are apart so that what is read can be kept: the candidates of a clip never change, and every epoch and
    every view chooses among them.

    Attributes:
        sampling: "uniform" takes the middle frames of `frames` equal segments. "segments" takes one of five frames of
            each segment, drawn anew each epoch, and the middle one outside training. "fixed_random" draws `frames`
            frames once, without replacement, and sorts them, as the authors of BT-LSTM do for UCF11. "all" takes every
            `every`-th frame up to `frames` of them, as the authors of TT-RNN do with a maximum of 85 or 1,492.
        frames: Frames that the model sees, T; a clip that is too short gives all it has.
        every: Step from frame to frame of "all".
        views: How many times a clip is looked at outside training, each time with other frames.
        seed: Seed of "fixed_random".
        motion: Whether the model sees what changes and not the frames themselves: every four candidates become one
            motion image, see `htzoo.data.clips.motion_images.motion_pictures`. Only with "uniform" and "all".

    Raises:
        ValueError: A setting is out of its range, or is one that this sampling does not have.
    """

    sampling: Sampling = "uniform"
    frames: int = 8
    every: int = 1
    views: int = 1
    seed: int = 0
    motion: bool = False

    def __post_init__(self) -> None:
        if self.sampling not in get_args(Sampling):
            raise ValueError(f"sampling is {self.sampling!r}; choose one of {', '.join(get_args(Sampling))}.")
        if min(self.frames, self.every, self.views) < 1:
            raise ValueError(f"frames {self.frames}, every {self.every} and views {self.views} must all be at least 1.")
        if self.sampling == "all" and self.views > 1:
            raise ValueError(f"views is {self.views}, but sampling all shows every frame at once; set views to 1.")
        if self.sampling != "all" and self.every > 1:
            raise ValueError(f"every is {self.every}, which only sampling all has; set sampling to all or every to 1.")
        if self.motion and (
            self.sampling not in ("uniform", "all") or self.views > 1 or self.frames % FRAMES_A_PICTURE
        ):
            raise ValueError(
                f"motion needs sampling uniform or all, one view, and frames that {FRAMES_A_PICTURE} divides; "
                f"they are {self.sampling}, {self.views} and {self.frames}."
            )

    @property
    def per_segment(self) -> int:
        """Candidates of each segment."""
        return max(_DRAWN_FROM, self.views) if self.sampling == "segments" else self.views

    def candidates(self, available: int, name: str) -> Indices:
        """Frames to read of a clip.

        Args:
            available: Frames that it has.
            name: Its unique name in the dataset; the draw of "fixed_random" follows from it and the seed.

        Returns:
            Increasing indices, no more than `available`.
        """
        wanted = self.frames * self.per_segment
        if self.sampling == "all":
            return np.arange(0, available, self.every)[: self.frames]
        if self.sampling == "fixed_random" and available > wanted:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode("utf-8", "surrogateescape")).digest()
            rng = np.random.RandomState(int.from_bytes(digest[:4], "big"))  # its draws are the same in every numpy
            return np.sort(rng.choice(available, wanted, replace=False)).astype(np.int64)
        return uniform_indices(available, wanted)

    def kept(self, candidates: int) -> int:
        """How many frames, or motion images, come of so many candidates."""
        return candidates // FRAMES_A_PICTURE if self.motion else candidates

    def pictures(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """What is kept of the candidates of a clip, of which `choose` takes: the frames, or motion images.

        Raises:
            VideoError: There are too few of them for one motion image.
        """
        return motion_pictures(frames) if self.motion else frames

    def choose(self, count: int, view: int = 0, rng: np.random.Generator | None = None) -> Indices:
        """Positions, among what is kept of a clip, of the frames or motion images to show.

        Args:
            count: How many are kept.
            view: Which of the views.
            rng: Where the draw of a training clip comes from; None draws nothing.

        Returns:
            Positions in the order of time, shape (min(count, frames),). Between `frames` and `frames * per_segment`
            candidates, a draw may hold one of them twice.
        """
        if count <= self.frames:
            return np.arange(count)
        of_segment: int | Indices
        if rng is not None and self.sampling == "segments":
            of_segment = rng.integers(self.per_segment, size=self.frames)
        else:
            of_segment = int(uniform_indices(self.per_segment, self.views)[view])
        cell = np.arange(self.frames) * self.per_segment + of_segment
        return (2 * cell + 1) * count // (2 * self.frames * self.per_segment)


def uniform_indices(available: int, frames: int) -> Indices:
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


def ordered(length: int, order: FrameOrder, seed: int, index: int) -> Indices:
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


class TrainSampler(DistributedSampler[Any]):
    """Torch's DistributedSampler, shuffled, that says with every clip which epoch it is, and can begin within one.

    A worker process keeps its copy of the dataset from epoch to epoch, so it learns of the epoch only this way. The
    order of the clips depends on the seed and the epoch alone: process r of n takes r, r + n, r + 2n, ... of it.

    Attributes:
        skip: Clips at the beginning of the order, over all processes, that the next iteration leaves out.
    """

    def __init__(self, dataset: Dataset[Any], num_replicas: int, rank: int, seed: int) -> None:
        """Deal out `dataset` to `num_replicas` processes, of which this is number `rank`, from 0."""
        super().__init__(dataset, num_replicas, rank, shuffle=True, seed=seed, drop_last=True)
        self.skip = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (epoch, position in the dataset)."""
        rest = self._order()[self.skip : self.total_size]
        mine = rest[self.rank :: self.num_replicas][: len(rest) // self.num_replicas]
        return ((self.epoch, position) for position in mine)

    def _order(self) -> list[int]:
        """All positions, in the order that torch's class shuffles them into."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        positions: list[int] = torch.randperm(len(self.dataset), generator=generator).tolist()  # type: ignore[arg-type]
        return positions


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
