"""Draw which class was taken for which."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from htzoo.report.style import PALE, new_figure, save_figure, shared_look

_MAX_WITH_COUNTS = 30  # with more classes the cells are too small for a number
_MAX_WITH_NAMES = 150  # with more classes nobody can read the names, and drawing them takes minutes
_MAX_CELLS = 300  # a side; with more classes a cell is a block of them
_WORST = 20  # confusions in words, where the classes have no names on the axes


def plot_confusion(matrix: np.ndarray, classes: Sequence[str], output: Path, title: str) -> None:
    """Draw a confusion matrix, coloured by the share of the true class.

    Up to 30 classes the cells show counts. With more than 150 classes the most frequent confusions are listed beside
    the matrix, in place of names on its axes. The row of a class without clips is grey.

    Args:
        matrix: (N, N) clip counts; row = true class, column = predicted class.
        classes: the N class names, in the order of the rows.
        output: the PNG to write; an older file is replaced.
        title: shown above the plot, followed by the overall accuracy.

    Raises:
        ValueError: `matrix` is not (N, N) for N >= 1 names, or has an entry that is no count.
        OSError: the plot cannot be written.
    """
    counts = _counts(matrix, len(classes))
    size = len(classes)
    clips = counts.sum(axis=1)
    share = np.divide(counts, clips[:, None], out=np.zeros(counts.shape), where=clips[:, None] > 0)

    cell = 0.52 if size <= 15 else 0.40 if size <= _MAX_WITH_COUNTS else 0.19  # inches
    cell = min(cell, (24.0 if size <= _MAX_WITH_NAMES else 10.0) / size)
    font = min(10.0, 72 * cell * 0.62)
    with shared_look():
        # At least 4 inches, that the title of a two-class matrix does not hang over.
        side = max(size * cell, 4.0)  # inches
        figure = new_figure(side + 2.6, side + 1.8)
        axes = figure.add_subplot()
        # Cells without a clip are white and the palest blue is well apart from it: single mistakes stay visible.
        blues = ListedColormap(colormaps["Blues"](np.linspace(0.12, 1.0, 256)))
        extent = (-0.5, size - 0.5, size - 0.5, -0.5)
        drawn = np.ma.masked_equal(_pooled(share), 0.0)
        image = axes.imshow(drawn, cmap=blues, vmin=0.0, vmax=1.0, extent=extent, interpolation="nearest")
        for row in np.flatnonzero(clips == 0) if size <= _MAX_WITH_NAMES else ():
            axes.axhspan(float(row) - 0.5, float(row) + 0.5, color=PALE, linewidth=0)
        if size <= _MAX_WITH_COUNTS:
            _write_counts(axes, counts, share, font, side / size)
        if size <= _MAX_WITH_NAMES:
            _label(axes, classes, clips, font, side / size)
        else:
            _list_worst(axes, counts, classes)
        axes.set_title(f"{title}\n{_accuracy_text(counts)}", pad=12)
        # Inside the axes' own frame of reference: exactly as high as the matrix.
        bar = figure.colorbar(image, cax=axes.inset_axes((1.02, 0.0, 0.025, 1.0)))
        bar.set_label("share of the clips of the true class")
        bar.ax.spines[:].set_visible(False)
        save_figure(figure, output)


def read_predictions(path: Path) -> tuple[np.ndarray, list[str]]:
    """The confusion matrix and the classes of the ``predictions.csv`` that ``htzoo predict`` writes.

    Raises:
        ValueError: the file is of another kind, or its clips have several classes each.
        OSError: it cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = list(rows[0])[3:] if rows else []
    if not classes:
        raise ValueError(f"{path} holds no clip: run htzoo predict again")
    matrix = np.zeros((len(classes), len(classes)), int)
    for row in rows:
        label, predicted = row.get("label"), row.get("predicted")
        if label not in classes or predicted not in classes:
            raise ValueError(
                f"{path} has a clip of class {label!r}, predicted {predicted!r}: each must be one of its columns"
            )
        matrix[classes.index(label), classes.index(predicted)] += 1
    return matrix, classes


def _counts(matrix: np.ndarray, size: int) -> np.ndarray:
    given = np.asarray(matrix)
    if size == 0 or given.shape != (size, size):
        raise ValueError(f"a matrix of shape {given.shape} does not fit {size} class names; ({size}, {size}) is needed")
    counts = given.astype(np.int64) if np.all(np.isfinite(given)) else np.full(given.shape, -1)
    if np.any(counts < 0) or not np.array_equal(counts, given):
        raise ValueError("a confusion matrix holds counts: integers from 0 up")
    return counts


def _pooled(share: np.ndarray) -> np.ndarray:
    """The largest share of every block of cells, so that a single confusion among thousands of classes is seen."""
    block = -(-len(share) // _MAX_CELLS)
    padded = np.pad(share, (0, -len(share) % block))
    blocks = padded.reshape(len(padded) // block, block, len(padded) // block, block)
    pooled: np.ndarray = blocks.max(axis=(1, 3))
    return pooled


def _accuracy_text(counts: np.ndarray) -> str:
    correct, total = int(np.trace(counts)), int(counts.sum())
    return f"accuracy {correct / total:.3f} ({correct:,} of {total:,} clips)" if total else "no clips"


def _write_counts(axes: Axes, counts: np.ndarray, share: np.ndarray, font: float, cell: float) -> None:
    for row, column in np.argwhere(counts > 0):
        text = f"{counts[row, column]:,}"
        colour = "white" if share[row, column] > 0.5 else "black"
        # A long number gets a smaller font, so that it stays in its cell; a character is about 0.6 of it wide.
        fitted = min(font, 0.8 * 72 * cell / (0.6 * len(text)))
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=fitted)


def _label(axes: Axes, classes: Sequence[str], clips: np.ndarray, font: float, cell: float) -> None:
    places = np.arange(len(classes))
    names = [f"{name}  ({count:,})" for name, count in zip(classes, clips, strict=True)]
    axes.set_yticks(places, names, fontsize=font)
    widest = max(map(len, classes)) * 0.62 * font / 72  # inches, about
    if widest < 0.9 * cell:
        axes.set_xticks(places, classes, fontsize=font)
    elif len(classes) <= _MAX_WITH_COUNTS:
        axes.set_xticks(places, classes, fontsize=font, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(places, classes, fontsize=font, rotation=90)
    axes.set_ylabel("true class (clips)")
    axes.set_xlabel("predicted class")
    axes.tick_params(which="both", length=0)
    # Thin lines between the cells, not through them.
    axes.grid(False)
    axes.set_xticks(places[1:] - 0.5, minor=True)
    axes.set_yticks(places[1:] - 0.5, minor=True)
    axes.grid(True, which="minor", color=PALE, linewidth=0.6)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(PALE)


def _list_worst(axes: Axes, counts: np.ndarray, classes: Sequence[str]) -> None:
    """Number the axes, and list the most frequent confusions at the right of the colour bar."""
    axes.set_ylabel("true class (its number)")
    axes.set_xlabel("predicted class (its number)")
    axes.grid(False)
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    worst = np.argsort(wrong, axis=None)[::-1][:_WORST]
    pairs = [divmod(int(place), len(classes)) for place in worst if wrong.flat[place]]
    arrow = "\N{RIGHTWARDS ARROW}"
    lines = [f"{counts[true, taken]:,}x  {classes[true]} {arrow} {classes[taken]}" for true, taken in pairs]
    heading = "most frequent confusions" if lines else "no confusions"
    axes.annotate("\n".join([heading, "", *lines]), (1.14, 1.0), xycoords="axes fraction", va="top", fontsize=10)
