"""Kill training runs with SIGKILL in every phase, let them go on, and compare the end with an undisturbed run.

    python benchmarks/faults.py --kills 100 --output benchmarks/results/faults.json

Every run is `htzoo fit` in a process of its own. It is killed at a certain call, counted from its start: in the middle
of a write (half of the bytes are in the file), between a write and the renaming, or at a step. A killed run goes on by
`htzoo fit --resume`, or by the same command where nothing had been saved; a phase that begins with "going on" kills
that second run too. The end is compared bit for bit: weights, state of the optimiser, best epoch, curve.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
# Phase -> where the process is killed; N is drawn.
PHASES = {
    "before the first checkpoint": "step N of epoch 1",
    "within an epoch": "step N of a later epoch",
    "writing last.ckpt": "half of the file is written",
    "renaming last.ckpt": "the file is written and has its temporary name",
    "between last.ckpt and best.ckpt": "the last checkpoint is there, the best is not",
    "writing metrics.csv": "half of a row is written",
    "going on, before the first step": "the checkpoint is read",
    "going on, within an epoch": "step N",
    "going on, writing last.ckpt": "half of the file is written",
}
_KILLER = """
import os, signal, sys, torch
from pathlib import Path
phase, number = sys.argv[1], int(sys.argv[2])
def die(): os.kill(os.getpid(), signal.SIGKILL)
count = 0
def at(wanted):
    global count
    count += 1
    if count == wanted: die()
import htzoo.tasks.checkpoints as checkpoints
from htzoo.tasks import BestAndLast, VideoClassification
from htzoo.report.metrics_logger import MetricsLogger
save, replace, step, take = torch.save, os.replace, VideoClassification.training_step, BestAndLast._take_as_best
if phase.endswith("writing last.ckpt"):
    def torn(content, file):
        global count
        count += 1
        if count == number:
            import io
            whole = io.BytesIO(); save(content, whole)
            file.write(whole.getvalue()[: len(whole.getvalue()) // 2]); file.flush(); die()
        save(content, file)
    torch.save = torn
elif phase == "renaming last.ckpt":
    def renamed(source, target, *rest):
        if str(target).endswith("last.ckpt"): at(number)
        replace(source, target, *rest)
    os.replace = renamed
elif phase == "between last.ckpt and best.ckpt":
    def taken(self, *arguments):
        at(number); take(self, *arguments)
    BestAndLast._take_as_best = taken
elif phase == "writing metrics.csv":
    log = MetricsLogger.log_metrics
    def logged(self, metrics, step=None):
        global count
        count += 1
        if count == number:
            with self.file.open("a") as file: file.write("1,7,0.1"); file.flush(); die()
        log(self, metrics, step)
    MetricsLogger.log_metrics = logged
elif phase == "going on, before the first step":
    VideoClassification.on_train_start = lambda self: die()
else:
    def stepped(self, *arguments):
        at(number); return step(self, *arguments)
    VideoClassification.training_step = stepped
from htzoo.cli.main import main
sys.argv = ["htzoo", *sys.argv[3:]]
raise SystemExit(main())
"""


@dataclass(frozen=True)
class Setting:
    """A small run.

    Attributes:
        data: root in which the few moving digits are.
        folder: scratch folder.
        epochs: of each run, of five steps each.
    """

    data: Path
    folder: Path
    epochs: int = 4

    @property
    def words(self) -> list[str]:
        """The command line."""
        return [
            "fit",
            "--config=moving_digits_ht",
            "--data=tests.data.helpers.FewDigits",
            "--data.size=[12,16]",
            f"--data.root={self.data}",
            "--data.num_workers=0",
            "--model.hidden_size=8",
            "--model.input_format={name: TensorTrain, in_modes: [4, 9, 16], out_modes: [2, 2, 2], rank: 2}",
            "--model.dropout=0.2",
            "--trainer.accelerator=cpu",
            f"--trainer.max_epochs={self.epochs}",
        ]


@dataclass(frozen=True)
class Found:
    """What came of one kill.

    Attributes:
        phase: where it was killed.
        half_files: files under the name of a checkpoint that are not whole.
        identical: whether the run, having gone on, ended like the undisturbed one to the last bit.
    """

    phase: str
    half_files: int
    identical: bool


def whole_run(setting: Setting) -> Path:
    """The folder of an undisturbed run."""
    return _finish(setting, setting.folder / "whole", setting.words)


def kill_and_go_on(setting: Setting, reference: Path, phase: str, number: int) -> Found:
    """Kill a run in a phase, let it go on, and look at the end.

    Args:
        setting: the run.
        reference: folder of the undisturbed run.
        phase: one of :data:`PHASES`.
        number: makes the draw of the moment, and names the scratch folder.
    """
    random.seed(number)
    folder = setting.folder / f"kill{number}"
    twice = phase.startswith("going on")
    first_phase = "within an epoch" if twice else phase
    moment = {
        "before the first checkpoint": random.randint(1, 5),
        "within an epoch": random.randint(6, 5 * setting.epochs),
        "writing metrics.csv": random.randint(2, 2 * setting.epochs),
    }.get(first_phase, random.randint(1, setting.epochs))
    moment = random.randint(6, 10) if twice else moment
    if first_phase == "between last.ckpt and best.ckpt":
        moment = 1  # later epochs need not improve
    _killed(folder, first_phase, moment, setting.words)
    half = _half_files(folder)
    if twice:
        moment = random.randint(1, setting.epochs - 1) if "writing" in phase else random.randint(1, 5)
        _killed(folder, phase, moment, _go_on(folder, setting))
        half += _half_files(folder)
    run = _finish(setting, folder, _go_on(folder, setting))
    return Found(phase, half, _same(reference, run))


def _go_on(folder: Path, setting: Setting) -> list[str]:
    saved = sorted(folder.glob("runs/*/*/checkpoints/last.ckpt"))
    return ["fit", f"--resume={saved[-1].parents[1]}", "--allow=tests"] if saved else setting.words


def _killed(folder: Path, phase: str, number: int, words: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = _run([sys.executable, "-c", _KILLER, phase, str(number), *words], folder)
    assert done.returncode == -9, f"{phase} {number}: not killed: {done.stderr}"


def _finish(setting: Setting, folder: Path, words: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    done = _run([sys.executable, "-m", "htzoo", *words], folder)
    assert done.returncode == 0, done.stderr
    return max(folder.glob("runs/*/*"), key=lambda run: run.stat().st_mtime)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _half_files(folder: Path) -> int:
    half = 0
    for path in folder.rglob("*.ckpt"):
        try:
            torch.load(path, weights_only=True)
        except Exception:
            half += 1
    return half


def _same(one: Path, other: Path) -> bool:
    for name in ("last", "best"):
        first, second = (torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for run in (one, other))
        states = zip(first["state_dict"].values(), second["state_dict"].values(), strict=True)
        moments = (checkpoint["optimizer_states"][0]["state"] for checkpoint in (first, second))
        pairs = [(a[key], b[key]) for a, b in zip(*(m.values() for m in moments), strict=True) for key in a]
        if not all(torch.equal(a, b) for a, b in [*states, *pairs]) or first["epoch"] != second["epoch"]:
            return False
    return _curve(one) == _curve(other) and not list(other.rglob("*.part"))


def _curve(run: Path) -> list[list[tuple[str, str]]]:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [sorted((k, v) for k, v in row.items() if v and not k.startswith("speed")) for row in rows]


def main() -> None:
    """Do as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from htzoo.data import make_moving_digits

    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        make_moving_digits(data / "moving_digits", clips=1)
        setting = Setting(data, Path(scratch))
        reference = whole_run(setting)
        phases = [list(PHASES)[number % len(PHASES)] for number in range(given.kills)]
        found = []
        for number, phase in enumerate(phases):
            found.append(kill_and_go_on(setting, reference, phase, number))
            print(f"{number + 1}/{given.kills} {asdict(found[-1])}", flush=True)
    kills = Counter(item.phase for item in found)
    rows = [
        {
            "phase": phase,
            "kills": kills[phase],
            "half_files": sum(item.half_files for item in found if item.phase == phase),
            "identical": sum(item.identical for item in found if item.phase == phase),
        }
        for phase in PHASES
        if kills[phase]
    ]
    for row in rows:
        print("| {phase} | {kills} | {half_files} | {identical} |".format(**row))
    if given.output is not None:
        given.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
