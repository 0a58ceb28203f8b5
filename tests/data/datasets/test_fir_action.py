"""Thermal clips: from the published tables and from one .npz file to the same pictures."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from htzoo.data import DataError, FIRAction, read_frames, write_video
from htzoo.data.datasets.fir_action import as_grey
from htzoo.data.index import Entry, write_index

LABELS = ["falling1", "falling2", "lie", "sit", "sitdown", "stand", "standup", "walk", "walk1", "walk2"]


def temperatures(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(22.1, 26.9, (frames, 16, 16)).round(4)


def tables(folder: Path) -> np.ndarray:
    """Two recordings of 60 frames, five actions of 7 frames in each, as published."""
    raw, notes = folder / "20170203" / "raw", folder / "annotation"
    raw.mkdir(parents=True)
    notes.mkdir()
    celsius = temperatures(120).reshape(2, 60, 16, 16)
    lines = []
    for number, frames in enumerate(celsius):
        name = f"20170203_p1_light{number + 1}.csv"
        header = "2017/02/03 19:26:23\nTime (sec),PTAT," + ",".join(f"P{pixel:03d}" for pixel in range(256))
        rows = [f"{0.1 * row:.3f},25.0," + ",".join(map(str, frame.ravel())) for row, frame in enumerate(frames)]
        (raw / name).write_text(header + "\n" + "\n".join(rows) + "\n")
        for action in range(5):
            lines.append(f"{name},{10 * action + 2},{10 * action + 8},{LABELS[5 * number + action]},human{action + 1}")
    (notes / "annotation_20170203_human.csv").write_text("\n".join(lines) + "\n")
    (notes / "annotation_20170203.csv").write_text("another table\n")
    return celsius


def test_tables(tmp_path: Path) -> None:
    celsius = tables(tmp_path)
    converted = FIRAction.convert(tmp_path)
    assert converted is not None
    clips = list(converted)
    assert [name for name, *_ in clips[:2]] == ["20170203_p1_light1_0002", "20170203_p1_light1_0012"]
    assert Counter(label.label for _, label, _, _ in clips) == {
        "fall": 2, "lie": 1, "sit": 1, "sitdown": 1, "stand": 1, "standup": 1, "walk": 3
    }  # fmt: skip
    assert {label.group for _, label, _, _ in clips} == {f"human{number}" for number in range(1, 6)}
    for number, (_, _, frames, fps) in enumerate(clips):
        start = 10 * (number % 5) + 2
        np.testing.assert_array_equal(frames, as_grey(celsius[number // 5, start : start + 7]))
        assert frames.shape == (7, 16, 16, 3) and frames.dtype == np.uint8 and fps == 10


def test_pixels_keep_their_temperature(tmp_path: Path) -> None:
    celsius = temperatures(30)
    write_video(tmp_path / "a.mp4", as_grey(celsius), crf=0)
    read = read_frames(tmp_path / "a.mp4", range(30))
    assert np.abs(read / 51 + 22 - celsius[..., None]).max() < 0.03
    assert as_grey(np.array([[[0.0, 99.0]]])).ravel().tolist() == [0, 0, 0, 255, 255, 255]


def test_npz_and_people_left_out(tmp_path: Path) -> None:
    """As many clips as published, of two frames."""
    label = np.array(LABELS)[np.arange(2520) % 10]
    human = np.array([f"human{number // 280 + 1}" for number in range(2520)])
    frames = np.repeat(temperatures(1), 5040, 0).astype(np.float16)
    np.savez(tmp_path / "fir.npz", frames=frames, offsets=np.arange(0, 5041, 2), label=label, human=human)
    converted = FIRAction.convert(tmp_path)
    assert converted is not None
    clips = list(converted)
    assert len(clips) == FIRAction.clip_count and clips[9][1].label == "walk" and len(clips[9][2]) == 2
    folder = tmp_path / "fir"
    write_video(folder / "clip.mp4", clips[0][2], crf=0)
    write_index(folder, [Entry("clip.mp4", at.label, at.group, 2, 10.0, 16, 16, name, "0") for name, at, *_ in clips])
    tested = []
    for fold in (1, 2, 3):
        module = FIRAction(root=str(tmp_path), cache=False, fold=fold)
        module.setup()
        assert module.frame_size == (16, 16, 3)
        people = {
            split: {c.group for c, of in zip(module.clips, module.splits) if of == split} for split in ("val", "test")
        }
        assert module.splits.count("test") == 840 and len(people["test"]) == 3 and len(people["val"]) == 1
        tested += sorted(people["test"])
    assert sorted(tested) == [f"human{number}" for number in range(1, 10)]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    def first() -> None:
        next(iter(FIRAction.convert(tmp_path) or ()))

    with pytest.raises(DataError, match="has no annotation_"):
        first()
    tables(tmp_path)
    recording = tmp_path / "20170203" / "raw" / "20170203_p1_light1.csv"
    lines = recording.read_text().splitlines()
    recording.write_text("\n".join(lines[:8]))
    with pytest.raises(DataError, match=r"has frames 2 to 8 of 20170203_p1_light1\.csv, which has 6"):
        first()
    recording.write_text("\n".join([*lines[:8], lines[8].replace(",", ";")]))
    with pytest.raises(DataError, match=r"20170203_p1_light1\.csv cannot be read"):
        first()
    recording.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        first()
    (tmp_path / "x.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"x\.npz cannot be read"):
        first()
