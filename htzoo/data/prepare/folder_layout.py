"""What the folders around video files say of them: class, group and split."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from htzoo.data.errors import DataError
from htzoo.data.prepare.label_names import check_labels, composed, split_named
from htzoo.data.source import ClipLabel
from htzoo.data.video.container import VIDEO_SUFFIXES


@dataclass(frozen=True)
class Layout:
    """How a tree of files was understood.

    Attributes:
        labels: What each clip shows.
        skipped: Files that are no clips, by reason: their suffix, or "outside the class folders".
        remarks: What a reader should know of it, one sentence each.
    """

    labels: dict[PurePosixPath, ClipLabel]
    skipped: Counter[str]
    remarks: tuple[str, ...]


def read_layout(place: str, files: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()) -> Layout:
    """Understand a tree of video files.

    A file is `<class>/<file>` or `<class>/<group>/.../<file>`. One folder around all of this, as archives have it, is
    ignored. `train`, `val` and `test` around the classes are splits.

    Args:
        place: Name of the tree, for messages.
        files: All files, relative to the tree.
        empty: Folders without any file, relative to the tree.

    Raises:
        DataError: Folders look like splits but hold no classes, or stand beside folders that do not; or two classes
            look alike.
    """
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    skipped = Counter(path.suffix.lower() or "without suffix" for path in set(files) - set(videos))
    depth = _shared_depth(videos)
    remarks = [f"the classes are the folders in {'/'.join(videos[0].parts[:depth])}"] if depth else []
    inside = {path: path.parts[depth:] for path in videos if len(path.parts) > depth + 1}
    if len(inside) < len(videos):
        skipped["outside the class folders"] = len(videos) - len(inside)
    splits = _find_splits(place, {parts[0] for parts in inside.values()}, [*inside.values()])
    labels = {}
    for path, parts in inside.items():
        split, names = (split_named(parts[0]) or "", parts[1:]) if splits else ("", parts)
        labels[path] = ClipLabel(composed(names[0]), composed(names[1]) if len(names) > 2 else "", split)
    check_labels((label.label for label in labels.values()), place)
    level = depth + splits
    known = {label.label for label in labels.values()}
    without: dict[str, Counter[str]] = defaultdict(Counter)
    for path in set(files) - set(videos):
        if len(path.parts) > level + 1 and (name := composed(path.parts[level])) not in known:
            without[name][path.suffix.lower() or "without suffix"] += 1
    for folder in empty:
        if len(folder.parts) > level and (name := composed(folder.parts[level])) not in known:
            without.setdefault(name, Counter())
    remarks += [
        f"{name} has no video ({counted(reasons) or 'it is empty'})" for name, reasons in sorted(without.items())
    ]
    return Layout(labels, skipped, tuple(remarks))


def counted(reasons: Counter[str]) -> str:
    """The reasons with how often each occurs, the most frequent first: "2 .gif, 1 .txt"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda x: (-x[1], x[0])))


def _shared_depth(videos: Sequence[PurePosixPath]) -> int:
    """How many folders stand around all classes: those that every video is in, with another folder in between."""
    depth = 0
    while videos and min(len(path.parts) for path in videos) > depth + 2:
        if len({path.parts[depth] for path in videos}) > 1:
            break
        depth += 1
    return depth


def _find_splits(place: str, tops: set[str], paths: Sequence[tuple[str, ...]]) -> bool:
    """Whether the outermost folders are splits."""
    named = sorted(top for top in tops if split_named(top))
    others = sorted(tops - set(named))
    if len({split_named(top) for top in named}) < 2:
        return False  # a class may be called train: it is a vehicle too
    if others:
        raise DataError(
            f"{place} has the folders {' and '.join(named)}, which look like splits, beside {', '.join(others[:3])}; "
            "put the classes into folders train, val and test, or give a table."
        )
    if min(len(parts) for parts in paths) < 3:
        raise DataError(
            f"{place} has the folders {' and '.join(named)}, which look like splits, with videos directly in them; put "
            f"each video into a folder of its class, such as {named[0]}/CLASS/FILE, or give a table."
        )
    return True
