"""Signals, time limits and jobs of SLURM: the run stops after the step, says how to go on, and goes on."""

import os
import signal
from pathlib import Path

import pytest

from tests.cli.command import htzoo_command
from tests.faults.helpers import SMALL, Run, the_run

SLURM = {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SLURM |= {"SLURM_JOB_NAME": "train", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NODELIST": "here"}
FOREVER = [*SMALL, "--trainer.max_epochs=100000", "--model.schedule=constant"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_is_answered_with_a_checkpoint_and_one_line(
    number: signal.Signals, few_root: Path, tmp_path: Path
) -> None:
    with Run("fit", *FOREVER, f"--data.root={few_root}", folder=tmp_path) as run:
        run.until(" 2/100000 ", lambda: run.process.send_signal(number))
        status, errors = run.end()
        (line,) = errors.splitlines()
        assert status == 1 and line.startswith(f"htzoo: stopped by {number.name} at epoch ")
        assert f"go on with htzoo fit --resume {the_run(tmp_path).relative_to(tmp_path)}" in line
        assert (the_run(tmp_path) / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
def test_a_job_of_slurm_is_queued_again_and_goes_on(few_root: Path, tmp_path: Path) -> None:
    queue = tmp_path / "bin" / "scontrol"
    queue.parent.mkdir()
    queue.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/queue\n')
    queue.chmod(0o755)
    job = {**SLURM, "PATH": f"{queue.parent}:{os.environ['PATH']}"}
    words = ["fit", *SMALL, f"--data.root={few_root}", "--model.schedule=constant"]
    folder = tmp_path / "work"
    with Run(*words, "--trainer.max_epochs=100000", folder=folder, **job) as first:
        first.until(" 2/100000 ", lambda: first.process.send_signal(signal.SIGUSR1))
        status, errors = first.end()
        assert status == 1 and errors.endswith("job 4711 is in the queue again and will go on by itself\n")
        assert (tmp_path / "queue").read_text() == "requeue 4711\n"
        assert [path.name for path in folder.iterdir()] == ["runs"]  # nothing in the working folder
        run = the_run(folder)
        assert run.name.endswith("_job4711")

        with Run(*words, "--trainer.max_epochs=100000", folder=folder, **job, SLURM_RESTART_COUNT="1") as again:
            again.until("going on from ")
            again.until("epoch ", lambda: again.process.send_signal(signal.SIGTERM))
            assert again.end()[0] == 1
            assert the_run(folder) == run
            assert int(again.printed[-1].split("/")[0].split()[1]) > 2

            with Run(*words, "--trainer.max_epochs=1", folder=folder, **job, SLURM_RESTART_COUNT="1") as other:
                assert other.end()[0] == 0  # another command of the same job is another run
                assert len(list((folder / "runs" / "moving_digits_ht").iterdir())) == 2


def test_the_time_limit_ends_with_a_test(few_root: Path, tmp_path: Path) -> None:
    words = ["fit", *FOREVER, f"--data.root={few_root}", "--trainer.max_time={seconds: 2}"]
    printed = htzoo_command(*words, folder=tmp_path).stdout
    assert "stopped by the time limit at epoch " in printed and "moving_digits_ht: test accuracy" in printed


def test_stopped_before_anything_was_saved(few_root: Path, tmp_path: Path) -> None:
    with Run(
        "fit", *FOREVER, f"--data.root={few_root}", "--trainer.enable_checkpointing=false", folder=tmp_path
    ) as run:
        run.until(" 1/100000 ", lambda: run.process.send_signal(signal.SIGINT))
        status, errors = run.end()
        assert (status, errors) == (1, "htzoo: stopped by SIGINT; nothing was saved yet\n")
