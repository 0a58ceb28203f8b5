"""Video data: exact frame reading, clips, caching, and Lightning data modules.

Names are imported on first use, so that a process that only writes or reads video does not wait for Lightning. Every
dataset is here too, by the name of its class: `htzoo.data.UCF11`. See `htzoo.data.datasets.registry`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htzoo.data.clips.clip import Clip
    from htzoo.data.clips.dataset import ClipDataset, collate_clips
    from htzoo.data.clips.frame_cache import FrameCache
    from htzoo.data.clips.frame_sampler import (
        EachOnceSampler,
        FrameOrder,
        FrameSampler,
        TrainSampler,
        ordered,
        uniform_indices,
    )
    from htzoo.data.datamodule import VideoDataModule
    from htzoo.data.datasets.moving_digits.generate import make_moving_digits
    from htzoo.data.datasets.moving_digits.shift import shift_on_torus
    from htzoo.data.datasets.registry import dataset_names, find_dataset
    from htzoo.data.errors import DataError, VideoError
    from htzoo.data.video.encode import write_video
    from htzoo.data.video.video_file import VideoFile, count_frames, read_frames

_HOME = {
    "Clip": "clips.clip",
    "ClipDataset": "clips.dataset",
    "DataError": "errors",
    "EachOnceSampler": "clips.frame_sampler",
    "FrameCache": "clips.frame_cache",
    "FrameOrder": "clips.frame_sampler",
    "FrameSampler": "clips.frame_sampler",
    "TrainSampler": "clips.frame_sampler",
    "VideoDataModule": "datamodule",
    "VideoError": "errors",
    "VideoFile": "video.video_file",
    "collate_clips": "clips.dataset",
    "count_frames": "video.video_file",
    "dataset_names": "datasets.registry",
    "find_dataset": "datasets.registry",
    "make_moving_digits": "datasets.moving_digits.generate",
    "ordered": "clips.frame_sampler",
    "read_frames": "video.video_file",
    "shift_on_torus": "datasets.moving_digits.shift",
    "uniform_indices": "clips.frame_sampler",
    "write_video": "video.encode",
}

__all__ = [
    "Clip",
    "ClipDataset",
    "DataError",
    "EachOnceSampler",
    "FrameCache",
    "FrameOrder",
    "FrameSampler",
    "TrainSampler",
    "VideoDataModule",
    "VideoError",
    "VideoFile",
    "collate_clips",
    "count_frames",
    "dataset_names",
    "find_dataset",
    "make_moving_digits",
    "ordered",
    "read_frames",
    "shift_on_torus",
    "uniform_indices",
    "write_video",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name[:1].isupper():
        from htzoo.data.datasets.registry import class_names, find_dataset

        if name in class_names():
            return find_dataset(class_names()[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from htzoo.data.datasets.registry import class_names

    return sorted([*__all__, *class_names()])
