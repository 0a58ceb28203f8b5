"""The networks, as plain PyTorch modules that can be trained, published and exported."""

from htzoo.models.macs import input_macs
from htzoo.models.parameter_counts import count_parameters
from htzoo.models.video_classifier import VideoClassifier

__all__ = ["VideoClassifier", "count_parameters", "input_macs"]
