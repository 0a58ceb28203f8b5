"""Moving digits: real handwritten digits that move in 11 ways, a data set that needs no download."""

from typing import Any

import numpy as np

from htzoo.data.clips import Clip
from htzoo.data.datamodule import Split, VideoDataModule
from htzoo.data.making import CLIPS, GROUPS, HEIGHT, WIDTH, make_moving_digits, read_index
from htzoo.data.rendering import MOTIONS
from htzoo.data.sampling import FrameOrder
from htzoo.data.shifting import shift_on_torus

_LAST_TRAIN_GROUP, _LAST_VAL_GROUP = 17, 20


class MovingDigits(VideoDataModule):
    """1,100 clips of 24 frames, 160 x 120, in 11 motion classes; one frame says nothing about the class.

    Groups 1 to 17 are for training (748 clips), 18 to 20 for validation (132), 21 to 25 for testing (220); digits of
    one group are in no other. The clips are made on first use, from the digits that come with scikit-learn.
    """

    dataset_name = "moving_digits"
    classes = MOTIONS
    native_size = (HEIGHT, WIDTH)
    _clips_per_group = CLIPS

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
        augment: bool = True,
    ) -> None:
        """Keep the settings, those of `VideoDataModule` and one more.

        Args:
            root: Folder of all data sets.
            frames: Frames a clip, evenly spaced.
            size: (height, width) to resize to; None keeps 120 x 160.
            batch_size: Clips an optimiser step over all processes.
            num_workers: Processes that read clips; None chooses by the number of cores and by whether all is cached.
            cache: Keep decoded frames on disk (507 MB at 8 frames), so that only the first epoch decodes.
            frame_order: Show the frames forward, shuffled, or one of them repeated, to test for motion.
            seed: Seed of shuffling and augmentation, None as above; the clips are the same for every seed.
            augment: Shift training clips on the torus, which keeps their class.
        """
        super().__init__(root, frames, size, batch_size, num_workers, cache, frame_order, seed)
        self.augment = augment

    def prepare_data(self) -> None:
        """Make the clips that are not there yet.

        Raises:
            DataError: The folder cannot be written, or holds other clips.
            VideoError: A clip cannot be written.
        """
        make_moving_digits(self.folder, groups=GROUPS, clips=self._clips_per_group)

    def list_clips(self) -> list[Clip]:
        """List the clips of the index.

        Raises:
            DataError: There is no index, or it cannot be read.
        """
        label = {motion: number for number, motion in enumerate(self.classes)}
        return [Clip(path, label[motion], group, frames) for path, motion, group, frames in read_index(self.folder)]

    def split_of(self, clip: Clip) -> Split:
        """Split by group."""
        if clip.group <= _LAST_TRAIN_GROUP:
            return "train"
        return "val" if clip.group <= _LAST_VAL_GROUP else "test"

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Draw the shifts of a training batch, where reading its indices does not wait for the device."""
        if self.augment and self.trainer is not None and self.trainer.training:
            return {**batch, "shifts": self.draw_shifts(batch["index"].tolist(), self.trainer.current_epoch)}
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Shift the clips on the device."""
        if "shifts" not in batch:
            return batch
        rest = {key: value for key, value in batch.items() if key != "shifts"}
        return {**rest, "video": shift_on_torus(batch["video"], batch["shifts"])}

    def draw_shifts(self, indices: list[int], epoch: int) -> list[tuple[int, int]]:
        """Shifts (down, right) in pixels of the clips with these indices.

        They are looked up in a table of all clips that follows from seed and epoch, so that neither the number of
        processes nor the order of the clips matters.
        """
        height, width, _ = self.frame_size
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
        table = rng.integers((height, width), size=(len(self.clips), 2))
        return [(down, right) for down, right in table[indices].tolist()]
