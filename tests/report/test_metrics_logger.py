"""The table of a run: whole after a kill, and rolled back to a checkpoint."""

from pathlib import Path

import pytest

from htzoo.report.metrics_csv import read_metrics
from htzoo.report.metrics_logger import MetricsLogger


def log(logger: MetricsLogger, epochs: range) -> None:
    for epoch in epochs:
        logger.log_metrics({"epoch": epoch, "val/loss": 10 - epoch}, 5 * epoch + 4)
        logger.log_metrics({"epoch": epoch, "train/loss": 5 - epoch}, 5 * epoch + 4)


def test_every_row_is_on_the_disk_at_once(tmp_path: Path) -> None:
    logger = MetricsLogger(tmp_path / "name", "run")
    log(logger, range(2))
    logger.log_metrics({"lr": 0.1}, 10)
    assert logger.file.read_text().splitlines() == [
        "epoch,step,lr,train/loss,val/loss",
        "0,4,,,10",
        "0,4,,5,",
        "1,9,,,9",
        "1,9,,4,",
        ",10,0.1,,",
    ]


def test_two_runs_of_one_moment_get_two_folders(tmp_path: Path) -> None:
    loggers = [MetricsLogger(tmp_path, "now") for _ in range(3)]
    folders = [logger.experiment.save_dir for logger in loggers]
    assert [Path(folder).name for folder in folders] == ["now", "now-2", "now-3"]
    assert all(Path(folder).is_dir() for folder in folders)
    assert [logger.version for logger in loggers] == ["now", "now-2", "now-3"]


@pytest.mark.parametrize("torn", ["", "2,12", "1,7,0.1", "\n\n", "2,14,0.5,"])
def test_goes_back_to_a_checkpoint(torn: str, tmp_path: Path) -> None:
    log(MetricsLogger(tmp_path, "run"), range(4))
    with (tmp_path / "run" / "metrics.csv").open("a") as file:
        file.write(torn)  # the process was killed while it wrote
    resumed = MetricsLogger(tmp_path, "run", resumed=True)
    resumed.go_back(2, 10, {"train/loss": 4.0})
    assert read_metrics(resumed.file) == {"val/loss": [(0, 10), (1, 9)], "train/loss": [(0, 5), (1, 4)]}
    log(resumed, range(2, 4))
    whole = MetricsLogger(tmp_path, "whole")
    log(whole, range(4))
    assert resumed.file.read_text() == whole.file.read_text()


@pytest.mark.parametrize("torn", ["2,12", "2,14,0.5,"])
def test_a_cut_row_goes_though_all_others_stay(torn: str, tmp_path: Path) -> None:
    log(MetricsLogger(tmp_path, "run"), range(2))
    with (tmp_path / "run" / "metrics.csv").open("a") as file:
        file.write(torn)
    resumed = MetricsLogger(tmp_path, "run", resumed=True)
    resumed.go_back(2, 10, {})
    log(resumed, range(2, 4))
    whole = MetricsLogger(tmp_path, "whole")
    log(whole, range(4))
    assert resumed.file.read_text() == whole.file.read_text()


def test_a_row_that_was_lost_is_in_the_checkpoint(tmp_path: Path) -> None:
    logger = MetricsLogger(tmp_path, "run")
    log(logger, range(1))
    logger.log_metrics({"epoch": 1, "val/loss": 9}, 9)
    MetricsLogger(tmp_path, "run", resumed=True).go_back(2, 10, {"train/loss": 4.0, "speed/step": 7.0})
    assert read_metrics(logger.file)["train/loss"] == [(0, 5), (1, 4)]


def test_within_an_epoch_the_steps_before_stay(tmp_path: Path) -> None:
    logger = MetricsLogger(tmp_path, "run")
    log(logger, range(1))
    for step in range(5, 9):
        logger.log_metrics({"epoch": 1, "loss_of_step": step}, step)
    logger.log_metrics({"lr": 1.0}, 8)
    logger.log_metrics({"epoch": 0, "test/loss": 1.0}, 4)
    MetricsLogger(tmp_path, "run", resumed=True).go_back(1, 7, {})
    found = read_metrics(logger.file)
    assert found["loss_of_step"] == [(1, 5.5)] and "lr" not in found and "test/loss" not in found
