"""Moving digits: real handwritten digits that move in 11 ways, a dataset that needs no download."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.splits import Folds, Split
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.datasets.moving_digits.generate import CLIPS, GROUPS, make_moving_digits
from htzoo.data.datasets.moving_digits.shift import shift_on_torus

_LAST_TRAIN_GROUP, _LAST_VAL_GROUP = 17, 20


class MovingDigits(VideoDataModule):
    """1,100 clips of 24 frames, 160 x 120, in 11 motion classes; one frame says nothing about the class.

    Groups 1 to 17 are for training (748 clips), 18 to 20 for validation (132), 21 to 25 for testing (220); digits of
    one group are in no other. The clips are made on first use, from the digits that come with scikit-learn.
    """

    dataset_name = "moving_digits"
    title = "Moving Digits"
    homepage = "https://scikit-learn.org/stable/datasets/toy_dataset.html"
    licence = "CC BY 4.0 (the digits)"
    # fmt: off
    classes = (
        "right", "left", "down", "up", "clockwise", "anticlockwise", "grow", "shrink", "shake_x", "shake_y", "still",
    )
    # fmt: on
    made = True
    clip_count = 1100
    standard_size = (120, 160)  # HEIGHT, WIDTH, as a plain value: see registry.py
    default_split = "official"
    usual_folds = Folds(group=25, official=1)
    _clips_per_group = CLIPS
    _hard = False

    def __init__(self, root: str = "data", *, augment: bool = True, **settings: Any) -> None:
        """Keep the settings, those of `VideoDataModule` and one more.

        Args:
            root: Folder of all datasets.
            augment: Shift training clips on the torus, which keeps their class.
            settings: Those of `VideoDataModule`; the clips are the same for every seed.
        """
        super().__init__(root, **settings)
        self.augment = augment

    @property
    def augments(self) -> bool:
        """Whether training clips are changed at random."""
        return self.flip or self.augment

    def prepare_data(self) -> None:
        """Make the clips that are not there yet.

        Raises:
            DataError: The folder cannot be written, or holds other clips.
            VideoError: A clip cannot be written.
        """
        make_moving_digits(self.folder, groups=GROUPS, clips=self._clips_per_group, hard=self._hard)

    def list_clips(self) -> list[Clip]:
        """List the clips of the index, motion by motion: the order that the draws of published runs had."""
        return sorted(super().list_clips(), key=lambda clip: (clip.label, clip.name))

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """Split by group."""
        return [_split_of(int(clip.group)) for clip in self.clips]

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Draw the shifts of a training batch, where reading its indices does not wait for the device."""
        batch = super().on_before_batch_transfer(batch, dataloader_idx)
        if self.augment and self._training():
            return {**batch, "shifts": self.draw_shifts(batch["index"].tolist(), self._epoch())}
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Shift the clips on the device."""
        batch = super().on_after_batch_transfer(batch, dataloader_idx)
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


class MovingDigitsHard(MovingDigits):
    """`MovingDigits` with the digits in red, and behind them a grey digit and a photograph that move in other ways."""

    dataset_name = "moving_digits_hard"
    title = "Moving Digits, hard"
    licence = "CC BY 4.0 (the digits), CC BY 2.0 (the photographs, by danielbuechele and vultilion)"
    _hard = True


def _split_of(group: int) -> Split:
    if group <= _LAST_TRAIN_GROUP:
        return "train"
    return "val" if group <= _LAST_VAL_GROUP else "test"
