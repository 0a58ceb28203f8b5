"""The dataset that reads clips, and how they become a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.frame_cache import FrameCache
from htzoo.data.clips.frame_sampler import FrameOrder, FrameSampler, ordered
from htzoo.data.errors import VideoError


class Item(TypedDict):
    """One clip: video (uint8, V*T x H x W x C), length T of each of its V views, label, index in the list of clips."""

    video: Tensor
    length: int
    label: int
    index: int


class Batch(TypedDict):
    """B clips, V views of each, one in training.

    Video (uint8, B*V x T x H x W x C) and length (int64, B*V) have all views of the first clip, then all of the second,
    and so on; label and index (int64, B) have one entry a clip.
    """

    video: Tensor
    length: Tensor
    label: Tensor
    index: Tensor


@dataclass(frozen=True)
class ClipReader:
    """Reads the frames of any clip of a list, all clips in the same way.

    Attributes:
        clips: The full list.
        sampler: Which frames to read; a shorter clip gives all it has.
        size: (height, width) to resize to; None keeps each clip's own.
        cache: Where frames once read are kept, or None.
    """

    clips: tuple[Clip, ...]
    sampler: FrameSampler
    size: tuple[int, int] | None = None
    cache: FrameCache | None = None

    @property
    def frame_bytes(self) -> int:
        """Size of a frame; 0 if clips keep their own."""
        return 0 if self.size is None else self.size[0] * self.size[1] * 3

    def read(self, index: int) -> npt.NDArray[Any]:
        """All that is kept of clip `index`, T x H x W x C, see `FrameSampler.pictures`; it may be read-only.

        Raises:
            VideoError: The file does not give these frames.
        """
        clip = self.clips[index]
        if self.cache is not None and (kept := self.cache.get(index)) is not None:
            return kept
        candidates = self.sampler.candidates(clip.frames, clip.name)
        frames = self.sampler.pictures(clip.read(candidates, self.size))
        if self.cache is not None:
            self.cache.put(index, frames)
        return frames


class ClipDataset(Dataset[Item]):
    """Some clips of a list, as tensors."""

    def __init__(
        self,
        reader: ClipReader,
        indices: Sequence[int],
        order: FrameOrder = "forward",
        seed: int = 0,
        training: bool = False,
    ) -> None:
        """Take clips of the reader's list.

        Args:
            reader: Has the list.
            indices: Which clips.
            order: The order in which to show frames.
            seed: Seed of all draws.
            training: Draw frames anew each epoch where the sampler does, and show one view.
        """
        self.reader = reader
        self.indices = list(indices)
        self.order: FrameOrder = order
        self.seed = seed
        self.training = training

    def __len__(self) -> int:
        """How many clips."""
        return len(self.indices)

    @property
    def clip_bytes(self) -> int:
        """Size of the views of a clip, at most; 0 if unknown."""
        sampler = self.reader.sampler
        views = 1 if self.training else sampler.views
        return views * sampler.kept(sampler.frames) * self.reader.frame_bytes

    def __getitem__(self, position: int | tuple[int, int]) -> Item:
        """Read the clip at a position, or at (epoch, position)."""
        index, length, frames = self._shown(position)
        return {
            "video": torch.from_numpy(frames),
            "length": length,
            "label": self.reader.clips[index].label,
            "index": index,
        }

    def _shown(self, position: int | tuple[int, int]) -> tuple[int, int, npt.NDArray[Any]]:
        """Index of a clip, length of its views, and what the reader has of the frames to show, view after view."""
        epoch, position = position if isinstance(position, tuple) else (0, position)
        index = self.indices[position]
        frames = self.reader.read(index)
        sampler = self.reader.sampler
        if self.training:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch, index]))
            shown = [sampler.choose(len(frames), rng=rng)]
        else:
            shown = [sampler.choose(len(frames), view) for view in range(sampler.views)]
        length = len(shown[0])
        order = ordered(length, self.order, self.seed, index)
        return index, length, frames[np.concatenate([view[order] for view in shown])]  # a copy: caches stay untouched


def collate_clips(items: Sequence[Item]) -> Batch:
    """Make a batch of clips; shorter ones are padded with black frames at the end.

    Raises:
        VideoError: The clips differ in frame size.
    """
    videos = [view for item in items for view in torch.split(item["video"], item["length"])]
    pictures = {tuple(video.shape[1:]) for video in videos}
    if len(pictures) > 1:
        raise VideoError(f"clips of one batch have frames of shape {sorted(pictures)}; set size to make them equal.")
    longest = max(len(video) for video in videos)
    if all(len(video) == longest for video in videos):
        batch = torch.stack(videos)
    else:
        batch = torch.zeros((len(videos), longest, *videos[0].shape[1:]), dtype=torch.uint8)
        for row, video in zip(batch, videos, strict=True):
            row[: len(video)] = video
    return {
        "video": batch,
        "length": torch.tensor([len(video) for video in videos]),
        "label": torch.tensor([item["label"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
    }
