"""Splits: nothing leaks, everything is used, and the papers' folds come out as their code makes them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from htzoo.data import Clip, MovingDigits
from htzoo.data.clips.splits import Folds, Split, SplitRule, split_clips


def clips_of(groups: list[tuple[int, str]]) -> list[Clip]:
    """Clips of (label, group), named in their order."""
    return [
        Clip(Path(f"{number}.mp4"), label, group, 9, f"a/{number:05d}.avi")
        for number, (label, group) in enumerate(groups)
    ]


def no_official(fold: int) -> list[Split | None]:
    raise AssertionError("not asked for")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=30, max_size=120), st.integers(2, 4))
def test_groups_never_leak_and_folds_cover_all(drawn: list[tuple[int, int]], folds: int) -> None:
    clips = clips_of([(label, str(group)) for label, group in drawn])
    assume(len({clip.group for clip in clips}) > folds + 1)
    tested: Counter[int] = Counter()
    for fold in range(1, folds + 1):
        splits = split_clips(clips, "group", fold, folds, 0.2, no_official)
        assert splits == split_clips(clips, "group", fold, folds, 0.2, no_official)
        found = {
            split: {clip.group for clip, of in zip(clips, splits, strict=True) if of == split}
            for split in ("train", "val", "test")
        }
        assert all(found.values()) and None not in splits
        assert not found["train"] & found["val"] and not (found["train"] | found["val"]) & found["test"]
        tested.update(index for index, split in enumerate(splits) if split == "test")
    assert tested == dict.fromkeys(range(len(clips)), 1)


def test_as_many_folds_as_groups_leaves_out_one_by_one() -> None:
    clips = clips_of([(label, f"{group:02d}") for label in range(3) for group in range(1, 26) for _ in range(4)])
    for fold in (1, 7, 25):
        splits = split_clips(clips, "group", fold, 25, 0.1, no_official)
        assert {clip.group for clip, split in zip(clips, splits, strict=True) if split == "test"} == {f"{fold:02d}"}
        assert Counter(splits)["val"] in (24, 36)  # a tenth of 24 groups


def test_fewer_folds_are_balanced() -> None:
    rng = np.random.default_rng(0)
    clips = clips_of([(int(label), f"{rng.integers(60)}") for label in rng.integers(2, size=300)])
    for fold in range(1, 6):
        splits = split_clips(clips, "group", fold, 5, 0.1, no_official)
        labels = Counter(clip.label for clip, split in zip(clips, splits, strict=True) if split == "test")
        assert all(abs(labels[label] - sum(c.label == label for c in clips) / 5) <= 3 for label in range(2))


def test_clips_without_a_group_are_their_own() -> None:
    clips = clips_of([(number % 2, "") for number in range(40)])
    splits = split_clips(clips, "group", 1, 5, 0.25, no_official)
    assert Counter(splits) == {"train": 24, "val": 8, "test": 8}


@pytest.mark.parametrize("count", [1600, 1910, 6766, 11])
def test_clip_split_is_the_papers(count: int) -> None:
    """The lines of the public code of TT-RNN, with numpy's global generator."""
    clips = clips_of([(0, "")] * count)
    shuffled_list = [clips[index] for index in np.random.default_rng(1).permutation(count)]  # any order of the list
    np.random.seed(11111986)
    ordered = np.array([clip.name for clip in clips])[np.random.choice(range(count), count, False)]
    folds = np.array_split(np.arange(count), 5)
    for fold in range(5):
        splits = split_clips(shuffled_list, "clip", fold + 1, 5, 0.1, no_official)
        tested = {clip.name for clip, split in zip(shuffled_list, splits, strict=True) if split == "test"}
        assert tested == set(ordered[folds[fold]])
        train = count - len(folds[fold])
        assert Counter(splits)["val"] == max(1, round(0.1 * train))
    if count == 1600:  # BT-LSTM: the last fifth of one permutation
        assert tested == set(ordered[1280:])


def test_official_split_is_kept_and_validation_taken_from_its_training() -> None:
    clips = clips_of([(0, str(number // 2)) for number in range(20)])
    given_parts: list[Split | None] = ["train"] * 12 + ["test"] * 4 + [None] * 4
    splits = split_clips(clips, "official", 2, 3, 0.5, lambda fold: given_parts if fold == 2 else [])
    assert splits[12:] == given_parts[12:] and Counter(splits)["val"] == 6
    assert all(splits[index] == splits[index + 1] for index in range(0, 20, 2))
    with_val: list[Split | None] = ["train", "val"] * 5 + ["test"] * 10
    assert split_clips(clips, "official", 1, 1, 0.1, lambda fold: with_val) == with_val


@pytest.mark.parametrize("rule", ["group", "clip", "official"])
def test_without_validation_all_the_rest_is_trained_on(rule: SplitRule) -> None:
    clips = clips_of([(number % 2, str(number // 2)) for number in range(40)])
    published: list[Split | None] = ["train", "val"] * 15 + ["test"] * 8 + [None] * 2
    some = split_clips(clips, rule, 2, 5, 0.2, lambda _: published)
    none = split_clips(clips, rule, 2, 5, 0, lambda _: published)
    assert "val" in some
    assert none == ["train" if split == "val" else split for split in some]


def test_wrong_numbers_are_named() -> None:
    clips = clips_of([(0, str(number)) for number in range(5)])
    with pytest.raises(ValueError, match="fold is 6, but split group has folds 1 to 5"):
        split_clips(clips, "group", 6, 5, 0.1, no_official)
    with pytest.raises(ValueError, match="folds asks for 6 folds of whole groups, but the 5 clips have 5 groups"):
        split_clips(clips, "group", 1, 6, 0.1, no_official)
    with pytest.raises(ValueError, match="folds is 9, but there are 5 clips"):
        split_clips(clips, "clip", 1, 9, 0.1, no_official)
    with pytest.raises(ValueError, match=r"validation is 1; give a share"):
        split_clips(clips, "clip", 1, 5, 1, no_official)
    with pytest.raises(ValueError, match="split is 'official'; choose one of group, clip"):
        Folds().of("official")
    assert Folds(official=3).of("official") == 3


def test_a_wrong_fold_is_named_before_clips_are_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fold is 2, but split official has folds 1 to 1"):
        MovingDigits(str(tmp_path), fold=2)
