"""Plots of datasets with few and with very many classes."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from htzoo.data.statistics import Statistics
from htzoo.report.dataset_plots import plot_statistics


@pytest.mark.parametrize("count", [2, 60, 61, 2000])
def test_bars_of_any_number_of_classes(count: int, tmp_path: Path) -> None:
    counts = {f"class {n}": {"train": 1 + n, "val": 1, "test": n % 3, "unused": 0} for n in range(count)}
    totals = {split: sum(of[split] for of in counts.values()) for split in ("train", "val", "test", "unused")}
    statistics = Statistics("group, fold 1 of 5", counts, totals, dict.fromkeys(totals, 3), 0, (5, 9, 12))
    plot_statistics(statistics, "Many", tmp_path / "plot.png")
    height, width, _ = (image := imread(tmp_path / "plot.png")).shape
    assert 500 < height < 3000 and 1000 < width < 3000
    for colour in ((0, 114, 178), (0, 158, 115), (213, 94, 0)):  # train, val and test
        assert (abs(image[..., :3] * 255 - colour).max(-1) < 3).any()
