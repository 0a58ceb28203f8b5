"""A run that was stopped goes on as if it had not been, bit for bit."""

import csv
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from htzoo.report.metrics_logger import MetricsLogger
from htzoo.report.run_folder import RunReport
from htzoo.tasks import (
    AtomicCheckpointIO,
    BestAndLast,
    MultiLabelClassification,
    Stopped,
    StopSignals,
    Throughput,
    VideoClassification,
)
from tests.data.helpers import FewDigits
from tests.tasks.test_multi_label import SeveralLabels

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Total length of:UserWarning"),
]
FORMAT = {"name": "TensorTrain", "in_modes": [4, 9, 16], "out_modes": [2, 2, 2], "rank": 2}


class Interrupt(pl.Callback):
    """Sends a signal in one batch, and notes which clips every epoch trains on."""

    def __init__(self, at: tuple[int, int] | None) -> None:
        self.at = at
        self.seen: dict[int, list[int]] = {}

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.setdefault(trainer.current_epoch, []).extend(batch["index"].tolist())
        if (trainer.current_epoch, batch_idx) == self.at:
            signal.raise_signal(signal.SIGTERM)


def train(
    root: Path,
    folder: Path,
    at: tuple[int, int] | None = None,
    ckpt_path: Path | None = None,
    batch_size: int = 32,
    kind: type[VideoClassification] = VideoClassification,
    trainer_options: dict[str, Any] | None = None,
    workers: int = 0,
    schedule: Any = "one_cycle",
) -> tuple[pl.Trainer, Interrupt]:
    pl.seed_everything(3)
    module = SeveralLabels if kind is MultiLabelClassification else FewDigits
    data = module(root=str(root), size=(12, 16), num_workers=workers, batch_size=batch_size, flip=True)
    task = kind(
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        classes=list(data.classes),
        frame_size=data.frame_size,
        hidden_size=8,
        input_format=FORMAT,
        dropout=0.3,
        input_dropout=0.2,
        schedule=schedule,
    )
    signals = StopSignals()
    signals.install()
    interrupt = Interrupt(at)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=MetricsLogger(folder.parent, folder.name, resumed=ckpt_path is not None),
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[AtomicCheckpointIO()],
        callbacks=[Throughput(), RunReport("few", "htzoo fit", 3), interrupt, BestAndLast("val/loss", signals)],
        **{"max_epochs": 3, **(trainer_options or {})},
    )
    try:
        if at is None:
            trainer.fit(task, data, ckpt_path=ckpt_path)
        else:
            with pytest.raises(Stopped, match=f"SIGTERM at epoch {at[0] + 1}"):
                trainer.fit(task, data, ckpt_path=ckpt_path)
    finally:
        signals.restore()
    return trainer, interrupt


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        found = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if not key.startswith("speed")} for row in found]


def assert_same(one: Path, other: Path, checkpoints: Sequence[str] = ("last", "best")) -> None:
    for name in checkpoints:
        first, second = (
            torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True) for folder in (one, other)
        )
        assert first["global_step"] == second["global_step"] and first["epoch"] == second["epoch"]
        torch.testing.assert_close(first["state_dict"], second["state_dict"], rtol=0, atol=0)
        torch.testing.assert_close(first["optimizer_states"], second["optimizer_states"], rtol=0, atol=0)
        assert first["callbacks"]["BestAndLast"] == second["callbacks"]["BestAndLast"]


@pytest.fixture(scope="module")
def whole(few_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Interrupt]:
    """A run of three epochs of five steps."""
    folder = tmp_path_factory.mktemp("whole") / "few" / "run"
    return folder, train(few_root, folder)[1]


@pytest.mark.parametrize("at", [(0, 0), (1, 2), (2, 0), (0, 4), (2, 3)], ids=str)
def test_goes_on_after_any_step(at: tuple[int, int], whole: Any, few_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few" / "run"
    _, before = train(few_root, folder, at)
    _, after = train(few_root, folder, ckpt_path=folder / "checkpoints" / "last.ckpt")
    for epoch, clips in whole[1].seen.items():
        assert before.seen.get(epoch, []) + after.seen.get(epoch, []) == clips
    assert_same(whole[0], folder)
    assert rows(folder) == rows(whole[0])


def test_goes_on_twice_within_an_epoch_and_from_the_best(whole: Any, few_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few" / "run"
    last = folder / "checkpoints" / "last.ckpt"
    train(few_root, folder, (1, 1))
    train(few_root, folder, (1, 3), last, workers=1)
    train(few_root, folder, ckpt_path=last)
    assert_same(whole[0], folder)
    assert rows(folder) == rows(whole[0])
    train(few_root, folder, ckpt_path=folder / "checkpoints" / "best.ckpt")
    assert_same(whole[0], folder)
    assert rows(folder) == rows(whole[0])
    trainer, _ = train(few_root, folder, ckpt_path=last)  # after the end: nothing is left to do
    assert trainer.current_epoch == 3
    assert_same(whole[0], folder)
    assert rows(folder) == rows(whole[0])


def test_more_epochs_go_on_at_a_constant_rate(few_root: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "run", tmp_path / "two" / "run"
    train(few_root, one, schedule="constant")
    train(few_root, two, schedule="constant", trainer_options={"max_epochs": 1})
    train(few_root, two, schedule="constant", ckpt_path=two / "checkpoints" / "last.ckpt")
    assert_same(one, two)
    assert rows(one) == rows(two)


@pytest.mark.parametrize("kind", [VideoClassification, MultiLabelClassification])
def test_metrics_of_an_epoch_in_two_parts(kind: type[VideoClassification], few_root: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "run", tmp_path / "two" / "run"
    train(few_root, one, kind=kind, trainer_options={"max_epochs": 1})
    train(few_root, two, (0, 3), kind=kind, trainer_options={"max_epochs": 1})
    train(few_root, two, ckpt_path=two / "checkpoints" / "last.ckpt", kind=kind, trainer_options={"max_epochs": 1})
    assert rows(one) == rows(two)


@pytest.mark.parametrize("batch_size", [8, 24, 48])
def test_another_batch_size_repeats_and_drops_nothing(batch_size: int, few_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few" / "run"
    _, before = train(few_root, folder, (0, 2))
    trainer, after = train(few_root, folder, None, folder / "checkpoints" / "last.ckpt", batch_size)
    _, fresh = train(few_root, tmp_path / "fresh" / "run", None, None, batch_size, trainer_options={"max_epochs": 1})
    order = fresh.seen[0]
    left = (len(order) // batch_size * batch_size - 96) // batch_size * batch_size
    assert (before.seen[0] + after.seen[0])[: 96 + left] == [*order, *before.seen[0]][: 96 + left]
    assert len(set(before.seen[0] + after.seen[0])) == 96 + len(after.seen[0])
    assert len(after.seen[1]) == len(order)
    (config,) = trainer.lr_scheduler_configs
    assert config.scheduler.last_epoch == 3 * (len(order) // batch_size)  # the schedule ends with the run


def test_the_time_limit_stops_within_an_epoch(whole: Any, few_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few" / "run"
    with pytest.raises(Stopped, match="the time limit at epoch 1, step 1"):
        train(few_root, folder, trainer_options={"max_time": {"microseconds": 1}})
    train(few_root, folder, ckpt_path=folder / "checkpoints" / "last.ckpt")
    assert_same(whole[0], folder)


def test_the_best_epoch_is_restored_where_the_run_was_killed_before_it_was_written(
    whole: Any, few_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "few" / "run"
    train(few_root, folder, trainer_options={"max_epochs": 1}, schedule="constant")
    best = folder / "checkpoints" / "best.ckpt"
    best.unlink()
    train(few_root, folder, ckpt_path=folder / "checkpoints" / "last.ckpt", trainer_options={"max_epochs": 1})
    assert torch.load(best, weights_only=True)["epoch"] == 0


def test_a_stop_within_an_epoch_keeps_the_best_checkpoint(few_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few" / "run"
    best, last = folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "last.ckpt"
    train(few_root, folder, trainer_options={"max_epochs": 1}, schedule="constant")
    content = torch.load(last, weights_only=True)
    content["callbacks"]["BestAndLast"]["best"] = -1.0  # a loss that no later epoch goes below
    torch.save(content, last)
    train(few_root, folder, (1, 2), last, schedule="constant")
    train(few_root, folder, ckpt_path=last, schedule="constant")
    kept = torch.load(best, weights_only=True)
    assert (kept["epoch"], kept["global_step"]) == (0, 5)
    torch.testing.assert_close(kept["state_dict"], content["state_dict"], rtol=0, atol=0)


class Ask(pl.Callback):
    """Asks Lightning to stop within the first epoch."""

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        trainer.should_stop = True


def test_another_stop_within_an_epoch_is_no_time_limit(
    few_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = VideoClassification.configure_callbacks
    monkeypatch.setattr(VideoClassification, "configure_callbacks", lambda self: [*configure(self), Ask()])
    options = {"max_epochs": 2, "max_time": {"hours": 1}}
    trainer, interrupt = train(few_root, tmp_path / "few" / "run", trainer_options=options)
    assert trainer.global_step == 1 and len(interrupt.seen[0]) == 32


def test_a_signal_to_another_process_stops_this_one_in_the_same_way(
    few_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl.strategies.SingleDeviceStrategy, "reduce", lambda *_, **__: torch.tensor(signal.SIGUSR1))
    folder = tmp_path / "few" / "run"
    with pytest.raises(Stopped, match="stopped by SIGUSR1 at epoch 1, step 1") as stop:
        train(few_root, folder)
    assert stop.value.signal is signal.SIGUSR1 and stop.value.saved
    assert (folder / "checkpoints" / "last.ckpt").is_file()
