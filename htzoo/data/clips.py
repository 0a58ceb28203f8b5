"""Clips, the dataset that reads them, and how they become a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from htzoo.data.errors import VideoError
from htzoo.data.reading import read_frames
from htzoo.data.sampling import FrameOrder, ordered, uniform_indices

if TYPE_CHECKING:
    from htzoo.data.cache import FrameCache


@dataclass(frozen=True)
class Clip:
    """A labelled video file.

    Attributes:
        path: The file.
        label: Index of its class.
        group: Group of clips that share scene or subject.
        frames: How many frames it has.
    """

    path: Path
    label: int
    group: int
    frames: int


class Item(TypedDict):
    """One clip: video (uint8, T x C x H x W), its length T, label, and index in the full list of clips."""

    video: Tensor
    length: int
    label: int
    index: int


class Batch(TypedDict):
    """Clips: video (uint8, B x T x C x H x W), and length, label, index (int64, B each)."""

    video: Tensor
    length: Tensor
    label: Tensor
    index: Tensor


@dataclass(frozen=True)
class ClipReader:
    """Reads the frames of any clip of a list, all clips in the same way.

    Attributes:
        clips: The full list.
        frames: How many frames to choose, evenly spaced; a shorter clip gives all it has.
        size: (height, width) to resize to; None keeps each clip's own.
        cache: Where frames once read are kept, or None.
    """

    clips: tuple[Clip, ...]
    frames: int
    size: tuple[int, int] | None = None
    cache: "FrameCache | None" = None

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Frames of clip `index`, T x H x W x C; they may be read-only.

        Raises:
            VideoError: The file does not give these frames.
        """
        clip = self.clips[index]
        length = min(clip.frames, self.frames)
        if self.cache is not None and (kept := self.cache.get(index, length)) is not None:
            return kept
        frames = read_frames(clip.path, uniform_indices(clip.frames, self.frames), self.size)
        if self.cache is not None:
            self.cache.put(index, frames)
        return frames


class ClipDataset(Dataset[Item]):
    """Some clips of a list, as tensors."""

    def __init__(
        self, reader: ClipReader, indices: Sequence[int], order: FrameOrder = "forward", seed: int = 0
    ) -> None:
        """Take the clips `indices` of the reader's list, and show their frames in `order`, drawn from `seed`."""
        self.reader = reader
        self.indices = list(indices)
        self.order: FrameOrder = order
        self.seed = seed

    def __len__(self) -> int:
        """How many clips."""
        return len(self.indices)

    def __getitem__(self, position: int) -> Item:
        """Read a clip; `video` is a T x C x H x W view of T x H x W x C memory."""
        index = self.indices[position]
        frames = self.reader.read(index)
        frames = frames[ordered(len(frames), self.order, self.seed, index)]  # a copy: the cache stays untouched
        return {
            "video": torch.from_numpy(frames).permute(0, 3, 1, 2),
            "length": len(frames),
            "label": self.reader.clips[index].label,
            "index": index,
        }


def collate_clips(items: Sequence[Item]) -> Batch:
    """Put clips into a batch; shorter ones are filled up with black frames at the end.

    `video` is a B x T x C x H x W view of B x T x H x W x C memory, so that flattening a frame as H, W, C is free.

    Raises:
        VideoError: The clips differ in picture size.
    """
    videos = [item["video"].permute(0, 2, 3, 1) for item in items]
    pictures = {tuple(video.shape[1:]) for video in videos}
    if len(pictures) > 1:
        raise VideoError(f"clips of one batch have pictures of shape {sorted(pictures)}; set size to make them equal.")
    longest = max(len(video) for video in videos)
    if all(len(video) == longest for video in videos):
        batch = torch.stack(videos)
    else:
        batch = torch.zeros((len(videos), longest, *videos[0].shape[1:]), dtype=torch.uint8)
        for row, video in zip(batch, videos, strict=True):
            row[: len(video)] = video
    return {
        "video": batch.permute(0, 1, 4, 2, 3),
        "length": torch.tensor([item["length"] for item in items]),
        "label": torch.tensor([item["label"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
    }
