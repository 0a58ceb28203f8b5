"""Layers whose weights are tensor networks, to put where :mod:`torch.nn`'s stood."""

from htzoo.nn.compress import compress
from htzoo.nn.lstm import LSTM
from htzoo.nn.weight import Weight

__all__ = ["LSTM", "Weight", "compress"]
