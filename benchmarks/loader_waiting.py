"""How long training waits for its clips: `htzoo fit` on generated clips in the layout of UCF11, with a frame cache.

    python benchmarks/loader_waiting.py [--config ucf11_ht] [--clips 400] [--epochs 3] [--root FOLDER]

Clips of moving digits, 160 x 120 with 24 frames, are generated under the file names of UCF11 in ROOT, by default a
temporary folder; a second call with the same ROOT uses them again. `htzoo fit` then runs twice: the first run decodes
and fills the cache in its first epoch, the second finds it full. For each epoch the table has the time that a step
waits for its batch (reading, collating, moving to the device), the time of the step itself, both in milliseconds, and
their ratio.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import torch

from htzoo.configs import load_config
from htzoo.data import UCF11
from htzoo.data.datasets.moving_digits.generate import make_moving_digits
from htzoo.data.index import INDEX, Entry, read_index, write_index
from htzoo.report.machine import describe_machine, machine_line


def make_set(root: Path, count: int) -> None:
    """A prepared UCF11 whose clips are moving digits."""
    folder = root / UCF11.dataset_name
    if (folder / INDEX).is_file():
        return
    made = root / "moving_digits"
    groups = 25
    make_moving_digits(made, groups=groups, clips=-(-count // (groups * len(UCF11.classes))))
    entries = []
    for entry in read_index(made)[:count]:
        number = len(entries)
        label, group = UCF11.classes[number % len(UCF11.classes)], f"{number // len(UCF11.classes) % groups + 1:02d}"
        path = f"clips/{label}/v_{label}_{group}_{number:04d}.mp4"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (made / entry.path).rename(folder / path)
        digest = sha256((folder / path).read_bytes()).hexdigest()
        entries.append(Entry(path, label, group, entry.frames, entry.fps, entry.height, entry.width, path, digest))
    write_index(folder, entries)


def fit(config: str, root: Path, epochs: int, run: str) -> list[tuple[float, float]]:
    """Milliseconds of waiting and of the step, a step, for each epoch."""
    words = ["fit", "--config", config, "--data.init_args.root", str(root), "--trainer.max_epochs", str(epochs)]
    words += ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", str(root / "runs")]
    words += ["--trainer.logger.name", run, "--trainer.logger.version", ""]
    subprocess.run([sys.executable, "-m", "htzoo", *words], check=True, stdout=sys.stderr)
    settings = load_config(config)["data"]["init_args"]
    frames = settings["batch_size"] * settings["frames"]
    with (root / "runs" / run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("speed/step")]
    return [tuple(1000 * frames / float(row[f"speed/{part}"]) for part in ("loader", "step")) for row in rows]  # type: ignore[misc]


def main(words: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="ucf11_ht")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--root", type=Path)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        root = given.root or Path(temporary)
        make_set(root, given.clips)
        shutil.rmtree(root / "cache", ignore_errors=True)
        print(f"{given.config}: {machine_line(describe_machine(torch.device('cpu')))}")
        print("| run | epoch | waiting, ms a step | step, ms | share |\n|---|---|---|---|---|")
        for run in ("fills the cache", "finds it full"):
            for epoch, (waiting, step) in enumerate(fit(given.config, root, given.epochs, run.split()[0])):
                print(f"| {run} | {epoch} | {waiting:.1f} | {step:.1f} | {100 * waiting / step:.1f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
