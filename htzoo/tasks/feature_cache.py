"""Pass every clip through a frozen CNN once, and keep what comes out."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from tqdm import tqdm

from htzoo.data import VideoDataModule
from htzoo.models import VideoClassifier


def keep_features(model: VideoClassifier, data: VideoDataModule, trainer: pl.Trainer) -> None:
    """Have the data module give features in place of frames, after those that are not yet kept were made.

    The features are those that the model itself would make: one clip at a time, in the same precision. They are kept
    under a name that follows from the clips, their sampling and size, the CNN, its weights and the precision. Several
    processes share the work.

    Args:
        model: has a frozen CNN.
        data: is set up.
        trainer: has the device and the precision.

    Raises:
        DataError: the features cannot be kept.
        VideoError: a clip cannot be read.
    """
    backbone = model.backbone
    assert backbone is not None
    source = f"{backbone.digest()} {trainer.precision}"  # type: ignore[operator]
    size = int(backbone.num_features)  # type: ignore[arg-type]
    reader, cache, todo = data.use_features(source, size)
    device = trainer.strategy.root_device
    mine = todo[trainer.global_rank :: trainer.world_size]
    if mine:
        backbone.to(device)
        bar = tqdm(mine, desc=f"features of {data.dataset_name}", unit="clip", leave=False, disable=None)
        with trainer.precision_plugin.forward_context():
            for index in bar:
                frames = torch.tensor(reader.read(index))
                features = model.features(frames[None].to(device))[0]
                cache.put(index, features.float().cpu().numpy())
    trainer.strategy.barrier("features")


def can_keep_features(model: VideoClassifier, trainer: pl.Trainer) -> bool:
    """Whether a clip's features are the same in every epoch, with weights in the precision that they have now."""
    precision = str(trainer.precision)
    return model.features_are_fixed and (precision == "32-true" or precision.endswith("-mixed"))
