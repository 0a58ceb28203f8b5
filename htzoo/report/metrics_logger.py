"""Write ``metrics.csv`` in the folder of a run, row by row."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning_utilities.core.rank_zero import rank_zero_only
from torch import Tensor

from htzoo.files import replacing

METRICS = "metrics.csv"
_FIRST = ["epoch", "step"]


class MetricsLogger(Logger):
    """Owns the folder of a run, ``ROOT/NAME/VERSION``, and writes every metric to its ``metrics.csv`` at once.

    A row is on disk before the checkpoint of its epoch, so a killed run loses none. A new run never shares a folder: if
    the name is taken, a number is appended. A resumed run continues in its own folder.

    Args:
        root: folder of all runs of this name.
        version: name of this run's folder.
        resumed: whether the folder is there, and the run goes on in it.
    """

    def __init__(self, root: Path, version: str, resumed: bool = False) -> None:
        super().__init__()
        self._root = root
        self._version = version
        self._claimed = resumed
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._root.name

    @property
    def version(self) -> str:
        """Name of the run's folder."""
        return self._version

    @property
    def save_dir(self) -> str:
        """The run's folder, which Lightning passes on to the other processes."""
        return str(self._root / self._version)

    @property
    def file(self) -> Path:
        """The table."""
        return self._root / self._version / METRICS

    @property
    @rank_zero_experiment
    def experiment(self) -> MetricsLogger:
        """This logger, after it has made the folder."""
        wanted, number = self._version, 1
        while not self._claimed:
            folder = self._root / self._version
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
                self._claimed = True
            except FileExistsError:
                number += 1
                self._version = f"{wanted}-{number}"
        return self

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """They are in the configuration beside the table."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write one row."""
        _ = self.experiment
        row = {name: _number(value) for name, value in metrics.items()}
        row["step"] = -1 if step is None else step
        if not self._columns and self.file.is_file():
            self._columns, _ = _read(self.file)
        if new := sorted(row.keys() - set(self._columns)):
            rows = _read(self.file)[1] if self.file.is_file() else []
            self._columns = [*_FIRST, *sorted({*self._columns, *new} - set(_FIRST))]
            _write(self.file, self._columns, [*rows, row])
            return
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)

    @rank_zero_only
    def go_back(self, epoch: int, steps: int, values: Mapping[str, float]) -> None:
        """Drop what was written after a checkpoint, and add what was not written before the run was killed.

        Args:
            epoch: the first epoch, counted from 0, that is not over in the checkpoint.
            steps: optimiser steps that the checkpoint has seen.
            values: metrics of the epoch before.
        """
        if not self.file.is_file():
            return
        self._columns, rows = _read(self.file)
        kept = [row for row in rows if not _is_later(row, epoch, steps)]
        known = {name for row in kept if _float(row.get("epoch")) == epoch - 1 for name, cell in row.items() if cell}
        lost = {name: value for name, value in values.items() if name not in known}
        if lost:
            kept.append({**{name: repr(value) for name, value in lost.items()}, "epoch": epoch - 1, "step": steps - 1})
            self._columns = [*_FIRST, *sorted({*self._columns, *lost} - set(_FIRST))]
        cut = not self.file.read_text(encoding="utf-8").endswith("\n")
        if lost or cut or len(kept) < len(rows):
            _write(self.file, self._columns, kept)


def _is_later(row: Mapping[str, Any], epoch: int, steps: int) -> bool:
    """Whether a row was written after the checkpoint, or by a test of the run so far."""
    if any(name.startswith("test/") and cell for name, cell in row.items()):
        return True
    of_epoch, of_step = _float(row.get("epoch")), _float(row.get("step"))
    return of_epoch > epoch or (of_step >= steps and not of_epoch < epoch)


def _read(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    text = path.read_text(encoding="utf-8")
    reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())  # a row without an end was cut by a kill
    rows = [{name: cell for name, cell in row.items() if name is not None and cell} for row in reader]
    return list(reader.fieldnames or ()), rows


def _write(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())


def _number(value: float | Tensor) -> float:
    return value.item() if isinstance(value, Tensor) else value


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan
