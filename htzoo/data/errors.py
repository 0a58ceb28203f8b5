"""The two errors of `htzoo.data`; each says in one sentence what is wrong, where, and what to do about it."""

from pathlib import Path


class VideoError(RuntimeError):
    """A video file cannot give the frames asked for."""


class DataError(RuntimeError):
    """A dataset is missing, incomplete or not the expected one."""


def unwritable(path: Path, error: OSError, remedy: str = "free space or choose another root") -> DataError:
    """The error for a file or folder that cannot be written."""
    return DataError(f"{path} cannot be written ({error.strerror or error}); {remedy}.")
