"""Clips whose frame features are cached, so that their frames are not read again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from htzoo.data.clips.dataset import ClipDataset, ClipReader
from htzoo.data.clips.frame_cache import FrameCache
from htzoo.data.errors import DataError


class FeatureItem(TypedDict):
    """One clip: features (float32, V*T x F), length T of each of its V views, label, index in the list of clips."""

    features: Tensor
    length: int
    label: int
    index: int


class FeatureBatch(TypedDict):
    """As `htzoo.data.clips.dataset.Batch`, with features (float32, B*V x T x F) in place of the video."""

    features: Tensor
    length: Tensor
    label: Tensor
    index: Tensor


@dataclass(frozen=True)
class FeatureReader(ClipReader):
    """Reads features in place of frames; `cache` has those of every clip that is asked for."""

    cache: FrameCache | None = None

    @property
    def frame_bytes(self) -> int:
        """Size of the features of a frame."""
        return 0 if self.cache is None else self.cache.frame_bytes

    def read(self, index: int) -> npt.NDArray[Any]:
        """Features of all candidate frames of clip `index`, T x F, read-only.

        Raises:
            DataError: They are not in the cache.
        """
        kept = None if self.cache is None else self.cache.get(index)
        if kept is None:
            raise DataError(f"features of {self.clips[index].path} are not kept; keep them before a loader is used.")
        return kept


class FeatureDataset(ClipDataset):
    """Some clips of a list, as features."""

    def __getitem__(self, position: int | tuple[int, int]) -> FeatureItem:  # type: ignore[override]
        """Look up the clip at a position, or at (epoch, position)."""
        index, length, features = self._shown(position)
        label = self.reader.clips[index].label
        return {"features": torch.from_numpy(features), "length": length, "label": label, "index": index}


def collate_features(items: Sequence[FeatureItem]) -> FeatureBatch:
    """Put clips into a batch; shorter ones are filled up with zeros at the end."""
    views = [view for item in items for view in torch.split(item["features"], item["length"])]
    return {
        "features": pad_sequence(views, batch_first=True),
        "length": torch.tensor([len(view) for view in views]),
        "label": torch.tensor([item["label"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
    }
