"""HMDB51: actions from films and the web."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from htzoo.data.clips.splits import Folds, Split
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.errors import DataError
from htzoo.data.source import ClipLabel, Source

# What follows the name of the film: class, body parts, camera motion, people, viewpoint, quality, number.
_TAGS = r"_[fhlu]_(cm|nm)_np\d_(ba|fr|le|ri)_(bad|goo|med)_\d+$"


class HMDB51(VideoDataModule):
    """6,766 clips in 51 classes, 240 pixels high, mostly from films (Kuehne et al., 2011).

    `split: official` has the publisher's three folds: 70 training and 30 test clips of each class, the rest unused.
    The mean over the three is what is reported. `split: group` leaves films out.
    """

    dataset_name = "hmdb51"
    title = "HMDB51"
    homepage = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
    licence = "CC BY 4.0"
    # fmt: off
    classes = (
        "brush_hair", "cartwheel", "catch", "chew", "clap", "climb", "climb_stairs", "dive", "draw_sword", "dribble",
        "drink", "eat", "fall_floor", "fencing", "flic_flac", "golf", "handstand", "hit", "hug", "jump", "kick",
        "kick_ball", "kiss", "laugh", "pick", "pour", "pullup", "punch", "push", "pushup", "ride_bike", "ride_horse",
        "run", "shake_hands", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "situp", "smile", "smoke", "somersault",
        "stand", "swing_baseball", "sword", "sword_exercise", "talk", "throw", "turn", "walk", "wave",
    )
    # fmt: on
    clip_count = 6766
    sources = (
        Source(
            "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar",
            "hmdb51_org.rar",
            md5="517d6f1f19f215c45cdd4d25356be1fb",
        ),
        Source(
            "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
            "test_train_splits.rar",
            md5="15e67781e70dcfbdce2d7dbb9b3344b5",
        ),
    )
    split_files = ("*_test_split[123].txt",)
    default_split = "official"
    usual_folds = Folds(official=3)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<class>/<film>_<class>_<tags>.avi`; clips of a film are a group."""
        label = path.parent.name
        if path.suffix.lower() != ".avi" or label not in cls.classes:
            return None
        film = re.sub(_TAGS, "", path.stem).removesuffix(f"_{label}")
        return ClipLabel(label, film)

    def official_splits(self, fold: int) -> Sequence[Split | None]:
        """Tag 1 is for training, 2 for testing, 0 for neither.

        Raises:
            DataError: A list of the split is missing or cannot be read.
        """
        split_of: dict[tuple[str, str], Split | None] = {}
        meaning: dict[str, Split | None] = {"0": None, "1": "train", "2": "test"}
        for label in self.classes:
            path = self.folder / "splits" / f"{label}_test_split{fold}.txt"
            try:
                for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                    if line.strip():
                        name, tag = line.split()
                        split_of[label, name] = meaning[tag]
            except FileNotFoundError:
                raise DataError(
                    f"{path} does not exist; extract {self.sources[1].url} there, all {3 * len(self.classes)} files in "
                    "one folder, or choose split group or clip."
                ) from None
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{path} cannot be read ({error!r}); extract it again.") from error
        return [split_of.get((self.classes[clip.label], PurePosixPath(clip.name).name)) for clip in self.clips]
