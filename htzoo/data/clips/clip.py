"""A labelled video file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htzoo.data.video.checksum import digest_of
from htzoo.data.video.decode import damaged
from htzoo.data.video.read import Frames, read_frames


@dataclass(frozen=True)
class Clip:
    """A labelled video file.

    Attributes:
        path: The file.
        label: Index of its class.
        group: Scene, film or person that it shares with other clips; "" where nothing is known.
        frames: How many frames it has.
        name: Where it was in the tree as published, with forward slashes: the same on every machine.
        digest: SHA-256, in hexadecimal, of the original; "" where that is not known.
        prepared: Whether htzoo made the file from an original; else it is one itself.
    """

    path: Path
    label: int
    group: str
    frames: int
    name: str = ""
    digest: str = ""
    prepared: bool = False

    def read(self, indices: Sequence[int] | npt.NDArray[np.integer], size: tuple[int, int] | None = None) -> Frames:
        """Read frames as `htzoo.data.video.read.read_frames` does, if the file still has the bytes that it had.

        Raises:
            VideoError: It has not, or does not give these frames.
        """
        if self.digest and not self.prepared and digest_of(self.path) != self.digest:
            raise damaged(self.path, "it has changed since it was first read")
        return read_frames(self.path, indices, size, self.prepared)
