"""Hollywood2: actions in films, several of which may be seen in one clip."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import torch

from htzoo.data.clips.clip import Clip
from htzoo.data.clips.listing import prepared_clip
from htzoo.data.clips.splits import Folds, Split
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError
from htzoo.data.index import read_index
from htzoo.data.source import ClipLabel, Source


class Hollywood2(VideoDataModule):
    """1,707 clips of films in 12 actions; a clip may show several of them, or none (Marszalek et al., 2009).

    A label is a row of 12 values, 1 where the clip shows the action. Training and test clips are of different films,
    and which is which is the publisher's. The clips with automatic labels and those of scenes are not used.
    """

    dataset_name = "hollywood2"
    title = "Hollywood2 human actions"
    homepage = "https://www.di.ens.fr/~laptev/actions/hollywood2/"
    licence = "for research"
    classes = (
        "AnswerPhone", "DriveCar", "Eat", "FightPerson", "GetOutCar", "HandShake", "HugPerson", "Kiss", "Run",
        "SitDown", "SitUp", "StandUp",
    )  # fmt: skip
    clip_count = 1707
    sources = (
        Source("ftp://ftp.irisa.fr/local/vistas/actions/Hollywood2-actions.tar.gz", "Hollywood2-actions.tar.gz"),
    )
    split_files = tuple(f"{action}_{split}.txt" for action in classes for split in ("train", "test"))
    standard_size = (100, 234)
    default_split = "official"
    usual_folds = Folds(group=0, clip=5, official=1)
    multilabel = True

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`AVIClips/actionclip<train or test><number>.avi`; the actions are in the lists of `ClipSets`."""
        found = re.fullmatch(r"actionclip(train|test)\d{5}", path.stem)
        return ClipLabel(found[1], "") if path.suffix.lower() == ".avi" and found else None

    def list_clips(self) -> list[Clip]:
        """List all clips, and read which actions they show.

        Raises:
            DataError: The index or a list of an action is missing or cannot be read, or a clip is in no list.
        """
        entries = read_index(self.folder)
        actions = {action: self._listed(action) for action in self.classes}
        rows = []
        for entry in entries:
            name = PurePosixPath(entry.source).stem
            try:
                rows.append([actions[action][name] for action in self.classes])
            except KeyError:
                raise DataError(
                    f"{name} is in no list in {self.folder / 'splits'}; prepare the dataset again."
                ) from None
        self.shown = torch.tensor(rows)
        # The label of a clip is its row of `shown`; the list of clips has a place for one number only.
        return [prepared_clip(self.folder, entry, 0) for entry in entries]

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """What the names of the clips say."""
        return ["train" if "cliptrain" in PurePosixPath(clip.name).name else "test" for clip in self.clips]

    def _listed(self, action: str) -> dict[str, int]:
        """Name of every clip -> whether it shows the action, from lines such as `actioncliptrain00001  -1`."""
        found: dict[str, int] = {}
        for split in ("train", "test"):
            path = self.folder / "splits" / f"{action}_{split}.txt"
            try:
                for line in path.read_text(encoding="utf-8").splitlines():
                    if line.strip():
                        name, sign = line.split()
                        found[name] = {"1": 1, "-1": 0}[sign]
            except FileNotFoundError:
                raise DataError(f"{path} does not exist; it is in ClipSets of {self.sources[0].url}.") from None
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{path} cannot be read ({error!r}); extract it again.") from error
        return found
