"""The two errors of this room; each says in one sentence what is wrong, where, and what to do about it."""


class VideoError(RuntimeError):
    """A video file cannot give the frames asked for."""


class DataError(RuntimeError):
    """A data set is missing, incomplete, or not the one asked for."""
