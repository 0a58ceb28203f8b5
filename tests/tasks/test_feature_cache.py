"""A frozen CNN reads every clip once, and nothing else changes."""

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from htzoo.models.backbone import Backbone
from htzoo.tasks import VideoClassification
from tests.data.helpers import FewDigits

pytestmark = pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")


class Fewer(FewDigits):
    """Every ninth clip: enough to train, validate and test."""

    def list_clips(self):
        return super().list_clips()[::9]


def run(root: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[list[int], dict[str, torch.Tensor]]:
    """How many frames the CNN read in each call, and the trained weights."""
    pl.seed_everything(0, verbose=False)
    settings = {key: options.pop(key) for key in ("sampling", "augment", "frames") if key in options}
    settings = {"augment": False, "frames": 2, **settings}
    data = Fewer(root=str(root), size=(12, 16), num_workers=0, batch_size=8, **settings)
    torch.manual_seed(1)
    task = VideoClassification(
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        classes=list(data.classes),
        frame_size=data.frame_size,
        hidden_size=4,
        backbone="test_resnet",
        backbone_frozen=True,
        input_dropout=0.2,
        **options,
    )
    reads: list[int] = []
    forward = Backbone.forward
    monkeypatch.setattr(Backbone, "forward", lambda self, frames: (reads.append(len(frames)), forward(self, frames))[1])
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    monkeypatch.setattr(Backbone, "forward", forward)
    return reads, task.state_dict()


def test_identical_to_the_bit_and_each_clip_once(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, without = run(few_root, monkeypatch, feature_cache=False)
    assert len(reads) == 50  # more than the clips: training clips in every epoch
    reads, kept = run(few_root, monkeypatch)
    assert len(reads) == 31
    again, cached = run(few_root, monkeypatch)
    assert again == []
    for key, value in without.items():
        assert torch.equal(value, kept[key])
        assert torch.equal(value, cached[key])


def test_training_clips_that_change_pass_the_cnn(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = run(few_root, monkeypatch, augment=True, frames=3)
    second, _ = run(few_root, monkeypatch, augment=True, frames=3)
    assert 0 < len(second) < len(first)  # validation and test clips are kept


def test_random_segments_choose_among_kept_features(few_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, _ = run(few_root, monkeypatch, sampling="segments")
    assert set(reads) == {10}  # all five frames of both segments, in one call a clip
    assert run(few_root, monkeypatch, sampling="segments")[0] == []
