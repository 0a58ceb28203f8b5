"""Check names every clip that is not right, and no other."""

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htzoo.cli.main import main
from htzoo.data import DataError, VideoError, count_frames, read_frames, write_video
from htzoo.data.prepare.check import check_clips
from htzoo.data.prepare.pipeline import prepare
from tests.data.helpers import encode, numbered
from tests.data.scripted_dataset import ScriptedDataset
from tests.data.video.test_video_file import _sound_only

KINDS = ("h264.mp4", "mpeg1.mpg", "xvid_b.avi", "dx50_packed.avi", "mpeg2_no_b.mpg", "xvid.avi", "h264_odd_size.mp4")


@pytest.fixture(scope="module")
def damaged(video_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files with damage that decoding can see: cut off, overwritten, empty, of another type."""
    rng = random.Random(0)
    files = {"empty.avi": b"", "text.avi": b"not a video\n" * 99, "noise.mpg": np.random.default_rng(0).bytes(30_000)}
    for kind in KINDS:
        whole = video_of(kind).read_bytes()
        stem, suffix = kind.split(".")
        files[f"{stem}_nothing.{suffix}"] = bytes(len(whole))
        for number in range(3):
            content = bytearray(whole)
            place = rng.randrange(len(whole) // 4, len(whole) * 3 // 4)
            content[place : place + 4000] = rng.randbytes(min(4000, len(whole) - place))
            files[f"{stem}_overwritten_{number}.{suffix}"] = bytes(content)
            if suffix in ("avi", "mp4"):  # of the others, a piece is a shorter video
                files[f"{stem}_cut_{number}.{suffix}"] = whole[: rng.randrange(50, len(whole) - 50)]
    for kind in ("vp9.webm", "h264.mkv", "h264_b.avi", "mjpeg.avi"):
        whole = video_of(kind).read_bytes()
        files[f"cut_{kind}"] = whole[: rng.randrange(len(whole) // 2, len(whole) - 50)]
    sound = tmp_path_factory.mktemp("sound") / "sound.wav"
    _sound_only(sound)
    return files | {"sound.avi": sound.read_bytes()}


def test_every_damaged_file_is_named(
    damaged: dict[str, bytes], video_of: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    for name, content in damaged.items():
        (tmp_path / "run" / f"v_1_{name}").write_bytes(content)
    good = [f"run/v_1_good_{kind}" for kind in KINDS]
    for name, kind in zip(good, KINDS, strict=True):
        shutil.copy(video_of(kind), tmp_path / name)
    report = check_clips(tmp_path)
    assert report.clips == len(damaged) + len(KINDS)
    assert {problem.path for problem in report.problems} == {f"run/v_1_{name}" for name in damaged}
    assert all("\n" not in problem.detail and problem.kind in ("empty", "unreadable") for problem in report.problems)

    class AllKinds(ScriptedDataset):
        def label_clip(self, path):  # type: ignore[no-untyped-def]
            return super().label_clip(path.with_suffix(".avi"))

    made = prepare(AllKinds(), tmp_path / "root", tmp_path)
    assert made.clips == len(KINDS) and len(made.damaged) == len(damaged)
    assert all("\n" not in reason for _, reason in made.damaged)
    assert check_clips(made.folder).problems == ()


def test_short_and_twice(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(20))
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "c.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:-56])  # the same frames in other bytes
    write_video(tmp_path / "d.mp4", numbered(1))
    write_video(tmp_path / "e.mp4", numbered(19))
    (tmp_path / "notes.txt").write_text("no video")
    found = {problem.path: (problem.kind, problem.detail) for problem in check_clips(tmp_path).problems}
    assert found == {
        "b.mp4": ("same file", "is a copy of a.mp4."),
        "c.mp4": ("same frames", "shows what a.mp4 shows."),
        "d.mp4": ("too short", "has 1 of at least 2 frames."),
    }
    assert Counter(problem.kind for problem in check_clips(tmp_path, min_frames=20).problems)["too short"] == 2


def test_prepared_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    originals = tmp_path / "originals" / "run"
    originals.mkdir(parents=True)
    for number in range(4):
        encode(originals / f"v_1_{number}.avi", numbered(12 + number), "mpeg4", "avi")
    folder = prepare(ScriptedDataset(), tmp_path, originals.parent).folder
    assert main(["data", "check", "deeds", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"all 4 clips in {folder} are fine\n"
    clips = sorted((folder / "clips/run").iterdir())
    clips[0].unlink()
    write_video(clips[1], numbered(5))
    clips[2].write_bytes(clips[2].read_bytes()[:-70] + bytes(14) + clips[2].read_bytes()[-56:])
    assert main(["data", "check", "deeds", "--root", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    kinds = [(problem["path"][-8:], problem["kind"]) for problem in document["problems"]]
    assert kinds == [("_1_0.mp4", "missing"), ("_1_1.mp4", "other count"), ("_1_2.mp4", "unreadable")]
    assert document["clips"] == 4
    assert printed.err.endswith(f"htzoo: 3 of 4 clips in {folder} have problems.\n")


def test_a_file_that_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first check notes what is there, and the next names the file in which a bit has changed since."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        (tmp_path / "mine/run").mkdir(parents=True, exist_ok=True)
        encode(tmp_path / f"mine/run/{number}.avi", numbered(9 + number), "mjpeg", "avi", strict="unofficial")
    assert main(["data", "check", "mine"]) == 0 == main(["data", "check", "mine"])
    file = tmp_path / "mine/run/1.avi"
    content = bytearray(file.read_bytes())
    content[content.index(b"ISFT") + 8] ^= 1  # in the name of the program that wrote it, which no decoder reads
    file.write_bytes(content)
    assert count_frames(file) == 10
    capsys.readouterr()
    assert main(["data", "check", "mine"]) == 1
    printed = capsys.readouterr()
    assert printed.out == (
        "run/1.avi: changed: has changed since it was first read; put back what was there, or, if the change is "
        "meant, delete its lines in data/checksums.jsonl.\n"
    )
    assert printed.err.endswith("htzoo: 1 of 3 clips in mine have problems.\n")
    record = tmp_path / "data/checksums.jsonl"
    record.unlink()
    record.mkdir()
    assert main(["data", "check", "mine"]) == 1
    assert "data/checksums.jsonl cannot be written" in capsys.readouterr().err


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is not a folder"):
        check_clips(tmp_path / "none")
    with pytest.raises(DataError, match="has no video file"):
        check_clips(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where Linux lists them")
def test_no_file_stays_open(video_of: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "bad.avi").write_bytes(b"bad" * 999)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for kind in ("h264.mp4", "mpeg1.mpg", "xvid_b.avi"):
            read_frames(video_of(kind), [0, 3])
        for call in (count_frames, lambda path: read_frames(path, [0])):
            with pytest.raises(RuntimeError):
                call(tmp_path / "bad.avi")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_table_of_another_program(tmp_path: Path) -> None:
    """A folder of videos may have an index.csv that is not ours: it is looked at like any other folder."""
    encode(tmp_path / "a.mpg", numbered(5), "mpeg1video", "mpeg")
    (tmp_path / "index.csv").write_text("file,label\na.mpg,run\n")
    assert check_clips(tmp_path).clips == 1


def test_a_webm_cut_in_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "cut.webm").write_bytes(b"\x1a\x45\xdf\xa3\x84abcd\x18\x53\x80\x67")
    with pytest.raises(VideoError, match=r"cut\.webm is not a readable video"):
        count_frames(tmp_path / "cut.webm")
