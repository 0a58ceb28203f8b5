"""Which frames of a clip are read and shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htzoo.data import FrameSampler, uniform_indices
from htzoo.data.clips.frame_sampler import Sampling


@given(
    sampling=st.sampled_from(["uniform", "segments", "fixed_random", "all"]),
    available=st.integers(1, 300),
    frames=st.integers(1, 40),
    views=st.integers(1, 7),
    every=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_what_is_chosen_is_in_order_and_of_the_right_length(
    sampling: Sampling, available: int, frames: int, views: int, every: int, seed: int
) -> None:
    views, every = (1, every) if sampling == "all" else (views, 1)
    sampler = FrameSampler(sampling, frames, every, views, seed)
    candidates = sampler.candidates(available, "a/b.avi")
    assert (np.diff(candidates) > 0).all() and candidates[0] >= 0 and candidates[-1] < available
    assert (candidates == sampler.candidates(available, "a/b.avi")).all()
    for view in range(views):
        shown = candidates[sampler.choose(len(candidates), view)]
        assert len(shown) == min(frames, len(range(0, available, every)))
        assert (np.diff(shown) > 0).all()
    drawn = candidates[sampler.choose(len(candidates), rng=np.random.default_rng(seed))]
    assert len(drawn) == len(shown) and (np.diff(drawn) >= 0).all()


def test_uniform_is_the_middle_of_segments() -> None:
    for available in (5, 6, 7, 29, 30, 31, 299):
        for sampling in ("uniform", "segments"):
            sampler = FrameSampler(sampling, 6)  # type: ignore[arg-type]
            candidates = sampler.candidates(available, "")
            if sampling == "segments" and available < 30:
                continue  # the candidates are all frames, and their middles are rounded otherwise
            shown = candidates[sampler.choose(len(candidates))]
            np.testing.assert_array_equal(shown, uniform_indices(available, 6))


def test_segments_draw_from_every_segment_and_from_all_of_it() -> None:
    sampler = FrameSampler("segments", 8)
    candidates = sampler.candidates(240, "")
    seen = np.array([candidates[sampler.choose(40, rng=np.random.default_rng(seed))] for seed in range(400)])
    assert (seen // 30 == np.arange(8)).all()  # one of each segment of 30 frames
    assert all(len(set(seen[:, segment])) == 5 for segment in range(8))


def test_views_show_all_candidates_once() -> None:
    sampler = FrameSampler("uniform", 6, views=10)
    candidates = sampler.candidates(600, "")
    assert len(candidates) == 60
    shown = np.concatenate([sampler.choose(60, view) for view in range(10)])
    assert sorted(shown) == list(range(60))
    assert len(FrameSampler("segments", 6, views=3).candidates(600, "")) == 30


def test_fixed_random_is_drawn_once_for_each_clip_and_seed() -> None:
    def drawn(seed: int, name: str) -> list[int]:
        return FrameSampler("fixed_random", 6, seed=seed).candidates(90, name).tolist()

    assert drawn(0, "walking/v_walk_dog_01_01.mpg") == [18, 20, 23, 37, 75, 84]  # in every numpy, on every machine
    assert len({tuple(drawn(seed, name)) for seed in range(4) for name in ("a", "b", "c")}) == 12
    counts = np.bincount(np.concatenate([drawn(0, str(clip)) for clip in range(3000)]), minlength=90)
    assert counts.min() > 140 and counts.max() < 270  # 200 each


def test_all_frames_up_to_a_maximum() -> None:
    assert FrameSampler("all", 85).candidates(40, "").tolist() == list(range(40))
    assert FrameSampler("all", 85).candidates(400, "").tolist() == list(range(85))
    assert FrameSampler("all", 90, every=3).candidates(100, "").tolist() == list(range(0, 100, 3))


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="sampling is 'some'; choose one of uniform"):
        FrameSampler("some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="views is 2, but sampling all"):
        FrameSampler("all", views=2)
    with pytest.raises(ValueError, match="every is 3, which only sampling all has"):
        FrameSampler("uniform", every=3)
    with pytest.raises(ValueError, match="frames 8, every 0 and views 1"):
        FrameSampler("all", every=0)
