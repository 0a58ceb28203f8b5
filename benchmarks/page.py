"""Put what was measured into docs/speed.md, and draw its pictures.

    python benchmarks/page.py

Reads ``benchmarks/results/*.json`` and replaces what stands between ``<!-- NAME -->`` and ``<!-- end NAME -->`` in the
page, for every NAME that has a file. Nothing on the page between such marks is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from decompose import table
from matplotlib.ticker import FuncFormatter, NullLocator
from peers import compared
from PIL import Image

from htzoo.files import replacing
from htzoo.report.bench.picture import plot_bench
from htzoo.report.bench.table import heading, markdown
from htzoo.report.figures import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, new_figure, save_figure, shared_look
from htzoo.report.machine import machine_line

ROOT = Path(__file__).parents[1]
RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"
LOOKS = {
    "HT": (BLUE, "o"),
    "TT": (ORANGE, "s"),
    "TR": (GREEN, "^"),
    "BT": (PURPLE, "v"),
    "KCP": ("#E69F00", "D"),
    "CP": (INK, "P"),
    "Tucker": (GREY, "X"),
}
LABELS = {"modes": "modes d", "rank": "rank", "inputs": "input size", "rows": "rows (frames at once)"}


def main() -> int:
    """Fill the page."""
    page = DOCS / "speed.md"
    text = page.read_text(encoding="utf-8")
    for file in sorted(RESULTS.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        if file.stem == "scaling":
            _draw_scaling(document, DOCS / "scaling.png")
            _shrink(DOCS / "scaling.png")
            part = f"![Cost of a product](scaling.png)\n\n{_source(document)}"
        elif file.stem == "decompose":
            part = f"{table(document)}\n\n{_source(document)} {_packages(document)}"
        else:
            part = _tables(document)
            if not file.stem.startswith("peers"):
                picture = DOCS / f"speed_{file.stem}.png"
                plot_bench(document["settings"], picture, machine_line(document))
                _shrink(picture)
                part = f"![Training steps]({picture.name})\n\n{part}"
        marks = re.compile(rf"(<!-- {file.stem} -->\n).*?(<!-- end {file.stem} -->)", re.DOTALL)
        if not marks.search(text):
            print(f"{page} has no place for {file.stem}", file=sys.stderr)
            continue
        text = marks.sub(lambda match, part=part: f"{match[1]}\n{part}\n\n{match[2]}", text)
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return 0


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
    """Measured steps above, predicted multiply-adds below, a column for what changes."""
    with shared_look():
        figure = new_figure(11, 5.6)
        rows = figure.subplots(2, len(LABELS), sharex="col", sharey="row")
        for column, sweep in enumerate(LABELS):
            points = [point for point in document["points"] if point["sweep"] == sweep]
            for axes, key in zip(rows[:, column], ("step", "multiply_adds"), strict=True):
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
        rows[1, 0].set_ylabel("predicted multiply-adds\na row, forward")
        handles, labels = rows[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        figure.supxlabel(machine_line(document), fontsize=8, color=GREY)
        save_figure(figure, output)


def _shrink(picture: Path) -> None:
    """Write the picture again with few colours, which is all that lines and bars need: a third of the size."""
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(48)
    with replacing(picture) as temporary:
        small.save(temporary, format="PNG", optimize=True)


def _short(value: float, _: object) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
