"""The modules inside a real trainer, on one process and two."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from tests.data.helpers import FewDigits


class Recorder(LightningModule):
    """Notes which clips each step saw, and a checksum of their pixels, in a file a process."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.folder = folder

    def _note(self, kind: str, batch: dict[str, Any]) -> None:
        with (self.folder / f"{self.global_rank}.txt").open("a") as file:
            sums = batch["video"].long().sum((1, 2, 3)) @ torch.arange(batch["video"].shape[-1])
            pairs = [f"{index}:{total}" for index, total in zip(batch["index"].tolist(), sums.tolist(), strict=True)]
            file.write(f"{kind} {self.current_epoch} {' '.join(pairs)}\n")

    def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
        self._note("train", batch)
        return self.weight.sum()

    def validation_step(self, batch: dict[str, Any], number: int) -> None:
        self._note("val", batch)

    def test_step(self, batch: dict[str, Any], number: int) -> None:
        self._note("test", batch)

    def predict_step(self, batch: dict[str, Any], number: int) -> None:
        self._note("predict", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def _run(root: Path, folder: Path, devices: int) -> dict[str, list[list[str]]]:
    """Fit two epochs, test and predict; the clips of each global step, by kind."""
    folder.mkdir()
    strategy = "auto" if devices == 1 else "ddp_fork"
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    for kind in ("fit", "test", "predict"):
        trainer = Trainer(accelerator="cpu", devices=devices, strategy=strategy, max_epochs=2, **quiet)
        module = FewDigits(root=str(root), size=(10, 14), num_workers=0)
        options = {"return_predictions": False} if kind == "predict" else {}
        getattr(trainer, kind)(Recorder(folder), datamodule=module, **options)
    steps: dict[str, list[list[str]]] = {}
    shares = [(folder / f"{rank}.txt").read_text().splitlines() for rank in range(devices)]
    for kind in ("train", "val", "test", "predict"):
        by_rank = [[line.split()[1:] for line in share if line.startswith(f"{kind} ")] for share in shares]
        if kind == "train":
            steps[kind] = [sorted(pair for part in step for pair in part[1:]) for step in zip(*by_rank, strict=True)]
        else:
            steps[kind] = [sorted(pair for share in by_rank for line in share for pair in line[1:])]
    return steps


@pytest.mark.filterwarnings("ignore")
def test_two_processes_see_what_one_sees(few_root: Path, tmp_path: Path) -> None:
    alone = _run(few_root, tmp_path / "one", 1)
    together = _run(few_root, tmp_path / "two", 2)
    assert together == alone  # the same clips in each optimiser step, shifted alike; and each test clip once
    assert len(alone["train"]) == 2 * (187 // 32)
    assert len(alone["val"][0]) == 2 * 33 and len(alone["test"][0]) == len(alone["predict"][0]) == 55
    first, second = alone["train"][:5], alone["train"][5:]
    assert first != second
