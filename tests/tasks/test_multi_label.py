"""Several classes a clip."""

import json
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from htzoo.report.metrics_logger import MetricsLogger
from htzoo.report.run_folder import RunReport
from htzoo.tasks import MultiLabelClassification
from tests.data.helpers import FewDigits


class SeveralLabels(FewDigits):
    """Clips that show their own class and the next one."""

    multilabel = True

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        own = nn.functional.one_hot(torch.tensor([clip.label for clip in self.clips]), len(self.classes))
        self.shown = own | own.roll(1, 1)


@pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_the_folder_of_a_run(few_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = SeveralLabels(root=str(few_root), size=(12, 16), num_workers=0)
    task = MultiLabelClassification(classes=data.classes, frame_size=data.frame_size, hidden_size=4)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=MetricsLogger(tmp_path / "several", "run"),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[RunReport("several", "htzoo fit", 0)],
    )
    trainer.fit(task, data)
    (found,) = trainer.test(task, data, verbose=False)
    folder = tmp_path / "several" / "run"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["mean_average_precision"] == pytest.approx(found["test/mean_average_precision"])
    assert (summary["test_accuracy"], summary["test_clips"], summary["pictures"]) == (None, 55, ["curves.png"])
    assert {path.name for path in folder.iterdir()} >= {"curves.png", "summary.md"}
    said = f"several: test mean average precision {summary['mean_average_precision']:.3f} (55 clips), best epoch 1 of 1"
    assert said in capsys.readouterr().out


def test_loss_metric_and_probabilities() -> None:
    task = MultiLabelClassification(classes=["a", "b"], frame_size=(2, 2, 3), hidden_size=4)
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    logits = torch.tensor([[2.0, 0.1], [1.0, 0.9], [3.0, 0.5], [-1.0, 0.7]])
    expected = nn.functional.binary_cross_entropy(logits.sigmoid(), labels.float())
    assert task.loss(logits, labels).item() == pytest.approx(expected.item())
    assert torch.equal(task.probability(logits), logits.sigmoid())
    task.test_metrics.update(logits, labels)
    # Class a is ranked perfectly; of class b the hits are first and third: (1 + 2/3) / 2.
    found = task.test_metrics.compute()
    assert found["test/mean_average_precision"].item() == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    assert task.confusion is None
