"""Networks as text: how operators, which take tensors and plain values only, are told of them."""

from __future__ import annotations

import json
from functools import lru_cache

from htzoo.formats.network import Core, Network


@lru_cache(maxsize=1024)
def network_text(network: Network) -> str:
    """All of a network, for :func:`network_of`."""
    cores = [[core.name, core.edges, core.shape] for core in network.cores]
    return json.dumps([cores, network.inputs, network.outputs])


@lru_cache(maxsize=1024)
def network_of(text: str) -> Network:
    """The network that :func:`network_text` described."""
    cores, inputs, outputs = json.loads(text)
    found = (Core(name, tuple(edges), tuple(shape)) for name, edges, shape in cores)
    return Network(tuple(found), tuple(inputs), tuple(outputs))


@lru_cache(maxsize=1024)
def dense_network(in_features: int, out_features: int) -> Network:
    """The network whose one core is the matrix."""
    return Network((Core.of("weight", o1=out_features, i1=in_features),), ("i1",), ("o1",))
