"""A dataset that is told what to do; imports little, since processes that are killed import it too."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from htzoo.data.source import ClipLabel, Source


class ScriptedDataset:
    """A dataset like UCF11: a folder a class, and a folder a group in it."""

    dataset_name = "deeds"
    title = "Deeds"
    homepage = "https://example.org/deeds"
    licence = "for tests"
    made = False
    classes: tuple[str, ...] = ("run", "sit")
    clip_count: int | None = None
    sources: tuple[Source, ...] = ()
    split_files: tuple[str, ...] = ()

    def label_clip(self, path: PurePosixPath) -> ClipLabel | None:
        if path.suffix not in (".mpg", ".avi") or len(path.parts) < 2:
            return None
        return ClipLabel(path.parts[-2], path.stem.split("_")[1])

    def label_clips(
        self, paths: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()
    ) -> tuple[dict[PurePosixPath, ClipLabel], tuple[str, ...]]:
        return {path: label for path in paths if (label := self.label_clip(path))}, ()

    def convert(self, folder: Path) -> Iterator[Any] | None:
        return None
