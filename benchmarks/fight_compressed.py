"""Train the dense baseline of fight_cnn_ht, compress it, fine-tune the result, and test both on every fold.

    htzoo data prepare fight
    python benchmarks/fight_compressed.py --root data --seeds 8   # finished rows are not repeated
    python benchmarks/fight_compressed.py --page                  # fills benchmarks/study/diary.md

A row is one fold and seed: the dense model (``htzoo fit --config fight_cnn_lstm``); its weights in the formats of
fight_cnn_ht (``htzoo.compress``); the compressed model after fine-tuning (``htzoo fit --config fight_cnn_ht
--model.init_from FOLDER``); and the dense model trained for the same additional epochs, so that both have equally many.
All trainings use the settings of their configuration, except the learning rate of the second ones, which was chosen on
validation clips (benchmarks/study/diary.md). Rows are appended to results/fight_compressed.csv.
"""

from __future__ import annotations

import statistics
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from page_sections import fill
from result_rows import add_row, read_rows
from tqdm import tqdm

from htzoo.cli.arguments import positive
from htzoo.cli.training import run
from htzoo.configs import load_config
from htzoo.data import SurveillanceFight
from htzoo.formats import format_from_dict
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.compress_classifier import compress_classifier
from htzoo.hub.open_model import open_model
from htzoo.models.backbone import Backbone

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "fight_compressed.csv"
PAGE = ROOT / "benchmarks" / "study" / "diary.md"
DENSE, SMALL = "fight_cnn_lstm", "fight_cnn_ht"
RATE = 0.006
DENSE_LAYER = "1,573,888"  # parameters
FOLDS = range(1, 6)
# Column of an accuracy -> what the page calls the model.
MODELS = {
    "dense": "dense LSTM",
    "compressed": "compressed, as it is",
    "tuned": "compressed, trained on",
    "dense_tuned": "dense LSTM, trained on",
}


def main() -> None:
    """Do what the words ask for."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of the prepared datasets")
    parser.add_argument("--seeds", type=positive, default=8)
    parser.add_argument("--page", action="store_true", help="fill benchmarks/study/diary.md")
    given = parser.parse_args()
    if given.page:
        fill(PAGE, "fight compressed", "\n".join(table(read_rows(ROWS))))
        return
    done = {(int(row["fold"]), int(row["seed"])) for row in read_rows(ROWS)}
    todo = [pair for pair in product(FOLDS, range(given.seeds)) if pair not in done]
    for fold, seed in tqdm(sorted(todo, key=lambda pair: pair[1]), unit="fold"):
        with TemporaryDirectory() as folder:
            add_row(ROWS, {"fold": fold, "seed": seed} | measure(fold, seed, given.root, Path(folder)))


def measure(fold: int, seed: int, root: str, folder: Path) -> dict[str, Any]:
    """The rest of a row.

    Args:
        fold: which is tested.
        seed: of all trainings.
        root: folder of all datasets.
        folder: an empty one for the runs and models.
    """
    start = process_time()
    common = [f"--data.root={root}", f"--data.fold={fold}", f"--seed_everything={seed}"]
    common += [f"--trainer.default_root_dir={folder}"]
    checkpoint, dense = fit(DENSE, common)
    parent = open_model(checkpoint, ZooClassifier)
    wanted = load_config(SMALL)["model"]["init_args"]
    formats = {key: format_from_dict(wanted[key]) for key in ("input_format", "hidden_format")}
    small, weights = compress_classifier(parent, formats)
    small.save_pretrained(folder / "small")
    parent.save_pretrained(folder / "dense")
    again = [*common, f"--model.optimizer.lr={RATE}"]
    row = {
        "parameters": sum(parameter.numel() for parameter in small.recurrent.parameters()),
        "input_error": round(weights[0].error or 0.0, 4),
        "hidden_error": round(weights[1].error or 0.0, 4),
        "dense": dense,
        "compressed": accuracy(small, root, fold),
        "tuned": fit(SMALL, [*again, f"--model.init_from={folder / 'small'}"])[1],
        "dense_tuned": fit(DENSE, [*again, f"--model.init_from={folder / 'dense'}"])[1],
    }
    return row | {"seconds": round(process_time() - start)}


def fit(config: str, words: list[str]) -> tuple[str, float]:
    """``htzoo fit``: the checkpoint of the last epoch, and its accuracy on the test clips."""
    trainer = run(["fit", "--config", config, *words]).trainer
    checkpoint = trainer.checkpoint_callback
    assert isinstance(checkpoint, ModelCheckpoint)
    return checkpoint.best_model_path, round(float(trainer.callback_metrics["test/accuracy"]), 4)


@torch.no_grad()
def accuracy(model: ZooClassifier, root: str, fold: int) -> float:
    """Share of a fold's test clips that a model names right, from the features that the trainings kept."""
    given = load_config(DENSE)["data"]["init_args"] | {"root": root, "fold": fold}
    data = SurveillanceFight(**given)
    data.setup("test")
    cnn = model.backbone
    assert isinstance(cnn, Backbone)
    _, _, missing = data.use_features(f"{cnn.digest()} 32-true", cnn.num_features)
    assert not missing, "the trainings before keep the features of all clips"
    right = [
        model.classify_features(batch["features"], batch["length"]).argmax(1) == batch["label"]
        for batch in data.test_dataloader()
    ]
    return round(torch.cat(right).float().mean().item(), 4)


def table(rows: list[dict[str, str]]) -> Iterator[str]:
    """The lines of the page's table, and one on time."""
    found = {(int(row["fold"]), int(row["seed"])): row for row in rows}
    seeds = sorted({seed for _, seed in found})
    yield "| model | whole layer | accuracy | over seeds | folds | minus dense LSTM: over seeds | over folds |"
    yield "|---|---|---|---|---|---|---|"
    small = f"{int(rows[0]['parameters']):,}"
    for column, name in MODELS.items():
        value = {key: float(row[column]) for key, row in found.items()}
        gap = {key: value[key] - float(row["dense"]) for key, row in found.items()}
        of_seed = [statistics.mean(value[fold, seed] for fold in FOLDS) for seed in seeds]
        of_fold = [statistics.mean(value[fold, seed] for seed in seeds) for fold in FOLDS]
        by_seed = [statistics.mean(gap[fold, seed] for fold in FOLDS) for seed in seeds]
        by_fold = [statistics.mean(gap[fold, seed] for seed in seeds) for fold in FOLDS]
        gaps = " | " if column == "dense" else f"{mean_and_error(by_seed)} | {mean_and_error(by_fold)}"
        yield (
            f"| {name} | {DENSE_LAYER if column.startswith('dense') else small} | {statistics.mean(of_seed):.4f} "
            f"| ± {statistics.stdev(of_seed):.4f} of {len(seeds)} | {' '.join(f'{x:.3f}' for x in of_fold)} | {gaps} |"
        )
    minutes = sum(int(row["seconds"]) for row in rows) / 60
    yield f"\nAll of it took {minutes:.0f} minutes of processor time, on one core of an AMD EPYC (AVX2)."


def mean_and_error(values: list[float]) -> str:
    """A mean and its standard error."""
    return f"{statistics.mean(values):+.4f} ± {statistics.stdev(values) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
