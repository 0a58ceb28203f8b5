"""Layers whose weights are tensor networks, to put where :mod:`torch.nn`'s stood."""

from htzoo.nn.gru import GRU
from htzoo.nn.linear import Linear
from htzoo.nn.lstm import LSTM
from htzoo.nn.rnn import RNN
from htzoo.nn.weight import Weight

__all__ = ["GRU", "LSTM", "RNN", "Linear", "Weight"]
