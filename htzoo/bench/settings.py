"""What is measured: the sizes of a layer and of its input, and the formats' shapes for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
)

Formats = Mapping[str, Format]  # keyword arguments of htzoo.nn.LSTM


@dataclass(frozen=True)
class Setting:
    """The sizes of a recurrent layer and of its input.

    Args:
        title: what it stands for, in words.
        input_size: features of one frame.
        hidden_size: features of the hidden state.
        frames: frames of a clip.
        batch: clips at once.
        cell: ``LSTM``, ``GRU`` or ``RNN``.
        layers: name of a row -> the formats of its layer.
    """

    title: str
    input_size: int
    hidden_size: int
    frames: int
    batch: int = 16
    cell: str = "LSTM"
    layers: Mapping[str, Formats] = field(default_factory=dict)


# The shapes of the papers: HT-1,245 (Yin et al. 2020), TT-3,360 (Yang et al. 2017), TR-1,725 (Pan et al. 2019) and
# BT-3,392 (Ye et al. 2018). For CP, KCP and Tucker no shape is published; these have modes like the others'.
_UCF11: dict[str, Format] = {
    "HierarchicalTucker": HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5),
    "TensorTrain": TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4),
    "TensorRing": TensorRing((4, 2, 5, 8, 6, 5, 3, 2), (4, 4, 2, 4, 2), (10, *[5] * 12)),
    "BlockTerm": BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), rank=4, blocks=2),
    "KroneckerCP": KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), rank=2, terms=1),
    "CP": CP((8, 20, 20, 18), (4, 4, 4, 4), 10),
    "Tucker": Tucker((8, 20, 20, 18), (4, 4, 4, 4), 2),
}

# Rising input modes with falling output modes: the first product over the frames is narrow, and the gates come last.
_N, _M = (2, 4, 4, 8, 8), (8, 8, 4, 4, 2)
_CNN: dict[str, Format] = {
    "HierarchicalTucker": HierarchicalTucker(_N, _M, leaf_rank=4, inner_rank=4),
    "TensorTrain": TensorTrain(_N, _M, 4),
    "TensorRing": TensorRing((8, 16, 16), (16, 16, 8), 5),
    "BlockTerm": BlockTerm((8, 16, 16), (16, 16, 8), rank=2, blocks=2),
    "KroneckerCP": KroneckerCP((8, 16, 16), (16, 16, 8), rank=2, terms=2),
    "CP": CP((8, 16, 16), (16, 16, 8), 10),
    "Tucker": Tucker((32, 64), (64, 32), 4),
}
_JOINT: dict[str, Format] = {
    "HierarchicalTucker": HierarchicalTucker((4, 4, 4, 8, 8), _M, leaf_rank=4, inner_rank=4),
    "TensorTrain": TensorTrain((4, 4, 4, 8, 8), _M, 4),
}

SETTINGS = {
    "ucf11": Setting(
        "raw frames of 160 x 120 pixels",
        57600,
        256,
        frames=6,
        layers={"Dense": {}, **{name: {"input_format": chosen} for name, chosen in _UCF11.items()}},
    ),
    "cnn": Setting(
        "features of a CNN",
        2048,
        2048,
        frames=25,
        layers={
            "Dense": {},
            **{f"{name}, dense hidden": {"input_format": _CNN[name]} for name in _JOINT},
            **{f"{name}, joint": {"joint_format": chosen} for name, chosen in _JOINT.items()},
            **{f"{name}, both": {"input_format": chosen, "hidden_format": chosen} for name, chosen in _CNN.items()},
        },
    ),
}
