"""GIFs and folders of numbered images are clips; images, texts and cover art that are called videos are none."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from htzoo.data import VideoError, VideoFile, VideoFolder, count_frames, read_frames
from htzoo.data.index import read_index
from htzoo.data.prepare.check import check_clips
from htzoo.data.prepare.pipeline import prepare
from tests.data.helpers import batches, encode, numbered, numbers_in


def images(folder: Path, names: list[str], frames: np.ndarray | None = None) -> Path:
    folder.mkdir(parents=True)
    for name, frame in zip(names, numbered(len(names)) if frames is None else frames, strict=True):
        Image.fromarray(frame).save(folder / name)
    return folder


def gif(path: Path, count: int = 8, durations: int | list[int] = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (Image.fromarray(frame) for frame in numbered(count))
    first.save(path, save_all=True, append_images=rest, duration=durations)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm", "tif", "webp"])
def test_a_folder_of_images_is_a_clip(suffix: str, tmp_path: Path) -> None:
    folder = images(tmp_path / "clip", [f"img_{number}.{suffix}" for number in (8, 9, 10, 11)])
    (folder / "notes.txt").write_text("not an image")
    assert count_frames(folder) == 4
    assert numbers_in(read_frames(folder, [3, 0, 0])) == [3, 0, 0]  # 10 comes after 9
    assert numbers_in(read_frames(folder, [2], (24, 48))) == [2]
    with pytest.raises(VideoError, match="has no frame 4"):
        read_frames(folder, [4])


def test_folders_that_are_not_whole(tmp_path: Path) -> None:
    images(tmp_path / "steps", ["5.png", "10.png", "15.png"])
    assert count_frames(tmp_path / "steps") == 3
    for name, names, message in (
        ("gap", ["1.png", "2.png", "4.png"], "no image 3 between 2.png"),
        ("twice", ["1.png", "01.jpg"], "two images of number 1"),
        ("unnumbered", ["a.png", "b.png"], "without numbered images"),
    ):
        with pytest.raises(VideoError, match=message):
            count_frames(images(tmp_path / name, names))
    (tmp_path / "steps" / "10.png").write_bytes((tmp_path / "steps" / "10.png").read_bytes()[:-40])
    with pytest.raises(VideoError, match=r"10\.png"):
        count_frames(tmp_path / "steps")
    with pytest.raises(VideoError, match="changes its frame size"):
        read_frames(images(tmp_path / "sizes", ["1.png", "2.png"], [numbered(1)[0], numbered(1, 24, 48)[0]]), [0, 1])  # type: ignore[arg-type]


def test_photographs_are_turned(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, 24:] = 255
    for number in (1, 2):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise
        Image.fromarray(np.rot90(upright)).save(folder / f"{number}.jpg", exif=exif, quality=95)
    frames = read_frames(folder, [0, 1])
    assert frames.shape == (2, 32, 48, 3) and np.abs(frames.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("kind", ["gif", "folder"])
def test_training_preparing_and_checking(kind: str, tmp_path: Path) -> None:
    for label in ("run", "walk"):
        for number in range(4):
            place = tmp_path / "mine" / label / f"take{number}"
            if kind == "gif":
                gif(place.with_suffix(".gif"))
            else:
                images(place, [f"{index:03d}.png" for index in range(8)])
    settings = {"split": "clip", "frames": 4, "batch_size": 2, "num_workers": 0, "size": (48, 96)}
    module = VideoFolder(str(tmp_path / "mine"), root=str(tmp_path / "root"), **settings)
    module.setup()
    assert module.classes == ("run", "walk") and [clip.frames for clip in module.clips] == [8] * 8
    for batch in batches(module, "train"):  # type: ignore[arg-type]
        assert all(numbers_in(video.numpy()) == [1, 3, 5, 7] for video in batch["video"])
    made = prepare(VideoFolder, tmp_path / "prepared", tmp_path / "mine")
    assert made.clips == 8 and not made.damaged
    for entry in read_index(made.folder):
        assert numbers_in(read_frames(made.folder / entry.path, range(8))) == [*range(8)]
    report = check_clips(tmp_path / "mine")
    assert report.clips == 8 and {problem.kind for problem in report.problems} == {"same file"}


def test_a_changed_image_is_seen(tmp_path: Path) -> None:
    for label in ("run", "walk"):
        for number in range(3):
            images(tmp_path / "mine" / label / str(number), ["1.png", "2.png"], numbered(2) + number)
    VideoFolder(str(tmp_path / "mine"), root=str(tmp_path), split="clip").prepare_data()
    Image.fromarray(numbered(1)[0] + 9).save(tmp_path / "mine" / "run" / "1" / "2.png")
    with pytest.raises(Exception, match="1 of 6 files have changed since they were first read"):
        VideoFolder(str(tmp_path / "mine"), root=str(tmp_path), split="clip").prepare_data()


def test_gif_goes_by_its_times(tmp_path: Path) -> None:
    path = gif(tmp_path / "a.gif", 6, [100, 100, 100, 100, 400, 400])
    with VideoFile(path) as video:
        assert video.count == 6 and video.times is not None
        np.testing.assert_allclose(video.times, [0, 0.1, 0.2, 0.3, 0.4, 0.8])
        assert numbers_in(video.read(range(6))) == [*range(6)]


def cover_art(path: Path) -> None:
    with av.open(str(path), "w", format="mp3") as file:
        audio, cover = file.add_stream("mp3", rate=44100), file.add_stream("png", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 96, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152 * 2), np.int16), "s16", "stereo")
            frame.sample_rate, frame.pts = 44100, number * 1152
            file.mux(audio.encode(frame))
        file.mux(audio.encode(None))


def test_what_is_no_video_whatever_its_name(tmp_path: Path, video_of: Callable[[str], Path]) -> None:
    for kind in ("png", "jpeg", "bmp", "webp", "tiff"):
        path = tmp_path / f"{kind}.mp4"
        Image.fromarray(numbered(1)[0]).save(path, format=kind)
        with pytest.raises(VideoError, match="is not a readable video"):
            count_frames(path)
    (tmp_path / "notes.txt").write_text("FFmpeg can draw this as a video.\n" * 20)
    with pytest.raises(VideoError, match="is not a readable video"):
        count_frames(tmp_path / "notes.txt")
    cover_art(tmp_path / "song.mp3")
    for name in ("song.mp3", "song.mp4"):
        (tmp_path / name).write_bytes((tmp_path / "song.mp3").read_bytes())
        with pytest.raises(VideoError, match=rf"{name} (has only cover art|is not a readable video)"):
            count_frames(tmp_path / name)


def test_cover_art_beside_a_video_is_not_read(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mkv", numbered(6), "libx264", "matroska")
    path = tmp_path / "covered.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", format="mp4") as file:
        cover = file.add_stream("png", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 96, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = file.add_stream_from_template(source.streams.video[0])
        file.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(10)[9], format="rgb24")))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                file.mux(packet)
    assert numbers_in(read_frames(path, range(6))) == [*range(6)]
