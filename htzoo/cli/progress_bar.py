"""The progress bar."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm


class Bar(TQDMProgressBar):
    """One bar at a time, gone when it is full: what stays on the screen are the lines of the epochs."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """No version number, which is in the name of the folder."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def init_train_tqdm(self) -> Tqdm:
        """A bar that leaves nothing behind."""
        bar = super().init_train_tqdm()
        bar.leave = False
        return bar

    def init_validation_tqdm(self) -> Tqdm:
        """No second bar while training: validation takes a moment."""
        bar = super().init_validation_tqdm()
        bar.disable = self.trainer.state.fn == "fit"
        bar.leave = False
        return bar

    def init_test_tqdm(self) -> Tqdm:
        """A bar that leaves nothing behind."""
        bar = super().init_test_tqdm()
        bar.leave = False
        return bar
