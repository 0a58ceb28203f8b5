"""The two errors of this room; each says in one sentence what is wrong, where, and what to do about it."""

from pathlib import Path


class VideoError(RuntimeError):
    """A video file cannot give the frames asked for."""


class DataError(RuntimeError):
    """A data set is missing, incomplete, or not the one asked for."""


def unwritable(path: Path, error: OSError, remedy: str = "free space or choose another root") -> DataError:
    """The error of a file or folder that the system does not let us write."""
    return DataError(f"{path} cannot be written ({error.strerror or error}); {remedy}.")
