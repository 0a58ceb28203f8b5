"""LightningModules: loss, metrics, optimiser, logging."""

from htzoo.tasks.multi_label_classification import MultiLabelClassification
from htzoo.tasks.throughput import Throughput
from htzoo.tasks.video_classification import VideoClassification

__all__ = ["MultiLabelClassification", "Throughput", "VideoClassification"]
