"""An epoch over frozen CNN features, with the feature cache and without, and whether both give the same model.

    python benchmarks/feature_cache.py [--batches 3] [--root data]

One process, the same batches in the same order: first without the cache, then with it when it is full. Decoded frames
are cached in both, so that what is compared is the CNN.
"""

from __future__ import annotations

import argparse
import json
import platform
import warnings
from time import perf_counter

import lightning.pytorch as pl
import torch

from htzoo.configs import load_config
from htzoo.data import MovingDigits
from htzoo.hub.registry import read_zoo_config
from htzoo.tasks import VideoClassification

warnings.filterwarnings("ignore")


class EpochTimes(pl.Callback):
    """Seconds of every training epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.start = perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop it."""
        self.seconds.append(perf_counter() - self.start)


def train(
    config: str, batches: int, epochs: int, root: str, cache: bool
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Seconds of the epochs, and the trained weights."""
    pl.seed_everything(0, verbose=False)
    settings = load_config(config)["data"]["init_args"]
    model, weights = read_zoo_config(config)
    data = MovingDigits(root=root, num_workers=0, **settings)
    task = VideoClassification(
        lambda parameters: torch.optim.AdamW(parameters, lr=0.002),
        schedule="constant",
        feature_cache=cache,
        **model.arguments,
        backbone_weights=weights,
    )
    times = EpochTimes()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        limit_train_batches=batches,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[times],
    )
    trainer.fit(task, data)
    return times.seconds, task.state_dict()


def main() -> None:
    """Print both times and their ratio as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="moving_digits_cnn_ht")
    parser.add_argument("--batches", type=int, default=3, help="batches an epoch")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--root", default="data")
    asked = parser.parse_args()
    plain, without = train(asked.config, asked.batches, asked.epochs, asked.root, cache=False)
    kept, with_cache = train(asked.config, asked.batches, asked.epochs, asked.root, cache=True)
    same = all(torch.equal(value, with_cache[key]) for key, value in without.items())
    report = {
        "config": asked.config,
        "batches": asked.batches,
        "seconds_without": round(min(plain), 3),
        "seconds_with": round(min(kept), 4),
        "ratio": round(min(plain) / min(kept), 1),
        "weights_identical": same,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
