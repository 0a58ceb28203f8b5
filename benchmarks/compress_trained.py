"""Compress trained dense LSTMs into every format at three budgets, fine-tune them, and time them.

    htzoo fit --config digits_lstm --data.split clip         # writes runs/digits_lstm/TIME/checkpoints/best.ckpt
    htzoo fit --config fir_lstm --model.hidden_size 256
    python benchmarks/compress_trained.py digits_lstm CKPT   # every format and budget; finished rows are not repeated
    python benchmarks/compress_trained.py fir_lstm CKPT
    python benchmarks/compress_trained.py --time             # on an idle machine
    python benchmarks/compress_trained.py --page             # fills docs/compression.md

Each row is one ``htzoo compress CKPT --to FORMAT --budget Nx --hidden-to FORMAT --hidden-budget Nx --fine-tune
SOURCE``, split into two calls so that the model is tested before fine-tuning; FDHT is ``--joint`` with HT. Rows are
appended to results/compression.csv, models are saved in ``runs/compressed``. Fine-tuning uses the settings and epochs
of the dense training. Accuracies are on test clips; the epoch is chosen on validation clips.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from page_sections import fill
from result_rows import add_row, read_rows
from torch import nn
from tqdm import tqdm

from htzoo.compression.compress_model import milliseconds
from htzoo.configs import load_config
from htzoo.data.datasets.registry import find_dataset
from htzoo.files import replacing
from htzoo.formats.suggest import suggest
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.open_model import open_model
from htzoo.nn import LSTM
from htzoo.report.machine import describe_machine, machine_line

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "compression.csv"
TIMES = ROOT / "benchmarks" / "results" / "compression_times.json"
PAGE = ROOT / "docs" / "compression.md"
# What the tables call a format -> what --to calls it.
METHODS = {"HT": "ht", "TT": "tt", "TR": "tr", "BT": "bt", "KCP": "kcp", "CP": "cp", "Tucker": "tucker", "FDHT": "ht"}
BUDGETS = (15, 50, 150)  # times fewer parameters, of each weight
INPUTS, HIDDEN, GATES = 768, 256, 4  # of both sources
CLIPS, FRAMES, REPEATS = 64, 16, 15  # of the timing: a batch of either source
# The dataset of each source, and the options of its runs besides the configuration and the hidden size.
SOURCES: dict[str, tuple[str, dict[str, str]]] = {"digits_lstm": ("digits", {"split": "clip"}), "fir_lstm": ("fir", {})}


def main() -> int:
    """Run what the options ask for."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", choices=SOURCES, help="configuration that the checkpoint was trained with")
    parser.add_argument("checkpoint", nargs="?", help="RUN/checkpoints/best.ckpt, of a layer of 256")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--budgets", nargs="+", type=int, choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--time", action="store_true", help="time all layers")
    parser.add_argument("--page", action="store_true", help="fill docs/compression.md")
    given = parser.parse_args()
    if given.checkpoint is not None:
        compress_all(given.source, given.checkpoint, given.methods, given.budgets)
    elif given.time:
        time_all()
    elif given.page:
        fill_page()
    else:
        parser.error("give a source and its checkpoint, --time, or --page")
    return 0


def compress_all(source: str, checkpoint: str, methods: list[str], budgets: list[int]) -> None:
    """Add every row that is still missing."""
    done = {(row["source"], row["method"], int(row["budget"])) for row in read_rows(ROWS)}
    before = accuracy(checkpoint, source)
    todo = [(method, budget) for budget in budgets for method in methods if (source, method, budget) not in done]
    for method, budget in tqdm(todo, desc=source, unit="model"):
        row = {"source": source, "method": method, "budget": budget, "dense_accuracy": before}
        add_row(ROWS, row | compress(source, checkpoint, method, budget))


def compress(source: str, checkpoint: str, method: str, budget: int) -> dict[str, Any]:
    """The rest of a row: compress, test, fine-tune, test."""
    start = perf_counter()
    into = ["--to", METHODS[method], "--budget", f"{budget}x"]
    into += ["--joint"] if method == "FDHT" else ["--hidden-to", METHODS[method], "--hidden-budget", f"{budget}x"]
    command = [sys.executable, "-m", "htzoo", "compress"]
    folder = Path("runs", "compressed", f"{source}_{method}_{budget}".lower())
    untuned = folder.with_name(f"{folder.name}_untuned")
    result = subprocess.run([*command, checkpoint, *into, "--json", "-o", untuned], check=True, stdout=subprocess.PIPE)
    printed = json.loads(result.stdout)
    tuning = ["--fine-tune", source, f"--model.hidden_size={HIDDEN}"]
    tuning += [f"--data.{key}={value}" for key, value in SOURCES[source][1].items()]
    subprocess.run([*command, untuned, *into, "-o", folder, *tuning], check=True, stdout=subprocess.DEVNULL)
    before, after = printed["parameters"]["before"], printed["parameters"]["after"]
    return {
        "parameters": after,
        "fewer": round(before / after, 1),
        "input_error": round(printed["weights"][0]["error"], 4),
        "hidden_error": round(printed["weights"][-1]["error"], 4),
        "untuned_accuracy": accuracy(str(untuned), source),
        "tuned_accuracy": accuracy(str(folder), source),
        "seconds": round(perf_counter() - start),
    }


@torch.no_grad()
def accuracy(model: str, source: str) -> float:
    """Accuracy of a model on the test clips of the source's configuration."""
    classifier = open_model(model, ZooClassifier)
    name, given = SOURCES[source]
    data = find_dataset(name)(**load_config(source)["data"]["init_args"] | given)
    data.setup()
    right = [
        classifier(batch["video"], batch["length"]).argmax(1) == batch["label"] for batch in data.test_dataloader()
    ]
    return round(torch.cat(right).float().mean().item(), 4)


def time_all() -> None:
    """Time every layer in turns with the dense one. Untrained weights serve, as time does not depend on values."""
    torch.set_num_threads(1)
    machine = describe_machine(torch.device("cpu"))
    dense = nn.LSTM(INPUTS, HIDDEN, batch_first=True)
    times = []
    for method in METHODS:
        for budget in BUDGETS:
            small = LSTM(INPUTS, HIDDEN, batch_first=True, **formats(method, budget))
            found = {
                kind: milliseconds([dense, small], training=kind == "step", batch=CLIPS, frames=FRAMES, repeats=REPEATS)
                for kind in ("forward", "step")
            }
            times.append({"method": method, "budget": budget, **found})
    with replacing(TIMES) as unfinished:
        document = {"machine": machine, "times": times}
        unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def formats(method: str, budget: int) -> dict[str, Any]:
    """The formats that ``htzoo compress`` chooses."""
    kind = METHODS[method]
    sizes = {"joint_format": INPUTS + HIDDEN} if method == "FDHT" else {"input_format": INPUTS, "hidden_format": HIDDEN}
    return {
        key: suggest(kind, columns, HIDDEN, gates=GATES, budget=GATES * HIDDEN * columns // budget)
        for key, columns in sizes.items()
    }


def fill_page() -> None:
    """Fill the tables of the page."""
    document = json.loads(TIMES.read_text(encoding="utf-8"))
    speed = {(row["method"], row["budget"]): row for row in document["times"]}
    for source in SOURCES:
        rows = [row for row in read_rows(ROWS) if row["source"] == source]
        rows.sort(key=lambda row: (int(row["budget"]), list(METHODS).index(row["method"])))
        fill(PAGE, source, "\n".join(table(rows, speed)))
    fill(PAGE, "machine", f"Timed on {machine_line(document['machine'])}.")


def table(rows: list[dict[str, str]], speed: dict[tuple[str, int], dict[str, Any]]) -> Iterator[str]:
    """The lines of one source's table."""
    yield "| format | budget | whole layer | fewer | error W, U | dense | compressed | fine-tuned | forward | step |"
    yield "|---|---:|---:|---:|---|---:|---:|---:|---:|---:|"
    for row in rows:
        timed = speed[row["method"], int(row["budget"])]
        forward, step = (f"{timed[kind][0] / timed[kind][1]:.2f}x" for kind in ("forward", "step"))
        errors = f"{float(row['input_error']):.2f}, {float(row['hidden_error']):.2f}"
        shares = (f"{float(row[f'{kind}_accuracy']):.3f}" for kind in ("dense", "untuned", "tuned"))
        size = f"{int(row['parameters']):,} | {row['fewer']}x"
        yield f"| {row['method']} | {row['budget']}x | {size} | {errors} | {' | '.join(shares)} | {forward} | {step} |"


if __name__ == "__main__":
    sys.exit(main())
