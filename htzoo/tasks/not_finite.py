"""Stop a training run whose loss is no number any more."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from torch import Tensor

EVERY = 20  # batches between two looks: a look waits for the device


class NotFiniteError(RuntimeError):
    """A loss is infinite or not a number; the message says when, and what usually helps."""


class FiniteLoss:
    """Notes the first batch of an epoch whose loss is not finite, without waiting for the device."""

    def __init__(self) -> None:
        self._first: Tensor | None = None
        self._value: Tensor | None = None

    def add(self, loss: Tensor, batch_idx: int) -> None:
        """Note the loss of a batch."""
        loss = loss.detach()
        if self._first is None or self._value is None:
            self._first, self._value = torch.full_like(loss, -1, dtype=torch.long), torch.zeros_like(loss)
        new = ~loss.isfinite() & (self._first < 0)
        self._first = torch.where(new, batch_idx, self._first)
        self._value = torch.where(new, loss, self._value)

    def check(self, task: pl.LightningModule) -> None:
        """Look at the losses since the last look; in all processes at once.

        Raises:
            NotFiniteError: one of them was not finite, in any process.
        """
        if self._first is None or self._value is None:
            return
        first, value = int(self._first), float(self._value)
        self._first = self._value = None
        if task.trainer.strategy.reduce_boolean_decision(first >= 0, all=False):
            loss = f"{value:g}" if first >= 0 else "not finite in another process"
            at = f", step {first + 1}" if first >= 0 else ""
            raise NotFiniteError(f"the training loss is {loss} in epoch {task.current_epoch + 1}{at}: {remedies(task)}")


def remedies(task: pl.LightningModule) -> str:
    """What usually helps, with the settings as they are now."""
    rates = ", ".join(f"{group['lr']:g}" for optimizer in task.trainer.optimizers for group in optimizer.param_groups)
    clip = task.trainer.gradient_clip_val
    lines = [f"lower --model.optimizer.lr (now at {rates})"]
    if not clip:
        lines.append("set --trainer.gradient_clip_val 1")
    if "16" in str(task.trainer.precision):
        lines.append("set --trainer.precision 32-true")
    return ", ".join(lines) + "; the checkpoints are of the epochs before"
