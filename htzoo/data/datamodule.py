"""What every video data set has in common: splits, loaders, cache, and the same batches on any number of processes."""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler

from htzoo.cores import available_cores
from htzoo.data.cache import open_cache
from htzoo.data.clips import Clip, ClipDataset, ClipReader, Item, collate_clips
from htzoo.data.errors import DataError
from htzoo.data.sampling import EachOnceSampler, FrameOrder

Split = Literal["train", "val", "test"]


class VideoDataModule(LightningDataModule, ABC):
    """Loaders of labelled clips, uint8, in batches of `htzoo.data.clips.Batch`.

    A subclass names its classes and picture size, prepares its files, lists its clips and splits them.

    Training follows torch's DistributedSampler for one process too, and every process takes its share of
    `batch_size`, so that the clips of each optimiser step do not depend on the number of processes. Validation, test
    and prediction see every clip once. Both samplers are DistributedSamplers, which Lightning leaves alone, so that
    the trainer needs no setting.

    Attributes:
        dataset_name: Folder of the data set inside `root`.
        classes: Names of the classes; a label is a position in it.
        native_size: (height, width) of the pictures in the files.
        num_classes: How many classes.
        frame_size: (H, W, C) of a frame as the model gets it.
        clips: The full list of clips, after `setup`.
    """

    dataset_name: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    native_size: ClassVar[tuple[int, int]]

    def __init__(
        self,
        root: str = "data",
        frames: int = 8,
        size: tuple[int, int] | None = None,
        batch_size: int = 32,
        num_workers: int | None = None,
        cache: bool = True,
        frame_order: FrameOrder = "forward",
        seed: int | None = None,
    ) -> None:
        """Keep the settings; nothing is read or written yet.

        Args:
            root: Folder of all data sets.
            frames: Frames a clip, evenly spaced.
            size: (height, width) to resize to; None keeps the size of the files.
            batch_size: Clips an optimiser step over all processes.
            num_workers: Processes that read clips; None chooses by the number of cores and by whether all is cached.
            cache: Keep decoded frames on disk (clips x frames x H x W x 3 bytes), so that only the first epoch decodes.
            frame_order: Show the frames forward, shuffled, or one of them repeated, to test for motion.
            seed: Seed of everything random here; None takes that of Lightning's `seed_everything`, or else 0.

        Raises:
            ValueError: A number is not positive.
        """
        super().__init__()
        if min(frames, batch_size, *(size or (1,))) < 1:
            raise ValueError(f"frames {frames}, size {size} and batch_size {batch_size} must all be at least 1.")
        self.root = Path(root)
        self.frames = frames
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.cache = cache
        self.frame_order: FrameOrder = frame_order
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if seed is None else seed
        self.num_classes = len(self.classes)
        self.frame_size = (*(size or self.native_size), 3)
        self.clips: tuple[Clip, ...] = ()
        self._reader: ClipReader | None = None

    @property
    def folder(self) -> Path:
        """Folder of this data set."""
        return self.root / self.dataset_name

    @abstractmethod
    def list_clips(self) -> list[Clip]:
        """List all clips, always in the same order, once the data set is prepared."""

    @abstractmethod
    def split_of(self, clip: Clip) -> Split:
        """Say what a clip is for."""

    def setup(self, stage: str | None = None) -> None:
        """List the clips and open the cache. Without a trainer, the data set is first prepared where it is not yet.

        Raises:
            DataError: The data set is missing or incomplete, or the cache cannot be made.
        """
        if self._reader is not None:
            return
        if self.trainer is None:
            self.prepare_data()
        self.clips = tuple(self.list_clips())
        for clip in self.clips:
            if not clip.path.is_file():
                raise DataError(
                    f"{clip.path} is in {self.folder / 'index.csv'} but gone; delete index.csv and prepare again."
                )
        cache = (
            open_cache(self.root / "cache", self.dataset_name, self.clips, self.frames, self.frame_size)
            if self.cache
            else None
        )
        self._reader = ClipReader(self.clips, self.frames, self.size, cache)

    def train_dataloader(self) -> DataLoader[Item]:
        """Shuffled clips, anew each epoch; what does not fill a batch is left out of that epoch.

        Raises:
            ValueError: `batch_size` does not divide over the processes, or exceeds the training clips.
        """
        data = self._dataset("train")
        if len(data) < self.batch_size:
            raise ValueError(f"batch_size is {self.batch_size} but there are {len(data)} training clips; lower it.")
        world, rank = self._processes()
        sampler: DistributedSampler[Item] = DistributedSampler(
            data, num_replicas=world, rank=rank, shuffle=True, seed=self.seed, drop_last=True
        )
        return self._loader(data, sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader[Item]:
        """Validation clips, each once over all processes."""
        return self._each_once("val")

    def test_dataloader(self) -> DataLoader[Item]:
        """Test clips, each once over all processes."""
        return self._each_once("test")

    def predict_dataloader(self) -> DataLoader[Item]:
        """Test clips, each once over all processes."""
        return self._each_once("test")

    def _each_once(self, split: Split) -> DataLoader[Item]:
        data = self._dataset(split)
        return self._loader(data, EachOnceSampler(data, *self._processes()), drop_last=False)

    def _dataset(self, split: Split) -> ClipDataset:
        if self._reader is None:
            raise DataError(f"{type(self).__name__} is not set up; call setup() before asking for a loader.")
        indices = [index for index, clip in enumerate(self.clips) if self.split_of(clip) == split]
        return ClipDataset(self._reader, indices, self.frame_order, self.seed)

    def _loader(self, data: ClipDataset, sampler: DistributedSampler[Any], drop_last: bool) -> DataLoader[Item]:
        world, _ = self._processes()
        if self.batch_size % world:
            raise ValueError(
                f"batch_size is {self.batch_size}, which does not divide over {world} processes; make it a multiple."
            )
        workers = self._workers(data)
        return DataLoader(
            data,
            batch_size=self.batch_size // world,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate_clips,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def _workers(self, data: ClipDataset) -> int:
        if self.num_workers is not None:
            return self.num_workers
        world, _ = self._processes()
        cores = max(1, available_cores() // world)
        if data.reader.cache is not None and data.reader.cache.is_full(data.indices):
            # Nothing is left to decode: a batch of 32 takes 5 ms here, but 13 ms through a worker, of a core that a
            # small machine needs for training; a large machine has it to spare, and then need not wait the 5 ms.
            return 2 if cores >= 8 else 0
        return min(8, cores)

    def _processes(self) -> tuple[int, int]:
        """How many processes there are, and which is this one."""
        return (1, 0) if self.trainer is None else (self.trainer.world_size, self.trainer.global_rank)
