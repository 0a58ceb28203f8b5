"""Looking for clips that are unreadable, empty, too short, or there twice."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from htzoo.data.errors import DataError, VideoError
from htzoo.data.index import Entry, has_index, read_index
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.source_checksums import Checksums
from htzoo.data.prepare.source_files import files_in
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.container import VIDEO_SUFFIXES
from htzoo.data.video.image_folder import on_disk
from htzoo.data.video.video_file import VideoFile

Kind = Literal["missing", "empty", "unreadable", "changed", "too short", "other count", "same file", "same frames"]
MIN_FRAMES = 2


@dataclass(frozen=True)
class Problem:
    """What is wrong with a clip.

    Attributes:
        path: The clip, from the folder that was checked, with forward slashes.
        kind: What is wrong: "changed" is another file than was first read; "other count" is another number of frames
            than the index says; "same file" and "same frames" are a copy of another clip, to the byte or as decoded.
        detail: A sentence about it, or the path of the other clip.
    """

    path: str
    kind: Kind
    detail: str


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        clips: How many clips were looked at.
        problems: What is wrong, by path.
    """

    clips: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Seen:
    """A clip that can be read: digests of its bytes and of its brightness in all frames, and how many there are."""

    file_digest: str
    frames_digest: str
    frames: int


def check_clips(folder: Path, min_frames: int = MIN_FRAMES, checksums: Checksums | None = None) -> Report:
    """Decode every clip of a prepared dataset, or every video file in any folder, on all cores.

    In a prepared set the clips are those of its index; in another folder the files whose names end as those of videos
    do. Frames are the same where their brightness is, in every pixel of every frame. Two copies of a clip that were
    compressed differently are not found.

    Args:
        folder: What to look at.
        min_frames: A clip with fewer is too short.
        checksums: Checksums of source files from their first reading; those of new undamaged files are added.

    Raises:
        DataError: The folder is not there or has no video, or its index cannot be read, or checksums cannot be added.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name a prepared dataset, or a folder of videos.")
    prepared = has_index(folder)
    if prepared:
        checksums = None  # the clips have their own
    entries = {entry.path: entry for entry in read_index(folder)} if prepared else {}
    videos = (str(path) for path, _ in files_in(folder) if path.suffix.lower() in VIDEO_SUFFIXES)
    paths = sorted(entries if prepared else videos)
    if not paths:
        raise DataError(f"{folder} has no video file; name a prepared dataset, or a folder of videos.")
    problems: list[Problem] = []
    seen: dict[str, _Seen] = {}

    def look(path: str) -> _Seen | Problem:
        return _look(folder, path, prepared, checksums)

    for path, result in zip(paths, on_all_cores(look, paths, "checking clips", "clip"), strict=True):
        if isinstance(result, Problem):
            problems.append(result)
        else:
            seen[path] = result
    problems += _too_short(seen, min_frames) + _other_counts(seen, entries) + _twice(seen)
    return Report(len(paths), tuple(sorted(problems, key=lambda problem: (problem.path, problem.kind))))


def _look(folder: Path, path: str, prepared: bool, checksums: Checksums | None) -> _Seen | Problem:
    file = on_disk(folder / path)
    if not file.exists():
        return Problem(path, "missing", "is in the index but not there.")
    try:
        if file.is_file() and file.stat().st_size == 0:
            return Problem(path, "empty", "has no byte.")
        of_file = digest_of(file)
        if checksums is not None and checksums.has_changed(file, of_file):
            return Problem(path, "changed", f"has changed since it was first read; {checksums.remedy}")
        digest, count = sha256(), 0
        with VideoFile(file, prepared) as video:
            for frame in video.frames():
                digest.update(frame.to_ndarray(format="gray").tobytes())
                digest.update(b"%d %d" % (frame.height, frame.width))
                count += 1
        if checksums is not None:
            checksums.add(file, of_file, count)
        return _Seen(of_file, digest.hexdigest(), count)
    except VideoError as error:
        return Problem(path, "unreadable", str(error).removeprefix(f"{file} "))
    except (OSError, ValueError) as error:
        return Problem(path, "unreadable", f"cannot be read ({error}).")


def _too_short(seen: dict[str, _Seen], min_frames: int) -> list[Problem]:
    return [
        Problem(path, "too short", f"has {one.frames} of at least {min_frames} frames.")
        for path, one in seen.items()
        if one.frames < min_frames
    ]


def _other_counts(seen: dict[str, _Seen], entries: dict[str, Entry]) -> list[Problem]:
    return [
        Problem(path, "other count", f"has {one.frames} frames where the index says {entries[path].frames}.")
        for path, one in seen.items()
        if path in entries and entries[path].frames != one.frames
    ]


def _twice(seen: dict[str, _Seen]) -> list[Problem]:
    first_file: dict[str, str] = {}
    first_frames: dict[str, str] = {}
    problems = []
    for path, one in seen.items():
        same_file = first_file.setdefault(one.file_digest, path)
        same_frames = first_frames.setdefault(one.frames_digest, path)
        if same_file != path:
            problems.append(Problem(path, "same file", f"is a copy of {same_file}."))
        elif same_frames != path:
            problems.append(Problem(path, "same frames", f"shows what {same_frames} shows."))
    return problems
