"""Keep the best and the last state of a training run, whole at any moment."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, Timer
from lightning.pytorch.trainer.states import TrainerFn

from htzoo.files import replacing
from htzoo.tasks.stopping import Stopped, StopSignals

BEST, LAST = "best.ckpt", "last.ckpt"


class CheckpointError(OSError):
    """A checkpoint cannot be written; the older one is still there."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it when it is on the disk.

    An older checkpoint of that name stays until then, and nothing passes through another filesystem.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            CheckpointError: the disk is full, or the folder cannot be written to.
        """
        target = Path(path)
        try:
            with replacing(target) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) and not _is_of_stream_writer(error):
                raise
            cause = error if isinstance(error, OSError) else error.__context__
            reason = getattr(cause, "strerror", None) or str(error).splitlines()[0]
            kept = "; the older one is still there" if target.is_file() else ""
            raise CheckpointError(
                f"{target} cannot be written ({reason}){kept}: free space, or choose another --trainer.default_root_dir"
            ) from error


class BestAndLast(Checkpoint):
    """Keeps ``last.ckpt``, the last epoch or step, and ``best.ckpt``, the epoch with the lowest validation loss.

    A signal or time limit within an epoch is answered after the current step: ``last.ckpt`` is written there and
    :class:`~htzoo.tasks.stopping.Stopped` is raised in all processes.

    Args:
        monitor: the metric whose lowest value is best; None where the last epoch is the best.
        signals: what keeps the signals.

    Attributes:
        folder: where the checkpoints are, once the trainer is set up.
        best_epoch: epoch of ``best.ckpt``, counted from 1; None as long as there is none.
    """

    def __init__(self, monitor: str | None = "val/loss", signals: StopSignals | None = None) -> None:
        self.monitor = monitor
        self.signals = signals or StopSignals()
        self.folder = Path("checkpoints")
        self.best_epoch: int | None = None
        self._best = float("inf")
        self._score: float | None = None
        self._ended_epoch: int | None = None  # set while the checkpoint of the end of an epoch is written or restored
        self._fitting = False

    @property
    def best(self) -> Path | None:
        """``best.ckpt``, where it is there."""
        return self.folder / BEST if (self.folder / BEST).is_file() else None

    @property
    def last(self) -> Path | None:
        """``last.ckpt``, where it is there."""
        return self.folder / LAST if (self.folder / LAST).is_file() else None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find the folder of the run."""
        self.folder = Path(trainer.log_dir or ".").absolute() / "checkpoints"
        self._fitting = stage == TrainerFn.FITTING
        if self._fitting and trainer.is_global_zero:
            for left in self.folder.glob(".*.part"):  # of a process that was killed while it wrote
                left.unlink(missing_ok=True)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """In a resumed run, make sure that the best checkpoint is the one that is remembered.

        A run killed between its last two writes has the best epoch in ``last.ckpt`` only. A checkpoint written within
        an epoch never becomes the best one.
        """
        resumed = Path(trainer.ckpt_path) if trainer.ckpt_path else None
        ended, self._ended_epoch = self._ended_epoch, None
        if resumed is not None and ended is not None and ended == self.best_epoch:
            self._take_as_best(trainer, resumed)
        elif self.best_epoch is not None and self.best is None:
            self.best_epoch, self._best = None, float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From here on there is something to save before a signal is obeyed."""
        self.signals.install()  # Lightning has taken some over in the meantime
        self.signals.waiting = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the score of this epoch."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking and self.monitor is not None:
            at_end = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
            self._score = float(trainer.callback_metrics[self.monitor]) if at_end else None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here where that is asked for; at the end of an epoch, after its validation."""
        loop = trainer.fit_loop
        if loop.epoch_loop.batch_progress.is_last_batch or loop._should_accumulate():
            return
        self._stop_if_asked(trainer, f"epoch {trainer.current_epoch + 1}, step {batch_idx + 1}", save=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write both checkpoints."""
        epoch = trainer.current_epoch + 1
        improved = self.monitor is None or (self._score is not None and self._score < self._best)
        if improved:
            self.best_epoch = epoch
            self._best = float("inf") if self._score is None else self._score
        self._score = None
        self._ended_epoch = epoch
        trainer.save_checkpoint(self.folder / LAST)
        self._ended_epoch = None
        if improved:
            self._take_as_best(trainer, self.folder / LAST)
        if trainer.max_epochs is None or epoch < trainer.max_epochs or trainer.max_epochs < 0:
            self._stop_if_asked(trainer, f"epoch {epoch}", save=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Everything is saved: signals are obeyed at once."""
        self.signals.waiting = False

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same."""
        self.signals.waiting = False

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know of the epochs before."""
        return {"best_epoch": self.best_epoch, "best": self._best, "epoch": self._ended_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember it, unless the checkpoint is only tested."""
        if self._fitting:
            self.best_epoch, self._best, self._ended_epoch = state["best_epoch"], state["best"], state["epoch"]

    def _stop_if_asked(self, trainer: pl.Trainer, where: str, save: bool) -> None:
        by = self._signal_of_any_process(trainer)
        # At the end of an epoch, Lightning obeys the time limit by itself.
        if by is None and not (save and trainer.should_stop and _time_is_up(trainer)):
            return
        if save:
            trainer.save_checkpoint(self.folder / LAST)
        self.signals.received = None
        raise Stopped(f"stopped by {'the time limit' if by is None else by.name} at {where}", by, saved=True)

    def _signal_of_any_process(self, trainer: pl.Trainer) -> signal.Signals | None:
        """The signal that one of the processes received, so that all of them stop in the same way."""
        number = torch.tensor(int(self.signals.received or 0), device=trainer.strategy.root_device)
        number = torch.as_tensor(trainer.strategy.reduce(number, reduce_op="max"))
        return signal.Signals(int(number)) if number > 0 else None

    def _take_as_best(self, trainer: pl.Trainer, checkpoint: Path) -> None:
        best = self.folder / BEST
        if trainer.is_global_zero and not (best.is_file() and best.samefile(checkpoint)):
            with replacing(best) as temporary:
                try:
                    os.link(checkpoint, temporary)
                except OSError:  # a filesystem without hard links
                    shutil.copyfile(checkpoint, temporary)
        trainer.strategy.barrier("best checkpoint")


def _is_of_stream_writer(error: RuntimeError) -> bool:
    """Whether PyTorch's writer of archives failed, which hides the error of the system behind one of its own."""
    return "PytorchStreamWriter" in str(error) or "inline_container" in str(error)


def _time_is_up(trainer: pl.Trainer) -> bool:
    """Whether the time limit of the trainer is over, by the clock of the first process."""
    limits = [callback.time_remaining() for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    return bool(trainer.strategy.broadcast(any(left is not None and left <= 0 for left in limits)))
