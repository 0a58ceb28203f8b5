"""Plain modules that are trained, published and exported."""

from htzoo.models.parameters import count_parameters
from htzoo.models.video_classifier import VideoClassifier

__all__ = ["VideoClassifier", "count_parameters"]
