"""Whether the parts of an AVI, mkv or webm file follow one another without a gap, up to the end that the file states.

FFmpeg silently looks for the next part where one is damaged, and gives a shorter video.
"""

import mmap
import re
from typing import BinaryIO

import av

_NAME = re.compile(rb"[\w ]{4}")  # of a chunk of AVI
_WITH_CHUNKS = {b"AVI ", b"AVIX", b"movi", b"rec "}
_HEAD, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
# What else may follow in a segment or in a cluster; the standard allows nothing more.
_OTHERS = "114d9b74 1549a966 1654ae6b 1c53bb6b 1941a469 1043a770 1254c367 e7 a3 a0 ab a7 5854 af ec bf"
_ELEMENTS = {_HEAD, _SEGMENT, _CLUSTER, *map(bytes.fromhex, _OTHERS.split())}


def what_is_broken(file: BinaryIO) -> str | None:
    """What is wrong with the order of parts in a file; None if nothing is, or if its format has no such order."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] == b"RIFF" and content[8:12] == b"AVI ":
            return _broken_avi(content)
        if content[:4] == _HEAD:
            return _broken_matroska(content)
    return None


def promises_are_kept(file: BinaryIO, container: av.container.InputContainer) -> bool:
    """Whether a whole file of this format has as many packets as its header says.

    An mp4 file with an edit list may show a part of its frames only.
    """
    if container.format.name == "avi":
        return True
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return container.format.name.startswith("mov,") and content.find(b"elst") < 0


def _broken_avi(content: mmap.mmap) -> str | None:
    """Walk along the chunks, in the lists that hold frames too."""
    position = end = 0
    while position + 8 <= len(content):
        name, size = content[position : position + 4], int.from_bytes(content[position + 4 : position + 8], "little")
        if name == b"RIFF":
            end = position + 8 + size
            if (missing := end - len(content)) > 1:  # a last byte of padding may be missing
                return _missing(missing)
        if position >= end:
            return None  # what comes after the last chunk does not matter
        if not _NAME.fullmatch(name):
            return _gap(position)
        if name in (b"RIFF", b"LIST") and content[position + 8 : position + 12] in _WITH_CHUNKS:
            position += 12
            continue
        position += 8 + size
        if size % 2 and (position + 1 >= end or _NAME.match(content, position + 1)):
            position += 1  # the padding, which some programs do not write
    return _missing(position - len(content)) if position > len(content) + 1 else None


def _broken_matroska(content: mmap.mmap) -> str | None:
    """Walk along the elements, in the segment and its clusters too."""
    position, end = 0, len(content)
    while position < end:
        name = content[position : position + 9 - content[position].bit_length()]
        place = position + len(name)
        if name not in _ELEMENTS or place == end:
            return _gap(position)
        # Leading zero bits tell how many bytes the length has; all ones: it is unknown.
        bytes_ = 9 - content[place].bit_length()
        size = int.from_bytes(content[place : place + bytes_], "big") & ((1 << 7 * bytes_) - 1)
        known = size < (1 << 7 * bytes_) - 1
        position = place + bytes_
        if known and position + size > end:
            return _missing(position + size - end)
        if name == _SEGMENT and known:
            end = position + size
        if name not in (_SEGMENT, _CLUSTER):
            position += size
    return None


def _missing(count: int) -> str:
    return f"its last {count:,} bytes are missing"


def _gap(position: int) -> str:
    return f"the bytes from {position:,} on are no part of a video"
