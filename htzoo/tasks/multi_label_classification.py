"""Train a :class:`~htzoo.models.VideoClassifier` to name every class that a clip shows."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MultilabelAveragePrecision

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
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))

    def probability(self, logits: Tensor) -> Tensor:
        """See :meth:`VideoClassification.probability`."""
        return logits.sigmoid()
