"""UCF50: 50 actions in amateur videos."""

import re
from pathlib import PurePosixPath

from htzoo.data.clips.splits import Folds
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.source import ClipLabel, Source


class UCF50(VideoDataModule):
    """Clips of 320 x 240 in 50 classes and 25 groups; clips of a group share scene or person (Reddy and Shah, 2013).

    `split: group` leaves one group out of 25, the publisher's protocol.
    """

    dataset_name = "ucf50"
    title = "UCF50"
    homepage = "https://www.crcv.ucf.edu/data/UCF50.php"
    licence = "for research"
    # fmt: off
    classes = (
        "BaseballPitch", "Basketball", "BenchPress", "Biking", "Billiards", "BreastStroke", "CleanAndJerk", "Diving",
        "Drumming", "Fencing", "GolfSwing", "HighJump", "HorseRace", "HorseRiding", "HulaHoop", "JavelinThrow",
        "JugglingBalls", "JumpRope", "JumpingJack", "Kayaking", "Lunges", "MilitaryParade", "Mixing", "Nunchucks",
        "PizzaTossing", "PlayingGuitar", "PlayingPiano", "PlayingTabla", "PlayingViolin", "PoleVault", "PommelHorse",
        "PullUps", "Punch", "PushUps", "RockClimbingIndoor", "RopeClimbing", "Rowing", "SalsaSpin", "SkateBoarding",
        "Skiing", "Skijet", "SoccerJuggling", "Swing", "TaiChi", "TennisSwing", "ThrowDiscus", "TrampolineJumping",
        "VolleyballSpiking", "WalkingWithDog", "YoYo",
    )
    # fmt: on
    sources = (Source("https://www.crcv.ucf.edu/data/UCF50.rar", "UCF50.rar", size=3_233_554_570),)
    usual_folds = Folds(group=25)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<Class>/v_<Class>_g<group>_c<clip>.avi`; the folder counts, for Billiards has files named `v_Billards_`."""
        found = re.search(r"_g(\d\d)_c\d+$", path.stem)
        if path.suffix.lower() != ".avi" or found is None or path.parent.name not in cls.classes:
            return None
        return ClipLabel(path.parent.name, found[1])
