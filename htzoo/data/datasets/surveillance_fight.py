"""Surveillance Camera Fight: real fights and everyday scenes, as surveillance cameras saw them."""

from pathlib import PurePosixPath

from htzoo.data.datamodule import VideoDataModule
from htzoo.data.source import ClipLabel, Source

# Clips that show the same scene, often as fight and noFight: 21 scenes of several clips; every other clip is a scene of
# its own, 238 in all. The publisher does not say. Found from the first frames, grey and shrunk to 48 x 64: where two
# correlate by more than .9 the clips are of one scene, and so on from clip to clip. (At that threshold fi044 and fi045,
# .898, needed a look; frames of 32 x 32 find all 157 pairs below, and 4 more between .90 and .91.)
_SCENES = (
    "fi015 nofi016",
    "fi017 nofi017",
    "fi027 fi028",
    "fi044 fi045 nofi022",
    "fi046 fi047 fi049 fi050 nofi023 nofi024",
    "fi051 nofi039 nofi042",
    "fi059 fi060 fi061 fi062 fi063 fi064 nofi148",
    "fi065 fi066 fi067 nofi097 nofi098",
    "fi073 fi074 nofi147",
    "fi085 fi086 fi087 fi088 nofi007 nofi008",
    "fi105 fi106",
    "fi107 nofi027",
    "fi111 nofi036",
    "fi120 nofi051 nofi052",
    "fi122 fi123 nofi055 nofi056",
    "fi138 fi139 nofi105",
    "nofi062 nofi063 nofi064 nofi065 nofi066 nofi067 nofi068",
    "nofi070 nofi071 nofi072 nofi073 nofi075 nofi076",
    "nofi077 nofi078 nofi079 nofi080 nofi081 nofi082 nofi083",
    "nofi084 nofi085 nofi086 nofi087",
    "nofi088 nofi089 nofi090 nofi091",
)
_SCENE_OF = {clip: scene.split()[0] for scene in _SCENES for clip in scene.split()}


class SurveillanceFight(VideoDataModule):
    """300 clips of about two seconds, half of them fights, 320 x 240 to 1920 x 1080 (Akti et al., 2019).

    `split: group` leaves scenes out, in five folds; `split: clip` does not, and 14 scenes have clips of both classes.
    """

    dataset_name = "fight"
    title = "Surveillance Camera Fight"
    homepage = "https://github.com/seymanurakti/fight-detection-surv-dataset"
    licence = "MIT"
    classes = ("fight", "noFight")
    clip_count = 300
    sources = (
        Source(
            "https://github.com/seymanurakti/fight-detection-surv-dataset/archive/refs/heads/master.zip",
            "fight-detection-surv-dataset.zip",
        ),
    )

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`fight/fi<number>.mp4` and `noFight/nofi<number>.mp4`."""
        if path.suffix.lower() != ".mp4" or path.parent.name not in cls.classes:
            return None
        return ClipLabel(path.parent.name, _SCENE_OF.get(path.stem, path.stem))
