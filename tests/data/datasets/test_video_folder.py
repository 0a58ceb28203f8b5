"""Anybody's own folder: classes, groups, tables, and files that are not prepared."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htzoo.data import DataError, VideoError, VideoFolder, read_frames, write_video
from htzoo.data.index import Entry, write_index
from tests.data.helpers import encode, numbered, numbers_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of five clips in two groups each, of 5 to 14 frames, MPEG-1 with B-frames."""
    for number in range(10):
        path = tmp_path / "mine" / f"class{number % 2}" / f"take{number // 4}" / f"{number}.mpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, numbered(5 + number), "mpeg1video", "mpeg", g="4", bf="2")
    return tmp_path / "mine"


def write_mp4(path: Path) -> Path:
    write_video(path, numbered(9))
    return path


def ready(folder: Path, **settings: Any) -> VideoFolder:
    module = VideoFolder(str(folder), root=str(folder.parent), **{"num_workers": 0, "batch_size": 2, **settings})
    module.setup()
    return module


def test_a_folder_as_it_is(folder: Path) -> None:
    (folder / "class0" / "notes.txt").write_text("no video")
    (folder / "stray.mpg").write_bytes(b"")
    module = ready(folder, folds=3, size=(48, 96), sampling="all", frames=99)
    assert module.classes == ("class0", "class1") and module.dataset_name == "mine"
    assert [clip.frames for clip in module.clips] == [5, 7, 9, 11, 13, 6, 8, 10, 12, 14]
    assert {clip.group for clip in module.clips} == {"take0", "take1", "take2"}
    seen = 0
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        for batch in loader:
            for video, length, index in zip(batch["video"], batch["length"], batch["index"], strict=True):
                assert length == module.clips[index].frames
                assert numbers_in(video[:length].numpy()) == list(range(length))
                assert not video[length:].any()
                seen += 1
    assert seen >= 9


def test_frames_are_counted_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ready(folder, folds=3).clips
    monkeypatch.setattr("htzoo.data.datasets.video_folder.count_frames", None)
    with (folder.parent / "checksums.jsonl").open("a") as file:
        file.write('{"name": "cut sho')  # by a crash
    assert ready(folder, folds=3).clips == first
    for clip in first:
        os.utime(clip.path)
    assert ready(folder, folds=3).clips == first
    monkeypatch.setattr("htzoo.data.video.checksum.file_digest", None)
    assert ready(folder, folds=3).clips == first  # of which the new time is known


def test_a_file_that_changes(folder: Path) -> None:
    """Nothing is trained on before somebody has looked, and the file that was there, or a word, mends it."""
    changed = [folder / "class0" / "take0" / f"{number}.mpg" for number in (0, 2)]
    before = [path.read_bytes() for path in changed]
    first = ready(folder, folds=3)
    for path in changed:
        encode(path, numbered(3), "mpeg1video", "mpeg", g="4", bf="2")
    record = folder.parent / "checksums.jsonl"
    with pytest.raises(VideoError) as caught:
        first.clips[0].read([0])
    assert str(caught.value) == f"{changed[0]} is damaged (it has changed since it was first read); replace the file."
    with pytest.raises(DataError) as stopped:
        ready(folder, folds=3)
    assert str(stopped.value) == (
        f"2 of 10 files have changed since they were first read ({changed[0]}, {changed[1]}); put back what was there, "
        f"or, if the change is meant, delete its lines in {record}."
    )
    changed[0].write_bytes(before[0])
    with pytest.raises(DataError, match=rf"1 of 10 files have changed since they were first read \({changed[1]}\);"):
        ready(folder, folds=3)
    record.write_text("\n".join(line for line in record.read_text().splitlines() if "2.mpg" not in line))
    assert [clip.frames for clip in ready(folder, folds=3).clips[:3]] == [5, 3, 9]


def test_a_changed_file_that_is_cached(folder: Path) -> None:
    """What was kept before is shown, since the file is not read; no time tells of the change."""
    module = ready(folder, folds=3)
    reader = module._dataset("train").reader
    whole, path = reader.read(0).copy(), module.clips[0].path
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    np.testing.assert_array_equal(ready(folder, folds=3)._dataset("train").reader.read(0), whole)
    with pytest.raises(VideoError, match="has changed since it was first read"):
        ready(folder, folds=3, cache=False)._dataset("train").reader.read(0)


def test_a_table(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.mpg"))
    lines = [
        f"{path},{'odd' if number % 2 else 'even'},g{number // 2},{'test' if number > 5 else 'train'}"
        for number, path in enumerate(paths)
    ]
    table.write_text("path,label,group,split\n" + "\n".join(lines) + "\n")
    module = ready(folder, table=str(table), validation=0.34)
    assert module.classes == ("even", "odd") and module.split == "official"
    assert Counter(module.splits) == {"train": 4, "val": 2, "test": 4}
    assert module.splits[6:] == ("test",) * 4
    assert ready(folder, table=str(table), split="group", folds=5).splits.count("test") == 2
    table.write_text("path,label\n" + "\n".join(",".join(line.split(",")[:2]) for line in lines))
    assert ready(folder, table=str(table)).split == "clip"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title,label\na.mpg,x\n", "has no column path in its first line"),
        ("path,label,split\na.mpg,x,later\n", "split 'later' in line 2; write train, val or test"),
        ("path,label\na.mpg,\n", "no label in line 2"),
        ("path,label\n", "there are no videos in"),
        ("path,label\na.mpg,x\nnone.mpg,y\n", r"1 of 2 videos .* \(none\.mpg \(.*table\.csv, line 3\) is missing\)"),
    ],
)
def test_a_table_that_is_wrong(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    (folder / "a.mpg").write_bytes(next(folder.rglob("0.mpg")).read_bytes())
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises((DataError, VideoError), match=message):
        ready(folder, table=str(tmp_path / "table.csv"))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere', which is no folder"):
        VideoFolder(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="there are no videos in"):
        VideoFolder(str(tmp_path))


def test_a_prepared_folder(tmp_path: Path) -> None:
    entries = []
    for number in range(6):
        path = f"clips/c{number % 2}/{number}.mp4"
        write_video(tmp_path / "folder" / path, numbered(4 + number), crf=0)
        entries.append(Entry(path, f"c{number % 2}", "", 4 + number, 24.0, 48, 96, f"x/{number}.avi", f"{number:064}"))
    write_index(tmp_path / "folder", entries)
    module = ready(tmp_path / "folder", folds=3, size=(48, 96))
    assert VideoFolder(root=str(tmp_path)).folder == tmp_path / "folder"
    assert module.classes == ("c0", "c1") and not (tmp_path / "checksums.jsonl").exists()
    assert [clip.name for clip in module.clips] == [f"x/{number}.avi" for number in (0, 2, 4, 1, 3, 5)]
    item = module._dataset("train")[0]
    clip = module.clips[item["index"]]
    np.testing.assert_array_equal(item["video"], read_frames(clip.path, range(min(8, clip.frames))))


@pytest.mark.parametrize("damage", ["empty", "text", "headless", "zeros", "no index"])
def test_a_damaged_file_is_named_before_training(folder: Path, damage: str) -> None:
    path = folder / "class1" / "take1" / "5.mpg"
    content = path.read_bytes()
    made = {
        "empty": b"",
        "text": b"no video at all\n" * 200,
        "headless": content[3000:3200],
        "zeros": bytes(len(content)),
        "no index": write_mp4(folder.parent / "a.mp4").read_bytes()[:-300],
    }
    path.write_bytes(made[damage])
    with pytest.raises(DataError, match=r"1 of 10 videos .* \(class1/take1/5\.mpg (is|has)"):
        ready(folder, folds=3)


def test_counts_that_cannot_be_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="choose another root"):
        VideoFolder(str(folder), root=str(tmp_path / "file")).prepare_data()
