"""Tune every layer on a dataset with the same trials, then train and test it on every fold with several seeds.

    python benchmarks/study/run.py fir --data FOLDER
    python benchmarks/study/run.py fight --data FOLDER --rivals HT LSTM --split group

Each fold is tuned separately: each trial is validated on groups held out of the training data; the best one is trained
again on all training data, once per seed, and tested once. Trials and tests are appended to trials.csv and measured.csv
beside this file; what is in there is not run again.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import digits
import fight
import fir
import mnist
import torch
from rivals import Rival, rivals, unfactored
from torch import Tensor
from train import Classifier, Sequences, Settings, accuracy, fit

Train = Callable[[Sequences], tuple[Classifier, float]]
HERE = Path(__file__).parent
TRIALS, MEASURED = HERE / "trials.csv", HERE / "measured.csv"


# What is tried for every rival alike.
TRIED = (
    {"learning_rate": 0.00737, "dropout": 0.25, "weight_decay": 0.1},
    {"learning_rate": 0.02, "dropout": 0.0, "weight_decay": 0.01},
    {"learning_rate": 0.0543, "dropout": 0.25, "weight_decay": 0.01},
)


@dataclass(frozen=True)
class Study:
    """What is compared on a dataset.

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
        validation: every this many-th group of a training part; 0 takes the folds beside the tested one.
        beside: how many folds on either side of it.
        trials: the settings that are tried.
        repeats: seeds of every trial.
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
    beside: int = 1
    trials: tuple[dict[str, float], ...] = TRIED
    repeats: int = 1

    def name(self, rival: Rival) -> str:
        """What a rival is called in the tables."""
        return f"{self.prefix}_{rival.name.lower()}"


FIGHT = Study(
    "SurveillanceFight",
    "fight_cnn",
    2,
    fight.load,
    {"group": partial(fight.folds, "group"), "clip": partial(fight.folds, "clip")},
    [*rivals((4, 8, 4, 10), (4, 4, 4, 4), (4, 8, 6, 8), 6000, 4000), *unfactored(1280, (4, 4, 4, 4), 4, 4000, 5)],
    256,
    Settings(epochs=12, weight_decay=0.1, dropout=0.3),
    pooling="mean",
    validation=0,
    trials=tuple({"learning_rate": rate} for rate in (3e-4, 1e-3, 4e-3, 1.2e-2)),
)

RATES = tuple({"learning_rate": rate} for rate in (3e-4, 1e-3, 4e-3, 1.2e-2, 2.5e-2))
RATES_AND_DROPOUTS = tuple({**rate, "dropout": dropout} for rate, dropout in product(RATES, (0.0, 0.3, 0.6)))
STUDIES = {
    "fight": FIGHT,
    # The dense LSTM beside the nearest of the others, on all that can be held out: four folds and two seeds a trial.
    # Those that end in -15 have as many trials as three formats among which validation chooses.
    "fight_close": dataclasses.replace(
        FIGHT,
        prefix="fight_close",
        folds={"group": FIGHT.folds["group"]},
        rivals=[
            *(rival for rival in FIGHT.rivals if rival.name in ("LSTM", "TT2", "FDTT2", "HT2", "FDHT2")),
            *(
                dataclasses.replace(rival, name=f"{rival.name}-15", trials=RATES_AND_DROPOUTS)
                for rival in FIGHT.rivals
                if rival.name in ("LSTM", "TT2")
            ),
        ],
        beside=2,
        trials=RATES,
        repeats=2,
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
        validation=0,
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


def validate(study: Study, data: Sequences, folds: list[Tensor], train: Train) -> list[tuple[float, float]]:
    """Accuracy on validation sequences, and the seconds of training, of one trial for every fold.

    Where ``study.validation`` is 0 these are the folds beside it: the training without folds k and k + 1 serves both.
    Otherwise they are a share of the groups of the training part.
    """
    if study.validation:
        scores = []
        for test in folds:
            validation = validation_mask(data, test, study.validation)
            model, seconds = train(data.take(~test & ~validation))
            scores.append((accuracy(model, data.take(validation)), seconds))
        return scores
    found: list[list[tuple[float, float]]] = [[] for _ in folds]
    for one, distance in product(range(len(folds)), range(1, study.beside + 1)):
        other = (one + distance) % len(folds)
        model, seconds = train(data.take(~folds[one] & ~folds[other]))
        for test, validation in ((one, other), (other, one)):
            found[test].append((accuracy(model, data.take(folds[validation])), seconds / 2))
    return [(statistics.mean(score for score, _ in pairs), sum(seconds for _, seconds in pairs)) for pairs in found]


def validation_mask(data: Sequences, test: Tensor, every: int) -> Tensor:
    """Every ``every``-th group of what is not for testing; every such sequence where there is one group only."""
    groups = data.groups[~test].unique()
    if len(groups) == 1:
        return ~test & (torch.arange(len(test)) % every == 0)
    return ~test & torch.isin(data.groups, groups[::every])


def train_rival(study: Study, rival: Rival, settings: Settings, seed: int, data: Sequences) -> tuple[Classifier, float]:
    """A fresh model, trained, and the seconds that took."""
    torch.manual_seed(seed)
    model = Classifier(
        data.features.shape[2],
        study.classes,
        study.hidden_size,
        rival.cell,
        study.pooling,  # type: ignore[arg-type]
        settings.dropout,
        **rival.formats,
    )
    return model, fit(model, data, settings, seed)


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
    parser.add_argument("--data", type=Path, required=True, help="folder of the dataset")
    parser.add_argument("--rivals", nargs="+", help="only these")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--seeds", type=int, default=3, help="trainings that are tested, of each fold (default 3)")
    arguments = parser.parse_args()
    study = STUDIES[arguments.study]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    data = study.load(arguments.data)
    for rival in study.rivals:
        for split, make_folds in study.folds.items():
            if rival.name in (arguments.rivals or rival.name) and split == (arguments.split or split):
                folds = make_folds(data, arguments.data)
                chosen = tune(study, rival, split, data, folds)
                test_all(study, rival, split, data, folds, chosen, arguments)


def tune(study: Study, rival: Rival, split: str, data: Sequences, folds: list[Tensor]) -> list[Settings]:
    """The best settings of a rival for every fold, by its trials."""
    table = Table(
        TRIALS,
        ("name", "split", "fold", "trial"),
        ("name", "split", "fold", "trial", "settings", "accuracy", "seconds"),
    )
    name = study.name(rival)
    best = [(-1.0, study.settings)] * len(folds)
    for trial, values in enumerate(rival.trials or study.trials):
        settings = dataclasses.replace(study.settings, **values)  # type: ignore[arg-type]
        if any(table.get(name, split, fold, trial) is None for fold in range(1, len(folds) + 1)):
            seeds = range(100 + trial, 100 + trial + 100 * study.repeats, 100)
            runs = [validate(study, data, folds, partial(train_rival, study, rival, settings, seed)) for seed in seeds]
            for fold, of_fold in enumerate(zip(*runs, strict=True), start=1):
                score, seconds = statistics.mean(run[0] for run in of_fold), sum(run[1] for run in of_fold)
                table.add(
                    name=name,
                    split=split,
                    fold=fold,
                    trial=trial,
                    settings=" ".join(f"{key}={value}" for key, value in values.items()),
                    accuracy=f"{score:.4f}",
                    seconds=f"{seconds:.1f}",
                )
        for fold in range(len(folds)):
            score = float(table.rows[(name, split, str(fold + 1), str(trial))]["accuracy"])
            best[fold] = max(best[fold], (score, settings), key=lambda pair: pair[0])
    return [settings for _, settings in best]


def test_all(
    study: Study,
    rival: Rival,
    split: str,
    data: Sequences,
    folds: list[Tensor],
    chosen: list[Settings],
    arguments: argparse.Namespace,
) -> None:
    """Train a layer on all training data of every fold with its chosen settings, once per seed, and test it."""
    columns = "name,dataset,split,fold,seed,test_accuracy,parameters_recurrent,parameters_total,train_seconds,command"
    table = Table(MEASURED, ("name", "split", "fold", "seed"), (*columns.split(","), "machine", "date"))
    name = study.name(rival)
    for seed, (fold, test) in product(range(arguments.seeds), enumerate(folds, start=1)):
        if table.get(name, split, fold, seed) is not None:
            continue
        model, seconds = train_rival(study, rival, chosen[fold - 1], seed, data.take(~test))
        row = table.add(
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
