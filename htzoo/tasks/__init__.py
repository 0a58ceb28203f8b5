"""LightningModules and their callbacks: loss, metrics, optimiser, checkpoints."""

from htzoo.tasks.checkpoints import AtomicCheckpointIO, BestAndLast, CheckpointError
from htzoo.tasks.multi_label_classification import MultiLabelClassification
from htzoo.tasks.not_finite import NotFiniteError
from htzoo.tasks.stopping import Stopped, StopSignals
from htzoo.tasks.throughput import Throughput
from htzoo.tasks.video_classification import VideoClassification

__all__ = [
    "AtomicCheckpointIO",
    "BestAndLast",
    "CheckpointError",
    "MultiLabelClassification",
    "NotFiniteError",
    "StopSignals",
    "Stopped",
    "Throughput",
    "VideoClassification",
]
