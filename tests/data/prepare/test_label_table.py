"""Tables in the forms in which people have them, and what is said of wrong ones."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htzoo.data import DataError
from htzoo.data.prepare.label_names import sort_labels
from htzoo.data.prepare.label_table import Row, read_tables

TWO = [("a/1.mp4", ("run",), "", ""), ("b/my clip 2.MP4", ("high jump",), "", "")]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def plain(rows: list[Row]) -> list[tuple[str, tuple[str, ...], str, str]]:
    return [(row.path, row.labels, row.group, row.split) for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/1.mp4,run\nb/my clip 2.MP4,high jump\n",
        "path;label\r\na/1.mp4;run\r\nb/my clip 2.MP4;high jump\r\n",
        "path\tlabel\na/1.mp4\trun\nb/my clip 2.MP4\thigh jump",
        "\ufeffPath, Label\n\na/1.mp4, run\n  \nb/my clip 2.MP4 , high jump \n",
        '"label","path"\n"run","a/1.mp4"\n"high jump","b/my clip 2.MP4"\n',
        "id,class,filename,seconds\n1,run,a/1.mp4,3\n2,high jump,b/my clip 2.MP4,4\n",
        "a/1.mp4 run\nb/my clip 2.MP4 high jump\n",
        "a/1.mp4,run\nb/my clip 2.MP4,high jump\n",
        "a/1.mp4;run\nb/my clip 2.MP4;high jump\n",
        "a/1.mp4\trun\nb/my clip 2.MP4\thigh jump\n",
        '"a/1.mp4" run\n\n"b/my clip 2.MP4"  high jump\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_separators_headers_and_lists(text: str, encoding: str, table: Path) -> None:
    table.write_bytes(text.encode(encoding))
    assert plain(read_tables(str(table))) == TWO


def test_numbers_as_the_lists_of_kinetics_have_them(table: Path) -> None:
    table.write_text("/data/k400/x y.mp4 12\nabseiling/b.mkv 3\n")
    assert [(row.path, row.labels) for row in read_tables(str(table))] == [
        ("/data/k400/x y.mp4", ("12",)),
        ("abseiling/b.mkv", ("3",)),
    ]
    assert sort_labels(["10", "9", "2"]) == ("2", "9", "10") and sort_labels(["b", "10", "9"]) == ("10", "9", "b")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a.mp4 3 17 4\n", ("3", "17", "4")),
        ("a.mp4,3,17\n", ("3", "17")),
        ("a.mp4 run|high jump\n", ("run", "high jump")),
        ("path,label\na.mp4,run| high jump\n", ("run", "high jump")),
        ("path,label\na.mp4,run|run\n", ("run",)),
    ],
)
def test_several_labels(text: str, labels: tuple[str, ...], table: Path) -> None:
    table.write_text(text)
    assert [row.labels for row in read_tables(str(table))] == [labels]


def test_groups_and_splits(table: Path, tmp_path: Path) -> None:
    table.write_text("path,label,group,split\na.mp4,x,s 1,Training\nb.mp4,y,,valid\nc.mp4,x,s 2,test\nd.mp4,x,,\n")
    assert plain(read_tables(str(table))) == [
        ("a.mp4", ("x",), "s 1", "train"),
        ("b.mp4", ("y",), "", "val"),
        ("c.mp4", ("x",), "s 2", "test"),
        ("d.mp4", ("x",), "", ""),
    ]
    (tmp_path / "val.txt").write_text("e.mp4 1\n")
    both = read_tables({"train": str(table), "validation": str(tmp_path / "val.txt")})
    assert [row.split for row in both] == ["train"] * 4 + ["val"]
    assert both[4].line == f"{tmp_path / 'val.txt'}, line 1" and both[1].line == f"{table}, line 3"


def test_letters_of_either_unicode_form_are_one_label(table: Path) -> None:
    table.write_text(
        "".join(f"{n}.mp4,{unicodedata.normalize(form, 'naïve')}\n" for n, form in enumerate(("NFC", "NFD")))
    )
    first, second = read_tables(str(table))
    assert first.labels == second.labels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,klass\na.mp4,x\n", "has no column label in its first line, 'path,klass'; write a header such as"),
        (b"title;label\na.mp4;x\n", "has no column path in its first line"),
        (b"", "has no column path or label in its first line, ''"),
        (b"a.mp4 x\n\nbroken line\n", "has no path and label in line 3, 'broken line'"),
        (b"path,label\na.mp4,x\nb, c.mp4,y\n", "has 3 columns in line 3 and 2 in its first line; .* double quotes"),
        (b"path,label\na.mp4\n", "has 1 columns in line 2"),
        (b"path,label\na.mp4,x\n,y\n", "has no path in line 3; fill it in"),
        (b"path;label\n\na.mp4; \n", "has no label in line 3; fill it in"),
        (b"path,label\na.mp4,x|\n", "has no label in line 2"),
        (b"path,label,split\na.mp4,x,later\n", "has split 'later' in line 2; write train, val or test"),
        (b'path,label\na.mp4,"x\n', r"cannot be read in line 2 \(unexpected end of data\); check its quotes"),
        ("path,label\na.mp4,x\nb.mp4,Gr\xfcn\n".encode("latin-1"), "is not UTF-8 in line 3; save it as CSV"),
    ],
)
def test_wrong_tables(content: bytes, message: str, table: Path) -> None:
    table.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_tables(str(table))
    assert str(caught.value).startswith(str(table)) and "\n" not in str(caught.value)


def test_no_table_and_no_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read \(No such file or directory\)"):
        read_tables(str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="table has the split 'later'; the splits are train, val and test"):
        read_tables({"later": str(tmp_path / "none.csv")})


_WORDS = st.text(st.characters(categories=["Ll", "Lu"], include_characters=" _-"), min_size=1, max_size=9).filter(
    str.strip
)


@given(st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], delimiter: str, header: bool
) -> None:
    table = tmp_path_factory.getbasetemp() / "written.csv"
    lines = [f"{name}.mp4{delimiter}{label}" for name, label in pairs]
    table.write_text("\n".join([f"path{delimiter}label"] * header + lines), encoding="utf-8")
    expected = [(f"{name}.mp4".strip(), (unicodedata.normalize("NFC", label.strip()),)) for name, label in pairs]
    assert [(row.path, row.labels) for row in read_tables(str(table))] == expected
