"""What a run tells while it goes, and the folder that it leaves."""

from __future__ import annotations

import csv
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.trainer.states import TrainerFn

from htzoo.cores import available_cores
from htzoo.data import VideoDataModule
from htzoo.data.statistics import summary_line
from htzoo.files import replacing
from htzoo.models import count_parameters
from htzoo.names import printable
from htzoo.report.confusion import plot_confusion
from htzoo.report.curves import plot_curves
from htzoo.report.metrics_csv import best_epoch, read_metrics
from htzoo.report.metrics_logger import METRICS, MetricsLogger
from htzoo.report.misclassified import (
    Mistake,
    as_tensor,
    find_mistakes,
    from_tensor,
    most_certain,
    plot_misclassified,
)
from htzoo.report.summary import RunSummary, outcome, write_summary
from htzoo.tasks import VideoClassification

MISCLASSIFIED = "misclassified.png"


class RunReport(pl.Callback):
    """Prints a line an epoch, and fills the run's folder: curves, confusion matrix, summary, predictions.

    Args:
        name: name of the model.
        command: the command line that repeats the run.
        seed: its seed.
    """

    def __init__(self, name: str, command: str, seed: int | None) -> None:
        self.name = name
        self.command = command
        self.seed = seed
        self.epochs = 0
        self.speeds: dict[str, float] = {}
        self.rows: list[list[float]] = []
        self.mistakes: list[Mistake] = []
        self.tested = False
        self._seconds = 0.0  # of training, before the clock was started
        self._started: float | None = None
        self._last: dict[str, float] = {}
        self._fitting = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note what is done: testing a checkpoint restores callbacks too."""
        self._fitting = stage == TrainerFn.FITTING

    @property
    def train_seconds(self) -> float:
        """Seconds of training, of all parts of a run that was resumed."""
        return self._seconds + (0.0 if self._started is None else perf_counter() - self._started)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know of the part before."""
        return {"epochs": self.epochs, "seconds": self.train_seconds, "speeds": self.speeds, "last": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember it."""
        if not self._fitting:
            return
        self.epochs, self._seconds = state["epochs"], state["seconds"]
        self.speeds, self._last = dict(state["speeds"]), dict(state["last"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """In a resumed run, forget what was written after the checkpoint."""
        if trainer.ckpt_path and isinstance(trainer.logger, MetricsLogger):
            content = torch.load(trainer.ckpt_path, map_location="meta", weights_only=True, mmap=True)
            trainer.logger.go_back(self.epochs, content["global_step"], self._last)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, and say what is trained."""
        self._started = perf_counter()
        ours, dense = _counts(pl_module)
        shown = "joint" if ours["joint"] else "input_to_hidden", "total"
        text = ", ".join(f"{ours[key]:,} {key.replace('_', '-')} parameters (dense {dense[key]:,})" for key in shown)
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, VideoDataModule):
            self.say(trainer, "\n".join([summary_line(data), *(f"note: {remark}" for remark in data.remarks)]))
        self.say(trainer, f"{self.name}: {text}")
        if trainer.ckpt_path:
            self.say(trainer, f"going on from {trainer.ckpt_path}, {_place(trainer)}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print a line."""
        self.epochs = trainer.current_epoch + 1
        values = {key: float(value) for key, value in trainer.callback_metrics.items()}
        # Lightning writes these after the checkpoint; a run that is killed in between finds them in there.
        self._last = {key: value for key, value in values.items() if key.startswith(("train/", "speed/"))}
        assert isinstance(pl_module, VideoClassification)
        metric, words = pl_module.metric, pl_module.metric.replace("_", " ")
        parts = [f"epoch {self.epochs:>{len(str(trainer.max_epochs))}}/{trainer.max_epochs}"]
        for split in ("train", "val"):
            if f"{split}/loss" in values:
                parts.append(f"{split} loss {values[f'{split}/loss']:.3f} {words} {values[f'{split}/{metric}']:.3f}")
        self.speeds = {key: values[f"speed/{key}"] for key in ("loader", "step") if f"speed/{key}" in values}
        parts += [f"{key} {speed:,.0f} frames/s" for key, speed in self.speeds.items()]
        self.say(trainer, "  ".join(parts))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop the clock."""
        self._stop()

    def _stop(self) -> None:
        self._seconds, self._started = self.train_seconds, None

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the mistakes of an earlier test."""
        self.mistakes = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the misclassified clips of which the model is most certain."""
        assert isinstance(pl_module, VideoClassification)
        if pl_module.has_confusion:
            found = find_mistakes(pl_module.probability(outputs), batch["label"], batch["index"])
            self.mistakes = most_certain([*self.mistakes, *found])

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather them from all processes."""
        if trainer.world_size > 1:
            rows = as_tensor(self.mistakes).to(trainer.strategy.root_device)
            gathered = trainer.strategy.all_gather(rows)
            self.mistakes = most_certain(from_tensor(gathered))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what was reached, and fill the folder where there is one."""
        assert isinstance(pl_module, VideoClassification)
        self.tested = True
        folder = _folder(trainer)
        if not trainer.is_global_zero:
            return
        summary = self._summary(trainer, pl_module)
        if folder is not None:
            for logger in trainer.loggers:
                logger.save()
            summary = _fill(folder, summary, pl_module, self._plot_mistakes(trainer, folder))
        best = "" if summary.best_epoch is None else f", best epoch {summary.best_epoch} of {self.epochs}"
        trained = f"{best}, {self.train_seconds:.0f} s of training" if self.epochs else ""
        self.say(trainer, f"{self.name}: {outcome(summary)}{trained}")
        if folder is not None:
            self.say(trainer, f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")

    def _plot_mistakes(self, trainer: pl.Trainer, folder: Path) -> list[str]:
        """Draw the misclassified clips, and return the name of the file, if there is one."""
        data: VideoDataModule = getattr(trainer, "datamodule")  # noqa: B009 (set by Lightning, unknown to mypy)
        output = folder / MISCLASSIFIED
        output.unlink(missing_ok=True)  # of an earlier test
        title = f"{self.name}: misclassified test clips, the most certain first"
        return [output.name] if plot_misclassified(data, self.mistakes, output, title) else []

    def _summary(self, trainer: pl.Trainer, task: VideoClassification) -> RunSummary:
        """What is known of the run but for what its folder says."""
        ours, dense = _counts(task)
        data: VideoDataModule = getattr(trainer, "datamodule")  # noqa: B009 (set by Lightning, unknown to mypy)
        known = RunSummary(
            name=self.name,
            command=self.command,
            epochs=self.epochs,
            train_seconds=self.train_seconds,
            parameters=ours,
            dense_parameters=dense,
            seed=self.seed,
            splits=_splits(data),
            loader_fps=self.speeds.get("loader"),
            step_fps=self.speeds.get("step"),
            versions=_versions(),
            machine=_machine(trainer),
            pictures=(),
            checkpoint=Path(trainer.ckpt_path).name if trainer.ckpt_path else None,
        )
        if not self.tested:
            return known
        if task.confusion is None:
            score = float(trainer.callback_metrics[f"test/{task.metric}"])
            return replace(known, mean_average_precision=score, test_clips=data.splits.count("test"))
        matrix = task.confusion
        right, clips = matrix.diagonal().tolist(), matrix.sum(1).tolist()
        per_class = dict(zip(task.model.classes, zip(right, clips, strict=True), strict=True))
        macro = float(trainer.callback_metrics["test/f1_macro"])
        known = replace(known, test_accuracy=sum(right) / sum(clips), test_clips=sum(clips), f1_macro=macro)
        return replace(known, per_class=per_class)

    def finish_untested(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that a run was trained and not tested, and fill its folder all the same."""
        assert isinstance(pl_module, VideoClassification)
        folder = _folder(trainer)
        if not trainer.is_global_zero:
            return
        if folder is not None:
            _fill(folder, self._summary(trainer, pl_module), pl_module)
        self.say(trainer, f"{self.name}: trained for {self.epochs} epochs, not tested: there are no test clips")

    def say(self, trainer: pl.Trainer, text: str) -> None:
        """Print above the progress bar, from one process only."""
        if not trainer.is_global_zero:
            return
        bar = trainer.progress_bar_callback
        if isinstance(bar, TQDMProgressBar) and bar.is_enabled:
            bar.print(printable(text))
        else:
            print(printable(text), flush=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what was reached, where validation is all that was asked for."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            assert isinstance(pl_module, VideoClassification)
            score, loss = (float(trainer.callback_metrics[f"val/{key}"]) for key in (pl_module.metric, "loss"))
            self.say(
                trainer, f"{self.name}: validation {pl_module.metric.replace('_', ' ')} {score:.3f}, loss {loss:.3f}"
            )

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect the probabilities of a batch."""
        columns = torch.cat([outputs["index"][:, None].cpu().double(), outputs["probability"].cpu().double()], 1)
        self.rows += columns.tolist()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``predictions.csv``, one part a process where there are several."""
        assert isinstance(pl_module, VideoClassification)
        folder = _folder(trainer)
        if folder is None:
            return
        part = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        output = folder / f"predictions{part}.csv"
        data: VideoDataModule = getattr(trainer, "datamodule")  # noqa: B009 (set by Lightning, unknown to mypy)
        classes = pl_module.model.classes
        with replacing(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "predicted", *classes])
            for index, *probabilities in self.rows:
                several = " ".join(name for name, p in zip(classes, probabilities, strict=True) if p > 0.5)
                predicted = classes[int(np.argmax(probabilities))] if pl_module.has_confusion else several
                clip, label = data.clips[int(index)], data.label_of(int(index))
                writer.writerow([clip.path, label, predicted, *(f"{p:.6f}" for p in probabilities)])
        self.say(trainer, f"{output}: class probabilities of {len(self.rows)} clips")


def _folder(trainer: pl.Trainer) -> Path | None:
    """The folder of the run; None where nothing is to be kept. A broadcast: to be called on every process."""
    log_dir = trainer.log_dir
    return Path(log_dir) if log_dir is not None and isinstance(trainer.logger, MetricsLogger) else None


def _place(trainer: pl.Trainer) -> str:
    """Where in the run a resumed training goes on."""
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready if trainer.fit_loop.restarted_mid_epoch else 0
    return f"epoch {trainer.current_epoch + 1}" + (f", step {done + 1}" if done else "")


def _counts(pl_module: pl.LightningModule) -> tuple[dict[str, int], dict[str, int]]:
    assert isinstance(pl_module, VideoClassification)
    return count_parameters(pl_module.model), count_parameters(pl_module.model, dense=True)


def _splits(data: VideoDataModule) -> dict[str, str]:
    """In words, what the clips were split into."""
    words = {}
    for split in ("train", "val", "test"):
        clips = [clip for clip, of_clip in zip(data.clips, data.splits, strict=True) if of_clip == split]
        groups = sorted({clip.group for clip in clips} - {""})
        named = f", {len(groups)} group{'s' if len(groups) > 1 else ''}" if groups else ""
        if groups and all(map(str.isdigit, groups)) and int(groups[-1]) - int(groups[0]) == len(groups) - 1:
            named = f", groups {int(groups[0])} to {int(groups[-1])}"
        if clips:
            words[split] = f"{len(clips):,} clips{named} (split {data.split_rule})"
    return words


def _fill(folder: Path, summary: RunSummary, task: VideoClassification, drawn: Sequence[str] = ()) -> RunSummary:
    """Draw the plots and write the summary, with the epochs from the folder's metrics.

    Args:
        folder: of the run.
        summary: of the run, without its epochs and plots.
        task: with the confusion matrix of the test.
        drawn: names of further plots that are in the folder.
    """
    pictures = []
    metrics = folder / METRICS
    if summary.epochs and metrics.is_file():
        plot_curves(metrics, folder / "curves.png", summary.name)
        pictures.append("curves.png")
        epoch, values = best_epoch(read_metrics(metrics))
        summary = replace(summary, best_epoch=epoch, val_accuracy=values.get("val/accuracy"))
    if task.confusion is not None:
        plot_confusion(task.confusion.cpu().numpy(), task.model.classes, folder / "confusion.png", summary.name)
        pictures.append("confusion.png")
    summary = replace(summary, pictures=(*pictures, *drawn))
    write_summary(summary, folder / "summary.md")
    return summary


def _versions() -> dict[str, str]:
    """Versions of what a result depends on; decord is not installed everywhere."""
    found = {}
    for name in ("htzoo", "torch", "lightning", "decord", "av"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _machine(trainer: pl.Trainer) -> str:
    if trainer.strategy.root_device.type == "cuda":
        return f"{trainer.world_size} x {torch.cuda.get_device_name()}"
    processes = f"{trainer.world_size} processes, " if trainer.world_size > 1 else ""
    cores = available_cores()
    return f"{processes}{cores} CPU {'core' if cores == 1 else 'cores'}, {platform.machine()}, {platform.system()}"
