"""What folders say of the files in them: classes, groups, splits, and what is no clip."""

import os
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htzoo.data import DataError
from htzoo.data.prepare.folder_layout import Layout, read_layout
from htzoo.data.prepare.source_files import read_tree

SPLITS = {2: ("train", "test"), 3: ("train", "val", "test")}
CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


def understood(*files: str, empty: tuple[str, ...] = ()) -> Layout:
    return read_layout("v", [PurePosixPath(file) for file in files], [PurePosixPath(folder) for folder in empty])


def said(layout: Layout) -> set[tuple[str, ...]]:
    return {(str(path), label.label, label.group, label.split) for path, label in layout.labels.items()}


@pytest.mark.parametrize("around", ["", "data/", "a b/videos/"])
def test_classes_and_groups(around: str) -> None:
    files = [f"{around}run/1.mp4", f"{around}run/park/2.MOV", f"{around}walk/day 1/take 2/3.avi"]
    layout = understood(*files)
    assert (
        said(layout)
        == {
            (files[0], "run", "", ""),
            (files[1], "run", "park", ""),
            (files[2], "walk", "day 1", ""),
        }
        or around
    )  # a folder around is ignored only if every video is in a folder of that folder
    if around:
        assert {label.label for label in layout.labels.values()} == {"run", "walk"}
        assert layout.remarks == (f"the classes are the folders in {around.rstrip('/')}",)


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "validation", "testing"), ("TRAIN", "dev", "test"), ("train", "test")],
)
@pytest.mark.parametrize("around", ["", "set-1.0/"])
def test_splits_around_the_classes(names: tuple[str, ...], around: str) -> None:
    layout = understood(*(f"{around}{name}/{label}/{name}.mp4" for name in names for label in ("run", "walk")))
    assert {label.label for label in layout.labels.values()} == {"run", "walk"}
    assert all(
        path.parts[-3].lower()[:2] == label.split[:2] or label.split == "val" for path, label in layout.labels.items()
    )


def test_groups_inside_splits() -> None:
    layout = understood("train/run/park/1.mp4", "train/walk/2.mp4", "test/run/hall/3.mp4", "test/walk/4.mp4")
    assert said(layout) == {
        ("train/run/park/1.mp4", "run", "park", "train"),
        ("train/walk/2.mp4", "walk", "", "train"),
        ("test/run/hall/3.mp4", "run", "hall", "test"),
        ("test/walk/4.mp4", "walk", "", "test"),
    }


def test_a_class_may_be_called_as_a_split() -> None:
    vehicles = understood("train/1.mp4", "car/1.mp4", "plane/1.mp4")
    assert {label.label for label in vehicles.labels.values()} == {"train", "car", "plane"}
    assert {label.split for label in vehicles.labels.values()} == {""}
    only = understood("train/run/1.mp4", "train/walk/1.mp4")
    assert {label.label for label in only.labels.values()} == {"run", "walk"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/a/1.mp4", "test/a/1.mp4", "extra/1.mp4"], "v has the folders test and train, .* beside extra;"),
        (["train/1.mp4", "val/2.mp4", "test/3.mp4"], "with videos directly in them; .* such as test/CLASS/FILE"),
        (["train/a/1.mp4", "train/2.mp4", "val/a/3.mp4"], "which look like splits, with videos directly in them"),
        (["walk/1.mp4", "walk /2.mp4"], "has the classes 'walk' and 'walk ', which differ only in spaces"),
        (["high jump/1.mp4", "high\N{NO-BREAK SPACE}jump/2.mp4"], r"'high jump' and 'high\\xa0jump'"),
        (["run/1.mp4", "\N{FULLWIDTH LATIN SMALL LETTER R}un/2.mp4"], r"'run' and '\\uff52un'"),
    ],
)
def test_what_is_refused(files: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        understood(*files)


def test_letters_of_either_unicode_form_are_one_class() -> None:
    apart = unicodedata.normalize("NFD", CAFE)
    assert apart != CAFE
    layout = understood(f"train/{CAFE}/1.mp4", f"test/{apart}/2.mp4", "train/bar/3.mp4", "test/bar/4.mp4")
    assert {label.label for label in layout.labels.values()} == {CAFE, "bar"}
    assert PurePosixPath(f"test/{apart}/2.mp4") in layout.labels  # paths stay as they are


def test_what_is_skipped_is_counted_and_what_is_empty_is_said() -> None:
    layout = understood(
        *("run/1.mp4", "walk/2.mp4", "walk/notes.txt", "walk/NOTES.TXT", "stray.mp4", "README"),
        *("dance/1.gifv", "dance/deep/2.gifv", "dance/3.tiff"),
        empty=("nothing", "walk/none"),
    )
    assert layout.skipped == {".txt": 2, ".gifv": 2, ".tiff": 1, "without suffix": 1, "outside the class folders": 1}
    assert layout.remarks == ("dance has no video (2 .gifv, 1 .tiff)", "nothing has no video (it is empty)")
    within = understood(
        "train/a/1.mp4", "train/b/1.mp4", "test/a/1.mp4", "test/b/2.mp4", "test/c/3.tiff", empty=("train/d",)
    )
    assert within.remarks == ("c has no video (1 .tiff)", "d has no video (it is empty)")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "g/", "h/")), st.integers(0, 99)), min_size=1))
def test_every_video_is_a_clip_or_counted(parts: list[tuple[str, str, int]]) -> None:
    files = {f"{label}/{group}{number}.mp4" for label, group, number in parts}
    layout = understood(*sorted(files))
    assert len(layout.labels) + layout.skipped.total() == len(files)
    assert all(label.label == path.parts[0] for path, label in layout.labels.items()) or layout.remarks


def test_a_tree_with_links_hidden_files_and_circles(tmp_path: Path) -> None:
    tree, disk = tmp_path / "v", tmp_path / "disk" / "run"
    for file in ("b/2.mp4", "b/.3.mp4", "b/._2.mp4", "__MACOSX/b/._2.mp4", "Thumbs.db", ".git/x", "b/desktop.ini"):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).touch()
    (tree / "none").mkdir()
    disk.mkdir(parents=True)
    (disk / "1.mp4").touch()
    (tree / "a").symlink_to(disk)
    (tree / "b" / "again").symlink_to(tree)
    (tree / "b" / "0.mp4").symlink_to(disk / "1.mp4")
    (tree / "b" / "gone.mp4").symlink_to(disk / "gone.mp4")
    os.mkfifo(tree / "b" / "pipe.mp4")
    files, empty = read_tree(tree)
    assert [str(path) for path, _ in files] == ["a/1.mp4", "b/0.mp4", "b/2.mp4"]
    assert [file for _, file in files] == [tree / path for path, _ in files]
    assert empty == [PurePosixPath("none")]
    assert read_tree(tmp_path / "nowhere") == ([], [])
