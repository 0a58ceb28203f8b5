"""Several processes: one that ends early ends all, in bounded time, with one sentence that names it."""

import os
import signal
import time
from pathlib import Path

import pytest

from htzoo.cli import processes
from tests.faults.helpers import SMALL, Run, children, curve, is_running, the_run

DDP = ["--trainer.devices=2", "--trainer.strategy=ddp", "--model.schedule=constant"]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed(victim: int, few_root: Path, tmp_path: Path) -> None:
    words = ["fit", *SMALL, *DDP, f"--data.root={few_root}", "--trainer.max_epochs=100000"]
    with Run(*words, folder=tmp_path) as run:
        run.until(" 1/100000 ")
        (child,) = children(run.process.pid)
        start = time.monotonic()
        os.kill([run.process.pid, child][victim], signal.SIGKILL)
        status, errors = run.end(60)
        assert status != 0 and time.monotonic() - start < 30
        (line,) = errors.splitlines()
        expected = ("process 0, which started all others, was ended", "process 1 of 2 was ended by SIGKILL")[victim]
        assert line.startswith(f"htzoo: {expected}")
        assert not is_running(child)


@pytest.mark.slow
def test_two_processes_stop_and_go_on_together(few_root: Path, tmp_path: Path) -> None:
    words = ["fit", *SMALL, *DDP, f"--data.root={few_root}"]
    with Run(*words, "--trainer.max_epochs=100000", folder=tmp_path) as run:
        run.until(" 1/100000 ", lambda: run.process.send_signal(signal.SIGTERM))
        status, errors = run.end()
        assert status == 1 and errors.startswith("htzoo: stopped by SIGTERM at epoch ") and errors.count("\n") == 1
        folder = the_run(tmp_path)
        resume = ["fit", f"--resume={folder}", "--allow=tests", "--trainer.max_epochs=12"]
    one = ["--trainer.devices=1", "--trainer.strategy=auto"]
    with Run(*resume, *one, folder=tmp_path) as again:
        assert again.end() == (0, "")
    assert len([row for row in curve(folder) if row["train/loss"]]) == 12


def test_what_a_process_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.0)
    gone = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:3801")
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", processes._FOLDER):
        monkeypatch.delenv(name, raising=False)
    assert processes.tell(ValueError("no"), "no") == "no"
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert processes.tell(gone, "gone") is None
    assert processes.tell(RuntimeError("no"), "no") == "process 2: no"
    monkeypatch.setenv(processes._FOLDER, str(tmp_path))
    assert processes.tell(RuntimeError("no"), "no") is None
    assert (tmp_path / "2").read_text() == "no"
