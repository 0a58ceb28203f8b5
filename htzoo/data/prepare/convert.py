"""From originals to clips; those that a journal has are not made again."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from htzoo.data.errors import VideoError
from htzoo.data.index import Entry
from htzoo.data.parallel import on_all_cores
from htzoo.data.prepare.finished_clips import Journal
from htzoo.data.prepare.source_checksums import Checksums
from htzoo.data.prepare.source_files import Original
from htzoo.data.source import ClipLabel
from htzoo.data.video.checksum import digest_of
from htzoo.data.video.encode import write_video
from htzoo.data.video.resize import Frames
from htzoo.data.video.transcode import transcode


def make_clips(
    originals: list[Original], folder: Path, journal: Journal, checksums: Checksums
) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Make the clips of video files, on all cores.

    Args:
        originals: The files.
        folder: Where the data set is being prepared.
        journal: Which clips are done.
        checksums: What the originals were when they were first read.

    Returns:
        The entries of the index, and (path in the original tree, reason) of each clip that is left out.

    Raises:
        DataError: Originals have changed since they were first read.
        OSError: A clip cannot be written.
    """
    checksums.compare([original.file for original in originals])

    def make(original: Original) -> Entry | str:
        return _make(original, folder, journal, checksums)

    entries: list[Entry] = []
    damaged: list[tuple[str, str]] = []
    common = os.path.commonpath([Path(original.source).parent for original in originals]) if originals else ""
    for original, result in zip(originals, on_all_cores(make, originals, "preparing clips", "clip"), strict=True):
        # The path from where clips begin to differ: the same whichever folder around them was given.
        source = Path(original.source).relative_to(common).as_posix()
        if isinstance(result, Entry):
            entries.append(result._replace(source=source))
        else:
            damaged.append((source, result))
    return entries, sorted(damaged)


def _make(original: Original, folder: Path, journal: Journal, checksums: Checksums) -> Entry | str:
    """Make one clip; the reason where its original is damaged."""
    try:
        digest = digest_of(original.file)
    except VideoError as error:
        return str(error).removeprefix(f"{original.file} ")
    if checksums.has_changed(original.file, digest):
        return f"has changed since it was first read; {checksums.remedy}"
    known = journal.find(original.source, digest, folder)
    if known is not None and not (isinstance(known, Entry) and known.path != original.path):
        return known
    result: Entry | str
    try:
        made = transcode(original.file, folder / original.path, journal.short_side)
    except VideoError as error:
        result = str(error).removeprefix(f"{original.file} ")
    else:
        checksums.add(original.file, digest, made.frames)
        result = Entry(
            original.path,
            original.label.label,
            original.label.group,
            made.frames,
            made.fps,
            made.height,
            made.width,
            original.source,
            digest,
            original.label.split,
        )
    journal.add(original.source, digest, result)
    return result


def make_converted(
    clips: Iterator[tuple[str, ClipLabel, Frames, float]], folder: Path, journal: Journal
) -> list[Entry]:
    """Write clips that are not video files, without loss but for the resolution of colours.

    The SHA-256 of the original is that of its frames.

    Args:
        clips: As `Published.convert` gives them.
        folder: Where the data set is being prepared.
        journal: Which clips are done.

    Returns:
        The entries of the index.

    Raises:
        DataError: The originals are missing or cannot be read.
        VideoError: A clip cannot be written.
    """
    from tqdm import tqdm

    entries = []
    for name, label, frames, fps in tqdm(clips, desc="preparing clips", unit="clip"):
        digest = sha256(frames.tobytes()).hexdigest()
        known = journal.find(name, digest, folder)
        if not isinstance(known, Entry):
            path = f"clips/{label.label}/{name}.mp4"
            write_video(folder / path, frames, fps, crf=0)
            count, height, width, _ = frames.shape
            known = Entry(path, label.label, label.group, count, float(fps), height, width, name, digest)
            journal.add(name, digest, known)
        entries.append(known)
    return entries
