"""Whether the data or the model holds up training."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import torch


class Throughput(pl.Callback):
    """Logs frames per second of the loader and of the training step, every epoch.

    ``speed/loader`` is frames divided by the time between the end of a step and the start of the next: what the loop
    spends on waiting for a batch, moving it to the device and augmenting it. ``speed/step`` is frames divided by the
    time in the steps (forward, backward, optimiser). The lower of the two is what binds training.
    """

    def __init__(self) -> None:
        self._restart()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks: a run that goes on within an epoch does not start that epoch."""
        self._restart()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks."""
        self._restart()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch is here: waiting ends."""
        self.waiting += self._lap(pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step is done: waiting begins."""
        self.stepping += self._lap(pl_module.device)
        clips = batch["features"] if "features" in batch else batch["video"]
        self.frames += clips.shape[0] * clips.shape[1] * trainer.world_size

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log both rates."""
        if self.frames:
            rates = {"speed/loader": self.frames / self.waiting, "speed/step": self.frames / self.stepping}
            pl_module.log_dict(rates, sync_dist=True)

    def _restart(self) -> None:
        self.frames = 0
        self.waiting = self.stepping = 0.0
        self.mark = perf_counter()

    def _lap(self, device: torch.device) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = perf_counter()
        self.mark, seconds = now, now - self.mark
        return seconds
