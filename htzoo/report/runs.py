"""Compare finished runs, and say how much the seed matters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from htzoo.report.metrics_csv import read_metrics
from htzoo.report.metrics_logger import METRICS
from htzoo.report.summary import RunSummary, read_summary


@dataclass(frozen=True)
class RunRow:
    """One run of a table.

    Attributes:
        name: of the run.
        folder: where it is.
        summary: what it wrote when it ended; None where it was stopped or still goes on.
        epochs: how many it trained.
    """

    name: str
    folder: Path
    summary: RunSummary | None
    epochs: int

    @property
    def score(self) -> float | None:
        """Test accuracy, or mean average precision where a clip has several classes; None where it was not tested."""
        if self.summary is None:
            return None
        found = self.summary.test_accuracy
        return self.summary.mean_average_precision if found is None else found

    @property
    def settings(self) -> str:
        """The command line without seed, device and paths: runs that share it differ by their seed alone."""
        command = "" if self.summary is None else self.summary.command
        apart = r"--(seed_everything|ckpt_path|resume|trainer\.(devices|strategy|accelerator|default_root_dir))"
        return re.sub(rf"\s{apart}[= ]\S+", "", command)


def find_runs(folders: Sequence[Path]) -> list[RunRow]:
    """The runs of ``htzoo fit`` in folders, at any depth, the oldest first.

    Args:
        folders: such as ``runs``, ``runs/NAME`` or runs themselves.

    Raises:
        FileNotFoundError: there is no such folder, or no run in any.
        ValueError: a summary cannot be read.
    """
    found: dict[Path, RunRow] = {}
    for root in folders:
        if not root.is_dir():
            raise FileNotFoundError(f"{root} is no folder: give runs, runs/NAME, or folders of runs")
        for metrics in sorted(root.rglob(METRICS)):
            folder = metrics.parent
            epochs = len(read_metrics(metrics).get("train/loss", []))
            if not epochs or folder in found:
                continue
            path = folder / "summary.json"
            summary = read_summary(path) if path.is_file() else None
            found[folder] = RunRow(folder.resolve().parent.name, folder, summary, epochs)
    if not found:
        raise FileNotFoundError(f"no run in {', '.join(map(str, folders))}: train one with htzoo fit")
    return sorted(found.values(), key=lambda row: row.folder.name)


def over_seeds(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Mean and spread of the score over runs that differ by their seed alone, where there are at least two."""
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        if row.score is not None:
            groups.setdefault((row.name, row.settings), []).append(row)
    return [
        {
            "name": name,
            "runs": len(group),
            "seeds": [row.summary.seed for row in group if row.summary is not None],
            "mean": mean(scores),
            "standard_deviation": stdev(scores),
            "minimum": min(scores),
            "maximum": max(scores),
            "command": settings,
        }
        for (name, settings), group in groups.items()
        if len(scores := [row.score for row in group if row.score is not None]) > 1
    ]


def runs_as_json(rows: Sequence[RunRow]) -> dict[str, Any]:
    """What ``htzoo runs --json`` prints."""
    runs = []
    for row in rows:
        known = row.summary
        runs.append(
            {
                "name": row.name,
                "folder": str(row.folder),
                "epochs": row.epochs,
                "tested": row.score is not None,
                "score": row.score,
                "f1_macro": None if known is None else known.f1_macro,
                "validation_accuracy": None if known is None else known.val_accuracy,
                "best_epoch": None if known is None else known.best_epoch,
                "seed": None if known is None else known.seed,
                "seconds": None if known is None else known.train_seconds,
                "parameters": None if known is None else dict(known.parameters),
                "command": None if known is None else known.command,
            }
        )
    return {"runs": runs, "over_seeds": over_seeds(rows)}


def runs_table(rows: Sequence[RunRow]) -> Iterator[str]:
    """Lines for the terminal: one a run, then the spread over seeds."""
    table = [("run", "epochs", "best", "seed", "val", "test", "F1", "parameters", "time"), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        right = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join([cells[0].ljust(widths[0]), *right[1:]]).rstrip()
    groups = over_seeds(rows)
    if groups:
        yield ""
    for group in groups:
        yield (
            f"{group['name']}: {group['mean']:.3f} +- {group['standard_deviation']:.3f} over {group['runs']} runs, "
            f"{group['minimum']:.3f} to {group['maximum']:.3f} (seeds {', '.join(map(str, group['seeds']))})"
        )


def _cells(row: RunRow) -> tuple[str, ...]:
    known = row.summary
    if known is None:
        return (str(row.folder), str(row.epochs), "", "", "", "not tested", "", "", "")
    return (
        str(row.folder),
        str(row.epochs),
        "" if known.best_epoch is None else str(known.best_epoch),
        "" if known.seed is None else str(known.seed),
        _fraction(known.val_accuracy),
        _fraction(row.score) or "not tested",
        _fraction(known.f1_macro),
        f"{known.parameters['total']:,}",
        f"{known.train_seconds:,.0f} s",
    )


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
