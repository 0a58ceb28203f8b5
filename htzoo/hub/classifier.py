"""A video classifier that reads video files itself, and can be saved and published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from htzoo.data import VideoFile
from htzoo.data.clips.windows import read_windows
from htzoo.hub.config import ModelConfig, plain
from htzoo.models import VideoClassifier

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

Labels = list[tuple[str, float]]


@dataclass(frozen=True)
class Window:
    """The labels of one window of a video.

    Attributes:
        start: seconds from the start of the video.
        end: seconds from the start of the video.
        labels: (label, probability) pairs, the most probable first.
    """

    start: float
    end: float
    labels: Labels


class ZooClassifier(VideoClassifier):
    """A :class:`~htzoo.models.VideoClassifier` that labels video files, and can be saved and published.

    :func:`htzoo.create_model` and :func:`htzoo.from_pretrained` return it.

    Args:
        config: arguments of the network, and which frames of a clip it reads.
        backbone_weights: weights of the CNN, see :class:`~htzoo.models.VideoClassifier`; None draws them.

    Attributes:
        sampling: which frames of a clip the model reads.

    Raises:
        ValueError: the config has no sampling, or its arguments do not fit together.
    """

    def __init__(self, config: ModelConfig, *, backbone_weights: str | None = None) -> None:
        super().__init__(**config.arguments, backbone_weights=backbone_weights)
        if config.sampling is None:
            raise ValueError("sampling is None: give a FrameSampler that says which frames of a clip the model reads")
        self._config = config
        self.sampling = config.sampling

    @property
    def config(self) -> ModelConfig:
        """What config.json holds of the model as it is now."""
        return replace(self._config, arguments=plain(self.arguments), sampling=self.sampling)

    def classify(self, path: str | os.PathLike[str], top: int = 5) -> Labels:
        """Label a video file as one clip, whatever its length, container and frame size.

        The model is in evaluation mode while it runs, also if it is in training mode before and after.

        Args:
            path: the video file.
            top: how many labels to return.

        Returns:
            (label, probability) pairs, the most probable first.

        Raises:
            ValueError: ``top`` is not positive.
            htzoo.data.VideoError: the file is missing, damaged, or not a video.
        """
        _check_top(top)
        return self.label(self.read(path), top)

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Read the frames that :meth:`classify` looks at, for :meth:`label`: uint8, (T, H, W, 3).

        Raises:
            htzoo.data.VideoError: the file is missing, damaged, or not a video.
        """
        with VideoFile(path) as video:
            return video.read_chosen(lambda count: self.sampling.candidates(count, Path(path).name), self._size)

    def classify_windows(
        self, path: str | os.PathLike[str], seconds: float, stride: float | None = None, top: int = 5
    ) -> Iterator[Window]:
        """Label a long video window by window. It is read once, in memory that does not grow with its length.

        Args:
            path: the video file.
            seconds: length of a window.
            stride: seconds from the start of one window to the start of the next; the length of a window when None.
            top: how many labels to return for each window.

        Yields:
            The windows in order. What remains at the end is a window of its own if it is half a window or longer, or
            if it is the whole video.

        Raises:
            ValueError: ``seconds``, ``stride`` or ``top`` is not positive.
            htzoo.data.VideoError: the file is missing, damaged, or not a video.
        """
        _check_top(top)
        for start, end, frames in read_windows(path, seconds, stride or seconds, self.sampling, self._size):
            yield Window(start, end, self.label(frames, top))

    @torch.no_grad()
    def label(self, frames: np.ndarray, top: int = 5) -> Labels:
        """Label a clip that is in memory.

        Args:
            frames: the candidate frames of :attr:`sampling`, uint8, (T, H, W, 3), in order. If it takes several views
                of a clip, their logits are averaged.
            top: how many labels to return.
        """
        _check_top(top)
        frames = self.sampling.pictures(frames)
        views = [self.sampling.choose(len(frames), view) for view in range(self.sampling.views)]
        video = torch.from_numpy(np.stack([frames[view] for view in views]))
        with _evaluating(self):
            logits = self(video.to(self.classifier.weight.device)).float().mean(0)  # over the views, as in a test
        probabilities = logits.sigmoid() if self._config.multilabel else logits.softmax(-1)
        found = probabilities.topk(min(top, len(self.classes)))
        return [(self.classes[k], p) for k, p in zip(found.indices.tolist(), found.values.tolist(), strict=True)]

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Write the files of a repository on the Hub, see :func:`htzoo.hub.save.save_pretrained`."""
        from htzoo.hub.save import save_pretrained

        return save_pretrained(self, folder, self.config)

    def push_to_hub(self, repo_id: str, **options: Any) -> CommitInfo:
        """Publish the model on the Hub, see :func:`htzoo.hub.upload.push_to_hub`."""
        from htzoo.hub.upload import push_to_hub

        return push_to_hub(self, repo_id, self.config, **options)

    @property
    def _size(self) -> tuple[int, int]:
        height, width, _ = self.frame_size
        return height, width


def _check_top(top: int) -> None:
    if top < 1:
        raise ValueError(f"top is {top}: give at least 1")


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards every submodule is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
