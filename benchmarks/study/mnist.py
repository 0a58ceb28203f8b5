"""Sequential MNIST: the rows of a digit as 28 steps of 28 features, from a subset of the training images."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from train import Sequences

TRAIN, TEST = 6000, 10000


def load(folder: Path) -> Sequences:
    """The first 6,000 training images and all test images; group 0 is for training, 1 for testing.

    Args:
        folder: holds MNIST's four ``.gz`` files.
    """
    images = [_read(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28) for part in ("train", "t10k")]
    labels = [_read(folder / f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k")]
    pixels = torch.cat([torch.from_numpy(images[0][:TRAIN].copy()), torch.from_numpy(images[1].copy())])
    numbers = torch.cat([torch.from_numpy(labels[0][:TRAIN].copy()), torch.from_numpy(labels[1].copy())])
    groups = torch.tensor([0] * TRAIN + [1] * TEST)
    return Sequences(
        pixels.float().div(255).sub(0.13).div(0.31), torch.full((len(numbers),), 28), numbers.long(), groups
    )


def folds(data: Sequences, folder: Path) -> list[Tensor]:
    """One fold: the published test images."""
    return [data.groups == 1]


def _read(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
