"""Runs side by side, and what the seed does."""

import dataclasses
import json
from pathlib import Path

import pytest

from htzoo.cli.runs import run
from htzoo.report.runs import find_runs, over_seeds
from htzoo.report.summary import write_summary
from tests.report.test_summary import SUMMARY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three seeds of one model, another setting, and a run that was stopped."""
    accuracy = {0: 0.80, 1: 0.90, 2: 0.85}
    for number, (seed, width, correct) in enumerate(
        [*((seed, "", value) for seed, value in accuracy.items()), (0, " --model.hidden_size 9", 0.5)]
    ):
        summary = dataclasses.replace(
            SUMMARY,
            command=f"htzoo fit moving_digits_ht{width} --seed_everything {seed}",
            seed=seed,
            test_accuracy=correct,
            test_clips=100,
            per_class={},
            f1_macro=correct - 0.1,
        )
        write(tmp_path / "runs" / "model" / f"time{number}")
        write_summary(summary, tmp_path / "runs" / "model" / f"time{number}" / "summary.md")
    write(tmp_path / "runs" / "model" / "time9")
    return tmp_path / "runs"


def write(run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "metrics.csv").write_text("epoch,step,train/loss\n0,4,2.0\n1,9,1.0\n")


def test_mean_and_spread_over_seeds(folder: Path) -> None:
    found = find_runs([folder])
    assert [row.folder.name for row in found] == ["time0", "time1", "time2", "time3", "time9"]
    (group,) = over_seeds(found)  # the other setting is no other seed
    assert (group["runs"], group["seeds"], group["minimum"], group["maximum"]) == (3, [0, 1, 2], 0.8, 0.9)
    assert group["mean"] == pytest.approx(0.85) and group["standard_deviation"] == pytest.approx(0.05)


def test_table_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["runs", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "epochs", "best", "seed", "val", "test", "F1", "parameters", "time"]
    assert lines[1].split()[1:8] == ["2", "24", "0", "0.991", "0.800", "0.700", "267,240"]
    assert lines[5].split()[1:] == ["2", "not", "tested"]
    assert lines[-1] == "model: 0.850 +- 0.050 over 3 runs, 0.800 to 0.900 (seeds 0, 1, 2)"
    run(["runs", str(folder), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert [entry["tested"] for entry in printed["runs"]] == [True] * 4 + [False]
    assert printed["over_seeds"][0]["runs"] == 3


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder: give runs"):
        find_runs([tmp_path / "no"])
    with pytest.raises(FileNotFoundError, match="train one with htzoo fit"):
        find_runs([tmp_path])
