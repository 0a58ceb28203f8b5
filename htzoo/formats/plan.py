"""Plan the product of a batch of inputs with a network as a short chain of large matrix products.

The cores are split into groups. Each group is merged into one small matrix (independent of the batch), and the batch
meets these matrices one after the other. Which groups, in which order and with which axes where, is a shortest-path
problem: a state is what has been absorbed and how the axes of the running tensor lie in memory, and the length of a
step is the predicted time of its forward and backward products, memory moved included.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from htzoo.formats.merge import Edges, merge_cost
from htzoo.formats.network import Network


@dataclass(frozen=True)
class Machine:
    """The few constants of the cost model, per second, for float32.

    They need only be right within a factor of two: they settle how many multiply-adds one byte of memory traffic, or one
    more kernel, is worth.
    """

    multiply_adds: float
    bytes_moved: float
    kernel: float  # seconds to start one
    small_product: float  # seconds that one product inside a batched product costs beyond its arithmetic
    vector: int  # the innermost axis of a product is computed in blocks of this many numbers


CPU = Machine(multiply_adds=3.2e10, bytes_moved=1.0e10, kernel=8e-6, small_product=4e-7, vector=16)
GPU = Machine(multiply_adds=2.0e13, bytes_moved=1.5e12, kernel=6e-6, small_product=0, vector=32)


@dataclass(frozen=True)
class Product:
    """One link of the chain: ``contracted`` axes of the running tensor are replaced, in place, by ``new`` ones.

    Args:
        group: positions of the cores that are merged into the matrix.
        contracted: edges summed over, in the order in which they lie in the running tensor.
        new: edges that take their place.
        permutation: reordering of the running tensor's axes that must come first (rows not counted), or None.
        before: product of the sizes of the axes in front of the contracted ones, rows not counted.
        after: the same for the axes behind them; 1 makes the link one plain matrix product.
    """

    group: tuple[int, ...]
    contracted: Edges
    new: Edges
    permutation: tuple[int, ...] | None
    before: int
    after: int


@dataclass(frozen=True)
class Plan:
    """The chain, the reordering of its result (None where it comes out right), and the predicted seconds of a step."""

    products: tuple[Product, ...]
    permutation: tuple[int, ...] | None
    seconds: float


@lru_cache(maxsize=1024)
def plan(network: Network, rows: int, *, input_gradient: bool = False, machine: Machine = CPU) -> Plan:
    """The fastest chain found for ``rows`` inputs, forward and backward.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once.
        input_gradient: whether the gradient with respect to the input is wanted too.
        machine: constants of the cost model.
    """
    everything = frozenset(range(len(network.cores)))
    groups = _groups(network)
    tie = count()  # equal costs are settled by age, never by comparing plans
    queue: list[tuple[float, int, _State, tuple[Product, ...], tuple[int, ...] | None]] = []
    heapq.heappush(queue, (0.0, next(tie), _State(frozenset(), network.inputs), (), None))
    done: set[_State] = set()
    while queue:
        seconds, _, state, products, permutation = heapq.heappop(queue)
        if state in done:
            continue
        done.add(state)
        if state == _State(everything, network.outputs):
            return Plan(products, permutation, seconds)
        if state.absorbed == everything:
            reorder = tuple(state.layout.index(edge) for edge in network.outputs)
            cost = seconds + _copy_seconds(rows * network.out_features, machine)
            heapq.heappush(queue, (cost, next(tie), _State(everything, network.outputs), products, reorder))
            continue
        for group in groups:
            for product, layout in _links(network, state, group):
                gradient = bool(products) or input_gradient
                cost = seconds + _seconds(network, state.layout, product, rows, gradient, machine)
                after = _State(state.absorbed | group, layout)
                if after not in done:
                    heapq.heappush(queue, (cost, next(tie), after, (*products, product), None))
    raise AssertionError("a connected network has a chain")


class _State(NamedTuple):
    absorbed: frozenset[int]
    layout: Edges


def _groups(network: Network) -> list[frozenset[int]]:
    """Sets of cores worth merging: joined to each other, and over neighbouring input modes."""
    neighbours = [
        frozenset().union(*(network.holders(edge) for edge in core.edges)) - {k} for k, core in enumerate(network.cores)
    ]
    found = {frozenset({k}) for k in range(len(network.cores))}
    border = set(found)
    while border:
        border = {group | {k} for group in border for member in group for k in neighbours[member] - group} - found
        found |= border
    return [group for group in found if _is_run(network, group, network.inputs) and _is_run(network, group, network.outputs)]


def _is_run(network: Network, group: frozenset[int], modes: Edges) -> bool:
    held = [k for k, edge in enumerate(modes) if network.holders(edge) <= group]
    return not held or held[-1] - held[0] == len(held) - 1


def _links(network: Network, state: _State, group: frozenset[int]) -> Iterator[tuple[Product, Edges]]:
    """Ways to absorb ``group`` from ``state``, each with the layout that it leaves."""
    absorbed, layout = state
    if group & absorbed:
        return
    held = {edge for k in group for edge in network.cores[k].edges}
    contracted = tuple(edge for edge in layout if edge in held)
    if not contracted:
        return
    if any(network.holders(edge) - absorbed - group for edge in contracted):
        return  # an edge that a third core still needs would have to be kept: no plain matrix product
    new = [edge for edge in network.open_edges(group) if edge not in contracted]
    modes = tuple(edge for edge in network.outputs if edge in new)
    ranks = tuple(edge for edge in new if edge not in modes)
    positions = [layout.index(edge) for edge in contracted]
    kept = tuple(k for k in range(len(layout)) if k not in positions)
    orders = [(layout, None)] if positions[-1] - positions[0] == len(positions) - 1 else []
    if positions[-1] != len(layout) - 1:
        permutation = (*kept, *positions)
        orders.append((tuple(layout[k] for k in permutation), permutation))
    for order, permutation in orders:
        first = order.index(contracted[0])
        before, after = order[:first], order[first + len(contracted) :]
        for axes in {(*modes, *ranks), (*ranks, *modes)}:
            product = Product(
                tuple(sorted(group)), contracted, axes, permutation, network.size(before), network.size(after)
            )
            yield product, (*before, *axes, *after)


def _seconds(network: Network, layout: Edges, product: Product, rows: int, gradient: bool, machine: Machine) -> float:
    """Predicted time of one link, forward and backward, the merging of its cores included."""
    inner, outer = network.size(product.contracted), network.size(product.new)
    batch = rows * product.before
    width = product.after if product.after > 1 else outer  # innermost axis of the product
    padded = math.ceil(width / machine.vector) * machine.vector / width
    multiply_adds = batch * product.after * inner * outer * padded
    read, written = batch * product.after * inner, batch * product.after * outer
    products = 3 if gradient else 2  # forward, gradient of the matrix, gradient of the running tensor
    seconds = products * (multiply_adds / machine.multiply_adds + 4 * (read + written) / machine.bytes_moved + machine.kernel)
    if product.after > 1:
        seconds += products * batch * machine.small_product
        seconds += 8 * batch * inner * outer / machine.bytes_moved  # gradients of the matrix, one a batch, to be added up
    if product.permutation is not None:
        seconds += 2 * _copy_seconds(rows * network.size(layout), machine)
    edges = [network.cores[k].edges for k in product.group]
    adds, numbers, steps = merge_cost(network.sizes, edges, (*product.contracted, *product.new))
    seconds += 3 * (adds / machine.multiply_adds + 8 * numbers / machine.bytes_moved + 3 * steps * machine.kernel)
    return seconds


def _copy_seconds(numbers: int, machine: Machine) -> float:
    """A transposing copy: one read, one write, at about half the speed of a straight one."""
    return 16 * numbers / machine.bytes_moved + machine.kernel
