"""``htzoo classify``: label video files."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from htzoo.cli.arguments import Parser, add_hub_options, hub_options
from htzoo.files import replacing

DESCRIPTION = """\
Label video files with a trained model.

examples:
  htzoo classify moving_digits_ht clip.mp4
  htzoo classify ORG/REPO clips/ --top 3 --csv labels.csv
  htzoo classify fight_cnn_ht camera.mp4 --window 2 --stride 1   a label for every second of a long video
  htzoo classify runs/moving_digits_ht/TIME clip.mp4 --json
"""


@dataclass(frozen=True)
class Labelled:
    """The labels of a clip or of a window of a video, or the reason why there are none.

    Attributes:
        path: the video file.
        start: seconds from the start of the video; None for a whole clip.
        end: seconds from the start of the video; None for a whole clip.
        labels: (label, probability) pairs, the most probable first.
        error: why the file has no labels.
    """

    path: str
    start: float | None = None
    end: float | None = None
    labels: tuple[tuple[str, float], ...] = ()
    error: str | None = None


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.

    Raises:
        ValueError: the model cannot be opened.
        VideoError: some of the files could not be labelled; the others were.
    """
    parser = Parser("classify", DESCRIPTION)
    parser.add_argument("model", metavar="NAME", help="name of the zoo, folder, ORG/REPO, or training run")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="video files, or folders to search for them")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="how many labels to print (default 5)")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="label windows of this length, for long videos")
    parser.add_argument("--stride", type=float, metavar="SECONDS", help="from window to window (default: one length)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table with a row for each label")
    add_hub_options(parser)
    given = parser.parse_args(words[1:])
    if given.top < 1:
        parser.error(f"--top is {given.top}: give at least 1")
    for name in ("window", "stride"):
        if getattr(given, name) is not None and not getattr(given, name) > 0:
            parser.error(f"--{name} is {getattr(given, name)}: give seconds above zero")
    if given.stride is not None and given.window is None:
        parser.error("--stride is given without --window: give both")

    from htzoo.data import VideoError
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model

    def label(model: ZooClassifier, path: Path) -> Iterator[Labelled]:
        try:
            if given.window is None:
                yield Labelled(str(path), labels=tuple(model.classify(path, given.top)))
                return
            for window in model.classify_windows(path, given.window, given.stride, given.top):
                yield Labelled(str(path), window.start, window.end, tuple(window.labels))
        except (VideoError, OSError) as error:  # the windows before it are kept
            text = str(error)
            yield Labelled(str(path), error=text if str(path) in text else f"{path}: {text}")

    paths = _videos(given.videos)
    model = open_model(given.model, ZooClassifier, hub=hub_options(given))
    found: list[Labelled] = []
    bar = tqdm(paths, unit="video", leave=False, disable=None if len(paths) > 1 else True)
    for path in bar:
        for new in label(model, path):
            found.append(new)
            if not given.json and (new.error is None or len(paths) > 1):  # for a single video, the last line reports it
                with bar.external_write_mode():
                    _print(new)
    if given.json:
        print(json.dumps({"model": given.model, "clips": [_plain(clip) for clip in found]}, ensure_ascii=False))
    if given.csv is not None:
        _write(found, given.csv)
    wrong = [clip for clip in found if clip.error is not None]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise VideoError(f"{len(wrong)} of {len(paths)} videos could not be labelled: {wrong[0].error}{more}")


def _videos(names: Sequence[str]) -> list[Path]:
    """The files, and the videos in the folders, without hidden files; links to folders are followed."""
    from htzoo.data.prepare.source_files import files_in
    from htzoo.data.video.container import VIDEO_SUFFIXES
    from htzoo.data.video.image_folder import are_frames

    paths: list[Path] = []
    for path in map(Path, names):
        if not path.is_dir() or are_frames(os.listdir(path)):
            paths.append(path)  # a missing file, or one that is no video, is reported when it is read
            continue
        inside = [file for name, file in files_in(path) if name.suffix.lower() in VIDEO_SUFFIXES]
        if not inside:
            raise ValueError(
                f"{path} has no videos in it: give files that end in one of {', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        paths += inside
    return paths


def _print(clip: Labelled) -> None:
    if clip.error is not None:
        print(clip.error, file=sys.stderr)
        return
    when = "" if clip.start is None else f"  {_clock(clip.start)}-{_clock(clip.end or 0)}"
    text = "  ".join(f"{label} {probability:.3f}" for label, probability in clip.labels)
    print(f"{clip.path}{when}  {text}", flush=True)


def _clock(seconds: float) -> str:
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _plain(clip: Labelled) -> dict[str, object]:
    values = asdict(clip)
    values["labels"] = [{"label": label, "probability": probability} for label, probability in clip.labels]
    return {key: value for key, value in values.items() if value is not None and not (clip.error and key == "labels")}


def _write(clips: Sequence[Labelled], output: Path) -> None:
    with replacing(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "start", "end", "rank", "label", "probability", "error"])
        for clip in clips:
            where = [clip.path, "" if clip.start is None else clip.start, "" if clip.end is None else clip.end]
            if clip.error is not None:
                writer.writerow([*where, "", "", "", clip.error])
            for rank, (label, probability) in enumerate(clip.labels, start=1):
                writer.writerow([*where, rank, label, f"{probability:.6f}", ""])
