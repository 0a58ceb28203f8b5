"""Plan the product of a batch of inputs with a network as a short chain of large matrix products.

The cores are split into groups. Each group is merged into one small matrix (independent of the batch), and the batch
meets these matrices one after the other. Which groups, in which order and with which axes where, is found by a beam
search: a state is what has been absorbed and how the axes of the running tensor lie in memory, and a step costs the
predicted time of its forward and backward products, memory moved included.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from itertools import product as cross
from typing import NamedTuple

from htzoo.formats.contract import Edges, merge_order
from htzoo.formats.network import Network


@dataclass(frozen=True)
class Machine:
    """The few constants of the cost model, per second, for float32.

    They settle how many multiply-adds one byte of memory traffic, or one more kernel, is worth, and which of two
    machines takes less time.
    """

    multiply_adds: float
    bytes_moved: float  # to and from memory
    bytes_kept: float  # to fresh memory that is kept for the backward, and back
    bytes_cached: float  # to and from the cache of a core
    cache: float  # bytes; what lies between two products is cut into pieces of this size, which never go to memory
    numbers_copied: float  # by a copy that reorders axes, where no two stay together
    runs_copied: float  # the same where some stay together, of up to `vector` numbers each
    kernel: float  # seconds to start one, from Python
    small_product: float  # seconds that one product inside a batched product costs beyond its arithmetic
    vector: int  # the innermost axis of a product is computed in blocks of this many numbers
    small_matrix: float = math.inf  # numbers of a matrix that stays in the cache
    piece: int = 0  # numbers that pass the chain together
    is_compiled: bool = False  # whether the whole chain is one piece of compiled code


CPU = Machine(
    multiply_adds=2.5e10,
    bytes_moved=2.0e10,
    bytes_kept=2.0e10,
    bytes_cached=2.0e10,
    cache=2**19,
    numbers_copied=5.0e8,
    runs_copied=0,
    kernel=1e-5,
    small_product=1e-7,
    vector=16,
)
NATIVE = Machine(
    multiply_adds=3.5e10,
    bytes_moved=2.0e10,
    bytes_kept=4.0e9,
    bytes_cached=5.0e10,
    cache=math.inf,
    numbers_copied=8.0e8,
    runs_copied=1.3e9,
    kernel=1e-5,
    small_product=1e-8,
    vector=8,
    small_matrix=2**16,
    piece=2**16,
    is_compiled=True,
)
GPU = Machine(
    multiply_adds=2.0e13,
    bytes_moved=1.5e12,
    bytes_kept=1.5e12,
    bytes_cached=1.5e12,
    cache=math.inf,
    numbers_copied=1.0e11,
    runs_copied=0,
    kernel=6e-6,
    small_product=0,
    vector=32,
)

LONGEST_CHAIN = 6
# States kept after each product and for each number of input modes still open: a state that absorbed few of them is
# cheap so far, and must not crowd out the others.
WIDTH = 6


@dataclass(frozen=True)
class Product:
    """One link of the chain: ``contracted`` axes of the running tensor are replaced, in place, by ``new`` ones.

    An edge that cores of later links share stands in both, and the matrix is block-diagonal in it.

    Args:
        group: positions of the cores that are merged into the matrix.
        contracted: edges summed over, in the order in which they lie in the running tensor.
        new: edges that take their place.
        permutation: reordering of the running tensor's axes that must come first (rows not counted), or None.
        before: product of the sizes of the axes in front of the contracted ones, rows not counted.
        after: the same for the axes behind them; 1 makes the link one plain matrix product.
        saved: whether what comes into this product is to be kept for the backward: for the first product it is there
            anyway, and what is cheaper computed again is not worth the memory.
    """

    group: tuple[int, ...]
    contracted: Edges
    new: Edges
    permutation: tuple[int, ...] | None
    before: int
    after: int
    saved: bool = False


@dataclass(frozen=True)
class Plan:
    """A chain of products.

    Args:
        products: the links.
        permutation: reordering of the result's axes, or None where they come out right.
        seconds: predicted time of a step.
        split: an edge that many cores share and that is summed over outside: the chain runs once for every slice of
            the cores along it, and the results are added up. None where there is one chain.
    """

    products: tuple[Product, ...]
    permutation: tuple[int, ...] | None
    seconds: float
    split: str | None = None


@lru_cache(maxsize=1024)
def plan(network: Network, rows: int, *, input_gradient: bool = False, machine: Machine = CPU) -> Plan:
    """The fastest chain found for ``rows`` inputs, forward and backward.

    Args:
        network: the weight.
        rows: how many input vectors are multiplied at once.
        input_gradient: whether the gradient with respect to the input is wanted too.
        machine: constants of the cost model.
    """
    best = _chain(network, rows, input_gradient, machine, math.inf)
    for edge, size in network.sizes.items():
        if size > 1 and len(network.holders(edge)) > 2:
            adding = 12 * rows * network.out_features / machine.bytes_moved + 2 * len(network.cores) * machine.kernel
            one = _chain(network.slice(edge), rows, input_gradient, machine, best.seconds / size - adding)
            if one.products:
                best = replace(one, seconds=size * (one.seconds + adding), split=edge)
    return best


def _chain(network: Network, rows: int, input_gradient: bool, machine: Machine, limit: float) -> Plan:
    """The fastest single chain found; one without products where none takes less than ``limit`` seconds."""
    everything = frozenset(range(len(network.cores)))
    groups = sorted((_group(network, members, machine) for members in _members(network)), key=lambda g: -len(g.members))
    best = Plan((), None, limit)
    states = {_State(frozenset(), network.inputs): _Path((), 0.0, 0.0)}
    for _ in range(LONGEST_CHAIN):
        reached: dict[_State, _Path] = {}
        for state, path in states.items():
            for group in groups:
                for product, layout in _links(network, state, group):
                    link = _seconds(network, path, product, state.layout, rows, input_gradient, machine)
                    seconds = path.seconds + group.seconds + link.seconds
                    if seconds >= best.seconds:
                        continue
                    chain = (*path.products, link.product)
                    after = _State(state.absorbed | group.members, layout)
                    if after.absorbed == everything:
                        reorder = None
                        if layout != network.outputs:
                            reorder = tuple(layout.index(edge) for edge in network.outputs)
                            seconds += 2 * _copy_seconds(network, layout, reorder, rows, machine)
                        if seconds < best.seconds:
                            best = Plan(chain, reorder, seconds)
                    elif after not in reached or seconds < reached[after].seconds:
                        reached[after] = _Path(chain, seconds, link.forward)
        bounds = {s: path.seconds + _least_seconds(network, s.layout, rows, machine) for s, path in reached.items()}
        levels: dict[int, list[_State]] = {}
        for state in reached:
            if bounds[state] < best.seconds:
                levels.setdefault(len(set(state.layout) & set(network.inputs)), []).append(state)
        kept = (heapq.nsmallest(WIDTH, level, key=lambda s: bounds[s]) for level in levels.values())
        states = {state: reached[state] for level in kept for state in level}
    return best


class _Path(NamedTuple):
    """How a state was reached, the predicted seconds so far, and those of the last product's forward."""

    products: tuple[Product, ...]
    seconds: float
    forward: float


class _Link(NamedTuple):
    """One more product, its predicted seconds forward and backward, and forward alone."""

    product: Product
    seconds: float
    forward: float


class _State(NamedTuple):
    absorbed: frozenset[int]
    layout: Edges


class _Group(NamedTuple):
    """Cores that may be merged: their edges, those that the merged tensor keeps, and the time that merging takes."""

    members: frozenset[int]
    edges: frozenset[str]
    open_edges: Edges
    seconds: float


def _group(network: Network, members: frozenset[int], machine: Machine) -> _Group:
    edges = [network.cores[k].edges for k in sorted(members)]
    kept = network.open_edges(members)
    order = merge_order(network.sizes, edges, kept)
    arithmetic = order.multiply_adds / machine.multiply_adds + 8 * order.written / machine.bytes_moved
    seconds = 3 * (arithmetic + len(order.steps) * machine.kernel)  # forward, and backward at twice the price
    return _Group(members, frozenset().union(*edges), kept, seconds)


def _members(network: Network) -> list[frozenset[int]]:
    """Sets of cores worth merging: joined, over neighbouring input modes, output modes or both, and inner cores."""
    owners = {edge: next(iter(network.holders(edge))) for edge in (*network.inputs, *network.outputs)}
    inner = frozenset(range(len(network.cores))) - set(owners.values())
    neighbours = [
        frozenset().union(*(network.holders(edge) for edge in core.edges)) - {k} for k, core in enumerate(network.cores)
    ]
    found = {frozenset({k}) for k in inner}
    runs = [slice(*ends) for ends in combinations(range(max(len(network.inputs), len(network.outputs)) + 1), 2)]
    sides = [(network.inputs, ()), ((), network.outputs), (network.inputs, network.outputs)]
    for run, (inputs, outputs) in cross(runs, sides):
        in_run, out_run = inputs[run], outputs[run]
        outer = frozenset(owners[edge] for edge in (*in_run, *out_run))
        if all((edge in in_run or edge in out_run) == (owner in outer) for edge, owner in owners.items()):
            found.add(outer)
    border = set(found)
    while border:
        reached = {group: frozenset().union(*(neighbours[k] for k in group)) for group in border}
        border = {group | {k} for group in border for k in reached[group] & inner - group} - found
        found |= border
    return [group for group in found if group and _is_connected(group, neighbours)]


def _is_connected(group: frozenset[int], neighbours: Sequence[frozenset[int]]) -> bool:
    reached: set[int] = set()
    border = {min(group)}
    while border:
        reached |= border
        border = set().union(*(neighbours[k] for k in border)) & group - reached
    return reached == group


def _links(network: Network, state: _State, group: _Group) -> Iterator[tuple[Product, Edges]]:
    """Ways to absorb ``group`` from ``state``, each with the layout that it leaves."""
    absorbed, layout = state
    if group.members & absorbed:
        return
    contracted = tuple(edge for edge in layout if edge in group.edges)
    if not contracted:
        return
    shared = [edge for edge in contracted if network.holders(edge) - absorbed - group.members]
    new = [edge for edge in group.open_edges if edge not in contracted or edge in shared]
    modes = tuple(edge for edge in network.outputs if edge in new)
    ranks = tuple(edge for edge in new if edge not in modes)
    positions = [layout.index(edge) for edge in contracted]
    kept = tuple(k for k in range(len(layout)) if k not in positions)
    orders: list[tuple[Edges, tuple[int, ...] | None]] = (
        [(layout, None)] if positions[-1] - positions[0] == len(positions) - 1 else []
    )
    moved = (*kept, *positions)
    if moved != tuple(range(len(layout))):
        orders.append((tuple(layout[k] for k in moved), moved))
    for order, permutation in orders:
        first = order.index(contracted[0])
        before, after = order[:first], order[first + len(contracted) :]
        for axes in {(*modes, *ranks), (*ranks, *modes)}:
            product = Product(
                tuple(sorted(group.members)), contracted, axes, permutation, network.size(before), network.size(after)
            )
            yield product, (*before, *axes, *after)


def _product_seconds(inner: int, outer: int, batch: int, after: int, machine: Machine, *, back: bool = False) -> float:
    """Predicted time of ``batch`` products in the cache that put ``outer`` numbers in the place of ``inner`` ones."""
    width = after if after > 1 else outer  # innermost axis of the product
    padded = math.ceil(width / machine.vector) * machine.vector
    multiply_adds = batch * after * inner * outer * padded / width
    read, written = (4 * batch * after * size for size in (inner, outer))
    if machine.is_compiled:
        if after > 1:  # the sums of few rows wait for each other
            multiply_adds *= max(1, 5 / outer)
        elif (
            inner % machine.vector == 0 and inner >= 64 and 4 * padded > 5 * outer and not back
        ):  # sums over vectors, which are added up at last
            multiply_adds *= outer / padded * (inner + 128) / inner
        else:  # a matrix that is larger than the cache is read again for every so many rows
            read += 4 * inner * outer * (batch // max(12, 4096 // inner) if inner * outer > machine.small_matrix else 0)
    seconds = multiply_adds / machine.multiply_adds + (read + written) / machine.bytes_cached
    seconds += math.ceil(written / machine.cache) * machine.kernel
    if after > 1:
        seconds += batch * machine.small_product
    return seconds


def _seconds(
    network: Network, path: _Path, product: Product, layout: Edges, rows: int, input_gradient: bool, machine: Machine
) -> _Link:
    """Predicted time of one more link, forward and backward, into which axes ``layout`` come."""
    first = not path.products
    numbers = rows * network.size(layout)
    inner, outer = network.size(product.contracted), network.size(product.new)
    batch, after = rows * product.before, product.after
    forward = _product_seconds(inner, outer, batch, after, machine)
    back = _product_seconds(outer, inner, batch, after, machine, back=True) if machine.is_compiled else forward
    products = 2 if first and not input_gradient else 3  # forward, gradient of the matrix, gradient of what came in
    seconds = 2 * forward + (back if products == 3 else 0.0)
    seconds += 4 * products * numbers / machine.bytes_moved if first else 0.0
    gradients = 0.0
    if machine.is_compiled:  # the gradient of the matrix is read and written for every so many rows
        piece = max(1, machine.piece // network.in_features) * product.before
        most = 4096 // (inner + outer) + 64 if after == 1 else 8192 // ((inner + outer) * after) + 1
        gradients = batch / min(piece, most)
        seconds += 0.4 * forward if after > 1 else 3 * inner * outer / machine.numbers_copied
        if after > 1 and inner * outer <= 1024:  # what does not fill a vector is summed number by number
            seconds += batch * inner * outer * (after % machine.vector) / machine.numbers_copied
    elif after > 1:  # every product of the batch has a gradient of its own, and these are added up
        gradients = batch
    rate = machine.bytes_cached if inner * outer <= machine.small_matrix else machine.bytes_moved
    seconds += 8 * gradients * inner * outer / rate
    order = product.permutation
    copy = 0.0 if order is None else _copy_seconds(network, layout, order, rows, machine)
    # Compiled code reads a matrix on the left where it lies, and writes its gradient there where four numbers stay
    # together; else it reorders the gradient alone.
    there = back_there = copy
    if machine.is_compiled and after == 1:
        there = 0.0
        if order is not None and inner % machine.vector == 0 and _together(network, layout, order) % 4 == 0:
            back_there = 0.0
    keep, again = 8 * numbers / machine.bytes_kept, path.forward + there
    saved = not first and keep < again
    seconds += there + back_there + (0.0 if first else min(keep, again))
    return _Link(replace(product, saved=saved), seconds, forward)


def _least_seconds(network: Network, layout: Edges, rows: int, machine: Machine) -> float:
    """What any rest of a chain takes: the running tensor is read and the result written, forward and backward."""
    return 12 * rows * (network.size(layout) + network.out_features) / machine.bytes_cached + 3 * machine.kernel


def _copy_seconds(network: Network, layout: Edges, permutation: Sequence[int], rows: int, machine: Machine) -> float:
    """A transposing copy of axes ``layout``; none where only axes of size 1 change places."""
    moved = [k for k in permutation if network.sizes[layout[k]] > 1]
    if moved == sorted(moved):
        return 0.0
    numbers = rows * network.size(layout)
    run = _together(network, layout, permutation)
    if machine.runs_copied and run > 1:
        return numbers / run * math.ceil(run / machine.vector) / machine.runs_copied + machine.kernel
    return numbers / machine.numbers_copied + machine.kernel


def _together(network: Network, layout: Edges, permutation: Sequence[int]) -> int:
    """How many numbers stay together, in their order, where axes ``layout`` are reordered."""
    last = 0
    while last < len(layout) and permutation[-1 - last] == len(layout) - 1 - last:
        last += 1
    return network.size(layout[len(layout) - last :])
