"""Folders and tables as people have them: what is understood, what is said, and what is refused before training."""

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from htzoo.cli.main import main
from htzoo.data import DataError, VideoFolder
from htzoo.data.statistics import summary_line
from tests.data.helpers import encode, numbered

CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a short video."""
    return encode(tmp_path_factory.mktemp("clip") / "c.mp4", numbered(5), "mpeg4", "mp4").read_bytes()


@pytest.fixture
def tree(tmp_path: Path, clip: bytes) -> Any:
    """Makes files with the same content in a folder called mine."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mine" / name).write_bytes(clip)
        return tmp_path / "mine"

    return make


def ready(folder: Path, **settings: Any) -> VideoFolder:
    module = VideoFolder(str(folder), root=str(folder.parent / "root"), num_workers=0, cache=False, **settings)
    module.setup()
    return module


def flat(*labels: str, count: int = 5) -> list[str]:
    return [f"{label}/clip{number}.mp4" for label in labels for number in range(count)]


def test_one_line_says_what_was_understood(tree: Any) -> None:
    folder = tree(*[f"{label}/scene{number % 4}/{number}.mp4" for label in ("fight", "calm") for number in range(8)])
    (folder / "calm" / "notes.txt").touch()
    (folder / "calm" / "scene9").mkdir()
    (folder / "calm" / "scene9" / "broken.mp4").touch()
    module = ready(folder, skip_broken=True, folds=4, validation=0.34)
    assert summary_line(module) == (
        "2 classes: calm 8, fight 8; 2 files skipped (1 .txt, 1 broken); 4 groups; "
        "train / val / test 8 / 4 / 4 (split group, fold 1 of 4)"
    )
    many = tree(*[f"c{number:02d}/{name}.mp4" for number in range(20) for name in range(1 + number // 19)])
    said = summary_line(ready(many, skip_broken=True))
    assert said.startswith("22 classes of 1 to 8 clips; ") and "(split group, fold 1 of 5)" in said


def test_a_flat_folder_has_no_scenes(tree: Any) -> None:
    folder = tree(
        *(f"{label}/{label}_s{scene}_{take}.mp4" for label in "ab" for scene in range(5) for take in range(2))
    )
    module = ready(folder)
    assert module.split == "clip" and "no groups" in summary_line(module)
    (remark,) = module.remarks
    assert remark.startswith(f"no group (scene, film, person) of the 20 clips of {folder} is known: put clips of")
    assert "--data.group_pattern REGEX" in remark
    with pytest.raises(ValueError, match=r"split is 'group', but no group .*--data\.group_pattern.*--data\.split clip"):
        VideoFolder(str(folder), split="group")
    for pattern in (r"_(s\d)_", r"(?<=_)s\d", r"s\d"):
        grouped = ready(folder, group_pattern=pattern)
        assert grouped.split == "group" and {clip.group for clip in grouped.clips} == {
            f"s{scene}" for scene in range(5)
        }
        tested = {clip.group for clip, split in zip(grouped.clips, grouped.splits, strict=True) if split == "test"}
        assert len(tested) == 1 and not grouped.remarks
    with pytest.raises(ValueError, match="group_pattern is 'x', which is in no path of"):
        VideoFolder(str(folder), group_pattern="x")
    with pytest.raises(ValueError, match=r"group_pattern is '\(', which is no regular expression"):
        VideoFolder(str(folder), group_pattern="(")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "Validation", "Test"), ("training", "test")])
def test_folders_of_splits(tree: Any, names: tuple[str, ...]) -> None:
    module = ready(tree(*(f"{name}/{file}" for name in names for file in flat("run", "walk"))))
    assert module.classes == ("run", "walk") and module.split == "official"
    counts = Counter(module.splits)
    assert counts["test"] == 10 and counts["train"] + counts["val"] == 10 * (len(names) - 1)
    for found, split in zip(module.clips, module.splits, strict=True):
        assert split == "val" or found.path.parts[-3].lower().startswith(str(split))


def test_without_test_videos_the_validation_videos_are_tested(tree: Any) -> None:
    module = ready(tree(*(f"{name}/{file}" for name in ("train", "val") for file in flat("run", "walk"))))
    tested = [clip for clip, split in zip(module.clips, module.splits, strict=True) if split == "test"]
    assert len(tested) == 10 and {clip.path.parts[-3] for clip in tested} == {"val"}
    assert Counter(module.splits)["val"] > 0 and "no split is called test" in module.remarks[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (flat("a", count=8), r"has only one class, 'a', with 8 videos; .* give --data\.folder .*mine/a"),
        (["videos/a/1.mp4", "videos/b/2.mp4", "intro/3.mp4"], None),
        (["all/1.mp4"], "has only one class, 'all', with 1 videos"),
        (["1.mp4", "2.mp4"], "there are no videos in .*; a clip is <class>/<file>"),
        ([*flat("walk"), *flat("walk ")], "has the classes 'walk' and 'walk ', which differ only in spaces"),
        (["train/a/1.mp4", "val/a/2.mp4", "test/a/3.mp4"], "has only one class, 'a', with 3 videos"),
    ],
)
def test_classes_that_are_none(tree: Any, files: list[str], message: str | None) -> None:
    folder = tree(*files)
    if message is None:
        assert VideoFolder(str(folder)).classes == ("intro", "videos")
        return
    with pytest.raises(DataError, match=message):
        VideoFolder(str(folder))


def test_linked_folders_and_files(tree: Any, tmp_path: Path, clip: bytes) -> None:
    disk = tree(*(f"../disk/{file}" for file in flat("a", "b"))).parent / "disk"
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    for label in "ab":
        (folder / label).symlink_to(disk / label)
    assert [len(ready(folder).clips), ready(folder).classes] == [10, ("a", "b")]
    (folder / "a" / "again.mp4").symlink_to("clip0.mp4")
    module = ready(folder)
    assert len(module.clips) == 10 and module.skipped == {"listed twice": 1}
    (folder / "b" / "other.mp4").symlink_to(disk / "a" / "clip0.mp4")
    with pytest.raises(
        DataError, match=r"^a/again\.mp4 and b/other\.mp4 are one file with the labels a and b; remove one"
    ):
        ready(folder)


def test_all_broken_files_in_one_message(tree: Any) -> None:
    folder = tree(*flat("a", "b", count=6))
    for number, content in enumerate((b"", b"text" * 99, bytes(2000), b"", b"RIFF", b"x")):
        (folder / "a" / f"x{number}.mp4").write_bytes(content)
    with pytest.raises(DataError) as caught:
        ready(folder)
    text = str(caught.value)
    assert text.startswith(f"6 of 18 videos of {folder} cannot be read (a/x0.mp4 is empty; a/x1.mp4 is not a readable")
    assert "a/x4.mp4" in text and "a/x5.mp4" not in text and "; and 1 more)" in text
    assert f"(htzoo data check {folder} lists all" in text and "--data.skip_broken true" in text and "\n" not in text
    module = ready(folder, skip_broken=True)
    assert len(module.clips) == 12 and module.skipped == {"broken": 6}
    (tree("c/1.mp4") / "c" / "1.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="has no readable video of c; add one"):
        ready(folder, skip_broken=True)


def test_a_table_that_names_missing_and_repeated_files(tree: Any, tmp_path: Path) -> None:
    folder = tree(*flat("a", "b"))
    (folder / "b" / "clip4.mp4").unlink()
    table = tmp_path / "table.txt"
    files = [*flat("a", "b"), "./a/clip0.mp4", "a/gone.mp4"]
    table.write_text("".join(f"{file} {'b' if file in flat('b') else 'a'}\n" for file in files))
    with pytest.raises(DataError) as caught:
        ready(folder, table=str(table))
    text = str(caught.value)
    assert text.startswith(
        f"2 of 11 videos of {table} cannot be read (a/gone.mp4 ({table}, line 12) is missing; b/clip4"
    )
    module = ready(folder, table=str(table), skip_broken=True)
    assert len(module.clips) == 9 and module.skipped == {"missing": 2, "listed twice": 1}
    table.write_text("a/clip0.mp4 a\na/clip1.mp4 b\n./a/clip1.mp4 a\n")
    with pytest.raises(DataError, match=r"^a/clip1\.mp4 has several labels, b, a \(.*line 2 and .*line 3\); keep one"):
        ready(folder, table=str(table))


def test_a_table_for_each_split_beside_the_videos(tree: Any) -> None:
    folder = tree(*flat("a", "b", count=6))
    for split, numbers in (("train", range(4)), ("test", range(4, 6))):
        lines = [f"{label}/clip{number}.mp4 {int(label == 'b')}" for label in "ab" for number in numbers]
        (folder / f"{split}.txt").write_text("\n".join(lines))
    tables = {split: str(folder / f"{split}.txt") for split in ("train", "test")}
    module = VideoFolder(table=tables, root=str(folder.parent / "root"), cache=False, validation=0.25)
    module.setup()
    assert module.folder == folder and module.classes == ("0", "1") and module.split == "official"
    assert Counter(module.splits) == {"train": 6, "val": 2, "test": 4}
    with pytest.raises(DataError, match=r"train\.txt has no split test; every clip is in train, val or test"):
        VideoFolder(table={"train": tables["train"]})


def test_names_from_a_mac(tree: Any, tmp_path: Path) -> None:
    """The names on the disk and those in the table have their accents in different forms."""
    apart, together = (unicodedata.normalize(form, CAFE) for form in ("NFD", "NFC"))
    folder = tree(f"{apart}/1 {apart}.mp4", f"{together}2/2 {together}.mp4")
    table = tmp_path / "table.csv"
    lines = [f"{together}/1 {together}.mp4,{together}", f"{apart}2/2 {apart}.mp4,{apart}", ""]
    table.write_text("path,label\n" + "\n".join([*lines, f"{apart}/1 {apart}.mp4,bar"]), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 5\) .* are one file with the labels|are one file with the labels"):
        ready(folder, table=str(table))
    table.write_text("path,label\n" + "\n".join(lines).replace(f",{apart}", ",bar"), encoding="utf-8")
    module = ready(folder, table=str(table), split="clip", folds=2, validation=0)
    assert module.classes == ("bar", together) and [clip.frames for clip in module.clips] == [5, 5]


def test_several_labels(tree: Any, tmp_path: Path) -> None:
    folder = tree(*flat("v", count=4))
    table = tmp_path / "table.csv"
    table.write_text(
        "path,label\nv/clip0.mp4,run|jump\nv/clip1.mp4,run\nv/clip2.mp4,jump\nv/clip3.mp4,run\nv/clip3.mp4,sit"
    )
    with pytest.raises(DataError, match=r"^v/clip0\.mp4 has several labels, run, jump \(.*line 2\); .*multilabel true"):
        VideoFolder(str(folder), table=str(table))
    module = ready(folder, table=str(table), multilabel=True, folds=2, validation=0, size=(8, 8), batch_size=2)
    assert module.classes == ("jump", "run", "sit")
    assert module.shown.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1]]
    assert summary_line(module).startswith("3 classes: jump 2, run 3, sit 1; no groups;")
    batch = module.on_before_batch_transfer(next(iter(module.test_dataloader())), 0)
    assert torch.equal(batch["label"], module.shown[batch["index"]])
    table.write_text("v/clip0.mp4 1\nv/clip1.mp4 2\nv/clip0.mp4 2\n")
    with pytest.raises(DataError, match=r"has several labels, 1, 2 \(.*line 1 and .*line 3\)"):
        VideoFolder(str(folder), table=str(table))


@pytest.mark.filterwarnings("ignore:.*:lightning.pytorch.utilities.warnings.PossibleUserWarning")
@pytest.mark.filterwarnings("ignore:.*positive samples")
@pytest.mark.parametrize("task", ["VideoClassification", "MultiLabelClassification"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_a_task_gets_the_labels_that_it_takes(
    task: str,
    multilabel: bool,
    tree: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tree(*flat("a", "b", count=4))
    monkeypatch.chdir(tmp_path)
    words = ["fit", "--model", task, "--model.hidden_size", "4", "--data", "VideoFolder", "--data.folder", str(folder)]
    words += ["--data.multilabel", str(multilabel).lower(), "--data.size", "[8, 8]", "--data.batch_size", "2"]
    words += [
        "--data.num_workers",
        "0",
        "--trainer.max_epochs",
        "1",
        "--trainer.accelerator",
        "cpu",
        "--data.frames",
        "2",
    ]
    status = main([*words, "--trainer.logger", "false", "--trainer.enable_checkpointing", "false"])
    out, err = capfd.readouterr()
    if multilabel == (task == "MultiLabelClassification"):
        assert status == 0, err
        assert "2 classes: a 4, b 4; no groups; train / val / test 5 / 1 / 2 (split clip, fold 1 of 5)\n" in out
        assert "note: no group (scene, film, person) of the 8 clips" in out
    else:
        kinds = ("one label", "several labels")
        said = f"{task} takes {kinds[not multilabel]} per clip, and Folder mine has {kinds[multilabel]} per clip"
        assert status == 1 and said in err


def test_long_names_links_and_one_folder_around_are_prepared(tree: Any, tmp_path: Path, clip: bytes) -> None:
    longest = ("\N{CJK UNIFIED IDEOGRAPH-8996}" * 84)[:80]
    names = [f"{longest}{number}.mp4" for number in range(3)] + ["x" * 251 + ".mp4", f"{'é' * 125}.mp4"]
    assert max(len(os.fsencode(name)) for name in names) == 255
    folder = tree(*(f"set/{label}/{name}" for label in "ab" for name in ("1.mp4", *names)), "set/c/readme.txt")
    root = tmp_path / "data"
    assert main(["data", "prepare", "folder", "--from", str(folder), "--root", str(root)]) == 0
    module = VideoFolder(root=str(root), cache=False)
    module.setup()
    assert module.classes == ("a", "b") and len(module.clips) == 12
    assert len({clip.path for clip in module.clips}) == 12
    assert all(clip.name.split("/")[-1] in ("1.mp4", *names) for clip in module.clips)


def test_what_prepare_says_of_folders(tree: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = tree(*(f"set/{split}/{file}" for split in ("train", "test") for file in flat("a", "b", count=2)))
    (splits / "set" / "train" / "dance").mkdir()
    (splits / "set" / "test" / "wave").mkdir()
    (splits / "set" / "test" / "wave" / "1.tiff").touch()
    root = tmp_path / "data"
    assert main(["data", "prepare", "folder", "--from", str(splits), "--root", str(root)]) == 0
    said = capsys.readouterr().out
    assert (
        "note: dance has no video (it is empty)\nnote: wave has no video (1 .tiff)\n" in said and " 8 clips in " in said
    )
    module = VideoFolder(root=str(root), cache=False)
    module.setup()
    assert module.split == "official" and Counter(module.splits)["test"] == 4
    assert {clip.name.split("/")[0] for clip, split in zip(module.clips, module.splits) if split == "test"} == {"test"}
