"""Drop-ins for layers of :mod:`torch.nn` whose weights are tensor networks."""

from htzoo.nn.embedding import Embedding
from htzoo.nn.errors import InputError
from htzoo.nn.gru import GRU
from htzoo.nn.linear import Linear
from htzoo.nn.lstm import LSTM
from htzoo.nn.rnn import RNN
from htzoo.nn.weight import Weight

__all__ = ["GRU", "LSTM", "RNN", "Embedding", "InputError", "Linear", "Weight"]
