"""The checksum at the end of every video that htzoo writes: it proves that the file is one of ours and still whole.

It is a box of type "free", which every mp4 reader skips: size, type, a tag of 16 bytes, and the SHA-256 of all bytes
before it. Decoding detects most damage but not all of it, and takes many times as long.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from htzoo.data.video.container import damaged, unreadable
from htzoo.data.video.image_folder import numbered_images
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
    """Check that a file that htzoo wrote has not changed.

    Args:
        file: Any file.
        required: Whether htzoo wrote it, so that it must have a checksum.

    Returns:
        Whether it has a checksum, which is then right. A file without one may be damaged or not.

    Raises:
        VideoError: The checksum is wrong, or it is required and missing.
    """
    with file.open("rb") as content:
        return check_content(file, content, required)


def check_content(file: Path, content: BinaryIO, required: bool = False) -> bool:
    """`check_seal` of a file that is open."""
    length = max(0, os.fstat(content.fileno()).st_size - _LENGTH)
    content.seek(length)
    box = content.read()
    if box[8:-32] == _TAG:
        content.seek(0)
        if _digest(content, length) != box[-32:]:
            raise damaged(file, "its checksum is wrong")
        return True
    if required:
        raise damaged(file, "its checksum is missing")
    return False


def _digest(content: BinaryIO, length: int) -> bytes:
    """SHA-256 of the next `length` bytes."""
    digest = hashlib.sha256()
    while length > 0 and (chunk := content.read(min(length, 1 << 20))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.digest()


def digest_of(path: Path) -> str:
    """SHA-256, in hexadecimal, of a file, or of the names and contents of the images of a folder.

    Raises:
        VideoError: It cannot be read.
    """
    try:
        if not path.is_dir():
            return file_digest(path)
        digest = hashlib.sha256()
        for image in numbered_images(path):
            digest.update(os.fsencode(image.name) + b"\0" + bytes.fromhex(file_digest(image)))
        return digest.hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
