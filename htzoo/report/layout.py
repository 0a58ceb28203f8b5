"""Where the cores of a tensor network stand in a picture."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from htzoo.formats import Network

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Places in a picture, one unit apart.

    Attributes:
        cores: where each core stands.
        hubs: where an edge that joins more than two cores has its knot, by its label.
        stacked: an edge that all cores share and that only adds up equal networks, or None.
        legs: direction of the open edges of each core: (input, output), both unit vectors.
    """

    cores: tuple[Point, ...]
    hubs: dict[str, Point]
    stacked: str | None
    legs: tuple[tuple[Point, Point], ...]


def lay_out(network: Network) -> Layout:
    """A line for a train, a ring for a ring, a tree with its root on top for everything else.

    Args:
        network: how the cores are joined.
    """
    everything = frozenset(range(len(network.cores)))
    inner = [edge for edge in network.sizes if len(network.holders(edge)) > 1]
    shared = [edge for edge in inner if len(network.holders(edge)) > 2]
    stacked = next(
        (
            edge
            for edge in shared
            if network.holders(edge) == everything and _is_connected(network, [other for other in inner if other != edge])
        ),
        None,
    )
    hubs = [edge for edge in shared if edge != stacked]
    # Nodes are the cores and, after them, the knots.
    neighbours: list[list[int]] = [[] for _ in range(len(network.cores) + len(hubs))]
    for edge in inner:
        if edge in hubs:
            knot = len(network.cores) + hubs.index(edge)
            pairs = [(core, knot) for core in sorted(network.holders(edge))]
        else:
            pairs = [] if edge == stacked else [tuple(sorted(network.holders(edge)))]  # type: ignore[list-item]
        for a, b in pairs:
            neighbours[a].append(b)
            neighbours[b].append(a)
    count = len(neighbours)
    degrees = [len(set(near)) for near in neighbours]
    if count > 2 and all(degree == 2 for degree in degrees):
        places, legs = _ring(_walk(neighbours, 0))
    elif not hubs and max(degrees, default=0) <= 2:
        ends = [k for k, degree in enumerate(degrees) if degree < 2]
        places, legs = _line(_walk(neighbours, ends[0]))
    else:
        places, legs = _tree(neighbours, _root(network, neighbours, hubs))
    cores = len(network.cores)
    knots = {edge: places[cores + k] for k, edge in enumerate(hubs)}
    return Layout(tuple(places[:cores]), knots, stacked, tuple(legs[:cores]))


def _is_connected(network: Network, edges: list[str]) -> bool:
    reached, border = {0}, {0}
    while border:
        border = {k for edge in edges if network.holders(edge) & border for k in network.holders(edge)} - reached
        reached |= border
    return len(reached) == len(network.cores)


def _walk(neighbours: list[list[int]], start: int) -> list[int]:
    """Nodes of a line or ring in order."""
    order = [start]
    while len(order) < len(neighbours):
        order.append(next(k for k in neighbours[order[-1]] if k not in order))
    return order


def _line(order: list[int]) -> tuple[list[Point], list[tuple[Point, Point]]]:
    places = [(float(order.index(k)) * 1.4, 0.0) for k in range(len(order))]
    return places, [((0.0, -1.0), (0.0, 1.0))] * len(order)


def _ring(order: list[int]) -> tuple[list[Point], list[tuple[Point, Point]]]:
    """Clockwise from the left; a leg points away from the middle."""
    radius = max(1.0, 1.15 / (2 * math.sin(math.pi / len(order))))
    angles = [math.pi * (1 - 2 * (order.index(k) + 0.5) / len(order)) for k in range(len(order))]
    away = [(math.cos(angle), math.sin(angle)) for angle in angles]
    return [(radius * x, radius * y) for x, y in away], [(direction, direction) for direction in away]


def _root(network: Network, neighbours: list[list[int]], hubs: list[str]) -> int:
    """A knot that joins many, or else the node in the middle, one without modes where there is a choice."""
    if hubs:
        return len(network.cores) + max(range(len(hubs)), key=lambda k: len(network.holders(hubs[k])))
    depth = [max(_distances(neighbours, k)) for k in range(len(neighbours))]
    modes = {*network.inputs, *network.outputs}
    return min(range(len(depth)), key=lambda k: (bool(modes & {*network.cores[k].edges}), depth[k]))


def _distances(neighbours: list[list[int]], start: int) -> list[int]:
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for near in neighbours[node]:
            if near not in found:
                found[near] = found[node] + 1
                waiting.append(near)
    return [found.get(k, 0) for k in range(len(neighbours))]


def _tree(neighbours: list[list[int]], root: int) -> tuple[list[Point], list[tuple[Point, Point]]]:
    """Leaves side by side at the bottom, every other node over the middle of its children."""
    places: list[Point] = [(0.0, 0.0)] * len(neighbours)
    levels = _distances(neighbours, root)
    free = 0.0

    def place(node: int, parent: int | None) -> float:
        nonlocal free
        children = [place(child, node) for child in neighbours[node] if child != parent and levels[child] > levels[node]]
        if children:
            x = (children[0] + children[-1]) / 2
        else:
            x, free = free, free + 1.5
        places[node] = (x, -1.35 * levels[node])
        return x

    place(root, None)
    slanted = 0.44
    down = math.sqrt(1 - slanted**2)
    return places, [((-slanted, -down), (slanted, -down))] * len(neighbours)
