"""Draw how a run went: loss, accuracy and learning rate over the epochs."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from htzoo.report.metrics_csv import best_epoch, read_metrics
from htzoo.report.style import BLUE, GREEN, GREY, INK, ORANGE, new_figure, save_figure, shared_look

Series = list[tuple[float, float]]

_PANEL_HEIGHTS = {"loss": 2.7, "accuracy": 2.7, "rate": 1.1}  # inches


def plot_curves(metrics: Path, output: Path, title: str) -> None:
    """Draw the curves of a run from the `metrics.csv` of Lightning's CSVLogger.

    Panels, each only if the file has something for it: loss and accuracy (or mean average precision), training against
    validation, with the epoch of the lowest `val/loss` marked and the test as a labelled star; the learning rate, thin,
    below.

    Args:
        metrics: the CSV file; accuracies in it are fractions from 0 to 1.
        output: the PNG to write; an older file is replaced.
        title: shown above the plot.

    Raises:
        ValueError: the file has no loss, accuracy or learning rate.
        OSError: the file cannot be read, or the plot cannot be written.
    """
    found = read_metrics(metrics)
    loss = {part: _finite(found, f"{part}/loss") for part in ("train", "val")}
    score = "mean_average_precision" if "val/mean_average_precision" in found else "accuracy"
    accuracy = {part: _finite(found, f"{part}/{score}") for part in ("train", "val", "test")}
    top3 = _finite(found, "val/accuracy_top3")
    rates = {name: _finite(found, name) for name in sorted(found) if name.startswith("lr-")}
    panels = [
        name
        for name, drawn in (("loss", loss), ("accuracy", accuracy), ("rate", rates))
        if any(series for series in drawn.values())
    ]
    if not panels:
        raise ValueError(f"{metrics} has no loss, accuracy or learning rate to draw")
    trained = [loss["train"], loss["val"], accuracy["train"], accuracy["val"], *rates.values()]
    epochs = sorted(epoch for series in trained for epoch, _ in series) or [0.0]
    best, _ = best_epoch(found)

    heights = [_PANEL_HEIGHTS[name] for name in panels]
    with shared_look():
        figure = new_figure(8.5, sum(heights) + 0.9)
        figure.suptitle(title)
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
        axes: dict[str, Axes] = dict(zip(panels, grid[:, 0], strict=True))
        if "loss" in axes:
            _draw_parts(axes["loss"], loss, best)
            axes["loss"].set_ylabel("loss")
        if "accuracy" in axes:
            _draw_parts(axes["accuracy"], accuracy, best)
            if top3:
                _draw(axes["accuracy"], top3, ORANGE, "validation, top 3", style=":")
            if accuracy["test"]:
                _draw_test(axes["accuracy"], accuracy["test"][-1][1], best or epochs[-1])
            axes["accuracy"].set_ylabel(score.replace("_", " "))
        if "rate" in axes:
            _draw_rates(axes["rate"], rates, best)
        for panel in ("loss", "accuracy"):
            if panel in axes:
                # Above the panel, where no curve can run under it.
                axes[panel].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, borderaxespad=0.2)
                axes[panel].margins(y=0.08)
        bottom = axes[panels[-1]]
        bottom.set_xlabel("epoch")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if epochs[0] == epochs[-1]:  # one epoch has no width of its own
            bottom.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
        figure.align_ylabels()
        save_figure(figure, output)


def _finite(found: dict[str, Series], name: str) -> Series:
    """Return the points of a metric that can be drawn; Lightning adds a suffix when a metric is logged per step too."""
    for key in (name, f"{name}_epoch", f"{name}_step"):
        if key in found:
            return [(epoch + 1, value) for epoch, value in found[key] if math.isfinite(value)]
    return []


def _draw(axes: Axes, series: Series, colour: str, label: str, style: str = "-") -> None:
    # Dots where there are few points: a single one would draw no line at all.
    marker = "o" if len(series) <= 12 else ""
    axes.plot(*zip(*series, strict=True), style, color=colour, label=label, marker=marker, markersize=4)


def _draw_parts(axes: Axes, parts: dict[str, Series], best: float | None) -> None:
    """Draw training and validation, and the best validation epoch with its value."""
    if parts["train"]:
        _draw(axes, parts["train"], BLUE, "training")
    if parts["val"]:
        _draw(axes, parts["val"], ORANGE, "validation")
    if best is None:
        return
    axes.axvline(best, color=GREY, linestyle="--", linewidth=1.0, zorder=1)
    value = dict(parts["val"]).get(best)
    if value is not None:
        label = f"best, epoch {best:g}: {value:.3f}"
        axes.plot([best], [value], "o", color=ORANGE, markersize=9, markeredgecolor=INK, label=label, zorder=4)


def _draw_test(axes: Axes, accuracy: float, epoch: float) -> None:
    """Draw the test accuracy as a level with a star at the epoch that was tested."""
    axes.axhline(accuracy, color=GREEN, linewidth=1.0, linestyle="-.", zorder=1)
    label = f"test: {accuracy:.3f}"
    axes.plot([epoch], [accuracy], "*", color=GREEN, markersize=15, markeredgecolor="white", label=label, zorder=5)


def _draw_rates(axes: Axes, rates: dict[str, Series], best: float | None) -> None:
    for series in rates.values():
        if series:
            axes.plot(*zip(*series, strict=True), color=GREY, linewidth=1.4, marker="o" if len(series) == 1 else "")
    if best is not None:
        axes.axvline(best, color=GREY, linestyle="--", linewidth=1.0, zorder=1)
    axes.set_ylabel("learning\nrate")
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
