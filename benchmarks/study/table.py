"""Write the tables of docs/study.md and diary.md from measured.csv, and draw their plots.

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

from run import MEASURED, STUDIES, TRIALS, Study
from torch import Tensor

from htzoo.nn import GRU, LSTM
from htzoo.report.style import BLUE, GREY, INK, new_figure, save_figure, shared_look

sys.path.append(str(Path(__file__).parents[1]))  # what the scripts beside this folder share
from page_sections import fill

DOCS = MEASURED.parents[2] / "docs"
PAGE = DOCS / "study.md"
DIARY = MEASURED.with_name("diary.md")
# The studies that the page shows, all with groups held out, and what they are called there.
SHOWN = {"fir": "FIRAction", "digits": "spoken digits", "fight": "SurveillanceFight"}
WORDS = {"LSTM": "dense LSTM", "GRU": "dense GRU", "FDHT": "joint HT", "FDHT2": "joint HT, two cores"}
WORDS |= {"TT2": "TT, two cores", "HT2": "HT, two cores", "FDTT2": "joint TT, two cores"}
WORDS |= {"LSTM-15": "dense LSTM, 15 trials", "TT2-15": "TT, two cores, 15 trials"}


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
                weight.numel() if isinstance(weight, Tensor) else weight.num_parameters,
                int(lines[0]["parameters_recurrent"]),
                statistics.median(float(line["train_seconds"]) for line in lines),
            )
        )
    folds = max((len(row.accuracies) for row in rows), default=0)
    return [row for row in rows if len(row.accuracies) == folds]  # the others are still running


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
        difference = ""
        if dense and row is not dense and len(row.folds) > 1:
            difference = "{:+.3f} ± {:.3f}".format(*gap(row, dense))
        folds = " ".join(f"{value:.2f}" for value in row.folds)
        sizes = (WORDS.get(row.rival, row.rival), input_to_hidden, f"{row.recurrent:,}", ratio, f"{row.seconds:.1f}")
        seeds = f"± {row.seed_spread:.3f} of {row.seeds}"
        lines.append(f"| {' | '.join((*sizes, f'{row.mean:.3f}', seeds, folds, difference))} |")
    return "\n".join(lines)


def gap(row: Row, dense: Row) -> tuple[float, float]:
    """Mean over folds of the difference to the dense LSTM, and its standard error."""
    gaps = [ours - theirs for ours, theirs in zip(row.folds, dense.folds, strict=True)]
    return statistics.mean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5


def summary() -> str:
    """Accuracy of every layer on the datasets of the page, as Markdown."""
    found = {name: {row.rival: row for row in read_rows(STUDIES[name], "group")} for name in SHOWN}
    names = list(dict.fromkeys(rival for rows in found.values() for rival in rows))
    lines = ["| layer | " + " | ".join(SHOWN.values()) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for rival in names:
        cells = []
        for rows in found.values():
            row, dense = rows.get(rival), rows["LSTM"]
            if row is None:
                cells.append("")
                continue
            text = f"{row.mean:.3f} ± {row.seed_spread:.3f}"
            if row is not dense:
                mean, error = gap(row, dense)
                text += f"; {mean:+.3f} ± {error:.3f}; 1/{dense.recurrent / row.recurrent:.3g}"
            cells.append(text)
        lines.append(f"| {WORDS.get(rival, rival)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(title: str, rows: list[Row], path: Path) -> None:
    """A line a layer: test accuracy, its deviation over seeds, and in words how small the layer is."""
    dense = next((row for row in rows if row.rival == "LSTM"), rows[0])
    with shared_look():
        figure = new_figure(8, 0.9 + 0.34 * len(rows))
        axes = figure.subplots()
        axes.axvline(dense.mean, color=GREY, linewidth=1, linestyle=":")
        for place, row in enumerate(rows):
            colour = GREY if row.rival in ("LSTM", "GRU") else BLUE
            axes.errorbar(row.mean, place, xerr=row.seed_spread, fmt="o", color=colour, linewidth=1.5)
            size = "" if row is dense else f", 1/{dense.recurrent / row.recurrent:.3g} of the parameters"
            axes.annotate(
                f"{row.mean:.3f}{size}", (1.01, place), xycoords=("axes fraction", "data"), va="center", color=INK
            )
        axes.set_yticks(range(len(rows)), [WORDS.get(row.rival, row.rival) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("test accuracy; bar: standard deviation over seeds; dotted: dense LSTM")
        axes.set_title(title)
        save_figure(figure, path)


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
    mean, error = gap(head, dense)
    formats = ", ".join(WORDS.get(row.rival, row.rival) for row in chosen.values())
    return (
        f"Chosen for the folds by validation: {formats}. Their tests: "
        f"{head.mean:.4f} ± {head.seed_spread:.3f}, those of LSTM-15 {dense.mean:.4f} ± {dense.seed_spread:.3f}; "
        f"difference {mean:+.4f} ± {error:.4f}."
    )


def total_minutes() -> float:
    """Minutes that all trainings took."""
    seconds = 0.0
    for path, column in ((TRIALS, "seconds"), (MEASURED, "train_seconds")):
        with path.open(newline="") as file:
            seconds += sum(float(line[column]) for line in csv.DictReader(file))
    return seconds / 60


def main() -> None:
    """Rewrite the tables and the plots."""
    close = STUDIES["fight_close"]
    fill(DIARY, "nested", nested(close, read_rows(close, "group")))
    fill(DIARY, "minutes", f"All trainings listed here took {total_minutes():.0f} minutes of processor time.")
    fill(PAGE, "summary", summary())
    for name, study in STUDIES.items():
        for split in study.folds:
            if rows := read_rows(study, split):
                fill(DIARY, f"{name} {split}", table(rows))
                shown = name in SHOWN and split == "group"
                path = DOCS / f"study_{name}.png" if shown else DIARY.with_name(f"{name}_{split}.png")
                draw(f"{SHOWN.get(name, study.dataset)}, split rule: {split}", rows, path)


if __name__ == "__main__":
    main()
