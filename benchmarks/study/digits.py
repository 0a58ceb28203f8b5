"""Free Spoken Digit Dataset: ten digits, six speakers, one speaker held out."""

from __future__ import annotations

import io
import math
import tarfile
import wave
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from train import Sequences

RATE, WINDOW, HOP, BANDS, STACKED, STEPS = 8000, 256, 80, 64, 4, 24


def load(folder: Path) -> Sequences:
    """Log-mel spectra of 64 bands every 10 ms, four of them a step of 256 features; groups are speakers.

    Every band has mean 0 over a recording, every recording deviation 1, and at most 24 steps (0.96 s).

    Args:
        folder: holds ``fsdd.tar.xz``, whose sound files are called ``digit_speaker_index.wav``.
    """
    recordings = []
    with tarfile.open(folder / "fsdd.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".wav") else None
            if file is not None:
                digit, speaker, _ = Path(member.name).stem.split("_")
                with wave.open(io.BytesIO(file.read())) as sound:
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
                recordings.append((Path(member.name).name, int(digit), speaker, samples))
    recordings.sort(key=lambda recording: recording[0])
    filters = mel_filters()
    steps = [_steps(samples, filters) for *_, samples in recordings]
    speakers = sorted({speaker for _, _, speaker, _ in recordings})
    return Sequences(
        pad_sequence(steps, batch_first=True),
        torch.tensor([len(step) for step in steps]),
        torch.tensor([digit for _, digit, _, _ in recordings]),
        torch.tensor([speakers.index(speaker) for _, _, speaker, _ in recordings]),
    )


def folds(data: Sequences, folder: Path) -> list[Tensor]:
    """Which recordings each of six folds tests: those of one speaker."""
    return [data.groups == speaker for speaker in range(6)]


def mel_filters() -> Tensor:
    """Triangles (bands, frequencies), evenly spaced in mel from 0 to half the sampling rate."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, BANDS + 2) / 2595) - 1)
    frequencies = torch.linspace(0, RATE / 2, 2 * WINDOW // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp_min(0)


def _steps(samples: np.ndarray, filters: Tensor) -> Tensor:
    sound = torch.from_numpy(samples.astype(np.float32) / 32768)
    sound = torch.nn.functional.pad(sound, (0, max(0, WINDOW + (STACKED - 1) * HOP - len(sound))))
    spectrum = torch.stft(
        sound, 2 * WINDOW, HOP, WINDOW, torch.hann_window(WINDOW), center=True, return_complex=True
    ).abs()
    bands = (filters @ spectrum.square() + 1e-6).log().T
    bands = bands - bands.mean(0)  # what the room and the voice add to every step alike
    bands = bands / bands.std()
    count = min(STEPS, len(bands) // STACKED)
    return bands[: count * STACKED].reshape(count, STACKED * BANDS)
