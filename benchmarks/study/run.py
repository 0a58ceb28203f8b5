"""Tune every rival on a data set with the same trials, then train and test it on every fold with several seeds.

    python benchmarks/study/run.py fir --data FOLDER
    python benchmarks/study/run.py fight --data FOLDER --rivals HT LSTM --seeds 5

Every fold is tuned for itself: each trial trains without a share of the groups of the training part, and the trial
with the best accuracy on those is trained again on the whole training part, once a seed, and tested once. Trials and
tests go to trials.csv and measured.csv, beside this file, as they end; what stands there is not run again.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import digits
import fight
import fir
import mnist
import torch
from rivals import Rival, rivals
from torch import Tensor
from train import Classifier, Sequences, Settings, accuracy, fit

HERE = Path(__file__).parent
TRIALS, MEASURED = HERE / "trials.csv", HERE / "measured.csv"


# What is tried for every rival alike.
TRIED = (
    {"learning_rate": 0.001, "dropout": 0.5, "weight_decay": 0.01},
    {"learning_rate": 0.00271, "dropout": 0.0, "weight_decay": 0.1},
    {"learning_rate": 0.00737, "dropout": 0.25, "weight_decay": 0.1},
    {"learning_rate": 0.02, "dropout": 0.0, "weight_decay": 0.01},
)


@dataclass(frozen=True)
class Study:
    """What is compared on a data set.

    Args:
        dataset: its name in the tables.
        prefix: what the names of its models begin with.
        classes: how many.
        load: reads the sequences from a folder.
        folds: which sequences each fold tests, by the name of the split.
        rivals: the contestants.
        hidden_size: of all of them.
        settings: what no trial changes.
        pooling: whether the last hidden state or the mean is classified.
        validation: every this many-th group of a training part is for validation.
        trials: the settings that are tried.
    """

    dataset: str
    prefix: str
    classes: int
    load: Callable[[Path], Sequences]
    folds: dict[str, Callable[[Sequences, Path], list[Tensor]]]
    rivals: list[Rival]
    hidden_size: int
    settings: Settings
    pooling: str = "last"
    validation: int = 4
    trials: tuple[dict[str, float], ...] = TRIED


STUDIES = {
    "fight": Study(
        "SurveillanceFight",
        "fight_cnn",
        2,
        fight.load,
        {"group": partial(fight.folds, "group"), "clip": partial(fight.folds, "clip")},
        rivals((4, 8, 4, 10), (4, 4, 4, 4), (4, 8, 6, 8), 6000, 4000),
        256,
        Settings(epochs=12, weight_decay=0.1, dropout=0.3),
        pooling="mean",
        trials=tuple({"learning_rate": rate} for rate in (3e-4, 1e-3, 3e-3, 6e-3, 1.2e-2)),
    ),
    "fir": Study(
        "FIRAction",
        "fir",
        7,
        fir.load,
        {"group": fir.folds},
        rivals((4, 4, 4, 4), (4, 4, 2, 2), (4, 4, 4, 5), 800),
        64,
        Settings(epochs=16, batch_size=64),
        validation=3,
    ),
    "digits": Study(
        "FSDD",
        "digits",
        10,
        digits.load,
        {"group": digits.folds},
        rivals((4, 4, 4, 4), (4, 4, 2, 2), (4, 4, 4, 5), 800),
        64,
        Settings(epochs=8, batch_size=64),
        validation=5,
    ),
    "mnist": Study(
        "MNIST",
        "mnist",
        10,
        mnist.load,
        {"official": mnist.folds},
        rivals((2, 2, 7), (5, 5, 4), (4, 4, 8), 1000, 1000),
        100,
        Settings(epochs=5, batch_size=100),
        validation=5,
    ),
}


def validation_mask(data: Sequences, test: Tensor, every: int) -> Tensor:
    """Every ``every``-th group of what is not for testing; every such sequence where there is one group only."""
    groups = data.groups[~test].unique()
    if len(groups) == 1:
        return ~test & (torch.arange(len(test)) % every == 0)
    return ~test & torch.isin(data.groups, groups[::every])


def build(study: Study, rival: Rival, features: int, settings: Settings, seed: int) -> Classifier:
    """A fresh model."""
    torch.manual_seed(seed)
    return Classifier(
        features,
        study.classes,
        study.hidden_size,
        rival.cell,
        study.pooling,  # type: ignore[arg-type]
        settings.dropout,
        settings.input_dropout,
        **rival.formats,
    )


class Table:
    """A CSV file that rows are added to, each known by some of its columns."""

    def __init__(self, path: Path, key: tuple[str, ...], columns: tuple[str, ...]) -> None:
        self.path, self.key, self.columns = path, key, columns
        self.rows: dict[tuple[str, ...], dict[str, str]] = {}
        if path.is_file():
            with path.open(newline="") as file:
                self.rows = {tuple(row[name] for name in key): row for row in csv.DictReader(file)}

    def get(self, *key: object) -> dict[str, str] | None:
        """The row of a key, or None."""
        return self.rows.get(tuple(map(str, key)))

    def add(self, **values: object) -> dict[str, str]:
        """Append a row."""
        row = {name: str(values[name]) for name in self.columns}
        new = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.rows[tuple(row[name] for name in self.key)] = row
        return row


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--rivals", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", help="only this split")
    arguments = parser.parse_args()
    study = STUDIES[arguments.study]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    data = study.load(arguments.data)
    tried = Table(
        TRIALS,
        ("name", "split", "fold", "trial"),
        ("name", "split", "fold", "trial", "settings", "accuracy", "seconds"),
    )
    columns = "name,dataset,split,fold,seed,test_accuracy,parameters_recurrent,parameters_total,train_seconds,command"
    measured = Table(MEASURED, ("name", "split", "fold", "seed"), (*columns.split(","), "machine", "date"))
    for rival in study.rivals:
        if arguments.rivals and rival.name not in arguments.rivals:
            continue
        name = f"{study.prefix}_{'ht_fd' if rival.name == 'FDHT' else rival.name.lower()}"
        for split, make_folds in study.folds.items():
            if arguments.split in (None, split):
                _run(study, rival, name, split, make_folds(data, arguments.data), data, tried, measured, arguments)


def _run(
    study: Study,
    rival: Rival,
    name: str,
    split: str,
    folds: list[Tensor],
    data: Sequences,
    tried: Table,
    measured: Table,
    arguments: argparse.Namespace,
) -> None:
    features = data.features.shape[2]
    for fold, test in enumerate(folds, start=1):
        validation = validation_mask(data, test, study.validation)
        best, best_accuracy = study.settings, -1.0
        for trial, values in enumerate(study.trials):
            settings = dataclasses.replace(study.settings, **values)  # type: ignore[arg-type]
            row = tried.get(name, split, fold, trial)
            if row is None:
                model = build(study, rival, features, settings, seed=100 + trial)
                seconds = fit(model, data.take(~test & ~validation), settings, 100 + trial)
                row = tried.add(
                    name=name,
                    split=split,
                    fold=fold,
                    trial=trial,
                    settings=" ".join(f"{key}={value}" for key, value in values.items()),
                    accuracy=f"{accuracy(model, data.take(validation)):.4f}",
                    seconds=f"{seconds:.1f}",
                )
            if float(row["accuracy"]) > best_accuracy:
                best, best_accuracy = settings, float(row["accuracy"])
        for seed in range(arguments.seeds):
            if measured.get(name, split, fold, seed) is not None:
                continue
            model = build(study, rival, features, best, seed)
            seconds = fit(model, data.take(~test), best, seed)
            row = measured.add(
                name=name,
                dataset=study.dataset,
                split=split,
                fold=fold,
                seed=seed,
                test_accuracy=f"{accuracy(model, data.take(test)):.4f}",
                parameters_recurrent=model.count("recurrent"),
                parameters_total=model.count(),
                train_seconds=f"{seconds:.1f}",
                command=f"python benchmarks/study/run.py {arguments.study} --rivals {rival.name}",
                machine=f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
                date=datetime.date.today().isoformat(),
            )
            print(name, split, fold, seed, row["test_accuracy"], row["train_seconds"], flush=True)


if __name__ == "__main__":
    main()
