"""FIRAction: thermal video of 16 x 16 pixels, seven actions, people held out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from train import Sequences

from htzoo.data.clips.frame_sampler import uniform_indices

MERGED = {"falling1": "fall", "falling2": "fall", "walk1": "walk", "walk2": "walk"}
CLASSES = ("fall", "lie", "sit", "sitdown", "stand", "standup", "walk")
FRAMES = 16


def load(folder: Path) -> Sequences:
    """16 evenly spaced frames a clip, every clip with mean 0 and deviation 1; groups are people, 0 to 8.

    Args:
        folder: holds ``fir16_clips.npz``.
    """
    with np.load(folder / "fir16_clips.npz") as file:
        frames, offsets = file["frames"].astype(np.float32), file["offsets"]
        labels = [MERGED.get(label, label) for label in file["label"].tolist()]
        people = [int(name.removeprefix("human")) - 1 for name in file["human"].tolist()]
    clips = []
    for first, last in pairwise(offsets.tolist()):
        clip = torch.from_numpy(frames[first:last][uniform_indices(last - first, FRAMES)].reshape(-1, 256))
        clips.append((clip - clip.mean()) / clip.std())
    lengths = torch.tensor([len(clip) for clip in clips])
    features = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return Sequences(features, lengths, torch.tensor([CLASSES.index(v) for v in labels]), torch.tensor(people))


def folds(data: Sequences, folder: Path) -> list[Tensor]:
    """Which clips each of three folds tests: the people with numbers 1, 4, 7, then 2, 5, 8, then 3, 6, 9."""
    return [data.groups % 3 == fold for fold in range(3)]
