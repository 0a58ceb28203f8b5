"""What each clip is for: training, validation or testing. All rules of all data sets are here."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from htzoo.data.clips.clip import Clip

Part = Literal["train", "val", "test"]
Split = Literal["group", "clip", "official"]
Official = Callable[[int], Sequence[Part | None]]


@dataclass(frozen=True)
class Folds:
    """How many folds a data set usually has by each rule; no official split where that is 0."""

    group: int = 5
    clip: int = 5
    official: int = 0

    def of(self, split: Split) -> int:
        """Folds of this rule.

        Raises:
            ValueError: The data set has no such split.
        """
        count: int = getattr(self, split) if split in get_args(Split) else 0
        if not count:
            known = [name for name in get_args(Split) if getattr(self, name)]
            raise ValueError(f"split is {split!r}; choose one of {', '.join(known)}.")
        return count


# The seed of the public code of TT-RNN and BT-LSTM.
PAPERS_SEED = 11111986


def check_numbers(split: Split, fold: int, folds: int, validation: float) -> None:
    """Check what needs no clips; the arguments are those of `split_clips`.

    Raises:
        ValueError: A number is out of its range.
    """
    if split != "official" and folds < 2:
        raise ValueError(f"folds is {folds}; give at least 2.")
    if not 1 <= fold <= folds:
        raise ValueError(f"fold is {fold}, but split {split} has folds 1 to {folds}.")
    if not 0 <= validation < 1:
        raise ValueError(f"validation is {validation}; give the share of the training clips, from 0 to less than 1.")


def split_clips(
    clips: Sequence[Clip], split: Split, fold: int, folds: int, validation: float, official: Official
) -> list[Part | None]:
    """Say what each clip is for, the same on every machine and whatever the seed of the training.

    - "group" leaves whole groups (scenes, films, people) out. With as many folds as groups, fold k leaves out the k-th
      group; with fewer, groups are dealt out so that the folds are about equal in clips and in classes.
    - "clip" is the random split of the papers: the clips in the order of their names, permuted by
      `numpy.random.seed(11111986)` and cut by `array_split`; part k is for testing. Five folds are the protocol of
      TT-RNN, and the last of them is that of BT-LSTM, which trains on the first 80 %. Clips of one scene fall on both
      sides.
    - "official" is what the publisher says.

    Validation clips always come out of the training part, whole groups of it, except with "clip". With `validation` 0
    there are none, and those that the publisher has for it are trained on.

    Args:
        clips: All clips of the set.
        split: Which rule.
        fold: Which of the folds is for testing, from 1.
        folds: How many folds.
        validation: Share of the training part that is for validation, about; 0 keeps none.
        official: From a fold to the publisher's parts, one a clip, None for a clip that is not used.

    Returns:
        For each clip its part, or None where it is not used.

    Raises:
        ValueError: A number is out of its range, or there are too few groups or clips.
    """
    check_numbers(split, fold, folds, validation)
    parts: list[Part | None]
    if split == "official":
        parts = list(official(fold))
        if "val" in parts and validation:
            return parts
        parts = ["train" if part == "val" else part for part in parts]
    else:
        number = _by_group(clips, folds, "folds") if split == "group" else _by_clip(clips, folds)
        parts = ["test" if of_clip == fold - 1 else "train" for of_clip in number]
    if not validation:
        return parts
    train = [index for index, part in enumerate(parts) if part == "train"]
    for index in _validation(clips, train, split, validation):
        parts[index] = "val"
    return parts


def _validation(clips: Sequence[Clip], train: list[int], split: Split, share: float) -> list[int]:
    """Those of the training clips that are for validation."""
    if split == "clip":
        order = np.random.RandomState(PAPERS_SEED).permutation(len(train))
        return [train[position] for position in order[: max(1, round(share * len(train)))]]
    chosen = [clips[index] for index in train]
    folds = min(max(2, round(1 / share)), len({_group(clip) for clip in chosen}))
    return [index for index, number in zip(train, _by_group(chosen, folds, "validation"), strict=True) if number == 0]


def _by_clip(clips: Sequence[Clip], folds: int) -> list[int]:
    """Fold of each clip, from 0, by the papers' permutation."""
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
    """Fold of each clip, from 0, all clips of a group in one."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        members[_group(clip)].append(index)
    if not 2 <= folds <= len(members):
        raise ValueError(
            f"{name} asks for {folds} parts of whole groups, but {len(clips)} clips are of {len(members)} groups; "
            "choose split clip, or other numbers."
        )
    groups = sorted(members)
    if folds == len(groups):
        return _numbered(clips, members, {group: fold for fold, group in enumerate(groups)})
    # Largest first, each to the fold where it adds least to the sum of squares of the clips a class, relative to the
    # size of the class: what lacks its class most.
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
    """A clip of which no group is known is a group of its own."""
    return clip.group or f"clip {clip.name}"
