"""From source files to clips; clips that are finished are not made again."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from htzoo.data.errors import VideoError
from htzoo.data.index import Entry
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.finished_clips import FinishedClips
from htzoo.data.prepare.source_checksums import Checksums
from htzoo.data.prepare.source_files import SourceFile
from htzoo.data.source import ClipLabel
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.encode import write_video
from htzoo.data.video.resize import Frames
from htzoo.data.video.transcode import transcode


def make_clips(
    files: list[SourceFile], folder: Path, finished: FinishedClips, checksums: Checksums
) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Make the clips of video files, on all cores.

    Args:
        files: The source files.
        folder: Where the dataset is being prepared.
        finished: The clips that are done.
        checksums: What the source files were when they were first read.

    Returns:
        The entries of the index, and (path in the source tree, reason) of each clip that is skipped.

    Raises:
        DataError: Originals have changed since they were first read.
        OSError: A clip cannot be written.
    """
    checksums.compare([file.file for file in files])

    def make(file: SourceFile) -> Entry | str:
        return _make(file, folder, finished, checksums)

    entries: list[Entry] = []
    damaged: list[tuple[str, str]] = []
    common = os.path.commonpath([Path(file.source).parent for file in files]) if files else ""
    for file, result in zip(files, on_all_cores(make, files, "preparing clips", "clip"), strict=True):
        # The path from where clips begin to differ: the same whichever folder around them was given.
        source = Path(file.source).relative_to(common).as_posix()
        if isinstance(result, Entry):
            entries.append(result._replace(source=source))
        else:
            damaged.append((source, result))
    return entries, sorted(damaged)


def _make(file: SourceFile, folder: Path, finished: FinishedClips, checksums: Checksums) -> Entry | str:
    """Make one clip; returns the reason if its source file is damaged."""
    try:
        digest = digest_of(file.file)
    except VideoError as error:
        return str(error).removeprefix(f"{file.file} ")
    if checksums.has_changed(file.file, digest):
        return f"has changed since it was first read; {checksums.remedy}"
    known = finished.find(file.source, digest, folder)
    if known is not None and not (isinstance(known, Entry) and known.path != file.path):
        return known
    result: Entry | str
    try:
        made = transcode(file.file, folder / file.path, finished.short_side)
    except VideoError as error:
        result = str(error).removeprefix(f"{file.file} ")
    else:
        checksums.add(file.file, digest, made.frames)
        result = Entry(
            file.path,
            file.label.label,
            file.label.group,
            made.frames,
            made.fps,
            made.height,
            made.width,
            file.source,
            digest,
            file.label.split,
        )
    finished.add(file.source, digest, result)
    return result


def make_converted(
    clips: Iterator[tuple[str, ClipLabel, Frames, float]], folder: Path, finished: FinishedClips
) -> list[Entry]:
    """Write clips that are not video files, without loss but for the resolution of colours.

    The SHA-256 of the source is that of its frames.

    Args:
        clips: As `Published.convert` gives them.
        folder: Where the dataset is being prepared.
        finished: The clips that are done.

    Returns:
        The entries of the index.

    Raises:
        DataError: The source files are missing or cannot be read.
        VideoError: A clip cannot be written.
    """
    from tqdm import tqdm

    entries = []
    for name, label, frames, fps in tqdm(clips, desc="preparing clips", unit="clip"):
        digest = sha256(frames.tobytes()).hexdigest()
        known = finished.find(name, digest, folder)
        if not isinstance(known, Entry):
            path = f"clips/{label.label}/{name}.mp4"
            write_video(folder / path, frames, fps, crf=0)
            count, height, width, _ = frames.shape
            known = Entry(path, label.label, label.group, count, float(fps), height, width, name, digest)
            finished.add(name, digest, known)
        entries.append(known)
    return entries
