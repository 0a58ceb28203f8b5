"""Runs that are disturbed while they train."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from tests.cli.command import ROOT

SMALL = [
    "--config=moving_digits_ht",
    "--data=tests.data.helpers.FewDigits",
    "--data.size=[12,16]",
    "--model.hidden_size=8",
    "--model.input_format={name: TensorTrain, in_modes: [4, 9, 16], out_modes: [2, 2, 2], rank: 2}",
    "--model.dropout=0.2",
    "--trainer.accelerator=cpu",
]
RUNS = Path("runs") / "moving_digits_ht"


def is_running(number: int) -> bool:
    """Whether a process runs; one that has ended, and whose new parent has not noticed yet, does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Run:
    """``htzoo`` in a process of its own, whose output is read line by line.

    Args:
        words: the command line.
        folder: where it runs.
        environment: what is set beyond the environment of the tests.
    """

    def __init__(self, *words: str, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "htzoo", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.printed: list[str] = []

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: object) -> None:
        """A test that fails leaves no process behind."""
        for number in [*children(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def until(self, text: str, then: Callable[[], object] = lambda: None) -> None:
        """Wait for a line that has a text in it, and do something."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if text in line:
                then()
                return
        raise AssertionError(f"{text!r} was not printed: {self.printed} {self.end()}")

    def end(self, timeout: float = 120) -> tuple[int, str]:
        """Wait for the end: exit status, and what was written to standard error."""
        output, errors = self.process.communicate(timeout=timeout)
        self.printed += output.splitlines()
        return self.process.returncode, errors


def children(process: int) -> list[int]:
    """The processes that a process started to train with it; the workers of its loader are copies of itself."""
    found = Path(f"/proc/{process}/task/{process}/children")
    numbers = [int(number) for number in found.read_text().split()] if found.exists() else []
    return [number for number in numbers if b"\0LOCAL_RANK=" in Path(f"/proc/{number}/environ").read_bytes()]


def the_run(folder: Path) -> Path:
    """The only run in a folder."""
    (run,) = (folder / RUNS).iterdir()
    return run


def curve(run: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``, without speeds."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if not key.startswith("speed")} for row in rows]


def assert_same(one: Path, other: Path) -> None:
    """Two runs have the same weights, state of the optimiser and curves, to the last bit."""
    for name in ("last", "best"):
        first, second = (torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for run in (one, other))
        assert (first["epoch"], first["global_step"]) == (second["epoch"], second["global_step"]), name
        torch.testing.assert_close(first["state_dict"], second["state_dict"], rtol=0, atol=0)
        torch.testing.assert_close(first["optimizer_states"], second["optimizer_states"], rtol=0, atol=0)
    assert curve(one) == curve(other)
    assert not list(other.rglob("*.part"))
