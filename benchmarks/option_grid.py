r"""Try every combination of some options of a configuration, and rank them by validation loss.

    python benchmarks/option_grid.py moving_digits_lstm --model.optimizer.lr 1e-4,3e-4 --model.pixel_scale 0.1,1 \
        -- --trainer.max_epochs 8

Each combination is one ``htzoo fit``; options after ``--`` are passed to all. A combination that was run before with
the same options is read from its folder. The table goes to standard output, lowest validation loss first. Test clips
are not used.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
from pathlib import Path


def main(words: list[str]) -> int:
    """Run the grid that ``words`` describe."""
    if not words or words[0].startswith("-"):
        print(__doc__)
        return 2
    config, words = words[0], words[1:]
    end = words.index("--") if "--" in words else len(words)
    grid, common = words[:end], words[end + 1 :]
    names, values = grid[::2], [text.split(",") for text in grid[1::2]]
    rows = []
    for choice in itertools.product(*values):
        flags = [word for pair in zip(names, choice, strict=True) for word in pair]
        folder = Path("runs", "tune", config, "_".join([*flags, *common]).replace("/", "+").replace("--", ""))
        metrics = folder / config / "metrics.csv"
        if not (folder / "done").is_file():
            logger = ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", str(folder)]
            logger += ["--trainer.logger.name", config, "--trainer.logger.version", ""]
            command = [sys.executable, "-m", "htzoo", "fit", "--config", config, *flags, *common, *logger]
            subprocess.run(command, check=True, stdout=sys.stderr)
            (folder / "done").touch()
        with metrics.open() as file:
            epochs = [row for row in csv.DictReader(file) if row.get("val/loss")]
        best = min(epochs, key=lambda row: float(row["val/loss"]))
        rows.append((float(best["val/loss"]), float(best["val/accuracy"]), int(best["epoch"]) + 1, choice))
    print("| " + " | ".join([*(name.removeprefix("--") for name in names), "val loss", "val accuracy", "epoch"]) + " |")
    print("|" + "---|" * (len(names) + 3))
    for loss, accuracy, epoch, choice in sorted(rows):
        print("| " + " | ".join([*choice, f"{loss:.3f}", f"{accuracy:.3f}", str(epoch)]) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
