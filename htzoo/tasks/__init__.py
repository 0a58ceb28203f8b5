"""LightningModules: loss, metrics, optimiser, logging."""

from htzoo.tasks.throughput import Throughput
from htzoo.tasks.video_classification import VideoClassification

__all__ = ["Throughput", "VideoClassification"]
