"""Train a :class:`~htzoo.models.VideoClassifier` to name the class of a clip."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from htzoo.data import VideoDataModule
from htzoo.data.clips.loader import ClipLoader
from htzoo.models import VideoClassifier
from htzoo.tasks.budget import shape_to_give, within_budget
from htzoo.tasks.epoch_state import metric_states, restore_metrics
from htzoo.tasks.feature_cache import can_keep_features, keep_features
from htzoo.tasks.not_finite import EVERY, FiniteLoss, NotFiniteError, remedies
from htzoo.tasks.schedules import Schedule, make_schedule, set_position

if TYPE_CHECKING:
    from htzoo.data.clips.dataset import Batch as VideoBatch
    from htzoo.data.clips.features import FeatureBatch

    Batch = VideoBatch | FeatureBatch


class VideoClassification(pl.LightningModule):
    """Cross-entropy on the class of a clip; accuracy (top-1, top-k, per class) on held-out clips.

    Args:
        optimizer: makes the optimiser from the parameters.
        schedule: learning rate over the whole run: ``one_cycle``, ``cosine``, ``constant``, ``inverse_time`` (divided
            by 1 + decay * step) or ``steps`` (times decay at every milestone), see
            :func:`htzoo.tasks.schedules.make_schedule`.
        decay: of ``inverse_time`` and ``steps``.
        milestones: epochs, counted from 0, at which ``steps`` changes the rate.
        feature_cache: whether the features that a frozen CNN makes of a clip are kept on disk, beside the data, so that
            the CNN reads each clip once and not in every epoch. Training clips that are changed at random pass it anew.
        top_k: also report how often the class is among the k likeliest.
        init_from: folder of a saved model, of the same shape, whose weights training starts from.
        budget: parameters that the first weight with a format may have, such as ``3400``, or ``50x`` for 50 times fewer
            than a dense weight has: modes and ranks are chosen for it, in place of those given, see
            :func:`htzoo.tasks.budget.within_budget`.
        label_smoothing: share of the label that is spread over all classes, from 0 to 1.
        class_weights: weight of each class in the training loss: ``equal``, ``balanced`` (inversely proportional to its
            number of training clips, with mean 1 over the clips), or one number for each class.
        model: arguments of :class:`~htzoo.models.VideoClassifier`.

    Raises:
        ValueError: an argument is out of its range, or the formats do not fit the sizes.

    Attributes:
        metric: what is first asked about a model.
        has_confusion: whether a clip has one class, so that there is a confusion matrix.
        confusion: the confusion matrix (true, predicted) of the last test.
    """

    metric: ClassVar[str] = "accuracy"
    has_confusion: ClassVar[bool] = True
    loss_weights: Tensor | None

    def __init__(
        self,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule = "one_cycle",
        decay: float = 0.1,
        milestones: Sequence[int] = (),
        feature_cache: bool = True,
        top_k: int = 3,
        init_from: str | None = None,
        budget: str | int | None = None,
        label_smoothing: float = 0.0,
        class_weights: Literal["equal", "balanced"] | Sequence[float] = "equal",
        **model: Any,
    ) -> None:
        super().__init__()
        if budget is not None:
            model = within_budget(str(budget), model)
        # Plain data only, so that a checkpoint loads without pickle.
        self.save_hyperparameters(ignore=["optimizer"], logger=False)
        self.hparams.update(model)
        try:
            self.model = VideoClassifier(**model)
        except ValueError as error:
            raise shape_to_give(error, model) from None
        self.optimizer = optimizer
        self.schedule: Schedule = schedule
        self.decay = decay
        self.milestones = tuple(milestones)
        self.feature_cache = feature_cache
        self.top_k = top_k
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.init_from = init_from
        count = len(self.model.classes)
        if count < 2:
            raise ValueError(
                f"classes is {list(self.model.classes)}, and a classifier needs two or more: give data of several "
                "classes, such as a folder with one folder for each class"
            )
        metrics = self.make_metrics(count)
        self.train_metric = metrics[self.metric].clone()
        # Lightning's own mean over processes rounds their numbers of clips; torchmetrics' does not.
        self.train_loss, self.val_loss, self.test_loss = MeanMetric(), MeanMetric(), MeanMetric()
        self.val_metrics, self.test_metrics = metrics.clone("val/"), metrics.clone("test/")
        self.test_confusion = MulticlassConfusionMatrix(count) if self.has_confusion else None
        self.confusion: Tensor | None = None
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}: give a number from 0 to below 1")
        self.register_buffer("loss_weights", None, persistent=False)
        if not isinstance(class_weights, str):
            if len(class_weights) != count or min(class_weights) < 0:
                raise ValueError(
                    f"class_weights has {len(class_weights)} numbers for {count} classes: give one above zero for each"
                )
            self.loss_weights = torch.tensor(list(class_weights), dtype=torch.float32)
        self._finite = FiniteLoss()
        self._epoch_so_far: dict[str, Any] | None = None

    def make_metrics(self, count: int) -> MetricCollection:
        """What is measured on held-out clips of ``count`` classes; :attr:`metric` is among it."""
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(count, average="micro"),
                f"accuracy_top{self.top_k}": MulticlassAccuracy(count, average="micro", top_k=min(self.top_k, count)),
                "accuracy_macro": MulticlassAccuracy(count, average="macro"),
                "f1_macro": MulticlassF1Score(count, average="macro"),
            },
            compute_groups=False,  # torchmetrics would let top-k share top-1's counts where the first batch agrees
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of logits (batch, classes) and the labels of the clips; class weights count in training only."""
        weights = self.loss_weights.to(logits) if self.training and self.loss_weights is not None else None
        smoothing = self.label_smoothing if self.training else 0.0
        return nn.functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)

    def probability(self, logits: Tensor) -> Tensor:
        """Class probabilities (batch, classes)."""
        return logits.softmax(-1)

    def forward(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (batch, classes), see :meth:`htzoo.models.VideoClassifier.forward`."""
        logits: Tensor = self.model(video, lengths)
        return logits

    def setup(self, stage: str) -> None:
        """Take over the weights of a saved model, and compute the features that a frozen CNN has of the clips.

        Balanced class weights are counted here, from the training clips.

        Raises:
            FileNotFoundError: there is no such model.
            ValueError: its weights are of another shape.
        """
        if stage == "fit" and self.init_from is not None and self.trainer.ckpt_path is None:
            self._take_over(self.init_from)
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and self.class_weights == "balanced" and isinstance(data, VideoDataModule):
            self.loss_weights = self.balanced_weights(data)
        if self.feature_cache and isinstance(data, VideoDataModule) and can_keep_features(self.model, self.trainer):
            keep_features(self.model, data, self.trainer)

    def balanced_weights(self, data: VideoDataModule) -> Tensor:
        """Weights (classes,) that are inversely proportional to the training clips of each class, 0 where it has none.

        Their mean over the training clips is 1, so that the learning rate means the same.
        """
        labels = [clip.label for clip, split in zip(data.clips, data.splits, strict=True) if split == "train"]
        counts = torch.bincount(torch.tensor(labels), minlength=len(self.model.classes)).float()
        present = counts > 0
        weights = torch.where(present, 1 / counts.clamp(min=1), 0.0)
        return weights * counts.sum() / present.sum()

    def _take_over(self, folder: str) -> None:
        path = Path(folder) / "model.safetensors"
        if not path.is_file():
            raise FileNotFoundError(f"init_from is {folder!r}, which holds no model.safetensors: save one there")
        try:
            self.model.load_state_dict(load_file(path))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(f"init_from is {folder!r}, a model of another shape: {reason}") from error

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        logits = self._logits(batch)
        loss = self.loss(logits, batch["label"])
        self._finite.add(loss, batch_idx)
        size = len(logits)
        self.train_loss.update(loss.detach(), weight=size)
        self.train_metric.update(logits, batch["label"])
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, batch_size=size)
        self.log(f"train/{self.metric}", self.train_metric, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make what is drawn in this step (dropout) depend on the seed, the step and the process alone.

        A run that goes on after this step then draws what it would have drawn without the interruption.
        """
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        place = [seed, self.current_epoch, batch_idx, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Stop a run whose loss is not finite."""
        if (batch_idx + 1) % EVERY == 0:
            self._finite.check(self)

    def on_train_epoch_end(self) -> None:
        """Stop a run whose loss or weights are not finite, before the epoch is saved."""
        self._finite.check(self)
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters()):
            raise NotFiniteError(f"the weights are not finite after epoch {self.current_epoch + 1}: {remedies(self)}")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch of validation clips."""
        self._evaluate(batch, "val/loss", self.val_loss, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Count one batch of test clips, and return their logits (batch, classes)."""
        logits = self._evaluate(batch, "test/loss", self.test_loss, self.test_metrics)
        if self.test_confusion is not None:
            self.test_confusion.update(logits, batch["label"])
        return logits

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Class probabilities (batch, classes) and the positions (batch,) of the clips that they belong to."""
        return {"index": batch["index"], "probability": self.probability(self._logits(batch))}

    def on_test_epoch_end(self) -> None:
        """Keep the confusion matrix (true, predicted) of all processes, and start an empty one."""
        if self.test_confusion is not None:
            self.confusion = self.test_confusion.compute()
            self.test_confusion.reset()

    def _logits(self, batch: Batch) -> Tensor:
        """Logits (clips, classes), the mean over the views of a clip."""
        if "features" in batch:
            logits = self.model.classify_features(batch["features"], batch["length"])  # type: ignore[typeddict-item]
        else:
            logits = self(batch["video"], batch["length"])
        return logits.reshape(len(batch["label"]), -1, logits.shape[-1]).mean(1)

    def _evaluate(self, batch: Batch, name: str, mean_loss: MeanMetric, metrics: MetricCollection) -> Tensor:
        logits = self._logits(batch)
        loss = self.loss(logits, batch["label"])
        metrics.update(logits, batch["label"])
        mean_loss.update(loss, weight=len(logits))
        self.log(name, mean_loss, batch_size=len(logits))
        self.log_dict(metrics, batch_size=len(logits))
        return logits

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser, and a schedule stepped every batch."""
        optimizer = self.optimizer(parameter for parameter in self.parameters() if parameter.requires_grad)
        optimizer.register_load_state_dict_pre_hook(_keep_options)
        scheduler = make_schedule(
            optimizer,
            self.schedule,
            self.trainer.estimated_stepping_batches,
            self.trainer.max_epochs,
            self.decay,
            self.milestones,
        )
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Within an epoch, add the metrics so far. What has diverged is not saved."""
        self._finite.check(self)
        if self.trainer.state.fn == "fit" and not self.trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            loader = self.trainer.train_dataloader
            position = loader.state_dict() if isinstance(loader, ClipLoader) else None
            checkpoint["epoch_so_far"] = {"metrics": metric_states(self._of_epoch), "loader": position}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the saved schedule behind: it may have been for another rate, or another end.

        So is the clock of ``max_time``, which limits each part of a run that goes on.
        """
        checkpoint["lr_schedulers"] = []
        checkpoint.get("callbacks", {}).pop("Timer", None)
        self._epoch_so_far = checkpoint.get("epoch_so_far")

    def on_train_start(self) -> None:
        """In a resumed run, bring metrics, batch count and schedule to where the training is."""
        within = 0  # batches of this epoch that are over
        if self._epoch_so_far is not None:
            restore_metrics(self._of_epoch, self._epoch_so_far["metrics"], first=self.trainer.is_global_zero)
            done = self.trainer.fit_loop.epoch_loop.batch_progress.current
            within = done.ready
            loader = self.trainer.train_dataloader
            if isinstance(loader, ClipLoader):  # with another batch size, other batches are over
                loader.load_state_dict(self._epoch_so_far["loader"])  # Lightning does not, where it made it early
                within = loader.skipped_batches
                done.ready = done.started = done.processed = within  # type: ignore[attr-defined]
                done.completed = within - 1  # Lightning saves before it counts the batch, and counts it now
            self._epoch_so_far = None
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, LRScheduler):
                set_position(config.scheduler, self._steps_done(within))

    @property
    def _of_epoch(self) -> dict[str, Metric]:
        return {"train/loss": self.train_loss, f"train/{self.metric}": self.train_metric}

    def _steps_done(self, within: int) -> int:
        """Steps of the schedule that are over: with another batch size, not as many as the optimiser has made."""
        trainer = self.trainer
        if trainer.max_epochs is None or trainer.max_epochs < 0 or math.isinf(trainer.num_training_batches):
            return trainer.global_step
        each = trainer.accumulate_grad_batches
        return trainer.current_epoch * math.ceil(trainer.num_training_batches / each) + within // each


def _keep_options(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Let the options asked for (learning rate, betas, weight decay) win over those in a checkpoint."""
    pairs = zip(optimizer.param_groups, state["param_groups"], strict=True)
    return {**state, "param_groups": [{**asked, "params": saved["params"]} for asked, saved in pairs]}
