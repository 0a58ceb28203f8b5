"""Train a :class:`~htzoo.models.VideoClassifier` to name every class that a clip shows."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MultilabelAveragePrecision

from htzoo.data import VideoDataModule
from htzoo.tasks.video_classification import VideoClassification


class MultiLabelClassification(VideoClassification):
    """Binary cross-entropy on every class of a clip; mean over the classes of the average precision on held-out clips.

    Labels are (batch, classes), 1 where the clip shows the class. The arguments are :class:`VideoClassification`'s;
    ``top_k`` means nothing here.
    """

    metric: ClassVar[str] = "mean_average_precision"
    has_confusion: ClassVar[bool] = False

    def make_metrics(self, count: int) -> MetricCollection:
        """See :meth:`VideoClassification.make_metrics`."""
        return MetricCollection({self.metric: MultilabelAveragePrecision(count, average="macro")})

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See :meth:`VideoClassification.loss`."""
        targets, weights = labels.to(logits.dtype), None
        if self.training:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
            weights = None if self.loss_weights is None else self.loss_weights.to(logits)
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, weights)

    def balanced_weights(self, data: VideoDataModule) -> Tensor:
        """See :meth:`VideoClassification.balanced_weights`: from the clips that show each class."""
        shown = [data.classes_of(index) for index, split in enumerate(data.splits) if split == "train"]
        counts = torch.tensor([sum(name in names for names in shown) for name in self.model.classes]).float()
        present = counts > 0
        weights = torch.where(present, 1 / counts.clamp(min=1), 0.0)
        return weights * present.sum() / weights.sum()

    def probability(self, logits: Tensor) -> Tensor:
        """See :meth:`VideoClassification.probability`."""
        return logits.sigmoid()
