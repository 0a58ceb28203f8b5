"""How many MACs (multiply-accumulates) one frame takes."""

from __future__ import annotations

from htzoo.formats import Dense
from htzoo.formats.column_slice import columns_of
from htzoo.formats.search import count_macs
from htzoo.models.video_classifier import VideoClassifier


def input_macs(model: VideoClassifier, frames: int) -> tuple[int, int]:
    """MACs of the first layer's input-to-hidden product per frame, as planned and with a dense weight.

    Merging the cores, once for all frames of a batch, is not counted.

    Args:
        model: the model.
        frames: frames in a batch, for which the contraction is planned.
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
    return count_macs(network, frames), dense
