"""Positions of the cores of a tensor network in a diagram."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from htzoo.formats import Network

Point = tuple[float, float]

_SLANT, _DOWN = 0.44, 0.898  # of the legs of a tree, which leave downwards, inputs to the left
_DOWN_AND_UP: tuple[Point, Point] = ((0.0, -1.0), (0.0, 1.0))


@dataclass(frozen=True)
class Layout:
    """Positions in a diagram, about one unit apart.

    Attributes:
        cores: position of each core.
        hubs: position of the dot of each edge that joins more than two cores.
        stacked: an edge that all cores share because the network is a sum of networks of one shape, or None.
        legs: direction of the open edges of each core: (input, output), both unit vectors.
    """

    cores: tuple[Point, ...]
    hubs: dict[str, Point]
    stacked: str | None
    legs: tuple[tuple[Point, Point], ...]


def lay_out(network: Network) -> Layout:
    """Lay out a train as a line, a ring as a ring and everything else as a tree with its root on top.

    Components that are not connected stand side by side.

    Args:
        network: what to lay out.
    """
    everything = frozenset(range(len(network.cores)))
    inner = [edge for edge, size in network.sizes.items() if size > 1 and len(network.holders(edge)) > 1]
    pairs = [edge for edge in inner if len(network.holders(edge)) == 2]
    shared = [edge for edge in inner if edge not in pairs]
    # An edge of all cores that have other edges too only adds up networks; without others it is what joins them.
    stacked = next((edge for edge in shared if pairs and network.holders(edge) == everything), None)
    hubs = [edge for edge in shared if edge != stacked]
    # Nodes are the cores and, after them, the dots.
    neighbours: list[set[int]] = [set() for _ in range(len(network.cores) + len(hubs))]
    for edge in pairs:
        a, b = network.holders(edge)
        neighbours[a].add(b)
        neighbours[b].add(a)
    for dot, edge in enumerate(hubs, start=len(network.cores)):
        neighbours[dot] |= network.holders(edge)
        for core in network.holders(edge):
            neighbours[core].add(dot)
    places: dict[int, Point] = {}
    legs: dict[int, tuple[Point, Point]] = {}
    right = 0.0  # where the next component begins: the factors of a Kronecker product stand side by side
    for component in _components(neighbours):
        found, directions = _place_component(network, neighbours, component)
        shift = right - min(x for x, _ in found.values())
        places |= {node: (x + shift, y) for node, (x, y) in found.items()}
        legs |= directions
        right = max(places[node][0] for node in component) + 1.5
    cores = range(len(network.cores))
    dots = {edge: places[dot] for dot, edge in enumerate(hubs, start=len(network.cores))}
    return Layout(tuple(places[k] for k in cores), dots, stacked, tuple(legs[k] for k in cores))


def _components(neighbours: list[set[int]]) -> list[list[int]]:
    """Connected components."""
    found: list[list[int]] = []
    for node in range(len(neighbours)):
        if not any(node in component for component in found):
            found.append(sorted(_distances(neighbours, node)))
    return found


def _place_component(
    network: Network, neighbours: list[set[int]], component: list[int]
) -> tuple[dict[int, Point], dict[int, tuple[Point, Point]]]:
    """Positions and legs of the nodes of one component."""
    degrees = {node: len(neighbours[node]) for node in component}
    has_dot = any(node >= len(network.cores) for node in component)
    if len(component) > 2 and all(degree == 2 for degree in degrees.values()):
        return _ring(_walk(neighbours, component[0], len(component)))
    if len(component) == 2 and not has_dot and _is_in_and_out(network, component):
        return {component[0]: (0.0, 0.0), component[1]: (0.0, 1.4)}, dict.fromkeys(component, _DOWN_AND_UP)
    if not has_dot and max(degrees.values()) <= 2:
        start = next(node for node in component if degrees[node] < 2)
        return _line(_walk(neighbours, start, len(component)))
    return _tree(neighbours, _root(network, neighbours, component))


def _is_in_and_out(network: Network, component: list[int]) -> bool:
    """Whether the first core has input modes only, and the second output modes only."""
    first, second = ({*network.cores[node].edges} for node in component)
    return not first & {*network.outputs} and not second & {*network.inputs}


def _walk(neighbours: list[set[int]], start: int, count: int) -> list[int]:
    """Nodes of a line or ring in order."""
    order = [start]
    while len(order) < count:
        order.append(min(node for node in neighbours[order[-1]] if node not in order))
    return order


def _line(order: list[int]) -> tuple[dict[int, Point], dict[int, tuple[Point, Point]]]:
    return {node: (1.4 * k, 0.0) for k, node in enumerate(order)}, dict.fromkeys(order, _DOWN_AND_UP)


def _ring(order: list[int]) -> tuple[dict[int, Point], dict[int, tuple[Point, Point]]]:
    """Anticlockwise from the left; legs point away from the centre."""
    radius = max(1.0, 1.15 / (2 * math.sin(math.pi / len(order))))
    angles = [math.pi * (1 + 2 * (k + 0.5) / len(order)) for k in range(len(order))]
    away = {node: (math.cos(angle), math.sin(angle)) for node, angle in zip(order, angles, strict=True)}
    places = {node: (radius * x, radius * y) for node, (x, y) in away.items()}
    return places, {node: (direction, direction) for node, direction in away.items()}


def _root(network: Network, neighbours: list[set[int]], component: list[int]) -> int:
    """A dot if there is one, otherwise the core without modes that has the fewest neighbours."""
    modes = {*network.inputs, *network.outputs}

    def rank(node: int) -> tuple[bool, bool, int, int]:
        is_core = node < len(network.cores)
        has_modes = is_core and bool(modes & {*network.cores[node].edges})
        return is_core, has_modes, len(neighbours[node]), max(_distances(neighbours, node).values())

    return min(component, key=rank)


def _distances(neighbours: list[set[int]], start: int) -> dict[int, int]:
    """Number of edges to every connected node."""
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for near in neighbours[node] - found.keys():
            found[near] = found[node] + 1
            waiting.append(near)
    return found


def _tree(neighbours: list[set[int]], root: int) -> tuple[dict[int, Point], dict[int, tuple[Point, Point]]]:
    """Leaves side by side, every other node above the middle of its children, in the order of the network."""
    places: dict[int, Point] = {}
    levels = _distances(neighbours, root)
    free = 0.0

    def place(node: int) -> float:
        nonlocal free
        children = [place(child) for child in sorted(neighbours[node]) if levels[child] > levels[node]]
        if children:
            x = (children[0] + children[-1]) / 2
        else:
            x, free = free, free + 1.6
        places[node] = (x, -1.35 * levels[node])
        return x

    place(root)
    return places, dict.fromkeys(places, ((-_SLANT, -_DOWN), (_SLANT, -_DOWN)))
