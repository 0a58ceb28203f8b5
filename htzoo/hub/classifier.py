"""A video classifier that reads video files by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from htzoo.data import count_frames, read_frames
from htzoo.data.clips.windows import read_windows
from htzoo.hub.config import ModelConfig
from htzoo.models import VideoClassifier

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

Labels = list[tuple[str, float]]


@dataclass(frozen=True)
class Window:
    """What a model says of one window of a video.

    Attributes:
        start: seconds from the start of the video.
        end: seconds from the start of the video.
        labels: (label, probability), the likeliest first.
    """

    start: float
    end: float
    labels: Labels


class PublishedClassifier(VideoClassifier):
    """A :class:`~htzoo.models.VideoClassifier` with what it takes to label a video file, and to be shared.

    Args:
        config: what config.json says.

    Attributes:
        config: the same.
        sampling: which frames of a clip it reads, as in training.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(**config.arguments)
        if config.sampling is None:
            raise ValueError("sampling is None: give a FrameSampler, which frames of a clip the model reads")
        self.config = config
        self.sampling = config.sampling
        height, width, _ = self.frame_size
        self._picture = (height, width)

    def classify(self, path: str | os.PathLike[str], top: int = 5) -> Labels:
        """Label a video file as one clip, whatever its length, container and picture size.

        Args:
            path: the video.
            top: how many labels to return.

        Returns:
            (label, probability) pairs, the likeliest first.

        Raises:
            ValueError: ``top`` is not positive.
            htzoo.data.VideoError: the file is missing, damaged, or no video.
        """
        _check_top(top)
        return self.label(self.read(path), top)

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The frames that :meth:`classify` looks at, for :meth:`label`: uint8, (T, H, W, 3).

        Raises:
            htzoo.data.VideoError: the file is missing, damaged, or no video.
        """
        indices = self.sampling.candidates(count_frames(path), Path(path).name)
        return read_frames(path, indices, self._picture)

    def classify_windows(
        self, path: str | os.PathLike[str], seconds: float, stride: float | None = None, top: int = 5
    ) -> Iterator[Window]:
        """Label a long video window by window, while it is read once; the memory does not grow with its length.

        Args:
            path: the video.
            seconds: length of a window.
            stride: seconds from the start of one window to the next; the windows' length when None.
            top: how many labels a window.

        Yields:
            The windows in order. What remains at the end is a window of its own if it is half a window or more, or all
            there is.

        Raises:
            ValueError: a number is not positive.
            htzoo.data.VideoError: the file is missing, damaged, or no video.
        """
        _check_top(top)
        for start, end, frames in read_windows(path, seconds, stride or seconds, self.sampling, self._picture):
            yield Window(start, end, self.label(frames, top))

    @torch.no_grad()
    def label(self, frames: np.ndarray, top: int = 5) -> Labels:
        """Label a clip that is in memory.

        Args:
            frames: the candidates of :attr:`sampling`, uint8, (T, H, W, 3), in order. Where it takes several views of a
                clip, their logits are averaged.
            top: how many labels to return.
        """
        _check_top(top)
        frames = self.sampling.pictures(frames)
        views = [self.sampling.choose(len(frames), view) for view in range(self.sampling.views)]
        video = torch.from_numpy(np.stack([frames[view] for view in views]))
        logits = self(video.to(self.classifier.weight.device)).float().mean(0)  # over the views, as in a test
        probabilities = logits.sigmoid() if self.config.multilabel else logits.softmax(-1)
        found = probabilities.topk(min(top, len(self.classes)))
        return [(self.classes[k], p) for k, p in zip(found.indices.tolist(), found.values.tolist(), strict=True)]

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Write what a repository on the Hub holds, see :func:`htzoo.hub.save.save_pretrained`."""
        from htzoo.hub.save import save_pretrained

        return save_pretrained(self, folder, self.config)

    def push_to_hub(self, repo_id: str, **options: Any) -> CommitInfo | None:
        """Publish on the Hub, see :func:`htzoo.hub.upload.push_to_hub`."""
        from htzoo.hub.upload import push_to_hub

        return push_to_hub(self, repo_id, self.config, **options)


def _check_top(top: int) -> None:
    if top < 1:
        raise ValueError(f"top is {top}: give a number of at least 1")
