"""Read the `metrics.csv` of Lightning's CSVLogger."""

import csv
import math
from pathlib import Path
from typing import NamedTuple


class _Point(NamedTuple):
    epoch: float
    step: float
    value: float


def read_metrics(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Read every metric of a run, one value an epoch.

    - Cells that are blank or no number are skipped.
    - A metric logged several times in an epoch gives the mean of that epoch.
    - A run that was resumed goes back to an earlier epoch; what was written before, from that epoch on, is dropped.
    - Rows without an epoch (the learning rate monitor writes such) belong to the epoch of the next row that has one.

    Args:
        path: the CSV file, with a header row.

    Returns:
        Metric name -> `[(epoch, value), ...]`, by rising epoch, counted from 0 as Lightning does. Values may be NaN or
        infinite if the run logged such. The columns `epoch` and `step` are not metrics. An empty file gives `{}`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows:
        return {}
    records = [_numbers(rows[0], row) for row in rows[1:]]
    points: dict[str, list[_Point]] = {}
    for record, epoch in zip(records, _epochs(records), strict=True):
        step = record.get("step", -1.0)
        for name, value in record.items():
            if name not in ("epoch", "step"):
                _append(points.setdefault(name, []), _Point(epoch, step, value))
    return {name: _mean_per_epoch(series) for name, series in points.items()}


def best_epoch(metrics: dict[str, list[tuple[float, float]]]) -> tuple[int | None, dict[str, float]]:
    """The epoch of the lowest validation loss, counted from 1, and what was measured in it; None without such a loss.

    Args:
        metrics: what :func:`read_metrics` returns.
    """
    losses = [(loss, epoch) for epoch, loss in metrics.get("val/loss", []) if math.isfinite(loss)]
    if not losses:
        return None, {}
    best = min(losses)[1]
    return int(best) + 1, {name: value for name, series in metrics.items() for epoch, value in series if epoch == best}


def _numbers(header: list[str], row: list[str]) -> dict[str, float]:
    record = {}
    # Not strict: the last row of a killed run may be cut short.
    for name, cell in zip(header, row, strict=False):
        try:
            record[name] = float(cell)
        except ValueError:
            continue
    return record


def _epochs(records: list[dict[str, float]]) -> list[float]:
    """Give every row its epoch, from the row itself or else from the rows around it."""
    # Test rows carry whatever epoch the trainer stood at (0 in a fresh process), so they tell nothing of other rows.
    testing = [any(name.startswith("test/") for name in record) for record in records]
    known = [record["epoch"] for record, test in zip(records, testing, strict=True) if "epoch" in record and not test]
    last = known[-1] if known else -1.0
    following = last + 1.0  # a row after the last finished epoch is of the epoch that was cut short
    epochs = []
    for record, test in zip(reversed(records), reversed(testing), strict=True):
        if test:
            epochs.append(record.get("epoch", max(last, 0.0)))
        else:
            following = record.get("epoch", following)
            epochs.append(following)
    return epochs[::-1]


def _append(series: list[_Point], point: _Point) -> None:
    if series and series[-1].epoch > point.epoch:
        while series and series[-1].epoch >= point.epoch:
            series.pop()
    # Resumed within the epoch that was cut short: the epoch is the same, the step goes back.
    while series and series[-1].epoch == point.epoch and series[-1].step >= point.step:
        series.pop()
    series.append(point)


def _mean_per_epoch(series: list[_Point]) -> list[tuple[float, float]]:
    values: dict[float, list[float]] = {}
    for point in series:
        values.setdefault(point.epoch, []).append(point.value)
    return [(epoch, sum(of_epoch) / len(of_epoch)) for epoch, of_epoch in values.items()]
