"""The bars of a measurement."""

from pathlib import Path

from htzoo.bench.chart import plot_bench
from htzoo.bench.measure import FLOOR, LOOP, READING, Row, Time
from htzoo.bench.settings import Setting
from htzoo.bench.table import results
from htzoo.report.style import BLUE, GREY
from tests.report.images import pixels, share_of


def test_plot_shows_both_kinds_of_layers(tmp_path: Path) -> None:
    rows = [Row(READING, True, 0, 0, None, Time(0.9, 0.8, 1.0), None, None)]
    for name, baseline, step in (("torch.nn.LSTM", True, 900), (LOOP, True, 300), (FLOOR, True, 11), ("TT", False, 15)):
        rows.append(
            Row(name, baseline, 10, 20, 30, Time(step / 2, step / 3, step), Time(step, step - 1, step + 1), 1000)
        )
    result = results(Setting("test", 57600, 256, frames=6), rows)
    plot_bench([result, result], tmp_path / "bench.png", "machine")
    image = pixels(tmp_path / "bench.png")
    assert share_of(image, BLUE) > 0.01 and share_of(image, GREY) > 0.05
