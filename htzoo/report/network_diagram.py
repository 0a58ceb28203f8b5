"""Diagrams of tensor networks, with cores, ranks, modes, gates and the number of parameters of each weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle

from htzoo.formats import Dense, Network
from htzoo.nn.weight import Matrix
from htzoo.report.network_layout import Layout, Point, lay_out
from htzoo.report.parameter_table import PARTS
from htzoo.report.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, new_figure, save_figure, shared_look

_RADIUS = 0.36
_LEG = 0.62
_LABEL_DISTANCE = _RADIUS + _LEG + 0.2  # from a core to the label of a leg
_EDGE, _LABEL = _RADIUS + 0.2, 0.45  # around a core, and around a label
_INCHES = 0.62  # a unit
_WEIGHTS = {"input": "input to hidden", "hidden": "hidden to hidden", "joint": "input and hidden to hidden, joint"}


def plot_design(design: Mapping[str, Any], weights: Mapping[str, Matrix], gates: int, output: Path) -> None:
    """Draw the networks of a model's recurrent layer and the parameters of all its components, as a PNG.

    Args:
        design: what :func:`htzoo.models.model_info.model_info` returns.
        weights: the weights by kind, ``input`` and ``hidden`` or ``joint``. Dense ones are not drawn, unless all are.
        gates: number of gates, by which the first output mode is multiplied.
        output: the file, written whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    chosen = {kind: weight for kind, weight in weights.items() if not isinstance(weight.format, Dense)}
    networks = [
        (f"{_WEIGHTS[kind]}: {type(weight.format).__name__}", weight.network)
        for kind, weight in (chosen or {"input": weights["input"]}).items()
    ]
    with shared_look():
        layouts = [lay_out(network) for _, network in networks]
        extents = [_extent(network, layout) for (_, network), layout in zip(networks, layouts, strict=True)]
        widths, heights = [width for width, _ in extents], [height for _, height in extents]
        left = max([3.2, *(_INCHES * width for width in widths)])
        total = max(3.8, sum(_INCHES * height + 0.5 for height in heights) + 0.5)
        figure = new_figure(left + 4.2, total)
        columns = figure.add_gridspec(1, 2, width_ratios=(left, 4.2))
        diagrams, bars = (figure.add_subfigure(columns[0, k]) for k in range(2))
        axes = diagrams.subplots(len(networks), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (title, network), layout in zip(axes, networks, layouts, strict=True):
            draw_network(axis, network, layout, gates)
            axis.set_title(title, loc="left", fontsize=11)
        rows = len(_parts(design))
        needed = min(total, 0.6 * rows + 0.8)
        chart, below = bars.subplots(2, 1, height_ratios=(needed, max(total - needed, 0.01)))
        below.axis("off")
        _draw_parameters(chart, design)
        _draw_legend(below, gates)
        figure.suptitle(_title(design), x=0.01, ha="left", fontsize=14, fontweight="bold")
        save_figure(figure, output)


def draw_network(axes: Axes, network: Network, layout: Layout, gates: int) -> None:
    """Draw one network.

    A circle is a core with its number of parameters, a grey line is a rank, a blue leg an input mode, an orange leg an
    output mode. A small dot is a rank that more than two cores share.

    Args:
        axes: where to draw.
        network: what to draw.
        layout: positions of its cores.
        gates: number of gates, by which the first output mode is multiplied.
    """
    widest = max(map(math.log2, network.sizes.values()), default=1) or 1

    def width(size: int) -> float:
        return 1.0 + 3.5 * math.log2(max(size, 1)) / widest

    drawn: dict[frozenset[int], int] = {}
    for edge, size in network.sizes.items():
        holders = sorted(network.holders(edge))
        if len(holders) < 2 or size == 1 or edge == layout.stacked:
            continue
        if edge in layout.hubs:
            for holder in holders:
                _line(axes, layout.cores[holder], layout.hubs[edge], width(size), GREY)
            _dot(axes, layout.hubs[edge], str(size))
            continue
        shift = drawn.setdefault(frozenset(holders), 0)
        drawn[frozenset(holders)] += 1
        start, end = layout.cores[holders[0]], layout.cores[holders[1]]
        _line(axes, start, end, width(size), GREY)
        _label(axes, _between(start, end, 0.5 + 0.2 * shift), str(size), INK)
    for edge, place, direction in _open_legs(network, layout):
        size, is_input = network.sizes[edge], edge in network.inputs
        _leg(axes, place, direction, size, width(size), is_input, _gates(edge, gates))
    for core, place in zip(network.cores, layout.cores, strict=True):
        _core(axes, place, core.shape, stacked=layout.stacked is not None)
    if layout.stacked is not None:
        text = f"{network.sizes[layout.stacked]} such networks, added up"
        axes.text(0.0, 1.0, text, transform=axes.transAxes, va="top", fontsize=9, color=GREY, style="italic")
    (left, below), (right, above) = _corners(network, layout)
    axes.set_xlim(left, right)
    axes.set_ylim(below, above)
    axes.set_aspect("equal", anchor="W")
    axes.axis("off")


def _draw_legend(axes: Axes, gates: int) -> None:
    """Explain the colours."""
    output = f"output mode, the first with the {gates} gates" if gates > 1 else "output mode"
    for color, text in ((BLUE, "input mode"), (ORANGE, output), (GREY, "rank")):
        axes.plot([], [], color=color, linewidth=3, label=text)
    axes.plot([], [], "o", markersize=11, markerfacecolor="white", markeredgecolor=INK, label="core: its parameters")
    axes.legend(loc="upper left", fontsize=9, borderaxespad=0)


def _gates(edge: str, gates: int) -> int:
    return gates if edge == "o1" else 1


def _open_legs(network: Network, layout: Layout) -> Iterator[tuple[str, Point, Point]]:
    """Every mode: its edge, the position of its core, and the direction of its leg."""
    for core, place, (inward, outward) in zip(network.cores, layout.cores, layout.legs, strict=True):
        inputs, outputs = ([edge for edge in core.edges if edge in side] for side in (network.inputs, network.outputs))
        for edges, direction in ((inputs, inward), (outputs, outward)):
            for number, edge in enumerate(edges):
                straight = not (inputs and outputs)
                yield edge, place, _fan(direction, number, len(edges), straight=straight)


def _corners(network: Network, layout: Layout) -> tuple[Point, Point]:
    """Lower left and upper right corner of a diagram in units, with legs and labels."""
    points = [(x + side, y + side) for x, y in (*layout.cores, *layout.hubs.values()) for side in (-_EDGE, _EDGE)]
    for _, (x, y), (across, up) in _open_legs(network, layout):
        points += [(x + _LABEL_DISTANCE * across + side, y + _LABEL_DISTANCE * up + side) for side in (-_LABEL, _LABEL)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (min(xs), min(ys)), (max(xs), max(ys))


def _extent(network: Network, layout: Layout) -> Point:
    """Width and height of a diagram in units."""
    (left, below), (right, above) = _corners(network, layout)
    return right - left, above - below


def _line(axes: Axes, start: Point, end: Point, width: float, color: str) -> None:
    axes.plot((start[0], end[0]), (start[1], end[1]), color=color, linewidth=width, solid_capstyle="round", zorder=1)


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _label(axes: Axes, place: Point, text: str, color: str) -> None:
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    axes.text(*place, text, ha="center", va="center", fontsize=9, color=color, bbox=box, zorder=2)


def _dot(axes: Axes, place: Point, text: str) -> None:
    axes.add_patch(Circle(place, 0.2, facecolor=INK, edgecolor="none", zorder=3))
    axes.text(*place, text, ha="center", va="center", fontsize=8, color="white", zorder=4)


def _fan(direction: Point, number: int, count: int, straight: bool) -> Point:
    """Direction of leg ``number`` of ``count`` that leave a core on one side."""
    if straight and count == 1 and direction[1] < 0 and abs(direction[0]) < 0.5:
        return 0.0, -1.0  # a leaf with one leg
    turn = 0.0 if count == 1 else (number / (count - 1) - 0.5) * min(1.6, 0.45 * count)
    x, y = direction
    return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)


def _leg(axes: Axes, place: Point, direction: Point, size: int, width: float, is_input: bool, gates: int) -> None:
    color = BLUE if is_input else ORANGE
    reach = _RADIUS + _LEG
    end = place[0] + reach * direction[0], place[1] + reach * direction[1]
    _line(axes, place, end, width, color)
    text = f"{gates}\N{MULTIPLICATION SIGN}{size // gates:,}" if gates > 1 else f"{size:,}"
    where = place[0] + _LABEL_DISTANCE * direction[0], place[1] + _LABEL_DISTANCE * direction[1]
    axes.text(*where, text, ha="center", va="center", fontsize=9.5, color=color, fontweight="bold", zorder=4)


def _core(axes: Axes, place: Point, shape: tuple[int, ...], stacked: bool) -> None:
    if stacked:
        axes.add_patch(
            Circle((place[0] + 0.07, place[1] + 0.07), _RADIUS, facecolor=PALE, edgecolor=INK, linewidth=1, zorder=2.5)
        )
    axes.add_patch(Circle(place, _RADIUS, facecolor="white", edgecolor=INK, linewidth=1.4, zorder=3))
    axes.text(*place, f"{math.prod(shape):,}", ha="center", va="center", fontsize=9, color=INK, zorder=4)


def _parts(design: Mapping[str, Any]) -> list[str]:
    """The components that this model has, without the total."""
    return [part for part in PARTS if part != "total" and design["dense_parameters"][part]]


def _draw_parameters(axes: Axes, design: Mapping[str, Any]) -> None:
    ours, dense = design["parameters"], design["dense_parameters"]
    parts = _parts(design)
    largest = max(dense[part] for part in parts)
    for row, part in enumerate(reversed(parts)):
        for offset, counts, color in ((0.2, dense, PALE), (-0.2, ours, GREEN)):
            if counts is dense and ours[part] == dense[part]:
                continue
            y = row if ours[part] == dense[part] else row + offset
            axes.barh(y, counts[part], height=0.36, color=color)
            axes.text(counts[part] * 1.25, y, f"{counts[part]:,}", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(parts)), [fill(PARTS[part], 20) for part in reversed(parts)])
    axes.set_xscale("log")
    axes.set_xlim(1, largest * 60)
    axes.set_xticks([])
    axes.minorticks_off()
    axes.grid(visible=False)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("parameters (grey: dense; log scale)", loc="left", fontsize=11)


def _title(design: Mapping[str, Any]) -> str:
    sizes = f"{design['cell']} {design['input_size']:,} \N{RIGHTWARDS ARROW} {design['hidden_size']:,}"
    return f"{design['name']}   {sizes}"
