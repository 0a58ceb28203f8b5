"""How many multiply-adds one frame costs."""

from __future__ import annotations

from htzoo.formats import Dense
from htzoo.formats.column_slice import columns_of
from htzoo.formats.search import multiply_adds
from htzoo.models.video_classifier import VideoClassifier


def input_multiply_adds(model: VideoClassifier, frames: int) -> tuple[int, int]:
    """Multiply-adds of the first layer's input product per frame, as it is computed, and with a dense weight.

    The merging of the cores, once for all frames that pass together, is not counted.

    Args:
        model: the model.
        frames: how many frames pass together, for which the order of the products is chosen.
    """
    layer = model.recurrent
    weights = layer.matrices()
    joint = weights.get("weight_l0")
    weight = weights["weight_ih_l0"] if joint is None else joint
    network = weight.network
    dense = layer.input_size * network.out_features
    if isinstance(weight.format, Dense):
        return dense, dense
    if joint is not None:
        network = columns_of(network, 0, layer.input_size).network
    return multiply_adds(network, frames), dense
