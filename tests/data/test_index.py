"""The index of a prepared dataset: written, counted, read, and refused when it is damaged."""

from pathlib import Path

import pytest

from htzoo.data import DataError, VideoFolder
from htzoo.data.index import INDEX, Entry, count_entries, read_index, write_index

ENTRIES = [
    Entry('a/"1",\n2.mp4', "a", "g 1", 9, 24.0, 16, 32, "x/1.avi", "0" * 64),
    Entry("b/3.mp4", "b", "", 12, 29.97, 120, 160, "x/\udcff.avi", "1" * 64),
]


@pytest.mark.parametrize("splits", [("", ""), ("train", "test"), ("", "val")])
def test_what_is_written_is_read_and_counted(splits: tuple[str, str], tmp_path: Path) -> None:
    entries = [entry._replace(split=split) for entry, split in zip(ENTRIES, splits, strict=True)]
    write_index(tmp_path, reversed(entries))
    assert read_index(tmp_path) == entries and count_entries(tmp_path) == 2
    header = (tmp_path / INDEX).read_text(errors="replace").splitlines()[0]
    assert header.endswith(",split") == any(splits)


def test_columns_in_another_order_and_more_of_them(tmp_path: Path) -> None:
    columns = ["mine", *reversed(Entry._fields[:9])]
    rows = [["x", *map(str, reversed(entry[:9]))] for entry in ENTRIES[1:]]
    text = "\n".join(",".join(row) for row in [columns, *rows]) + "\n"
    (tmp_path / INDEX).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert read_index(tmp_path) == ENTRIES[1:] and count_entries(tmp_path) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [(",29.97,", ",fast,"), (",12,", ",,"), ("b/3.mp4,b,", "b/3.mp4,"), (",group,", ",grp,"), ('"a/', 'a"/')],
)
def test_a_damaged_index(old: str, new: str, tmp_path: Path) -> None:
    write_index(tmp_path, ENTRIES)
    path = tmp_path / INDEX
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(DataError, match=r"index\.csv cannot be read \(.*\); delete it and prepare the dataset again"):
        read_index(tmp_path)


def test_no_index(tmp_path: Path) -> None:
    for read in (read_index, count_entries):
        with pytest.raises(DataError, match="does not exist; prepare the dataset with htzoo data prepare"):
            read(tmp_path)


def test_all_missing_clips_are_counted_in_one_message(tmp_path: Path) -> None:
    entries = [
        Entry(f"clips/{label}/{number}.mp4", label, "", 5, 24.0, 16, 16, f"{label}/{number}.avi", str(number))
        for label in "ab"
        for number in range(5)
    ]
    write_index(tmp_path / "folder", entries)
    for entry in entries[:5]:
        (tmp_path / "folder" / entry.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / entry.path).touch()
    (tmp_path / "folder" / "clips" / "a" / "3.mp4").unlink()
    with pytest.raises(DataError) as caught:
        VideoFolder(root=str(tmp_path)).setup()
    first = tmp_path / "folder" / "clips" / "a" / "3.mp4"
    assert str(caught.value) == (
        f"6 of 10 clips in {tmp_path / 'folder'} are missing, first {first}; "
        f"htzoo data check {tmp_path / 'folder'} lists them. Prepare the dataset again."
    )
