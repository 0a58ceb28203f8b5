"""The look that all plots share, and how a plot is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from htzoo.files import replacing
from htzoo.report.glyphs import make_legible

# From Okabe and Ito's palette, which stays apart under the common kinds of colour blindness.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
PURPLE = "#AA4499"
INK = "#222222"
GREY = "#767676"
PALE = "#E6E6E6"

FONT = "DejaVu Sans"  # comes with matplotlib, so that a plot looks the same everywhere

# Any, for matplotlib types the keys as a long Literal in some versions and as str in others.
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 13,
    "figure.facecolor": "white",
    "figure.titlesize": 13,
    "font.family": FONT,
    "font.size": 10,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 1.5,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in a class name or title is a dollar
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}


@contextmanager
def shared_look() -> Iterator[None]:
    """Apply the shared style, over matplotlib's own defaults, for the length of a block.

    Draw *and* save inside the block. The settings from before, a user's `matplotlibrc` included, come back after it.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display and that pyplot does not know.

    Args:
        width: inches.
        height: inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all, cropped so that no label is cut.

    Args:
        figure: what to save.
        path: the file; its folder is made if missing, an older file is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    make_legible(figure, FONT)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.15)
