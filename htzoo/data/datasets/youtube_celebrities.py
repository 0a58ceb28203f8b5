"""YouTube Celebrities: whose face it is."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from htzoo.data.datamodule import VideoDataModule
from htzoo.data.index import INDEX, read_index
from htzoo.data.source import ClipLabel, Source


class YouTubeCelebrities(VideoDataModule):
    """1,910 clips of the faces of 47 people, mostly 320 x 240 (Kim et al., 2008).

    `split: clip` is the protocol of TT-RNN: five folds of random clips, at most 85 frames (`sampling: all`,
    `frames: 85`). Clips cut from one video fall on both sides; `split: group` leaves whole videos out.

    The names of the people come with the files: until the dataset is prepared they are "person 1" to "person 47".
    """

    dataset_name = "ytc"
    title = "YouTube Celebrities"
    homepage = "http://seqamlab.com/youtube-celebrities-face-tracking-and-recognition-dataset/"
    licence = "for research"
    # fmt: off
    classes: tuple[str, ...] = (
        "person 1", "person 2", "person 3", "person 4", "person 5", "person 6", "person 7", "person 8", "person 9",
        "person 10", "person 11", "person 12", "person 13", "person 14", "person 15", "person 16", "person 17",
        "person 18", "person 19", "person 20", "person 21", "person 22", "person 23", "person 24", "person 25",
        "person 26", "person 27", "person 28", "person 29", "person 30", "person 31", "person 32", "person 33",
        "person 34", "person 35", "person 36", "person 37", "person 38", "person 39", "person 40", "person 41",
        "person 42", "person 43", "person 44", "person 45", "person 46", "person 47",
    )
    # fmt: on
    clip_count = 1910
    sources = (Source("http://seqamlab.com/wp-content/uploads/Data/ytcelebrity.tar", "ytcelebrity.tar"),)
    default_split = "clip"

    def __init__(self, root: str = "data", **settings: Any) -> None:
        """Keep the settings, and read the names of the people from the index, where it is there.

        Args:
            root: Folder of all datasets.
            settings: Those of `VideoDataModule`.

        Raises:
            DataError: The index cannot be read.
        """
        folder = Path(root) / self.dataset_name
        if (folder / INDEX).is_file():
            self.classes = tuple(sorted({entry.label for entry in read_index(folder)}))
        super().__init__(root, **settings)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<number>_<video>_<part>_<first>_<last>.avi`; the last two words are the person."""
        found = re.match(r"\d+_(\d+)_\d+_.*?([^_]+_[^_]+)$", path.stem)
        if path.suffix.lower() != ".avi" or found is None:
            return None
        return ClipLabel(found[2], f"{found[2]} {found[1]}")
