"""200 damaged files through check, prepare and training.

At first sight each is named, or gives the frames of the whole file. There a few flipped bits may make another legal
stream, which no decoder can see: these are counted apart. Of files that were read before, and of prepared clips, there
is a checksum, and each is named, whatever the damage.
"""

import os
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch.utils.data import DataLoader

from benchmarks.damage_detection import DAMAGE, FEW_BITS, frames_of
from htzoo.data import (
    Clip,
    ClipDataset,
    DataError,
    FrameSampler,
    VideoError,
    VideoFolder,
    collate_clips,
    count_frames,
    read_frames,
    uniform_indices,
    write_video,
)
from htzoo.data.clips.dataset import ClipReader
from htzoo.data.index import Entry, write_index
from htzoo.data.prepare.check import check_clips
from htzoo.data.prepare.pipeline import prepare
from htzoo.data.prepare.source_checksums import Checksums
from tests.data.helpers import Frames, encode
from tests.data.video.test_video_file import _sound_only

COUNT = 16
# Name of a whole file: codec, container, options of the encoder.
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mpeg1.mpg": ("mpeg1video", "mpeg", {"bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", "mpeg", {}),
    "xvid.avi": ("mpeg4", "avi", {"bf": "2"}),
    "msmpeg4.avi": ("msmpeg4v2", "avi", {}),
    "h264_b.avi": ("libx264", "avi", {"bf": "2"}),
    "h264.mp4": ("libx264", "mp4", {"bf": "2"}),
    "mpeg4.mp4": ("mpeg4", "mp4", {}),
    "mjpeg.avi": ("mjpeg", "avi", {"strict": "unofficial"}),
    "h264.mkv": ("libx264", "matroska", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", "webm", {}),
}


def moving_texture(seed: int = 0) -> Frames:
    """16 frames of 64 x 96 that are not easy to compress."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 245, (40, 60, 3)).repeat(4, 0).repeat(4, 1)
    frames = [texture[2 * n : 2 * n + 64, 3 * n : 3 * n + 96] + rng.integers(0, 10, (64, 96, 3)) for n in range(COUNT)]
    return np.stack(frames).astype(np.uint8)


def damaged(content: bytes, sound: bytes, rng: random.Random, kinds: Iterable[str] = DAMAGE) -> list[tuple[str, bytes]]:
    """20 files made of a whole one: what was done, and what came of it."""
    kinds = islice(cycle(kinds), 17)
    made = [(kind, DAMAGE[kind](content, rng)) for kind in kinds]
    return [("empty", b""), ("another type", b"\x89PNG\r\n\x1a\n" + content[8:]), ("sound only", sound), *made]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    _sound_only(path)
    return path.read_bytes()


def no_frame(path: Path) -> Path:
    """A video whose stream of pictures has no picture."""
    with av.open(str(path), "w", format="avi") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        file.start_encoding()
    return path


def test_originals_at_first_sight(sound: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "originals" / "run"
    folder.mkdir(parents=True)
    rng = random.Random(0)
    seen_by_decoders = [kind for kind in DAMAGE if kind not in FEW_BITS]
    done, whole = {}, {}
    for name, (codec, container, options) in KINDS.items():
        path = encode(folder / name, moving_texture(), codec, container, g="8", **options)
        for number, (kind, content) in enumerate(damaged(path.read_bytes(), sound, rng, seen_by_decoders)):
            file = folder / f"{path.stem}_{number:02d}{path.suffix}"
            file.write_bytes(content)
            done[file.name], whole[file.name] = kind, path
    no_frame(folder / "xvid_01.avi")
    done["xvid_01.avi"] = "no frame"
    assert len(done) == 200

    problems = check_clips(folder).problems
    named = {problem.path for problem in problems if problem.kind in ("empty", "unreadable")}
    assert not any("\n" in problem.detail for problem in problems) and not named & KINDS.keys()
    for name in done.keys() - named:
        assert frames_of(folder / name) == frames_of(whole[name]), f"{name}: {done[name]}"

    made = prepare(VideoFolder, tmp_path / "root", folder.parent)
    assert {source for source, _ in made.damaged} == named
    assert made.clips == 210 - len(named) and not any("\n" in reason for _, reason in made.damaged)

    names = sorted(done)
    clips = tuple(Clip(folder / name, 0, "", COUNT) for name in names)  # counted before they were damaged
    data = ClipDataset(ClipReader(clips, FrameSampler(frames=6)), range(len(clips)))
    right = {path: read_frames(path, uniform_indices(COUNT, 6)) for path in whole.values()}
    for name, answer in zip(names, answers(DataLoader(data, collate_fn=collate_clips)), strict=True):
        if isinstance(answer, VideoError):
            assert name in str(answer) and "\n" not in str(answer)
        else:
            assert np.array_equal(answer["video"][0], right[whole[name]])


def test_a_few_flipped_bits(tmp_path: Path) -> None:
    rng = random.Random(0)
    unseen = []
    for name, (codec, container, options) in KINDS.items():
        path = encode(tmp_path / name, moving_texture(), codec, container, g="8", **options)
        content, whole = path.read_bytes(), frames_of(path)
        for kind in FEW_BITS * 2:
            path.write_bytes(DAMAGE[kind](content, rng))
            with suppress(VideoError):
                if frames_of(path) != whole:
                    unseen.append((name, kind))
    assert len(unseen) <= 15, unseen  # of 60; 6 when this was written


def test_originals_that_were_read_once(sound: bytes, tmp_path: Path) -> None:
    """Damaged in every way, by one bit too; of half of them the time of the file does not tell."""
    folder = tmp_path / "originals"
    for label in ("run", "sit"):
        (folder / label).mkdir(parents=True)
    rng = random.Random(0)
    whole, changed = {}, {}
    for name, (codec, container, options) in KINDS.items():
        path = encode(tmp_path / name, moving_texture(), codec, container, g="8", **options)
        content = path.read_bytes()
        for number, (_, other) in enumerate(damaged(content, sound, rng)):
            file = folder / ("run", "sit")[number % 2] / f"{path.stem}_{number:02d}{path.suffix}"
            file.write_bytes(content)
            whole[file], changed[file] = content, other
    changed[folder / "sit" / "xvid_01.avi"] = no_frame(tmp_path / "no_frame.avi").read_bytes()
    assert len(whole) == 200 and all(changed[file] != whole[file] for file in whole)
    begun = training(folder, tmp_path)
    touched = set()
    for number, (file, content) in enumerate(changed.items()):
        before = file.stat()
        file.write_bytes(content)
        if number % 2 or len(content) != before.st_size:
            touched.add(file)
        else:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert 0 < len(touched) < 200

    report = check_clips(folder, checksums=Checksums(tmp_path))
    assert {folder / problem.path for problem in report.problems} == set(whole)
    assert all(problem.kind in ("empty", "changed") and "\n" not in problem.detail for problem in report.problems)

    assert named_in(begun) == {str(file) for file in whole}  # in the middle of a run
    message = rf"^{len(touched)} of 200 files have changed since they were first read \(.*"
    with pytest.raises(DataError, match=message):  # and a new one does not begin
        training(folder, tmp_path)
    with pytest.raises(DataError, match=message):
        prepare(VideoFolder, tmp_path, folder)
    for file in touched:
        file.write_bytes(whole[file])
    made = prepare(VideoFolder, tmp_path, folder)
    assert {folder / source for source, _ in made.damaged} == whole.keys() - touched
    assert made.clips == len(touched)


def test_a_codec_without_its_name(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", moving_texture(), "libx264", "mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"xxxx"))
    with pytest.raises(VideoError, match=r"clip\.mp4 has a codec that FFmpeg does not know; replace the file"):
        read_frames(path, [0])


def answers(loader: DataLoader[Any]) -> Iterator[Any]:
    """What a loader gives, one clip after the other, errors too."""
    clips = iter(loader)
    while True:
        try:
            yield next(clips)
        except StopIteration:
            return
        except VideoError as error:
            yield error


def training(folder: Path, root: Path) -> VideoFolder:
    """What a run on this folder begins with."""
    data = VideoFolder(str(folder), root=str(root), split="clip", batch_size=1, num_workers=0, cache=False)
    data.setup()
    return data


def named_in(data: VideoFolder) -> set[str]:
    """Reads all clips, of which none may be whole; the files that are named, each in one line."""
    named = set()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for answer in answers(loader):
            assert isinstance(answer, VideoError) and "\n" not in str(answer)
            named.add(str(answer).split(" ", 1)[0])
    return named


def test_prepared_clips(sound: bytes, tmp_path: Path) -> None:
    """Every one of 200 is named by check, and none is trained on."""
    folder = tmp_path / "mine"
    rng = random.Random(0)
    entries = []
    for number in range(10):
        write_video(tmp_path / "whole.mp4", moving_texture(number))
        content = (tmp_path / "whole.mp4").read_bytes()
        for each, (_, changed) in enumerate(damaged(content, sound, rng)):
            path = f"clips/c{each % 2}/{number}_{each:02d}.mp4"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(changed)
            entries.append(Entry(path, f"c{each % 2}", "", COUNT, 24.0, 64, 96, path, "0" * 64))
    write_index(folder, entries)
    report = check_clips(folder)
    assert report.clips == 200
    assert {problem.path for problem in report.problems if problem.kind in ("empty", "unreadable")} == {
        entry.path for entry in entries
    }
    assert named_in(training(folder, tmp_path)) == {str(folder / entry.path) for entry in entries}


@pytest.mark.parametrize("kind", ["avi", "mp4", "mov"])
def test_a_header_that_promises_more(kind: str, tmp_path: Path) -> None:
    """Damaged tables make FFmpeg give a shorter video, and say nothing."""
    path = encode(tmp_path / f"clip.{kind}", moving_texture(), "mpeg4", kind)
    content = path.read_bytes().replace(b"edts", b"free").replace(b"elst", b"free")  # no edit list cuts frames off
    if kind == "avi":
        place = content.index(b"strh") + 8 + 32  # the length of the stream
        changed = content[:place] + (COUNT + 5).to_bytes(4, "little") + content[place + 4 :]
    else:
        place = content.index(b"stsz") + 12  # how many samples have a size
        changed = content[:place] + (COUNT - 5).to_bytes(4, "big") + content[place + 4 :]
    path.write_bytes(content)
    assert count_frames(path) == COUNT
    path.write_bytes(changed)
    with pytest.raises(VideoError, match=r"its header promises \d+ frames, but it has \d+\)"):
        count_frames(path)
