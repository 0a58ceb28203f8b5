"""Write a file whole or not at all, and know it again."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which takes the place of `path` when the block ends well.

    If the block raises, the temporary file is removed and an older `path` stays as it was. The folder is made if
    it is missing.

    Args:
        path: the file to write.

    Yields:
        The name to write to, in the folder of `path`.

    Raises:
        OSError: the folder cannot be made or written to; it names `path`, and not the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unique among the threads and processes that may write the same file; short, since `path` may have the longest name
    # that the file system allows.
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{name}.{os.getpid()}.{threading.get_native_id()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path, name: str = "sha256") -> str:
    """The digest of a file in hexadecimal, "sha256" or "md5"."""
    digest = hashlib.new(name, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
