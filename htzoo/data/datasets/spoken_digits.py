"""Free Spoken Digit Dataset: digits as six people say them, each recording a small film of its spectrogram."""

import wave
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from htzoo.data.clips.splits import Folds
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError
from htzoo.data.source import ClipLabel, Source
from htzoo.data.video.resize import Frames

RATE = 8000  # samples a second, of every recording
_WINDOW, _HOP, _SPECTRUM = 256, 80, 512  # samples: 32 ms every 10 ms, the window filled up with zeros
BANDS, COLUMNS = 64, 4  # of a frame: 4 columns are 40 ms
_DEPTH = 40  # decibels below the loudest band, where silence begins: what is in it is the room's
_LEVELS = 3  # of grey a decibel, so that 40 up and down fit in

Samples = npt.NDArray[np.floating]


class SpokenDigits(VideoDataModule):
    """3,000 recordings of .1 to 2.3 s, 8 kHz: ten digits, 50 times each by six people (Jackson et al.).

    A recording becomes a clip of 25 frames per second, 64 x 4, grey: the logarithm of the power in 64 bands of equal
    width in mel, the lowest at the bottom, every 10 ms. Each band has its mean over the recording taken off, which is
    what voice and microphone add to all digits alike, and is 128 where it is at that mean.

    `split: group` leaves one person out, in six folds.
    """

    dataset_name = "digits"
    title = "Free Spoken Digit Dataset"
    homepage = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    licence = "CC BY-SA 4.0"
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    clip_count = 3000
    sources = (
        Source(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip",
            "free-spoken-digit-dataset.zip",
        ),
    )
    standard_size = (64, 4)  # BANDS, COLUMNS, as a plain value: see registry.py
    usual_folds = Folds(group=6)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<digit>_<speaker>_<number>.wav`."""
        digit, _, rest = path.stem.partition("_")
        speaker, _, number = rest.rpartition("_")
        if path.suffix != ".wav" or digit not in cls.classes or not speaker or not number.isdigit():
            return None
        return ClipLabel(digit, speaker)

    @classmethod
    def convert(cls, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]]:
        """The frames of every recording.

        Args:
            folder: Holds the published sound files, at any depth.

        Raises:
            DataError: There are none, or one cannot be read.
        """
        found = [
            (path, label) for path in sorted(folder.rglob("*.wav")) if (label := cls.label_clip(PurePosixPath(path)))
        ]
        if not found:
            raise DataError(
                f"{folder} has no <digit>_<speaker>_<number>.wav; give the folder or archive of {cls.homepage}."
            )
        for path, label in found:
            yield path.stem, label, as_frames(log_mel(_read(path))), RATE / (_HOP * COLUMNS)


def log_mel(samples: Samples) -> npt.NDArray[np.float64]:
    """Power of a recording in each band, in decibels, less the band's mean over the recording.

    Whatever is 40 dB below the loudest is taken for silence, and is all alike.

    Args:
        samples: Of -1 to 1, 8,000 a second, at least one.

    Returns:
        T x 64, low bands first; at least four rows, and four to a frame: up to three at the end are dropped.
    """
    short = max(0, _WINDOW + (COLUMNS - 1) * _HOP - len(samples))
    windows = sliding_window_view(np.pad(samples, (0, short)), _WINDOW)[::_HOP]
    windows = windows[: len(windows) // COLUMNS * COLUMNS]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(windows * hann, _SPECTRUM)) ** 2
    bands = power @ _mel_filters().T
    floor = max(bands.max() * 10 ** (-_DEPTH / 10), np.finfo(np.float64).tiny)  # of digital silence too
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(bands, floor))
    decibels -= decibels.mean(0)
    return decibels


def as_frames(decibels: npt.NDArray[np.float64]) -> Frames:
    """What `log_mel` returns as grey frames, uint8, T/4 x 64 x 4 x 3, low bands at the bottom."""
    grey = np.rint(128 + _LEVELS * decibels).clip(0, 255).astype(np.uint8)
    frames = grey.reshape(-1, COLUMNS, BANDS).transpose(0, 2, 1)[:, ::-1]
    return np.repeat(frames[..., None], 3, axis=-1)


def _mel_filters() -> npt.NDArray[np.float64]:
    """Triangles, 64 bands x 257 frequencies, of equal width in mel from 0 to half the sampling rate."""
    edges = 700 * (10 ** (np.linspace(0, np.log10(1 + RATE / 2 / 700), BANDS + 2)) - 1)
    frequencies = np.linspace(0, RATE / 2, _SPECTRUM // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.minimum(rising, falling).clip(0)


def _read(path: Path) -> Samples:
    """Samples of a recording, -1 to 1."""
    try:
        with wave.open(str(path)) as sound:
            kind = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
            content = sound.readframes(sound.getnframes())
            if len(content) < sound.getnframes() * kind[1] * kind[2]:
                raise EOFError("it ends too early")
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{path} cannot be read ({error!r}); copy it again.") from error
    if kind != (RATE, 1, 2) or not content:
        rate, channels, size = kind
        raise DataError(
            f"{path} has {len(content)} bytes of {rate} Hz, {channels} channels and {8 * size} bits, where the set has "
            f"{RATE} Hz, one channel and 16 bits; copy it again."
        )
    return np.frombuffer(content, "<i2") / 32768
