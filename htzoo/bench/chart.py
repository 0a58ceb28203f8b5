"""What was measured, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from htzoo.bench.table import heading
from htzoo.report.style import BLUE, GREY, INK, PALE, new_figure, save_figure, shared_look

ROW_INCHES = 0.36


def plot_bench(results: Sequence[Mapping[str, Any]], output: Path, footer: str) -> None:
    """Draw the steps of all layers as horizontal bars on a logarithmic scale, a panel for every setting.

    Args:
        results: what :func:`htzoo.bench.table.results` gave, one a setting.
        output: the PNG to write; an older file is replaced.
        footer: shown below, such as the machine.

    Raises:
        OSError: the picture cannot be written.
    """
    heights = [ROW_INCHES * len(result["rows"]) + 0.8 for result in results]
    with shared_look():
        figure = new_figure(9, sum(heights) + 0.5)
        panels = figure.subplots(len(results), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, result in zip(panels, results, strict=True):
            _draw(axes, result)
        figure.supxlabel(footer, fontsize=8, color=GREY)
        save_figure(figure, output)


def _draw(axes: Axes, result: Mapping[str, Any]) -> None:
    rows = [row for row in result["rows"] if row["step"] is not None]
    medians = [row["step"]["median"] for row in rows]
    colours = [GREY if row["baseline"] else BLUE for row in rows]
    spread = [
        [row["step"]["median"] - row["step"]["lower"] for row in rows],
        [row["step"]["upper"] - row["step"]["median"] for row in rows],
    ]
    places = range(len(rows))
    axes.barh(places, medians, color=colours, height=0.66, xerr=spread, error_kw={"ecolor": INK, "elinewidth": 1})
    forward = [row["forward"]["median"] for row in rows]
    axes.plot(forward, list(places), "|", color=INK, markersize=13, markeredgewidth=2, linestyle="none")
    axes.plot(forward, list(places), "|", color=PALE, markersize=11, markeredgewidth=1, linestyle="none")
    reading = next(row for row in result["rows"] if row["step"] is None)["forward"]["median"]
    axes.axvline(reading, color=INK, linewidth=1, linestyle=":")
    axes.text(reading, len(rows) - 0.35, " one read of the frames", fontsize=8, color=INK, va="bottom")
    ours = [row for row in rows if not row["baseline"]]
    # The faster of the two dense baselines is the one to beat.
    key, baseline = min(
        (("faster_than_loop", "the hand loop"), ("faster_than_vendor", "nn." + result["cell"])),
        key=lambda candidate: sum(row[candidate[0]] for row in ours),
    )
    for place, row in zip(places, rows, strict=True):
        text = f"{row['step']['median']:,.1f} ms"
        if not row["baseline"]:
            text += f", {row[key]:,.1f}x faster than {baseline}"
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(min(reading, *forward) * 0.7, max(medians) * 1.5)
    axes.set_ylim(len(rows) - 0.1, -0.7)
    axes.set_yticks(list(places), [row["name"] for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("milliseconds, logarithmic: bar, training step; white mark, forward; grey, plain layers")
    axes.set_title(heading(result), loc="left", fontsize=11)
