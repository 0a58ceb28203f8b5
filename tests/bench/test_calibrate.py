"""``htzoo bench --calibrate``."""

import dataclasses
import json
import math

import pytest

from htzoo.bench import calibrate
from htzoo.cli.main import main
from htzoo.formats.machine import CPU, NATIVE, Machine
from htzoo.native.library import library

CHOSEN = {"cache", "cached_matrix", "piece", "vector"}  # sizes that are not measured
RATES = {field.name for field in dataclasses.fields(Machine)} - CHOSEN


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REPEATS": 2, "MEMORY": 1 << 16, "ROWS": 64}.items():
        monkeypatch.setattr(calibrate, name, value)


def test_every_rate_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--calibrate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["constants"]
    names = {machine: {one["name"] for one in found if one["machine"] == machine} for machine in ("CPU", "NATIVE")}
    assert names["CPU"] == RATES - {"runs_reordered"}  # PyTorch's copies gain nothing from runs
    assert names["NATIVE"] == (RATES - {"cache_bytes"} if library() else set())
    for one in found:
        assert one["in_use"] == getattr(CPU if one["machine"] == "CPU" else NATIVE, one["name"])
        assert math.isfinite(one["here"]) and (one["here"] > 0 or one["name"] == "batched_product")


def test_the_table_and_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--calibrate", "--threads", "1"]) == 0
    assert "| CPU | macs | 2.5e+10 |" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "tt", "--calibrate"])
    assert stopped.value.code == 2
    assert "--calibrate measures the machine" in capsys.readouterr().err
