"""Sampling and windows follow the time stamps where the frame rate varies, and the frame numbers where it does not."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htzoo.data import Clip, FrameSampler, VideoFile, read_frames
from htzoo.data.clips.dataset import ClipReader
from htzoo.data.clips.windows import read_windows
from htzoo.data.video.even_times import at_even_rate, shown_at_even_times
from htzoo.data.video.transcode import transcode
from tests.data.helpers import numbered, numbers_in


def varying(path: Path, times: list[float], codec: str = "libx264", container: str = "mp4") -> Path:
    """Numbered frames at these times, in seconds."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, frame in zip(times, numbered(len(times)), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = round(1000 * time), Fraction(1, 1000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


# A phone in bad light: 20 frames in the first second, 5 in each of the next three.
TIMES = [*np.arange(0, 1, 0.05), *np.arange(1, 4, 0.2)]


@given(count=st.integers(1, 400), rate=st.floats(1, 240), seed=st.integers(0, 99), start=st.floats(-5, 5))
def test_a_constant_rate_changes_nothing(count: int, rate: float, seed: int, start: float) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.2, 0.2, count)
    times = start + (np.arange(count) + jitter) / rate
    assert shown_at_even_times(start + np.arange(count) / rate).tolist() == [*range(count)]
    assert list(at_even_rate(((start + k / rate, k) for k in range(count)), rate)) == [*range(count)]
    assert list(at_even_rate(((None, k) for k in range(count)), rate)) == [*range(count)]
    assert np.abs(shown_at_even_times(times) - np.arange(count)).max() <= 1 + 0.4 * count / max(1, count - 1)


@given(steps=st.lists(st.floats(0.01, 1), min_size=2, max_size=60))
def test_what_is_shown_at_a_time(steps: list[float]) -> None:
    times = np.cumsum([0.0, *steps])
    shown = shown_at_even_times(times)
    step = (times[-1] + steps[-1]) / len(times)
    for position, index in enumerate(shown):
        moment = (position + 0.5) * step
        assert times[index] <= moment + 1e-9
        assert index + 1 == len(times) or times[index + 1] > moment - 1e-9


@pytest.mark.parametrize(("codec", "container"), [("libx264", "mp4"), ("libx264", "matroska"), ("libvpx-vp9", "webm")])
def test_sampling_is_even_in_time(codec: str, container: str, tmp_path: Path) -> None:
    path = varying(tmp_path / "clip", TIMES, codec, container)
    sampler = FrameSampler(frames=4)
    with VideoFile(path) as video:
        np.testing.assert_allclose(video.times, TIMES, atol=0.0011)
        chosen = numbers_in(video.read_chosen(lambda count: sampler.candidates(count, "clip")))
    # Four segments of about a second: the middle of each is at 0.5, 1.5, 2.5 and 3.5 s.
    assert [TIMES[number] for number in chosen] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.2)
    clip = Clip(path, 0, "", len(TIMES))
    assert numbers_in(ClipReader((clip,), sampler).read(0)) == chosen
    made = transcode(path, tmp_path / "prepared.mp4", 48)  # keeps the times
    assert made.frames == len(TIMES)
    prepared = Clip(tmp_path / "prepared.mp4", 0, "", len(TIMES), prepared=True)
    assert numbers_in(ClipReader((prepared,), sampler).read(0)) == chosen
    assert numbers_in(read_frames(prepared.path, range(len(TIMES)))) == [*range(len(TIMES))]


def test_windows_are_equally_long(tmp_path: Path) -> None:
    path = varying(tmp_path / "clip.mp4", TIMES)
    windows = list(read_windows(path, 1, 1, FrameSampler(frames=2), (48, 96)))
    assert [start for start, _, _ in windows] == pytest.approx([0, 1, 2, 3], abs=0.15)
    for start, end, frames in windows[:3]:
        shown = [TIMES[number] for number in numbers_in(frames)]
        assert end - start == pytest.approx(1, abs=0.15)
        assert shown == pytest.approx([start + 0.25, start + 0.75], abs=0.25)


def test_frames_of_a_constant_rate_are_counted(tmp_path: Path) -> None:
    path = varying(tmp_path / "clip.mp4", [0.04 * number for number in range(50)])
    with VideoFile(path) as video:
        assert video.evenly([3, 7, 49]).tolist() == [3, 7, 49]
    (_, _, first), (_, _, second) = read_windows(path, 1, 1, FrameSampler(frames=5), (48, 96))
    assert numbers_in(first) == [2, 7, 12, 17, 22] and numbers_in(second) == [27, 32, 37, 42, 47]
