"""Frames are exact, whatever the file, or it is an error."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htzoo.data import VideoError, count_frames, read_frames, reading, write_video

from .helpers import KINDS, encode, numbered, numbers_in

EXACT_BY_DECORD = {"h264.mp4", "h264.mkv", "vp9.webm"}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(indices=st.lists(st.integers(0, 119), min_size=1, max_size=8))
def test_exactly_the_frames_asked_for(kind: str, video_of: Callable[[str], Path], indices: list[int]) -> None:
    frames = read_frames(video_of(kind), indices)
    assert frames.shape == (len(indices), 48, 96, 3)
    assert frames.dtype == np.uint8 and frames.flags.c_contiguous
    assert numbers_in(frames) == indices


@pytest.mark.parametrize("kind", KINDS)
def test_count_and_choice_of_decoder(kind: str, video_of: Callable[[str], Path]) -> None:
    path = video_of(kind)
    assert count_frames(path) == 120
    assert reading._decord_is_exact(path) == (kind in EXACT_BY_DECORD)
    if kind in EXACT_BY_DECORD:
        assert reading._decord_frames(path, [0, 24, 48, 71, 95, 119]) is not None


@pytest.mark.parametrize("kind", sorted(EXACT_BY_DECORD))
def test_decord_and_pyav_agree_to_the_bit(kind: str, video_of: Callable[[str], Path]) -> None:
    everything = list(range(120))
    by_decord = reading._decord_frames(video_of(kind), everything)
    assert by_decord is not None
    np.testing.assert_array_equal(by_decord, reading._frames_in_order(video_of(kind), everything))


@pytest.mark.parametrize("kind", ["h264.mp4", "mpeg1.mpg"])
@pytest.mark.parametrize(("index", "named"), [(120, "120"), (-1, "-1")])
def test_a_frame_that_is_not_there(kind: str, index: int, named: str, video_of: Callable[[str], Path]) -> None:
    with pytest.raises(VideoError, match=rf"{kind} has no frame {named}: it has 120 frames"):
        read_frames(video_of(kind), [3, index])


def test_wrong_arguments(video_of: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="indices is empty"):
        read_frames(video_of("h264.mp4"), [])
    with pytest.raises(ValueError, match="size is"):
        read_frames(video_of("h264.mp4"), [0], size=(0, 4))


def test_numpy_indices_and_string_path(video_of: Callable[[str], Path]) -> None:
    assert numbers_in(read_frames(str(video_of("h264.mp4")), np.array([7, 7, 3]))) == [7, 7, 3]


def test_resizing_is_the_same_on_both_ways(video_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = video_of("h264.mp4")
    streamed = read_frames(path, [5, 99], size=(24, 45))
    monkeypatch.setattr(reading, "_decord_is_exact", lambda file: False)
    in_order = read_frames(path, [5, 99], size=(24, 45))
    assert streamed.shape == (2, 24, 45, 3) and numbers_in(streamed) == [5, 99]
    np.testing.assert_array_equal(streamed, in_order)


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


def test_film_taken_upside_down_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, numbered(12))
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    turned = struct.pack(">9i", -0x10000, 0, 0, 0, -0x10000, 0, 0, 0, 0x40000000)
    content = path.read_bytes()
    place = content.index(upright, content.index(b"tkhd"))
    path.write_bytes(content[:place] + turned + content[place + len(turned) :])
    assert not reading._decord_is_exact(path)
    assert numbers_in(read_frames(path, [11, 2])) == [11, 2]


def test_odd_picture_size(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 49, 95, 3), np.uint8)
    path = encode(tmp_path / "odd.webm", frames, "libvpx-vp9", "webm", deadline="realtime")
    assert not reading._decord_is_exact(path)
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


def test_the_same_without_decord(video_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with_decord = read_frames(video_of("h264.mp4"), [7, 100, 7])
    monkeypatch.setitem(sys.modules, "decord", None)  # importing it now fails, as on a platform without wheels
    np.testing.assert_array_equal(read_frames(video_of("h264.mp4"), [7, 100, 7]), with_decord)
