"""Decomposition: the cores whose network is closest to a given matrix."""

from htzoo.formats.decompose.choose_ranks import choose_ranks
from htzoo.formats.decompose.from_dense import Decomposition, from_dense

__all__ = ["Decomposition", "choose_ranks", "from_dense"]
