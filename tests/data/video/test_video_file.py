"""Frames are exact, whatever the file, or it is an error."""

import gc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given, settings
from hypothesis import strategies as st

from htzoo.data import VideoError, VideoFile, count_frames, read_frames, write_video
from htzoo.data.video.resize import FrameConverter
from tests.data.helpers import by_decord, encode, numbered, numbers_in
from tests.data.kinds import COUNT, KINDS

BY_KEY_FRAMES = {kind for kind in KINDS if kind.startswith(("h264", "vp9")) and not kind.endswith(".avi")} - {
    "h264_open_gop.mp4"
}


@pytest.fixture(scope="module")
def sealed_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ours, 40 numbered frames."""
    path = tmp_path_factory.mktemp("sealed") / "clip.mp4"
    write_video(path, numbered(40))
    return path


def test_there_are_22_kinds() -> None:
    assert len(KINDS) == 22


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_frames_asked_for(kind: str, video_of: Callable[[str], Path]) -> None:
    path = video_of(kind)
    assert count_frames(path) == COUNT
    rng = np.random.default_rng(0)
    everything = read_frames(path, rng.permutation(COUNT))
    assert everything.dtype == np.uint8 and everything.flags.c_contiguous
    assert numbers_in(everything) == np.random.default_rng(0).permutation(COUNT).tolist()
    for count in (1, 3, 6, 8):
        indices = rng.integers(0, COUNT, count)
        indices[-1] = indices[0]  # a repeat
        assert numbers_in(read_frames(path, indices)) == indices.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_from_key_frames_or_in_order(kind: str, video_of: Callable[[str], Path]) -> None:
    indices = [95, 0, 119, 24, 48, 71, 12, 11]
    with VideoFile(video_of(kind)) as video:
        in_order = video._read_in_order(indices, FrameConverter(None))
        by_key_frames = video._read_from_key_frames(indices, FrameConverter(None))
    assert (by_key_frames is not None) == (kind in BY_KEY_FRAMES)
    if by_key_frames is not None:
        np.testing.assert_array_equal(by_key_frames, in_order)


@settings(max_examples=25, deadline=None)
@given(indices=st.lists(st.integers(0, 39), min_size=1, max_size=8))
def test_our_own_files_by_all_ways(sealed_clip: Path, indices: list[int]) -> None:
    with VideoFile(sealed_clip) as video:
        in_order = np.stack(video._read_in_order(indices, FrameConverter(None)))
    assert numbers_in(in_order) == indices
    np.testing.assert_array_equal(read_frames(sealed_clip, indices), in_order)
    np.testing.assert_array_equal(by_decord(sealed_clip, indices), in_order)


def test_any_change_of_our_own_file_is_an_error(sealed_clip: Path, tmp_path: Path) -> None:
    whole = sealed_clip.read_bytes()
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, len(whole) - 56, 20), len(whole) - 1]
    for number, place in enumerate(places):
        content = bytearray(whole)
        content[place] ^= 1 << number % 8
        (tmp_path / "clip.mp4").write_bytes(content)
        with pytest.raises(VideoError, match=r"clip\.mp4 is damaged \(its checksum is wrong\)"):
            read_frames(tmp_path / "clip.mp4", [0])
    for length in (len(whole) // 2, 57, 5):
        (tmp_path / "clip.mp4").write_bytes(whole[:length])
        with pytest.raises(VideoError, match=r"clip\.mp4"):
            read_frames(tmp_path / "clip.mp4", range(40))


@pytest.mark.parametrize("kind", ["h264.mp4", "mpeg1.mpg"])
@pytest.mark.parametrize(("index", "named"), [(120, "120"), (-1, "-1")])
def test_a_frame_that_is_not_there(kind: str, index: int, named: str, video_of: Callable[[str], Path]) -> None:
    with pytest.raises(VideoError, match=rf"{kind} has no frame {named}: it has 120 frames"):
        read_frames(video_of(kind), [3, index])


def test_a_file_is_opened_once_and_read_in_many_passes(video_of: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(video_of("h264_varying_rate.mp4").read_bytes())
    with VideoFile(path) as video:
        path.unlink()  # what was opened is still there
        assert numbers_in(video.read([5, 3])) == [5, 3]
        assert video.count == len(video.times) == COUNT and not video.sealed  # type: ignore[arg-type]
        unfinished = video.frames()
        next(unfinished)
        assert numbers_in(video.read([119, 0])) == [119, 0]
        assert [frame.pts for frame in video.frames()] == sorted(frame.pts for frame in video.frames())
    with pytest.raises(ValueError, match="is closed"):
        next(video.frames())
    with pytest.raises(VideoError, match="does not exist"):
        VideoFile(path)


def test_wrong_arguments(video_of: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="indices is empty"):
        read_frames(video_of("h264.mp4"), [])
    with pytest.raises(ValueError, match="size is"):
        read_frames(video_of("h264.mp4"), [0], size=(0, 4))


def test_numpy_indices_and_string_path(video_of: Callable[[str], Path]) -> None:
    assert numbers_in(read_frames(str(video_of("h264.mp4")), np.array([7, 7, 3]))) == [7, 7, 3]


def test_resizing_is_the_same_on_both_ways(sealed_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_key_frames = read_frames(sealed_clip, [5, 29], size=(24, 45))
    assert from_key_frames.shape == (2, 24, 45, 3) and numbers_in(from_key_frames) == [5, 29]
    monkeypatch.setattr(VideoFile, "_read_from_key_frames", lambda *_: None)
    np.testing.assert_array_equal(read_frames(sealed_clip, [5, 29], size=(24, 45)), from_key_frames)


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="wav") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def test_files_that_are_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "whole.mp4", numbered(48))
    whole = (tmp_path / "whole.mp4").read_bytes()
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"not a video at all\n" * 50,
        "cut.mp4": whole[: len(whole) // 2],
        "random.avi": np.random.default_rng(0).bytes(20_000),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    _sound_only(tmp_path / "sound.wav")
    for name in (*contents, "sound.wav", "missing.mp4", "."):
        for call in (lambda path: read_frames(path, [0]), count_frames):
            with pytest.raises(VideoError) as caught:
                call(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """Zeroed packets make both decoders fail; frames before the damage are nobody's business here."""
    frames = np.random.default_rng(0).integers(0, 255, (48, 48, 96, 3), np.uint8)
    write_video(tmp_path / "clip.mp4", frames)
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"clip\.mp4 is damaged"):
        read_frames(tmp_path / "clip.mp4", range(48))


def test_odd_frame_size(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 49, 95, 3), np.uint8)
    path = encode(tmp_path / "odd.webm", frames, "libvpx-vp9", "webm", deadline="realtime")
    assert read_frames(path, [5]).shape == (1, 49, 95, 3)


def test_written_files_are_reproducible_whole_and_close(tmp_path: Path) -> None:
    frames = numbered(24)
    write_video(tmp_path / "a.mp4", frames)
    write_video(tmp_path / "b.mp4", frames)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    assert np.abs(read_frames(tmp_path / "a.mp4", range(24)).astype(int) - frames).mean() < 3
    with av.open(str(tmp_path / "a.mp4")) as file:
        kinds = [(frame.key_frame, PictureType(frame.pict_type)) for frame in file.decode(video=0)]
    keys = [number for number, (key, _) in enumerate(kinds) if key]
    assert keys[0] == 0 and max(np.diff([*keys, 24])) <= 12
    assert all(kind != PictureType.B for _, kind in kinds)


def test_writing_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even width"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 49, 96, 3), np.uint8))
    with pytest.raises(ValueError, match="must be uint8"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 48, 96), np.uint8))
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match="cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", np.zeros((2, 48, 96, 3), np.uint8))


def test_reading_leaves_only_pointers_to_the_garbage_collector(sealed_clip: Path, tmp_path: Path) -> None:
    """A frame, a decoder or a type that waits for the collector keeps memory."""
    short = encode(tmp_path / "short.mpg", numbered(4), "mpeg1video", "mpeg")
    for path, indices, pointers in ((short, [3], set()), (sealed_clip, range(30), {"LP_DECORDArray", "c_void_p"})):
        read_frames(path, indices)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            read_frames(path, indices)
            gc.collect()
            assert {type(left).__name__ for left in gc.garbage} <= pointers | {"dict"}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
