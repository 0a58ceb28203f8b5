"""Write the tables of docs/study.md (between its markers) and draw docs/study_*.png from measured.csv.

python benchmarks/study/table.py
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from run import MEASURED, STUDIES, TRIALS, Study

from htzoo.nn import GRU, LSTM

sys.path.append(str(Path(__file__).parents[1]))  # what the scripts beside this folder share
from page_sections import fill

DOCS = MEASURED.parents[2] / "docs"
PAGE = DOCS / "study.md"


@dataclass(frozen=True)
class Row:
    """What was measured of a rival on a split.

    Args:
        rival: its name.
        accuracies: of every fold, one a seed.
        input_to_hidden: weights.
        recurrent: parameters of the whole recurrent layer.
        seconds: median of a training.
    """

    rival: str
    accuracies: dict[str, list[float]]
    input_to_hidden: int
    recurrent: int
    seconds: float

    @property
    def seeds(self) -> int:
        """Trainings of every fold."""
        return min(len(values) for values in self.accuracies.values())

    @property
    def folds(self) -> list[float]:
        """Mean accuracy of every fold."""
        return [statistics.mean(values) for _, values in sorted(self.accuracies.items())]

    @property
    def mean(self) -> float:
        """Mean over folds."""
        return statistics.mean(self.folds)

    @property
    def seed_spread(self) -> float:
        """Standard deviation, over seeds, of the mean over folds."""
        by_seed = [statistics.mean(values) for values in zip(*self.accuracies.values(), strict=True)]
        return statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0


def read_rows(study: Study, split: str) -> list[Row]:
    """Rows of the rivals that were tested on every fold, in the order of the study."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    with MEASURED.open(newline="") as file:
        for line in csv.DictReader(file):
            if line["split"] == split:
                found[line["name"]].append(line)
    rows = []
    for rival in study.rivals:
        lines = found[study.name(rival)]
        if not lines:
            continue
        accuracies: dict[str, list[float]] = defaultdict(list)
        for line in lines:
            accuracies[line["fold"]].append(float(line["test_accuracy"]))
        if len({len(values) for values in accuracies.values()}) != 1:
            continue  # still running
        layer = {"LSTM": LSTM, "GRU": GRU}[rival.cell](_features(study), study.hidden_size, **rival.formats)
        weight = layer.weight_l0 if "joint_format" in rival.formats else layer.weight_ih_l0
        rows.append(
            Row(
                rival.name,
                accuracies,
                weight.num_parameters,  # type: ignore[arg-type]
                int(lines[0]["parameters_recurrent"]),
                statistics.median(float(line["train_seconds"]) for line in lines),
            )
        )
    most = max((len(row.accuracies) for row in rows), default=0)
    return [row for row in rows if len(row.accuracies) == most]  # the others are still running


def _features(study: Study) -> int:
    """Features of a step, from the modes of the first rival in a format."""
    formats = next(rival.formats for rival in study.rivals if "input_format" in rival.formats)
    return math.prod(formats["input_format"].in_modes)  # type: ignore[attr-defined]


def table(rows: list[Row]) -> str:
    """Markdown."""
    dense = next((row for row in rows if row.rival == "LSTM"), None)
    columns = (
        "layer, input-to-hidden, whole layer, against dense, seconds, accuracy, over seeds, folds, minus dense LSTM"
    )
    lines = [f"| {columns.replace(', ', ' | ')} |", "|" + "---|" * len(columns.split(", "))]
    for row in rows:
        input_to_hidden = "(joint)" if row.rival.startswith("FD") else f"{row.input_to_hidden:,}"
        ratio = f"1/{dense.recurrent / row.recurrent:.3g}" if dense and row is not dense else ""
        gap = ""
        if dense and row is not dense and len(row.folds) > 1:
            gaps = [ours - theirs for ours, theirs in zip(row.folds, dense.folds, strict=True)]
            gap = f"{statistics.mean(gaps):+.3f} ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.3f}"
        folds = " ".join(f"{value:.2f}" for value in row.folds)
        sizes = (row.rival, input_to_hidden, f"{row.recurrent:,}", ratio, f"{row.seconds:.1f}")
        seeds = f"± {row.seed_spread:.3f} of {row.seeds}"
        lines.append(f"| {' | '.join((*sizes, f'{row.mean:.3f}', seeds, folds, gap))} |")
    return "\n".join(lines)


def draw(title: str, rows: list[Row], path: Path) -> None:
    """Accuracy (bars: deviation over seeds) against input-to-hidden weights, parameters of the layer, training time."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True, layout="constrained")
    panels = (
        ("input-to-hidden weights", lambda row: row.input_to_hidden),
        ("parameters of the recurrent layer", lambda row: row.recurrent),
        ("processor seconds of a training", lambda row: row.seconds),
    )
    colours = (*plt.cm.tab10.colors, "black", "gold")
    for axis, (label, value) in zip(axes, panels, strict=True):
        for row, marker, colour in zip(rows, "osDv^<>pPX*h", colours, strict=False):
            axis.errorbar(value(row), row.mean, row.seed_spread, fmt=marker, color=colour, label=row.rival, lw=1)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    for axis in axes[:2]:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("test accuracy")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def nested(study: Study, rows: list[Row]) -> str:
    """The tests of a head whose format, too, is chosen by validation, beside a dense LSTM with as many trials."""
    best: dict[str, dict[str, float]] = defaultdict(dict)
    with TRIALS.open(newline="") as file:
        for line in csv.DictReader(file):
            found = best[line["name"]]
            found[line["fold"]] = max(found.get(line["fold"], 0.0), float(line["accuracy"]))
    names = {rival.name: study.name(rival) for rival in study.rivals}
    others = [row for row in rows if row.rival != "LSTM" and not row.rival.endswith("-15")]
    dense = next(row for row in rows if row.rival == "LSTM-15")
    chosen = {fold: max(others, key=lambda row: best[names[row.rival]][fold]) for fold in sorted(dense.accuracies)}
    accuracies = {fold: row.accuracies[fold] for fold, row in chosen.items()}
    head = Row("chosen", accuracies, 0, 0, 0.0)
    gaps = [ours - theirs for ours, theirs in zip(head.folds, dense.folds, strict=True)]
    return (
        f"Chosen for the folds by validation: {', '.join(row.rival for row in chosen.values())}. Their tests: "
        f"{head.mean:.4f} ± {head.seed_spread:.3f}, those of LSTM-15 {dense.mean:.4f} ± {dense.seed_spread:.3f}; "
        f"difference {statistics.mean(gaps):+.4f} ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.4f}."
    )


def total_minutes() -> float:
    """Minutes that all trainings took."""
    seconds = 0.0
    for path, column in ((TRIALS, "seconds"), (MEASURED, "train_seconds")):
        with path.open(newline="") as file:
            seconds += sum(float(line[column]) for line in csv.DictReader(file))
    return seconds / 60


def main() -> None:
    """Rewrite the page's tables and the pictures."""
    close = STUDIES["fight_close"]
    fill(PAGE, "nested", nested(close, read_rows(close, "group")))
    fill(PAGE, "minutes", f"All trainings that are written down took {total_minutes():.0f} minutes of processor time.")
    for name, study in STUDIES.items():
        for split in study.folds:
            rows = read_rows(study, split)
            if rows:
                fill(PAGE, f"{name} {split}", table(rows))
                draw(f"{study.dataset}, split: {split}", rows, DOCS / f"study_{name}_{split}.png")


if __name__ == "__main__":
    main()
