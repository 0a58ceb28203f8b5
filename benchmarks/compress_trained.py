"""Compress trained dense LSTMs into every format at three budgets, fine-tune them, and time them.

    htzoo fit --config digits_lstm --model.hidden_size 256          # and fir_lstm: runs/NAME/TIME/checkpoints/best.ckpt
    python benchmarks/compress_trained.py digits_lstm CKPT          # every format and budget; what was done is kept
    python benchmarks/compress_trained.py fir_lstm CKPT
    python benchmarks/compress_trained.py --time                    # on a quiet machine
    python benchmarks/compress_trained.py --page                    # fill docs/compression.md

Every row is one ``htzoo compress CKPT --to FORMAT --budget Nx --hidden-to FORMAT --hidden-budget Nx --fine-tune
CONFIG``, and goes to results/compression.csv when it is there; models are kept in ``runs/compressed``. FDHT is
``--joint`` with HT. Accuracies are on test clips, which no choice was made by: fine-tuning keeps its best epoch by
validation clips.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from htzoo.cli.compress import FORMATS
from htzoo.configs import load_config
from htzoo.files import replacing
from htzoo.formats import Format
from htzoo.formats.suggest import suggest
from htzoo.hub.opening import open_classifier
from htzoo.hub.pretrained import from_pretrained
from htzoo.nn import LSTM
from htzoo.report.machine import describe_machine, machine_line

ROOT = Path(__file__).parents[1]
ROWS, TIMES, PAGE = (
    ROOT / "benchmarks" / "results" / "compression.csv",
    ROOT / "benchmarks" / "results" / "compression_times.json",
    ROOT / "docs" / "compression.md",
)
METHODS = {**{name.upper(): name for name in FORMATS}, "FDHT": "ht"}  # how the table calls it -> --to
BUDGETS = (30, 100, 300)  # times fewer parameters, of each weight
INPUTS, HIDDEN, GATES = 768, 256, 4  # of both sources
CLIPS, FRAMES, REPEATS = 64, 16, 9  # of the timing: a batch of FIRAction
# Epochs and learning rate of the fine-tuning, the rate by the validation loss of HT at 100x (docs/compression.md).
FINE_TUNE = {"digits_lstm": ("8", "0.005"), "fir_lstm": ("8", "0.005")}
COLUMNS = (
    "source", "method", "budget", "parameters", "ratio", "input_error", "hidden_error", "dense_accuracy",
    "compressed_accuracy", "tuned_accuracy", "seconds",
)  # fmt: skip


def main() -> int:
    """Do what the words ask for."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", choices=FINE_TUNE, help="the configuration of the checkpoint")
    parser.add_argument("checkpoint", nargs="?", help="RUN/checkpoints/best.ckpt of a layer of 256")
    parser.add_argument("--time", action="store_true", help="time all layers")
    parser.add_argument("--page", action="store_true", help="fill docs/compression.md")
    given = parser.parse_args()
    if given.checkpoint is not None:
        _compress_all(given.source, given.checkpoint)
    elif given.time:
        _time_all()
    elif given.page:
        _fill_page()
    else:
        parser.error("give a source and its checkpoint, --time, or --page")
    return 0


def _compress_all(source: str, checkpoint: str) -> None:
    """Every row that is not there yet."""
    done = {(row["source"], row["method"], int(row["budget"])) for row in _read_rows()}
    before = _accuracy(checkpoint, source)
    todo = [(method, budget) for budget in BUDGETS for method in METHODS if (source, method, budget) not in done]
    for method, budget in tqdm(todo, desc=source, unit="model"):
        _add_row({"source": source, "method": method, "budget": budget, "dense_accuracy": before}
                 | _compress(source, checkpoint, method, budget))  # fmt: skip


def _compress(source: str, checkpoint: str, method: str, budget: int) -> dict[str, Any]:
    """One row: compress, test, fine-tune, test."""
    folder = Path("runs", "compressed", f"{source}_{method}_{budget}".lower())
    epochs, rate = FINE_TUNE[source]
    start = perf_counter()
    words = [sys.executable, "-m", "htzoo", "compress", checkpoint, "--to", METHODS[method], "--budget", f"{budget}x"]
    words += ["--joint"] if method == "FDHT" else ["--hidden-to", METHODS[method], "--hidden-budget", f"{budget}x"]
    plain = folder.with_name(f"{folder.name}_before")
    result = subprocess.run([*words, "-o", plain, "--json"], check=True, stdout=subprocess.PIPE)
    found = json.loads(result.stdout)
    errors = [weight["error"] for weight in found["weights"]]
    tune = ["--fine-tune", source, "--trainer.max_epochs", epochs, "--model.optimizer.lr", rate]
    tune += ["--model.hidden_size", str(HIDDEN), "--trainer.enable_progress_bar", "false"]
    subprocess.run([*words, "-o", folder, "--json", *tune], check=True, stdout=subprocess.DEVNULL)
    return {
        "parameters": found["parameters"]["after"],
        "ratio": round(found["parameters"]["before"] / found["parameters"]["after"], 1),
        "input_error": round(errors[0], 4),
        "hidden_error": round(errors[-1], 4),
        "compressed_accuracy": _accuracy(str(plain), source),
        "tuned_accuracy": _accuracy(str(folder), source),
        "seconds": round(perf_counter() - start, 1),
    }
