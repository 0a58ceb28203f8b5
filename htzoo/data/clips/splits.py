"""Which split each clip belongs to: train, val or test. The split rules of all datasets are here."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from htzoo.data.clips.clip import Clip

Split = Literal["train", "val", "test"]
SplitRule = Literal["group", "clip", "official"]
Official = Callable[[int], Sequence[Split | None]]


@dataclass(frozen=True)
class Folds:
    """How many folds a dataset usually has under each split rule; 0 means that it has no official split."""

    group: int = 5
    clip: int = 5
    official: int = 0

    def of(self, rule: SplitRule) -> int:
        """Number of folds under this split rule.

        Raises:
            ValueError: The dataset has no such split.
        """
        count: int = getattr(self, rule) if rule in get_args(SplitRule) else 0
        if not count:
            known = [name for name in get_args(SplitRule) if getattr(self, name)]
            raise ValueError(f"split is {rule!r}; choose one of {', '.join(known)}.")
        return count


# The seed of the public code of TT-RNN and BT-LSTM.
PAPERS_SEED = 11111986


def check_numbers(rule: SplitRule, fold: int, folds: int, validation: float) -> None:
    """Check the arguments of `split_clips` that can be checked without clips.

    Raises:
        ValueError: A value is out of range.
    """
    if rule != "official" and folds < 2:
        raise ValueError(f"folds is {folds}; give at least 2.")
    if not 1 <= fold <= folds:
        raise ValueError(f"fold is {fold}, but split {rule} has folds 1 to {folds}.")
    if not 0 <= validation < 1:
        raise ValueError(f"validation is {validation}; give a share of the training clips, at least 0 and below 1.")


def split_clips(
    clips: Sequence[Clip], rule: SplitRule, fold: int, folds: int, validation: float, official: Official
) -> list[Split | None]:
    """Assign every clip to train, val or test; the result depends on neither the machine nor the training seed.

    - "group" holds out whole groups (scenes, films, people). With as many folds as groups, fold k tests on the k-th
      group. With fewer folds, groups are distributed so that the folds are balanced in clips and in classes.
    - "clip" is the random split of the papers: the clips sorted by name, permuted by `numpy.random.seed(11111986)` and
      cut by `array_split`; piece k is the test split. Five folds are the protocol of TT-RNN (Yang et al., 2017); the
      fifth is that of BT-LSTM (Ye et al., 2018), which trains on the first 80 %. Clips of one scene are in both the
      train and the test split.
    - "official" is the publisher's own split.

    Validation clips are always taken from the train split: whole groups of it, except under "clip". With `validation`
    0 there are none, and the publisher's validation clips are trained on.

    Args:
        clips: All clips of the dataset.
        rule: The split rule.
        fold: The fold to test on, counted from 1.
        folds: Number of folds.
        validation: Approximate share of the train split that becomes the val split; 0 for none.
        official: Maps a fold to the publisher's split of each clip, None for a clip that is not used.

    Returns:
        The split of each clip, or None where it is not used.

    Raises:
        ValueError: A value is out of range, or there are too few groups or clips.
    """
    check_numbers(rule, fold, folds, validation)
    splits: list[Split | None]
    if rule == "official":
        splits = list(official(fold))
        if "val" in splits and validation:
            return splits
        splits = ["train" if split == "val" else split for split in splits]
    else:
        number = _by_group(clips, folds, "folds") if rule == "group" else _by_clip(clips, folds)
        splits = ["test" if of_clip == fold - 1 else "train" for of_clip in number]
    if not validation:
        return splits
    train = [index for index, split in enumerate(splits) if split == "train"]
    for index in _validation(clips, train, rule, validation):
        splits[index] = "val"
    return splits


def _validation(clips: Sequence[Clip], train: list[int], rule: SplitRule, share: float) -> list[int]:
    """The training clips that are held out for validation."""
    if rule == "clip":
        order = np.random.RandomState(PAPERS_SEED).permutation(len(train))
        return [train[position] for position in order[: max(1, round(share * len(train)))]]
    chosen = [clips[index] for index in train]
    folds = min(max(2, round(1 / share)), len({_group(clip) for clip in chosen}))
    return [index for index, number in zip(train, _by_group(chosen, folds, "validation"), strict=True) if number == 0]


def _by_clip(clips: Sequence[Clip], folds: int) -> list[int]:
    """Fold of each clip, counted from 0, by the permutation of the papers."""
    if folds > len(clips):
        raise ValueError(f"folds is {folds}, but there are {len(clips)} clips; lower it.")
    order = sorted(range(len(clips)), key=lambda index: clips[index].name.split("/"))
    permuted = np.random.RandomState(PAPERS_SEED).permutation(len(clips))
    number = [0] * len(clips)
    for fold, positions in enumerate(np.array_split(permuted, folds)):
        for position in positions:
            number[order[position]] = fold
    return number


def _by_group(clips: Sequence[Clip], folds: int, name: str) -> list[int]:
    """Fold of each clip, counted from 0; all clips of a group are in one fold."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        members[_group(clip)].append(index)
    if not 2 <= folds <= len(members):
        raise ValueError(
            f"{name} asks for {folds} folds of whole groups, but the {len(clips)} clips have {len(members)} groups; "
            "choose split clip, or another number."
        )
    groups = sorted(members)
    if folds == len(groups):
        return _numbered(clips, members, {group: fold for fold, group in enumerate(groups)})
    # Largest group first, each into the fold where it adds least to the sum over classes of squared clip counts,
    # relative to the size of the class: the fold that most lacks its classes.
    size = Counter(clip.label for clip in clips)
    held = [Counter[int]() for _ in range(folds)]
    fold_of: dict[str, int] = {}
    for group in sorted(groups, key=lambda group: -len(members[group])):
        labels = Counter(clips[index].label for index in members[group])

        def added(fold: int, labels: Counter[int] = labels) -> tuple[float, int]:
            cost = sum(count * (2 * held[fold][label] + count) / size[label] for label, count in labels.items())
            return cost, held[fold].total()

        best = min(range(folds), key=added)
        held[best].update(labels)
        fold_of[group] = best
    return _numbered(clips, members, fold_of)


def _numbered(clips: Sequence[Clip], members: dict[str, list[int]], fold_of: dict[str, int]) -> list[int]:
    number = [0] * len(clips)
    for group, indices in members.items():
        for index in indices:
            number[index] = fold_of[group]
    return number


def _group(clip: Clip) -> str:
    """A clip whose group is not known is a group of its own."""
    return clip.group or f"clip {clip.name}"
