"""Spoken digits: from sound to pictures of it, from an archive to a prepared set, and speakers left out."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from htzoo.data import DataError, SpokenDigits, read_frames, write_video
from htzoo.data.datasets.spoken_digits import as_frames, log_mel
from htzoo.data.index import Entry, read_index, write_index
from htzoo.data.prepare.pipeline import prepare
from tests.data.archives import tar

SPEAKERS = ("ann", "bob", "cid", "dee", "eve", "fay")


def tone(hertz: float, samples: int = 3200) -> np.ndarray:
    """Quiet noise, and after half of the time a loud tone."""
    noise = np.random.default_rng(0).normal(0, 1e-3, samples)
    time = np.arange(samples) / 8000
    return noise + 0.5 * np.sin(2 * np.pi * hertz * time) * (time >= time[samples // 2])


def wav(samples: np.ndarray, rate: int = 8000, channels: int = 1) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.repeat(np.rint(samples * 32767).astype("<i2"), channels).tobytes())
    return content.getvalue()


@pytest.mark.parametrize("hertz", [300, 1000, 2500])
def test_a_tone_is_a_bright_line_at_its_height(hertz: float) -> None:
    """Bands are of equal width in mel, and the lowest is at the bottom."""
    pictures = as_frames(log_mel(tone(hertz)))
    assert pictures.shape == (9, 64, 4, 3) and pictures.dtype == np.uint8  # 37 whole windows are 9 pictures of 4

    def mel(frequency: float) -> float:
        return 2595 * np.log10(1 + frequency / 700)

    band = 65 * mel(hertz) / mel(4000) - 1  # that of the triangle whose top is there, from 0
    line = pictures[-1, :, 0, 0]
    assert abs(63 - line.argmax() - band) < 1
    assert line.max() > 180 and pictures[0, line.argmax()].max() < 80
    assert np.median(pictures[-1]) < 150  # other bands are about as loud as before


def test_loudness_and_the_colour_of_the_microphone_do_not_show() -> None:
    sound = np.random.default_rng(0).normal(0, 0.05, 4000) * np.linspace(0.2, 1, 4000)
    bands = log_mel(sound)
    assert np.abs(bands.mean(0)).max() < 1e-9
    np.testing.assert_allclose(log_mel(3 * sound), bands, atol=1e-9)
    # A filter that is short beside the window adds the same to all columns of a band, about.
    filtered = np.convolve(sound, [1, -0.6], "same")
    assert np.abs(log_mel(filtered) - bands).mean() < 0.4


def test_silence_is_all_alike() -> None:
    assert (as_frames(log_mel(np.zeros(1000))) == 128).all()
    # Digital silence is no deeper than the quiet of a room.
    quiet, digital = tone(1000), tone(1000)
    digital[:1600] = 0
    np.testing.assert_allclose(log_mel(quiet), log_mel(digital), atol=0.5)


def test_every_recording_is_at_least_a_picture() -> None:
    for samples in (1, 400, 495, 496, 815, 816):
        assert len(log_mel(np.full(samples, 0.1))) == (8 if samples == 816 else 4)


def test_pictures_keep_their_levels(tmp_path: Path) -> None:
    pictures = as_frames(log_mel(tone(700)))
    write_video(tmp_path / "a.mp4", pictures, 25, crf=0)
    read = read_frames(tmp_path / "a.mp4", range(len(pictures)))
    assert np.abs(read.astype(int) - pictures).max() <= 1


def test_prepare_an_archive(tmp_path: Path) -> None:
    sounds = {
        f"{digit}_{name}_{digit}": tone(300 + 100 * digit, 2400 + 320 * digit)
        for digit in range(2)
        for name in SPEAKERS
    }
    files = {f"fsdd-master/recordings/{name}.wav": wav(samples) for name, samples in sounds.items()}
    files |= {"fsdd-master/README.md": b"digits", "fsdd-master/other/alarm.wav": wav(tone(100))}
    (tmp_path / "fsdd.tar").write_bytes(tar(files))
    made = prepare(SpokenDigits, tmp_path / "data", tmp_path / "fsdd.tar")
    assert made.clips == 12 and not made.damaged
    entries = read_index(made.folder)
    assert [entry.path for entry in entries[:2]] == ["clips/0/0_ann_0.mp4", "clips/0/0_bob_0.mp4"]
    assert {(entry.label, entry.frames, entry.fps, entry.height, entry.width) for entry in entries} == {
        ("0", 6, 25.0, 64, 4), ("1", 7, 25.0, 64, 4)
    }  # fmt: skip
    assert {entry.group for entry in entries} == set(SPEAKERS)
    read = read_frames(made.folder / entries[0].path, range(6)).astype(int)
    assert np.abs(read - as_frames(log_mel(sounds["0_ann_0"]))).max() <= 2  # of a sample of 16 bits, and of the video


def test_a_speaker_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    write_video(folder / "clip.mp4", as_frames(log_mel(tone(700))), crf=0)
    write_index(
        folder,
        [
            Entry("clip.mp4", str(number % 10), speaker, 9, 25.0, 64, 4, f"{number % 10}_{speaker}_{number}", "0")
            for speaker in SPEAKERS
            for number in range(500)
        ],
    )
    for fold, speaker in enumerate(SPEAKERS, 1):
        module = SpokenDigits(root=str(tmp_path), cache=False, fold=fold)
        module.setup()
        assert len(module.clips) == SpokenDigits.clip_count and module.frame_size == (64, 4, 3)
        groups = {
            split: {clip.group for clip, of_clip in zip(module.clips, module.splits, strict=True) if of_clip == split}
            for split in ("train", "val", "test")
        }
        assert groups["test"] == {speaker} and len(groups["val"]) == 1 and len(groups["train"]) == 4
        assert module.splits.count("test") == 500


def test_what_cannot_be_read(tmp_path: Path) -> None:
    def first() -> None:
        next(iter(SpokenDigits.convert(tmp_path) or ()))

    (tmp_path / "alarm.wav").write_bytes(wav(tone(100)))
    (tmp_path / "x_ann_0.wav").write_bytes(wav(tone(100)))
    with pytest.raises(DataError, match=r"has no <digit>_<speaker>_<number>\.wav"):
        first()
    recording = tmp_path / "3_ann_0.wav"
    whole = wav(tone(100))
    for content, reason in (
        (wav(tone(100), rate=16000), "has 6400 bytes of 16000 Hz, 1 channels and 16 bits"),
        (wav(tone(100), channels=2), "has 12800 bytes of 8000 Hz, 2 channels"),
        (wav(np.empty(0)), "has 0 bytes of 8000 Hz"),
        (whole[:20], "cannot be read"),
        (whole[:-100], "cannot be read .*it ends too early"),
        (b"ID3" + whole, "cannot be read .*RIFF"),
    ):
        recording.write_bytes(content)
        with pytest.raises(DataError, match=rf"3_ann_0\.wav {reason}"):
            first()
