"""Pictures of motion."""

from pathlib import Path

import numpy as np
import pytest

from htzoo.data import VideoError, write_video
from htzoo.data.clips.clip import Clip
from htzoo.data.clips.dataset import ClipReader
from htzoo.data.clips.frame_cache import open_cache
from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.data.clips.motion_images import motion_pictures


def test_what_changes_is_what_is_seen() -> None:
    frames = np.full((9, 4, 6, 3), 100, np.uint8)
    frames[1:] += 10  # a change in all the picture between the first frame and the second
    frames[6:, 0] = 0  # and in one line between the third and the fourth of the second group
    pictures = motion_pictures(frames)
    assert pictures.shape == (2, 4, 6, 3)
    assert (pictures[0, ..., 0] == 148).all()  # 127.5 + 2 * 10, rounded to even
    assert (pictures[0, ..., 1:] == 128).all()
    assert (pictures[1, 0, :, 1] == 0).all()
    assert (pictures[1, 1:] == 128).all()
    with pytest.raises(VideoError, match="has 3 frames, but motion needs 4"):
        motion_pictures(frames[:3])


def test_motion_is_cached_and_chosen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(20, 16, 64, 3), dtype=np.uint8)
    clips = []
    for number, count in enumerate((20, 9)):
        write_video(tmp_path / f"{number}.mp4", frames[:count])
        clips.append(Clip(tmp_path / f"{number}.mp4", 0, "", count))
    sampler = FrameSampler(frames=12, motion=True)
    cache = open_cache(tmp_path / "cache", clips, sampler, (16, 64, 3))
    reader = ClipReader(tuple(clips), sampler, None, cache)
    for index, count in enumerate((3, 2)):
        pictures = reader.read(index)
        assert len(pictures) == count
        assert np.array_equal(pictures, reader.read(index))  # from the cache
        assert sampler.choose(count).tolist() == list(range(count))
    plain = open_cache(tmp_path / "cache", clips, FrameSampler(frames=12), (16, 64, 3))
    assert plain.path != cache.path


@pytest.mark.parametrize("settings", [{"frames": 6}, {"sampling": "segments"}, {"views": 2}])
def test_settings_that_do_not_go_with_motion(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="motion needs sampling uniform or all, one view, and frames that 4 divides"):
        FrameSampler(**{"frames": 8, "motion": True, **settings})
