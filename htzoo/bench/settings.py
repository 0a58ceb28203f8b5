"""What is measured: the sizes of a layer and of its input, and the shapes of the formats for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from htzoo.bench.baselines import GATES
from htzoo.formats import (
    CP,
    BlockTerm,
    Dense,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    LowRank,
    TensorRing,
    TensorTrain,
    Tucker,
    suggest,
)

Formats = Mapping[str, Format]  # keyword arguments of htzoo.nn.LSTM
SUGGESTED_SHARE = 1 / 100  # of the dense weight's parameters, for formats that have no shape below


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


# HT-1,245 (Yin et al. 2020), TT-3,360 (Yang et al. 2017), TR-1,725 (Pan et al. 2019) and BT-3,392 (Ye et al. 2018) are
# the shapes of the papers. No shape of CP, KCP and Tucker is published; these have similar modes. The rank of LowRank
# is that of the floor.
_UCF11: Sequence[Format] = (
    HierarchicalTucker((8, 10, 10, 9, 8), (4, 4, 2, 4, 2), leaf_rank=4, inner_rank=5),
    TensorTrain((8, 20, 20, 18), (4, 4, 4, 4), 4),
    TensorRing((4, 2, 5, 8, 6, 5, 3, 2), (4, 4, 2, 4, 2), (10, *[5] * 12)),
    BlockTerm((8, 20, 20, 18), (4, 4, 4, 4), rank=4, blocks=2),
    KroneckerCP((4, 20, 20, 36), (2, 8, 8, 2), rank=2, terms=1),
    CP((8, 20, 20, 18), (4, 4, 4, 4), 10),
    Tucker((8, 20, 20, 18), (4, 4, 4, 4), 2),
    LowRank(4),
)

# Rising input modes with falling output modes: the first matrix product over the frames is narrow, and the gates come
# last.
_N, _M = (2, 4, 4, 8, 8), (8, 8, 4, 4, 2)
_CNN: Sequence[Format] = (
    HierarchicalTucker(_N, _M, leaf_rank=4, inner_rank=4),
    TensorTrain(_N, _M, 4),
    TensorRing((8, 16, 16), (16, 16, 8), 5),
    BlockTerm((8, 16, 16), (16, 16, 8), rank=2, blocks=2),
    KroneckerCP((8, 16, 16), (16, 16, 8), rank=2, terms=2),
    CP((8, 16, 16), (16, 16, 8), 10),
    Tucker((32, 64), (64, 32), 4),
    LowRank(4),
)
_CNN_JOINT: Sequence[Format] = (
    HierarchicalTucker((4, 4, 4, 8, 8), _M, leaf_rank=4, inner_rank=4),
    TensorTrain((4, 4, 4, 8, 8), _M, 4),
)

_UCF11_SIZES = Setting("raw frames of 160 x 120 pixels", 57600, 256, frames=6)
_CNN_SIZES = Setting("features of a CNN", 2048, 2048, frames=25)


def ucf11(classes: Sequence[type[Format]]) -> Setting:
    """The setting of the papers: only the input-to-hidden weight is compressed."""
    chosen = _shapes(classes, _UCF11, _UCF11_SIZES)
    layers = {type(one).__name__: {} if isinstance(one, Dense) else {"input_format": one} for one in chosen}
    return replace(_UCF11_SIZES, layers=layers)


def cnn(classes: Sequence[type[Format]]) -> Setting:
    """A large hidden state: the input-to-hidden weight compressed, both weights, or the two as one (joint)."""
    layers: dict[str, Formats] = {}
    joint = {type(one): one for one in _CNN_JOINT}
    for one in _shapes(classes, _CNN, _CNN_SIZES):
        name = type(one).__name__
        if isinstance(one, Dense):
            layers[name] = {}
            continue
        if type(one) in joint:
            layers[f"{name}, dense hidden"] = {"input_format": one}
            layers[f"{name}, joint"] = {"joint_format": joint[type(one)]}
        layers[f"{name}, both"] = {"input_format": one, "hidden_format": one}
    order = ("Dense", "dense hidden", "joint", "both")
    return replace(_CNN_SIZES, layers=dict(sorted(layers.items(), key=lambda row: order.index(row[0].split(", ")[-1]))))


SETTINGS: dict[str, Callable[[Sequence[type[Format]]], Setting]] = {"ucf11": ucf11, "cnn": cnn}


def _shapes(classes: Sequence[type[Format]], known: Sequence[Format], sizes: Setting) -> list[Format]:
    """One format of every class: dense first, then those of known shape, then those that are suggested."""
    by_class: dict[type[Format], Format] = {Dense: Dense(), **{type(one): one for one in known}}
    found = [one for cls, one in by_class.items() if cls in classes]
    gates = GATES[sizes.cell]
    budget = int(gates * sizes.hidden_size * sizes.input_size * SUGGESTED_SHARE)
    others = [cls for cls in classes if cls not in by_class]
    return found + [suggest(cls, sizes.input_size, sizes.hidden_size, gates=gates, budget=budget) for cls in others]
