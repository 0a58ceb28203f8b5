"""UCF11: actions in amateur videos, also known as YouTube Action."""

from pathlib import PurePosixPath

from htzoo.data.clips.splits import Folds
from htzoo.data.datamodule import VideoDataModule
from htzoo.data.source import ClipLabel, Source


class UCF11(VideoDataModule):
    """1,600 clips of 320 x 240 in 11 classes and 25 groups; clips of a group share scene or person (Liu et al., 2009).

    `split: group` leaves one group out of 25, the publisher's protocol. `split: clip` is that of the papers on tensor
    networks, with clips of one scene on both sides: fold k of 5 is that of TT-RNN, fold 5 that of BT-LSTM.
    """

    dataset_name = "ucf11"
    title = "UCF11 (YouTube Action)"
    homepage = "https://www.crcv.ucf.edu/data/UCF_YouTube_Action.php"
    licence = "for research"
    # fmt: off
    classes = (
        "basketball", "biking", "diving", "golf_swing", "horse_riding", "soccer_juggling", "swing", "tennis_swing",
        "trampoline_jumping", "volleyball_spiking", "walking",
    )
    # fmt: on
    clip_count = 1600
    sources = (Source("https://www.crcv.ucf.edu/data/UCF11_updated_mpg.rar", "UCF11_updated_mpg.rar"),)
    usual_folds = Folds(group=25)

    @classmethod
    def label_clip(cls, path: PurePosixPath) -> ClipLabel | None:
        """`<class>/v_<prefix>_<group>/v_<prefix>_<group>_<clip>.mpg`, .avi in an older archive.

        The prefix is another word than the class ("shooting" for basketball), and .xgtf files are annotations.
        """
        if path.suffix.lower() not in (".mpg", ".avi") or len(path.parts) < 3 or path.parts[-3] not in cls.classes:
            return None
        _, _, group = path.parts[-2].rpartition("_")
        return ClipLabel(path.parts[-3], group)
