"""The LightningModule on real clips, with a real Trainer."""

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from htzoo.tasks import Throughput, VideoClassification
from tests.data.helpers import FewDigits

FORMAT = {"name": "TensorTrain", "in_modes": [4, 9, 16], "out_modes": [2, 2, 2], "rank": 2}


def train(
    root: Path, folder: Path, callbacks: list[pl.Callback] | None = None, **options: object
) -> tuple[pl.Trainer, VideoClassification, FewDigits]:
    pl.seed_everything(0)
    data = FewDigits(root=str(root), size=(12, 16), num_workers=0)
    task = VideoClassification(
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        classes=list(data.classes),
        frame_size=data.frame_size,
        hidden_size=8,
        input_format=FORMAT,
        **options,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Throughput(), pl.callbacks.ModelCheckpoint(folder, save_last=True), *(callbacks or [])],
    )
    trainer.fit(task, data)
    return trainer, task, data


@pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_metrics_equal_those_counted_by_hand(few_root: Path, tmp_path: Path) -> None:
    trainer, task, data = train(few_root, tmp_path)
    assert trainer.callback_metrics["speed/step"] > 0
    assert trainer.callback_metrics["speed/loader"] > 0
    (found,) = trainer.test(task, data, verbose=False)
    outputs = trainer.predict(task, data)
    assert outputs is not None
    index = torch.cat([output["index"] for output in outputs])
    probability = torch.cat([output["probability"] for output in outputs])
    labels = torch.tensor([data.clips[int(k)].label for k in index])
    assert sorted(index.tolist()) == [k for k, clip in enumerate(data.clips) if int(clip.group) > 20]
    assert torch.allclose(probability.sum(1), torch.ones(len(index)))
    assert found["test/accuracy"] == pytest.approx((probability.argmax(1) == labels).float().mean().item())
    top3 = (probability.topk(3).indices == labels[:, None]).any(1).float().mean().item()
    assert found["test/accuracy_top3"] == pytest.approx(top3)
    assert found["test/loss"] == pytest.approx(-probability[range(len(labels)), labels].log().mean().item(), rel=1e-4)
    confusion = torch.zeros(11, 11, dtype=torch.long)
    confusion.index_put_((labels, probability.argmax(1)), torch.ones(len(labels), dtype=torch.long), accumulate=True)
    assert task.confusion is not None
    assert torch.equal(task.confusion, confusion)
    per_class = confusion.diagonal() / confusion.sum(1)
    assert found["test/accuracy_macro"] == pytest.approx(per_class.mean().item())


@pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_checkpoint_is_plain_data(few_root: Path, tmp_path: Path) -> None:
    _, task, _ = train(few_root, tmp_path)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["hyper_parameters"]["input_format"] == FORMAT
    loaded = VideoClassification.load_from_checkpoint(tmp_path / "last.ckpt")
    for name, value in task.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


@pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_learning_rates_of_a_run(few_root: Path, tmp_path: Path, schedule: str) -> None:
    rates: list[float] = []

    class Record(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    train(few_root, tmp_path, [Record()], schedule=schedule)
    assert len(rates) == 2 * (187 // 32)
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(0.01, rel=0.02)
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    match schedule:
        case "constant":
            assert set(rates) == {0.01}
        case "cosine":
            assert peak == 0
            assert rates[-1] < 0.0003
        case "one_cycle":
            assert peak == 2  # 30 % of ten steps
            assert rates[-1] < 1e-7
