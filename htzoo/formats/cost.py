"""What a product with a network costs."""

from __future__ import annotations

import math

from htzoo.formats.network import Network
from htzoo.formats.plan import CPU, Machine, plan


def multiply_adds(network: Network, rows: int, machine: Machine = CPU) -> int:
    """Multiply-adds an input vector when ``rows`` of them are multiplied at once, by the planned chain.

    The merging of the cores comes once a batch, whatever its size, and is not counted. A dense matrix takes
    ``in_features * out_features``.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once (frames of all clips of a batch).
        machine: what the chain is planned for.
    """
    planned = plan(network, rows, machine=machine)
    blocks = 1 if planned.split is None else network.sizes[planned.split]
    sliced = network if planned.split is None else network.slice(planned.split)
    return blocks * sum(
        math.prod((product.before, product.after, sliced.size(product.contracted), sliced.size(product.new)))
        for product in planned.products
    )
