"""The base class of all datasets: clips, splits, loaders, and the same batches on any number of processes."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, cast

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.dataset import ClipDataset, ClipReader, Item, collate_clips
from htzoo.data.clips.features import FeatureDataset, FeatureReader, collate_features
from htzoo.data.clips.frame_cache import FrameCache, open_cache
from htzoo.data.clips.frame_sampler import EachOnceSampler, FrameOrder, FrameSampler, Sampling, TrainSampler
from htzoo.data.clips.listing import check_files, prepared_clip
from htzoo.data.clips.loader import ClipLoader, usual_workers
from htzoo.data.clips.splits import Folds, Split, SplitRule, check_numbers, split_clips
from htzoo.data.collector import collector_paused
from htzoo.data.errors import DataError
from htzoo.data.index import INDEX, Entry, read_index
from htzoo.data.prepare.how_to_get import how_to_get
from htzoo.data.prepare.source_files import Published
from htzoo.data.source import ClipLabel, Source
from htzoo.data.task_labels import check_task
from htzoo.data.video.resize import Frames


class VideoDataModule(LightningDataModule):
    """Loaders of labelled clips, uint8, in batches of `htzoo.data.clips.dataset.Batch`.

    A subclass says what its files are called and which classes they show; its clips are prepared once, by
    `htzoo data prepare NAME`, into `<root>/<dataset_name>`.

    Training follows torch's DistributedSampler for one process too, and every process takes its share of
    `batch_size`, so that the clips of each optimiser step do not depend on the number of processes. Validation, test
    and prediction see every clip once. Both samplers are DistributedSamplers, which Lightning leaves alone, so that
    the trainer needs no setting.

    Attributes:
        dataset_name: Folder of the dataset inside `root`.
        title: Its full name.
        homepage: Where it is described.
        licence: The terms of its use; "not stated" if they are not known.
        classes: Names of the classes; a label is a position in it.
        clip_count: Number of published clips, or None.
        sources: The published files.
        made: Whether htzoo generates the clips itself, without a download.
        split_files: Name patterns of small files beside the clips, which preparing copies to `splits`.
        standard_size: (height, width) to which frames are resized unless `size` says otherwise.
        default_split: The split rule unless `split` says otherwise.
        usual_folds: Number of folds under each split rule unless `folds` says otherwise.
        num_classes: Number of classes.
        frame_size: (H, W, C) of a frame that the model receives.
        clips: The full list of clips, after `setup`.
        splits: The split of each clip, after `setup`: train, val, test, or None for a clip that is not used.
        multilabel: Whether a clip may show several classes; a label is then a row of 0 and 1, one a class.
        shown: (clips, classes), int64: which clip shows which class; after `setup`, if `multilabel`.
        skipped: Number of files that are not used, by reason.
        remarks: What the user should know about how the files were understood, one sentence each.
    """

    dataset_name: str
    title: str
    homepage: ClassVar[str]
    licence: ClassVar[str]
    classes: tuple[str, ...]
    clip_count: ClassVar[int | None] = None
    sources: ClassVar[tuple[Source, ...]] = ()
    made: ClassVar[bool] = False
    split_files: ClassVar[tuple[str, ...]] = ()
    standard_size: ClassVar[tuple[int, int]] = (120, 160)
    default_split: SplitRule = "group"
    usual_folds: Folds = Folds()
    multilabel: bool = False
    shown: Tensor

    def __init__(
        self,
        root: str = "data",
        frames: int = 8,
        size: tuple[int, int] | None = None,
        batch_size: int = 32,
        num_workers: int | None = None,
        cache: bool = True,
        cache_limit: float | None = None,
        frame_order: FrameOrder = "forward",
        seed: int | None = None,
        sampling: Sampling = "uniform",
        every: int = 1,
        views: int = 1,
        split: SplitRule | None = None,
        fold: int = 1,
        folds: int | None = None,
        validation: float = 0.1,
        flip: bool = False,
        motion: bool = False,
    ) -> None:
        """Keep the settings; nothing is read or written yet.

        Args:
            root: Folder of all datasets.
            frames: Frames a clip that the model sees; with sampling all the most that it sees.
            size: (height, width) to resize to; None takes the standard size of the dataset.
            batch_size: Clips an optimiser step over all processes.
            num_workers: Processes that read clips; None chooses by the number of cores and by whether all is cached.
            cache: Keep decoded frames on disk (clips x frames x H x W x 3 bytes, five times that with sampling
                segments), so that only the first epoch decodes.
            cache_limit: Gigabytes that the caches of all datasets below `root` may take; the least recently used are
                removed to make room for a new one. None: any.
            frame_order: Show the frames forward, shuffled, or one of them repeated, to test for motion.
            seed: Seed of everything random here; None takes that of Lightning's `seed_everything`, or else 0. The
                splits do not depend on it.
            sampling: Which frames: uniform (evenly spaced), segments (evenly spaced with random steps in training),
                fixed_random (drawn once for each clip) or all; see `htzoo.data.clips.frame_sampler.FrameSampler`.
            every: Take every this many frames; only with sampling all.
            views: How many times a test clip is looked at, each time with other frames; the logits are averaged.
            split: The split rule: group (hold out scenes, films or people), clip (at random), or official (the
                publisher's); None takes the dataset's default. See `htzoo.data.clips.splits.split_clips`.
            fold: Fold to test on, counted from 1.
            folds: Number of folds; None takes the dataset's default.
            validation: Approximate share of the training clips that is used for validation. 0 means none: all are
                trained on, and `htzoo fit` tests the last epoch.
            flip: Mirror every other training clip, left to right.
            motion: Show what changes and not the frames: every four of them become one picture, see
                `htzoo.data.clips.motion_images.motion_pictures`.

        Raises:
            ValueError: A number is out of its range, or a setting does not fit another.
        """
        super().__init__()
        if cache_limit is not None and not cache_limit > 0:
            raise ValueError(f"cache_limit is {cache_limit}; give gigabytes above zero, or leave it out.")
        if min(frames, batch_size, *(size or (1,))) < 1:
            raise ValueError(f"frames {frames}, size {size} and batch_size {batch_size} must all be at least 1.")
        self.root = Path(root)
        self.frames = frames
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.cache = cache
        self.cache_limit = cache_limit
        self.frame_order: FrameOrder = frame_order
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if seed is None else seed
        self.sampler = FrameSampler(sampling, frames, every, views, self.seed, motion)
        self.split: SplitRule = split or self.default_split
        self.fold = fold
        self.folds = self.usual_folds.of(self.split)
        if folds is not None and self.split == "official" and folds != self.folds:
            raise ValueError(f"folds is {folds}, but the official split has {self.folds}; leave it out.")
        self.folds = folds or self.folds
        check_numbers(self.split, fold, self.folds, validation)
        self.validation = validation
        self.flip = flip
        self.num_classes = len(self.classes)
        self.frame_size = (*(size or self.standard_size), 3)
        self.clips: tuple[Clip, ...] = ()
        self.skipped: Counter[str] = Counter()
        self.remarks: tuple[str, ...] = ()
        self.splits: tuple[Split | None, ...] = ()
        self._reader: ClipReader | None = None
        self._features: FeatureReader | None = None

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """From a video file's path inside the published tree to its label; None for what is not a clip of the set."""
        raise NotImplementedError(f"{cls.__name__} does not say what its files show.")

    @classmethod
    def label_clips(
        cls, paths: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()
    ) -> tuple[dict[PurePosixPath, ClipLabel], tuple[str, ...]]:
        """The labels of all clips in a published tree.

        Args:
            paths: All files, relative to the tree.
            empty: Folders without any file.

        Returns:
            The label of each file that is a clip, and remarks for the user.
        """
        found = {path: cls.label_clip(path) for path in paths}
        return {path: label for path, label in found.items() if label is not None}, ()

    @classmethod
    def convert(cls, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]] | None:
        """Clips of a set that is not published as video files, else None.

        Args:
            folder: The published tree.

        Returns:
            For each clip its name, its label, its frames (uint8, T x H x W x 3), and frames a second.
        """
        return None

    @property
    def split_rule(self) -> str:
        """How the clips are split, in words."""
        return self.split if self.folds == 1 else f"{self.split}, fold {self.fold} of {self.folds}"

    @property
    def folder(self) -> Path:
        """Folder of this dataset."""
        return self.root / self.dataset_name

    def prepare_data(self) -> None:
        """Make sure that the dataset is here.

        Raises:
            DataError: It is not; the message says how to get it.
        """
        if not (self.folder / INDEX).is_file():
            raise DataError(how_to_get(cast("Published", type(self)), self.root))

    def list_clips(self) -> list[Clip]:
        """List all clips of the index, always in the same order.

        Raises:
            DataError: There is no index, it cannot be read, or it names a class that is not in `classes`.
        """
        label_of = {label: number for number, label in enumerate(self.classes)}
        folder = self.folder
        clips = []
        for entry in self.read_entries():
            if entry.label not in label_of:
                raise DataError(
                    f"{self.folder / INDEX} has the class {entry.label!r}, which is none of {self.dataset_name}; "
                    "delete it and prepare the dataset again."
                )
            clips.append(prepared_clip(folder, entry, label_of[entry.label]))
        return clips

    def read_entries(self) -> list[Entry]:
        """Read the index.

        Raises:
            DataError: There is no index, or it cannot be read.
        """
        return read_index(self.folder)

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """What the publisher says that each of `clips` is for; only where `usual_folds` has official ones.

        Args:
            fold: Which of the publisher's splits, from 1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no official split.")

    def setup(self, stage: str | None = None) -> None:
        """List and split the clips and open the cache. Without a trainer, `prepare_data` comes first.

        Raises:
            DataError: The dataset is missing or incomplete, or the cache cannot be created.
            ValueError: The clips cannot be split in this way, or the task does not take such labels.
        """
        if self._reader is not None:
            return
        if self.trainer is None:
            self.prepare_data()
        else:
            check_task(self.trainer.lightning_module, self.multilabel, self.title)
        size = self.frame_size[:2]
        with collector_paused():
            self.clips = tuple(self.list_clips())
            check_files(self.clips, self.folder)
            self.splits = tuple(
                split_clips(self.clips, self.split, self.fold, self.folds, self.validation, self.official_splits)
            )
            cache = None
            if self.cache:
                folder = self.root / "cache" / self.dataset_name
                cache = open_cache(folder, self.clips, self.sampler, (*size, 3), limit=self.cache_limit)
        self._reader = ClipReader(self.clips, self.sampler, size, cache)

    def classes_of(self, index: int) -> tuple[str, ...]:
        """The classes that clip `index` shows; exactly one unless the dataset is `multilabel`."""
        if self.multilabel:
            return tuple(self.classes[k] for k in self.shown[index].nonzero()[:, 0].tolist())
        return (self.classes[self.clips[index].label],)

    def label_of(self, index: int) -> str:
        """What clip `index` shows, in words."""
        return " ".join(self.classes_of(index))

    @property
    def augments(self) -> bool:
        """Whether training clips are changed at random."""
        return self.flip

    def use_features(self, source: str, size: int) -> tuple[ClipReader, FrameCache, list[int]]:
        """From now on give kept features of frames in place of frames, except of training clips that are changed.

        Args:
            source: What the features come from, in every detail.
            size: How many there are of a frame.

        Returns:
            What reads the frames, where their features are to be kept, and the clips that are still to be done. They
            must be done before a loader is used.

        Raises:
            DataError: The dataset is not set up, or the cache cannot be made.
        """
        if self._reader is None:
            raise DataError(f"{type(self).__name__} is not set up; call setup() before asking for features.")
        folder = self.root / "cache" / self.dataset_name
        height, width, _ = self.frame_size
        cache = open_cache(folder, self.clips, self.sampler, (height, width, 3), (source, size), self.cache_limit)
        self._features = FeatureReader(self.clips, self.sampler, self._reader.size, cache)
        wanted = {"val", "test"} if self.augments else {"train", "val", "test"}
        todo = [index for index, split in enumerate(self.splits) if split in wanted and cache.get(index) is None]
        return self._reader, cache, todo

    def train_dataloader(self) -> DataLoader[Item]:
        """Shuffled clips, anew each epoch; clips that do not fill a batch are dropped in that epoch.

        Raises:
            ValueError: `batch_size` does not divide over the processes, or exceeds the training clips.
        """
        data = self._dataset("train")
        if len(data) < self.batch_size:
            raise ValueError(f"batch_size is {self.batch_size} but there are {len(data)} training clips; lower it.")
        return self._loader(data, TrainSampler(data, *self._processes(), self.seed), drop_last=True)

    def val_dataloader(self) -> DataLoader[Item]:
        """Validation clips, each once over all processes."""
        return self._each_once("val")

    def test_dataloader(self) -> DataLoader[Item]:
        """Test clips, each once over all processes."""
        return self._each_once("test")

    def predict_dataloader(self) -> DataLoader[Item]:
        """Test clips, each once over all processes."""
        return self._each_once("test")

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Draw what happens to a training batch, where reading its indices does not wait for the device."""
        if self.multilabel:
            batch = {**batch, "label": self.shown[batch["index"]]}
        if self.flip and self._training():
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, self._epoch(), 1]))
            flips = rng.integers(2, size=len(self.clips), dtype=np.uint8)[batch["index"].numpy()].astype(bool)
            return {**batch, "flips": torch.from_numpy(flips)}
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a training batch as drawn, on the device."""
        if "flips" not in batch:
            return batch
        video = batch["video"]
        flipped = torch.where(batch["flips"][:, None, None, None, None], video.flip(-2), video)
        return {**{key: value for key, value in batch.items() if key != "flips"}, "video": flipped}

    def _training(self) -> bool:
        return self.trainer is not None and bool(self.trainer.training)

    def _epoch(self) -> int:
        return 0 if self.trainer is None else int(self.trainer.current_epoch)

    def _each_once(self, split: Split) -> DataLoader[Item]:
        data = self._dataset(split)
        return self._loader(data, EachOnceSampler(data, *self._processes()), drop_last=False)

    def _dataset(self, split: Split) -> ClipDataset:
        if self._reader is None:
            raise DataError(f"{type(self).__name__} is not set up; call setup() before asking for a loader.")
        indices = [index for index, of_clip in enumerate(self.splits) if of_clip == split]
        if self._features is not None and not (split == "train" and self.augments):
            return FeatureDataset(self._features, indices, self.frame_order, self.seed, training=split == "train")
        return ClipDataset(self._reader, indices, self.frame_order, self.seed, training=split == "train")

    def _loader(self, data: ClipDataset, sampler: DistributedSampler[Any], drop_last: bool) -> DataLoader[Item]:
        world, _ = self._processes()
        if self.batch_size % world:
            raise ValueError(
                f"batch_size is {self.batch_size}, which does not divide over {world} processes; make it a multiple."
            )
        workers = usual_workers(data, world) if self.num_workers is None else self.num_workers
        return ClipLoader(
            data,
            collate_features if isinstance(data, FeatureDataset) else collate_clips,
            workers,
            fit_workers=self.num_workers is None,
            world=world,
            batch_size=self.batch_size // world,
            sampler=sampler,
            drop_last=drop_last,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def _processes(self) -> tuple[int, int]:
        """How many processes there are, and which is this one."""
        return (1, 0) if self.trainer is None else (self.trainer.world_size, self.trainer.global_rank)
