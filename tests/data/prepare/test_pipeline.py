"""From archives of the true formats to an index, whatever happens on the way."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from htzoo.data import DataError, FIRAction, Hollywood2, VideoFolder, YouTubeCelebrities, read_frames, write_video
from htzoo.data.index import read_index
from htzoo.data.prepare.check import check_clips
from htzoo.data.prepare.pipeline import prepare
from htzoo.data.source import ClipLabel, Source
from htzoo.data.statistics import describe
from htzoo.data.video.transcode import transcode
from htzoo.report.dataset_plots import _examples
from tests.data.archives import rar4, rar5, tar
from tests.data.helpers import Frames, by_decord, encode, numbered, numbers_in
from tests.data.kinds import COUNT, KINDS
from tests.data.scripted_dataset import ScriptedDataset
from tests.data.server import Behaviour, serve


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name and content of twelve clips of numbered frames, and what lies beside them."""
    folder = tmp_path_factory.mktemp("tree")
    files = {"Deeds/read.me": b"notes"}
    for number in range(12):
        label = ("run", "sit")[number % 2]
        codec, container, suffix = (("mpeg1video", "mpeg", "mpg"), ("mpeg4", "avi", "avi"))[number // 6]
        path = encode(folder / "clip", numbered(20 + number, 64, 96), codec, container, bf="2", g="12")
        files[f"Deeds/{label}/v_{number // 4}_{number:02d}.{suffix}"] = path.read_bytes()
        files[f"Deeds/{label}/v_{number // 4}_{number:02d}.xgtf"] = b"annotation"
    return files


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "prepared.json"
    }


@pytest.fixture(scope="module")
def expected(tree: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The prepared set."""
    originals = _write(tmp_path_factory.mktemp("originals"), tree)
    before = _content(originals)
    root = tmp_path_factory.mktemp("root")
    made = prepare(ScriptedDataset(), root, originals)
    assert (made.clips, made.damaged, made.was_there) == (12, (), False)
    assert _content(originals) == before
    return _content(made.folder)


def test_frames_and_index(tree: dict[str, bytes], tmp_path: Path) -> None:
    made = prepare(ScriptedDataset(), tmp_path / "root", _write(tmp_path / "originals", tree), short_side=32)
    entries = read_index(made.folder)
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries) and len(entries) == 12
    for entry in entries:
        number = int(PurePosixPath(entry.path).stem[-2:])
        assert (entry.frames, entry.height, entry.width, entry.fps) == (20 + number, 32, 48, 25.0)
        assert entry.group == str(number // 4) and entry.label == ("run", "sit")[number % 2]
        assert entry.source.startswith(f"{entry.label}/v_") and len(entry.source_sha256) == 64
        everything = read_frames(made.folder / entry.path, range(entry.frames))
        assert numbers_in(everything) == list(range(entry.frames))
    facts = json.loads((made.folder / "prepared.json").read_text())
    assert facts["clips"] == 12 and facts["short_side"] == 32 and facts["versions"]["av"]
    again = prepare(ScriptedDataset(), tmp_path / "root", short_side=32)
    assert again.was_there and again.clips == 12
    with pytest.raises(DataError, match="was prepared with a short side of 32, not 240"):
        prepare(ScriptedDataset(), tmp_path / "root")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_frame_for_frame(kind: str, video_of: Callable[[str], Path], tmp_path: Path) -> None:
    made = transcode(video_of(kind), tmp_path / "clip.mp4", 240)
    rng = np.random.default_rng(0)
    indices = rng.integers(0, COUNT, 30).tolist()
    assert made.frames == COUNT and made.height == 48 and made.width == 96
    assert numbers_in(read_frames(tmp_path / "clip.mp4", indices)) == indices
    assert numbers_in(by_decord(tmp_path / "clip.mp4", indices)) == indices


def test_colours_and_sizes(tmp_path: Path) -> None:
    """Blocks of any colours come out as they went in, smaller where asked for, never larger."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(40, 215, (3, 5, 3), np.uint8), np.ones((32, 32, 1), np.uint8))
    write_video(tmp_path / "in.mp4", np.stack([picture] * 3), fps=Fraction(30000, 1001))
    for short_side, size in ((240, (96, 160)), (48, (48, 80)), (30, (30, 50)), (25, (24, 42))):
        made = transcode(tmp_path / "in.mp4", tmp_path / "out.mp4", short_side)
        assert (made.height, made.width) == size and abs(made.fps - 29.97003) < 1e-4
    transcode(tmp_path / "in.mp4", tmp_path / "out.mp4", 48)
    middles = read_frames(tmp_path / "out.mp4", [1])[0][8::16, 8::16].astype(int)
    assert np.abs(middles - read_frames(tmp_path / "in.mp4", [1])[0][16::32, 16::32]).max() < 8
    odd = np.repeat(picture[None, :95, :159], 2, axis=0)
    encode(tmp_path / "odd.webm", odd, "libvpx-vp9", "webm")
    made = transcode(tmp_path / "odd.webm", tmp_path / "odd.mp4", 240)
    assert (made.height, made.width) == (94, 158)
    kept = read_frames(tmp_path / "odd.mp4", [0])[0].astype(int)
    assert np.abs(kept - read_frames(tmp_path / "odd.webm", [0])[0][:94, :158]).mean() < 3


@pytest.mark.parametrize("pack", [rar4, rar5, tar])
def test_one_archive_over_http(
    pack: Callable[[dict[str, bytes]], bytes], tree: dict[str, bytes], expected: dict[str, bytes], tmp_path: Path
) -> None:
    """As UCF11 (RAR) and YouTube Celebrities (tar); the connection breaks on the way."""
    archive = pack(tree)
    dataset = ScriptedDataset()
    with serve(Behaviour({"/deeds.rar": archive}, cut_after=len(archive) // 2 + 1)) as address:
        dataset.sources = (Source(f"{address}/deeds.rar", "deeds.rar", size=len(archive)),)
        made = prepare(dataset, tmp_path)
    assert _content(made.folder) == expected
    assert (tmp_path / "downloads/deeds.rar").read_bytes() == archive
    assert json.loads((made.folder / "prepared.json").read_text())["archives"][0]["bytes"] == len(archive)
    given = prepare(ScriptedDataset(), tmp_path / "other", tmp_path / "downloads/deeds.rar")
    assert _content(given.folder) == expected


def test_archives_in_an_archive_and_lists_in_another(
    tree: dict[str, bytes], expected: dict[str, bytes], tmp_path: Path
) -> None:
    """As HMDB51: downloaded, or given as a folder with both archives, or with the 51 unpacked from the outer one."""
    by_class = {
        f"{label}.rar": rar4({name[6:]: data for name, data in tree.items() if f"/{label}/" in name})
        for label in ("run", "sit")
    }
    lists = {f"lists/{label}_test_split{n}.txt": b"v_0_00.mpg 1\n" for label in ("run", "sit") for n in (1, 2, 3)}
    files = {"deeds_org.rar": rar4(by_class), "lists.rar": rar4(lists)}
    dataset = ScriptedDataset()
    dataset.split_files = ("*_test_split[123].txt",)
    splits = {f"splits/{name[6:]}": data for name, data in lists.items()}
    with serve(Behaviour({f"/{name}": data for name, data in files.items()})) as address:
        dataset.sources = tuple(Source(f"{address}/{name}", name) for name in files)
        made = prepare(dataset, tmp_path / "downloaded")
    assert _content(made.folder) == expected | splits
    given = prepare(dataset, tmp_path / "given", _write(tmp_path / "archives", files))
    assert _content(given.folder) == expected | splits
    unpacked = _write(tmp_path / "unpacked", {f"org/{name}": data for name, data in by_class.items()} | lists)
    assert _content(prepare(dataset, tmp_path / "again", unpacked).folder) == expected | splits
    assert sorted(_content(unpacked)) == sorted([f"org/{name}" for name in by_class] + list(lists))


_CALL = """
import sys; from pathlib import Path
from htzoo.data.prepare.pipeline import prepare
from tests.data.scripted_dataset import ScriptedDataset
prepare(ScriptedDataset(), Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_anywhere(tree: dict[str, bytes], expected: dict[str, bytes], tmp_path: Path) -> None:
    """Killed at one moment after another until it gets through, the result is the same bytes."""
    archive = tmp_path / "deeds.rar"
    archive.write_bytes(rar4(tree))
    words = [sys.executable, "-c", _CALL, str(tmp_path / "root"), str(archive)]
    folder = tmp_path / "root" / "deeds"
    rng = random.Random(0)
    reached: list[int] = []
    for _ in range(4):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        unpacked, made = len(list(folder.rglob("*.mpg"))), len(list(folder.rglob("*.mp4")))
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline and not (folder / "index.csv").exists():
            if len(list(folder.rglob("*.mpg"))) > unpacked or len(list(folder.rglob("*.mp4"))) > made + 1:
                break
            time.sleep(0.002)
        time.sleep(rng.random() / 50)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        reached.append(len(list(folder.rglob("*.mp4"))))
    assert reached == sorted(reached)
    assert subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0
    assert _content(folder) == expected  # and nothing else is left


def test_journal_cut_short(tree: dict[str, bytes], expected: dict[str, bytes], tmp_path: Path) -> None:
    originals = _write(tmp_path / "originals", tree)
    folder = prepare(ScriptedDataset(), tmp_path / "root", originals).folder
    (folder / "index.csv").unlink()
    (folder / ".journal.jsonl").write_text('{"source": "Deeds/run/v_0_00.mpg", "sha2')
    assert _content(prepare(ScriptedDataset(), tmp_path / "root", originals).folder) == expected


def test_damaged_clips_are_named_and_left_out(tree: dict[str, bytes], tmp_path: Path) -> None:
    first, second, third, *_ = [name for name in tree if name.endswith((".mpg", ".avi"))]
    *_, last = tree
    bad = {
        first: b"",
        second: b"no video" * 99,
        last.replace(".xgtf", ".avi"): tree[last.replace(".xgtf", ".avi")][:-900],
    }
    originals = _write(tmp_path / "originals", tree | bad)
    made = prepare(ScriptedDataset(), tmp_path / "root", originals)
    assert made.clips == 9 == len(read_index(made.folder))
    with (made.folder / "damaged.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["reason"]) for row in rows] == list(made.damaged)
    assert {row["source"] for row in rows} == {name.removeprefix("Deeds/") for name in bad}
    assert "is empty" in rows[0]["reason"] and "is not a readable video" in rows[1]["reason"]
    assert "bytes are missing" in rows[2]["reason"] and third
    again = prepare(ScriptedDataset(), tmp_path / "root")
    assert again.was_there and again.damaged == made.damaged


def test_nothing_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no address to download it from; get it from https://example\.org/deeds"):
        prepare(ScriptedDataset(), tmp_path / "root")
    with pytest.raises(ValueError, match=r"none does not exist; give the folder or archive of Deeds"):
        prepare(ScriptedDataset(), tmp_path / "root", tmp_path / "none")
    empty = _write(tmp_path / "empty", {"a.txt": b"", "wrong.rar": rar4({"a.txt": b""})})
    for given in (empty, empty / "wrong.rar"):
        with pytest.raises(DataError, match="has no clip of Deeds that can be read; get Deeds from"):
            prepare(ScriptedDataset(), tmp_path / "root", given)
    with pytest.raises(DataError, match=r"wrong\.rar has no annotation_"):
        prepare(FIRAction, tmp_path / "root", empty / "wrong.rar")
    assert not any((tmp_path / "root").iterdir())
    with pytest.raises(DataError, match=r"has no clip of Deeds that can be read; see .*damaged\.csv"):
        prepare(ScriptedDataset(), tmp_path / "root", _write(tmp_path / "bad", {"run/v_1_1.avi": b"bad"}))
    with pytest.raises(ValueError, match="short_side is 3"):
        prepare(ScriptedDataset(), tmp_path / "root", short_side=3)
    assert not (tmp_path / "root/deeds/index.csv").exists()


def test_another_archive_in_place_of_a_bad_one(
    tree: dict[str, bytes], expected: dict[str, bytes], tmp_path: Path
) -> None:
    archive = tmp_path / "deeds.rar"
    archive.write_bytes(rar4({"Deeds/run/v_1_1.avi": b"bad"}))
    with pytest.raises(DataError, match="has no clip of Deeds that can be read"):
        prepare(ScriptedDataset(), tmp_path / "root", archive)
    archive.write_bytes(rar4(tree))
    assert _content(prepare(ScriptedDataset(), tmp_path / "root", archive).folder) == expected


def test_originals_that_change_between_two_calls(tree: dict[str, bytes], tmp_path: Path) -> None:
    """Neither what was begun is finished, nor what was deleted made anew, from other files than at first."""
    originals = _write(tmp_path / "originals", tree)
    name = next(name for name in tree if name.endswith(".avi"))
    other = next(data for path, data in tree.items() if path.endswith(".avi") and path != name)
    folder = prepare(ScriptedDataset(), tmp_path / "root", originals).folder
    shutil.rmtree(folder)
    (originals / name).write_bytes(other)
    with pytest.raises(DataError, match=rf"1 of 12 files have changed since they were first read \(.*{name}\);"):
        prepare(ScriptedDataset(), tmp_path / "root", originals)
    assert not folder.exists()
    (tmp_path / "root/checksums.jsonl").unlink()
    assert prepare(ScriptedDataset(), tmp_path / "root", originals).clips == 12


@pytest.mark.parametrize(
    ("dataset", "paths", "classes"),
    [
        (VideoFolder, ["cats/a.avi", "cats/home/b.avi", "dogs/c.avi", "dogs/d.avi"], ("cats", "dogs")),
        (
            YouTubeCelebrities,
            ["ytc/0001_01_001_al_gore.avi", "ytc/0002_02_001_al_gore.avi", "ytc/0188_03_021_al_pacino.avi"],
            ("al_gore", "al_pacino"),
        ),
    ],
)
def test_classes_that_only_the_files_name(
    dataset: type[VideoFolder | YouTubeCelebrities], paths: list[str], classes: tuple[str, ...], tmp_path: Path
) -> None:
    content = encode(tmp_path / "clip", numbered(5), "mpeg4", "avi").read_bytes()
    given = _write(tmp_path / "given", dict.fromkeys(paths, content))
    assert prepare(dataset, tmp_path / "root", given).clips == len(paths)
    module = dataset(root=str(tmp_path / "root"), cache=False, split="clip", folds=2)
    module.setup()
    assert module.classes == classes and module.num_classes == len(classes)
    assert [module.label_of(index) for index in range(len(paths))] == sorted(
        module.label_of(i) for i in range(len(paths))
    )
    assert numbers_in(read_frames(module.clips[0].path, range(5))) == list(range(5))


def test_hollywood2(tmp_path: Path) -> None:
    content = encode(tmp_path / "clip", numbered(5), "mpeg4", "avi").read_bytes()
    names = ["actioncliptrain00001", "actioncliptrain00002", "actioncliptest00001"]
    files = {f"Hollywood2/AVIClips/{name}.avi": content for name in names}
    for action in Hollywood2.classes:
        shown = {name: (action == "Run" or (action == "Eat" and name == names[0])) for name in names}
        for part in ("train", "test"):
            lines = [f"{name}  {1 if shown[name] else -1}" for name in names if part in name]
            files[f"Hollywood2/ClipSets/{action}_{part}.txt"] = "\n".join(lines).encode()
    assert prepare(Hollywood2, tmp_path / "root", _write(tmp_path / "given", files)).clips == 3
    module = Hollywood2(root=str(tmp_path / "root"), cache=False, validation=0.5)
    module.setup()
    assert sorted(str(part) for part in module.splits) == ["test", "train", "val"]
    assert sorted(module.label_of(index) for index in range(3)) == ["Eat Run", "Run", "Run"]
    found = describe(module)
    shown = {name: sum(parts.values()) for name, parts in found.counts.items()}
    assert {name: clips for name, clips in shown.items() if clips} == {"Eat": 1, "Run": 3}
    assert sum(found.clips.values()) == 3
    # The contact sheet shows one clip for Eat and two for Run.
    labels = [label for label, _ in _examples(module, module.classes)]
    assert len(labels) == 3 and labels[0] == "Eat Run" and "Run" in labels[1:]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    content = encode(tmp_path / "clip", numbered(5), "mpeg4", "avi").read_bytes()
    given = _write(tmp_path / "given", {"run/v_1_1.avi": content})
    try:
        (given / "run" / os.fsdecode(b"v_1_\xe9.avi")).write_bytes(content)
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    made = prepare(ScriptedDataset(), tmp_path / "root", given)
    assert made.clips == 2 and not made.damaged
    for entry in read_index(made.folder):
        assert numbers_in(read_frames(made.folder / entry.path, range(5))) == [0, 1, 2, 3, 4]
    assert [problem.kind for problem in check_clips(given).problems] == ["same file"]


def test_two_clips_of_one_name(tree: dict[str, bytes], tmp_path: Path) -> None:
    clip = next(data for name, data in tree.items() if name.endswith(".mpg"))
    originals = _write(tmp_path / "originals", {"a/run/v_1_1.mpg": clip, "b/run/v_1_1.mpg": clip})
    entries = read_index(prepare(ScriptedDataset(), tmp_path / "root", originals).folder)
    assert len({entry.path for entry in entries}) == 2
    assert sorted(entry.source for entry in entries) == ["a/run/v_1_1.mpg", "b/run/v_1_1.mpg"]


class Tables(ScriptedDataset):
    """Clips that are not video files."""

    split_files = ()

    def convert(self, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]] | None:
        return self._clips(folder)

    def _clips(self, folder: Path) -> Iterator[tuple[str, ClipLabel, Frames, float]]:
        for path in sorted(folder.rglob("*.npy")):
            yield path.stem, ClipLabel("run", "someone"), np.load(path), 10.0


def test_clips_that_are_not_video_files(tmp_path: Path) -> None:
    originals = tmp_path / "originals"
    originals.mkdir()
    for number in range(3):
        np.save(originals / f"{number}.npy", numbered(4 + number))
    entries = read_index(prepare(Tables(), tmp_path / "root", originals).folder)
    assert [(entry.frames, entry.fps, entry.source) for entry in entries] == [
        (4, 10.0, "0"),
        (5, 10.0, "1"),
        (6, 10.0, "2"),
    ]
    assert numbers_in(read_frames(tmp_path / "root/deeds" / entries[2].path, range(6))) == list(range(6))
