"""Put the measured speeds into docs/speed.md and README.md, and draw the plots.

    python benchmarks/speed_page.py

Reads ``benchmarks/results/NAME.json`` and fills the section NAME of docs/speed.md, and the section ``speed`` of
README.md with a short table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from decomposition import table
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator
from other_packages import compared
from page_sections import fill
from PIL import Image

from htzoo.bench.chart import plot_bench
from htzoo.bench.table import heading, markdown
from htzoo.files import replacing
from htzoo.formats import find_format
from htzoo.report.machine import machine_line
from htzoo.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, new_figure, save_figure, shared_look

ROOT = Path(__file__).parents[1]
RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"
NAMES = ("ucf11", "cnn", "peers_ucf11", "peers_cnn", "decompose", "scaling")
LOOKS = {
    "HT": (BLUE, "o"),
    "TT": (ORANGE, "s"),
    "TR": (GREEN, "^"),
    "BT": (PURPLE, "v"),
    "KCP": ("#E69F00", "D"),
    "CP": (INK, "P"),
    "Tucker": (GREY, "X"),
}
LABELS = {"modes": "number of modes", "rank": "rank", "inputs": "input size", "rows": "rows (frames per call)"}


def main() -> int:
    """Fill the pages."""
    page = DOCS / "speed.md"
    documents = {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    for name, document in documents.items():
        if name == "scaling":
            _draw_scaling(document, DOCS / "scaling.png")
            _shrink(DOCS / "scaling.png")
            part = f"![Cost of a product](scaling.png)\n\n{_source(document)}"
        elif name == "decompose":
            part = f"{table(document)}\n\n{_source(document)} {_packages(document)}"
        else:
            part = _tables(document)
            if not name.startswith("peers"):
                plot = DOCS / f"speed_{name}.png"
                plot_bench(document["settings"], plot, machine_line(document))
                _shrink(plot)
                part = f"![Training steps]({plot.name})\n\n{part}"
        fill(page, name, part)
    fill(ROOT / "README.md", "speed", _in_short(documents["ucf11"], documents["peers_ucf11"], documents["cnn"]))
    return 0


def _in_short(bench: dict[str, Any], peers: dict[str, Any], cnn: dict[str, Any]) -> str:
    """Every format in one column: how often its step fits into the dense ones and the best other package's."""
    rows = _compressed(bench)
    others = {name: f"{ratio:.1f}" for name, (_, _, ratio) in peers["settings"][0]["compared"].items()}
    lines = {
        "": [f"{find_format(row['name']).label()} {row['input_parameters']:,}" for row in rows],
        "---": ["---:"] * len(rows),
        "times faster than the hand loop": [f"{row['faster_than_loop']:.1f}" for row in rows],
        "times faster than `nn.LSTM`": [f"{row['faster_than_vendor']:.1f}" for row in rows],
        "times faster than the best other package": [others.get(row["name"], "none has it") for row in rows],
    }
    ratios = [row["faster_than_vendor"] for row in _compressed(cnn) if "dense hidden" not in row["name"]]
    dense = next(row for row in cnn["settings"][0]["rows"] if row["name"] == "Dense")
    table = "\n".join(f"| {' | '.join([title, *cells])} |" for title, cells in lines.items())
    return (
        f"{table}\n\nWith CNN features (2,048 -> 2,048, 25 frames) a layer whose two weights are compressed is "
        f"{min(ratios):.0f} to {max(ratios):.0f} times\nfaster than `nn.LSTM`, and the dense one of htzoo "
        f"{dense['faster_than_vendor']:.1f} times."
    )


def _compressed(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in document["settings"][0]["rows"] if not row["baseline"] and row["name"] != "Dense"]


def _tables(document: dict[str, Any]) -> str:
    parts = []
    for result in document["settings"]:
        parts += [f"**{heading(result)}**", markdown(result, gpu=document["gpu"] is not None)]
        if "compared" in result:
            parts.append(compared(result))
    return "\n\n".join([*parts, f"{_source(document)} {_packages(document)}".strip()])


def _packages(document: dict[str, Any]) -> str:
    """The packages that were measured beside ours, as a sentence."""
    found = ", ".join(f"{name} {number}" for name, number in document.get("packages", {}).items())
    return f"{found}." if found else ""


def _source(document: dict[str, Any]) -> str:
    return f"`{document['command']}`: {machine_line(document)}."


def _draw_scaling(document: dict[str, Any], output: Path) -> None:
    """Draw measured steps above and planned MACs below, with a column for each quantity that varies."""
    with shared_look():
        figure = new_figure(11, 5.6)
        rows = figure.subplots(2, len(LABELS), sharex="col", sharey="row")
        for column, sweep in enumerate(LABELS):
            points = [point for point in document["points"] if point["sweep"] == sweep]
            for axes, key in zip(rows[:, column], ("step", "macs"), strict=True):
                for name, (colour, marker) in LOOKS.items():
                    drawn = [(p[sweep], p["formats"][name][key]) for p in points if name in p["formats"]]
                    x, y = zip(*drawn, strict=True) if drawn else ((), ())
                    axes.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.3, label=name)
                axes.set_xscale("log", base=2)
                axes.set_yscale("log")
                axes.xaxis.set_minor_locator(NullLocator())
                if sweep in ("modes", "rank"):
                    axes.set_xticks([point[sweep] for point in points])
                axes.xaxis.set_major_formatter(FuncFormatter(_short))
                axes.yaxis.set_major_formatter(FuncFormatter(_short))
            rows[1, column].set_xlabel(LABELS[sweep])
        rows[0, 0].set_ylabel("measured step, ms")
        rows[1, 0].set_ylabel("planned MACs\nper row, forward")
        for axes in rows[:, -1]:
            _label_ends(axes)
        figure.supxlabel(machine_line(document), fontsize=8, color=GREY)
        save_figure(figure, output)


def _label_ends(axes: Axes) -> None:
    """Write the name of each line at its right end, moved apart vertically where they would overlap."""
    lowest, highest = np.log10(axes.get_ylim())
    lines = [(float(np.log10(line.get_ydata()[-1])), line) for line in axes.get_lines()]
    ends = sorted(lines, key=lambda end: end[0])
    distance = 0.085 * (highest - lowest)
    places = [ends[0][0]]
    for height, _ in ends[1:]:
        places.append(max(height, places[-1] + distance))
    excess = max(0.0, places[-1] - highest)
    for (_, line), place in zip(ends, places, strict=True):
        x, y = line.get_xdata()[-1], line.get_ydata()[-1]
        axes.annotate(
            str(line.get_label()),
            (x, y),
            (1.06, (place - excess - lowest) / (highest - lowest)),
            textcoords="axes fraction",
            va="center",
            color=line.get_color(),
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.6, "relpos": (0, 0.5)},
        )


def _shrink(plot: Path) -> None:
    """Reduce a plot to 48 colours, which lines and bars do not exceed visibly: a third of the size."""
    with Image.open(plot) as image:
        small = image.convert("RGB").quantize(48)
    with replacing(plot) as temporary:
        small.save(temporary, format="PNG", optimize=True)


def _short(value: float, _: object) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
