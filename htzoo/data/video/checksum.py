"""The checksum at the end of every video that htzoo writes: it tells that a file is one of ours and still whole.

It is a box of type "free", which every program that reads mp4 skips: size, type, 16 bytes that say what it is, and the
SHA-256 of all bytes before it. Decoding finds most damage but not all of it, and takes many times as long.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from htzoo.data.errors import VideoError
from htzoo.data.video.decode import damaged
from htzoo.files import file_digest

_TAG = b"htzoo  sealed  1"
_LENGTH = 8 + len(_TAG) + hashlib.sha256().digest_size


def seal(file: Path) -> None:
    """Append the checksum to a finished mp4 file."""
    with file.open("rb") as content:
        digest = _digest(content, file.stat().st_size)
    with file.open("ab") as content:
        content.write(_LENGTH.to_bytes(4, "big") + b"free" + _TAG + digest)


def check_seal(file: Path, required: bool = False) -> bool:
    """See that a file that htzoo wrote is still what it was.

    Args:
        file: Any file.
        required: Whether it is known to be one of ours, so that it has a checksum.

    Returns:
        Whether it has a checksum, which is then right; nothing is known of others.

    Raises:
        VideoError: The checksum is wrong, or it is required and gone.
    """
    length = max(0, file.stat().st_size - _LENGTH)
    with file.open("rb") as content:
        content.seek(length)
        box = content.read()
        if box[8:-32] == _TAG:
            content.seek(0)
            if _digest(content, length) != box[-32:]:
                raise damaged(file, "its checksum is wrong")
            return True
    if required:
        raise damaged(file, "its checksum is gone")
    return False


def _digest(content: BinaryIO, length: int) -> bytes:
    """SHA-256 of the next `length` bytes."""
    digest = hashlib.sha256()
    while length > 0 and (chunk := content.read(min(length, 1 << 20))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.digest()


def digest_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        VideoError: It cannot be read.
    """
    try:
        return file_digest(file)
    except OSError as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: OSError) -> VideoError:
    """The error of a file that the system does not let us read."""
    return VideoError(f"{file} cannot be read ({error.strerror or error}); check the path, or copy it again.")
