"""Formats: weight matrices as tensor networks, and how to multiply with them.

One file defines one format. :mod:`htzoo.formats.registry` finds them; the imports below only make the names of our own
available as ``htzoo.formats.NAME``.
"""

from htzoo.formats.block_term import BlockTerm
from htzoo.formats.cp import CP
from htzoo.formats.dense import Dense
from htzoo.formats.format import Format, ModeFormat
from htzoo.formats.hierarchical_tucker import HierarchicalTucker
from htzoo.formats.kronecker_cp import KroneckerCP
from htzoo.formats.low_rank import LowRank
from htzoo.formats.network import Core, Network
from htzoo.formats.registry import find_format, format_classes, format_from_dict, format_names
from htzoo.formats.search import count_macs
from htzoo.formats.suggest import suggest
from htzoo.formats.tensor_ring import TensorRing
from htzoo.formats.tensor_train import TensorTrain
from htzoo.formats.tucker import Tucker

__all__ = [
    "CP",
    "BlockTerm",
    "Core",
    "Dense",
    "Format",
    "HierarchicalTucker",
    "KroneckerCP",
    "LowRank",
    "ModeFormat",
    "Network",
    "TensorRing",
    "TensorTrain",
    "Tucker",
    "count_macs",
    "find_format",
    "format_classes",
    "format_from_dict",
    "format_names",
    "suggest",
]
