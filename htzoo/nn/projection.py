"""A recurrence whose hidden state is projected, as one without projection."""

from __future__ import annotations

from torch import Tensor, nn

from htzoo.formats.network import Core, Network
from htzoo.formats.text import network_text
from htzoo.nn.cell import State
from htzoo.nn.sequence import Order
from htzoo.nn.weight import Matrix


def without_projection(
    gates: Tensor, order: Order, start: State, hidden: Matrix, projection: Matrix, reverse: bool
) -> tuple[Tensor, State, Matrix]:
    """A recurrence without projection that runs through the same states.

    With h = P r, where r is the hidden state before its projection P, the hidden weight acts on r as U P. The initial
    state h_0 stands for no r: what U makes of it is added to every sequence's first step, and r starts at 0.

    Returns:
        The input part of the pre-activations, the initial state, and U P.
    """
    h = start[0]
    first = hidden(h).to(gates.dtype)
    sizes = order.batch_sizes
    steps = list(order.split(gates))
    begun = 0
    for t in reversed(range(len(sizes))) if reverse else (0,):
        if sizes[t] > begun:  # backward in time, the longer sequences have begun already
            added = nn.functional.pad(first[begun : sizes[t]], (0, 0, begun, 0))
            steps[t] = steps[t] + added
            begun = sizes[t]
    joined = order.join(steps)
    rest = start[1:]
    wide = projection.in_features
    edges = (
        Core.of("hidden", o1=hidden.out_features, r1=hidden.in_features),
        Core.of("projection", r1=hidden.in_features, i1=wide),
    )
    network = Network(edges, ("i1",), ("o1",))
    cores = (hidden.to_dense(), projection.to_dense())
    both = Matrix(hidden.format, wide, hidden.out_features, cores, network_text(network))
    return joined, (h.new_zeros(h.shape[0], wide), *rest), both
