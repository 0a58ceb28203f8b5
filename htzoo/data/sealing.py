"""The checksum at the end of every video that htzoo writes: it tells that a file is one of ours and still whole.

It is a box of type "free", which every program that reads mp4 skips: size, type, 16 bytes that say what it is, and the
SHA-256 of all bytes before it. Decoding finds most damage but not all of it, and takes many times as long.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from htzoo.data.decoding import damaged

_TAG = b"htzoo  sealed  1"
_LENGTH = 8 + len(_TAG) + hashlib.sha256().digest_size


def seal(file: Path) -> None:
    """Append the checksum to a finished mp4 file."""
    with file.open("rb") as content:
        digest = _digest(content, file.stat().st_size)
    with file.open("ab") as content:
        content.write(_LENGTH.to_bytes(4, "big") + b"free" + _TAG + digest)


def check_seal(file: Path) -> bool:
    """See that a file that htzoo wrote is still what it was.

    Returns:
        Whether it is one; nothing is known of others.

    Raises:
        VideoError: It is one, and has changed.
    """
    length = file.stat().st_size - _LENGTH
    if length < 0:
        return False
    with file.open("rb") as content:
        content.seek(length)
        box = content.read()
        if box[8:-32] != _TAG:
            return False
        content.seek(0)
        if _digest(content, length) != box[-32:]:
            raise damaged(file, "its checksum is wrong")
    return True


def _digest(content: BinaryIO, length: int) -> bytes:
    """SHA-256 of the next `length` bytes."""
    digest = hashlib.sha256()
    while length > 0 and (chunk := content.read(min(length, 1 << 20))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.digest()
