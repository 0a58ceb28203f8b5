"""The layers that are compared: dense LSTM and GRU, and every format with about the same number of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from htzoo.formats import BlockTerm, Format, HierarchicalTucker, KroneckerCP, TensorRing, TensorTrain


@dataclass(frozen=True)
class Rival:
    """A recurrent layer.

    Args:
        name: how the tables call it.
        cell: LSTM or GRU.
        formats: keyword arguments of :class:`htzoo.nn.LSTM`.
        trials: settings that are tried in place of the study's.
    """

    name: str
    cell: Literal["LSTM", "GRU"]
    formats: dict[str, Format]
    trials: tuple[dict[str, float], ...] = ()


# One number says how large each is. The ranks of HT grow together, as in the published models (leaf 4, inner 5).
FAMILIES: dict[str, Callable[[tuple[int, ...], tuple[int, ...], int], Format]] = {
    "TT": lambda n, m, rank: TensorTrain(n, m, rank),
    "TR": lambda n, m, rank: TensorRing(n, m, rank),
    "BT": lambda n, m, rank: BlockTerm(n, m, 2, rank),
    "HT": lambda n, m, rank: HierarchicalTucker(n, m, rank, rank),
    "KCP": lambda n, m, rank: KroneckerCP(n, m, 2, rank),
}


def matched(family: str, in_modes: tuple[int, ...], out_modes: tuple[int, ...], weights: int) -> Format:
    """The format of a family, for an LSTM, whose number of weights is nearest to the one given."""
    features, hidden = math.prod(in_modes), math.prod(out_modes)

    def distance(rank: int) -> int:
        try:
            network = FAMILIES[family](in_modes, out_modes, rank).network(features, hidden, gates=4)
        except ValueError:  # a rank larger than the modes allow
            return 10**9
        return abs(network.num_parameters - weights)

    return FAMILIES[family](in_modes, out_modes, min(range(1, 100), key=distance))


def rivals(
    in_modes: tuple[int, ...],
    out_modes: tuple[int, ...],
    joint_modes: tuple[int, ...],
    weights: int,
    hidden_weights: int = 0,
) -> list[Rival]:
    """All layers to compare on a dataset.

    Args:
        in_modes: multiply to the features of a step.
        out_modes: multiply to the hidden size.
        joint_modes: multiply to their sum, for the joint weight of FDHT.
        weights: how many weights the input-to-hidden matrix of each has, about.
        hidden_weights: the same for the hidden-to-hidden weight, which is in the same format; dense where 0. FDHT's one
            weight has as many as both.
    """
    chosen = [Rival("LSTM", "LSTM", {}), Rival("GRU", "GRU", {})]
    for family in FAMILIES:
        formats = {"input_format": matched(family, in_modes, out_modes, weights)}
        if hidden_weights:
            formats["hidden_format"] = matched(family, out_modes, out_modes, hidden_weights)
        chosen.append(Rival(family, "LSTM", formats))
    joint = matched("HT", joint_modes, out_modes, weights + hidden_weights)
    return [*chosen, Rival("FDHT", "LSTM", {"joint_format": joint})]


def unfactored(features: int, out_modes: tuple[int, ...], rank: int, hidden_weights: int, joint: int) -> list[Rival]:
    """TT and HT with one core for all features of a step, whose order means nothing, and one for all gates and units.

    Args:
        features: of a step.
        out_modes: multiply to the hidden size.
        rank: of the input-to-hidden weight.
        hidden_weights: how many weights the hidden-to-hidden matrix has, about.
        joint: rank of the same two cores where they are both weights as one (FD).
    """
    units = math.prod(out_modes)
    found = []
    for family in ("TT", "HT"):
        hidden = matched(family, out_modes, out_modes, hidden_weights)
        apart = {"input_format": FAMILIES[family]((1, features), (units, 1), rank), "hidden_format": hidden}
        both = {"joint_format": FAMILIES[family]((1, features + units), (units, 1), joint)}
        found += [Rival(f"{family}2", "LSTM", apart), Rival(f"FD{family}2", "LSTM", both)]
    return found
