"""Tables that say what each video file shows, in the forms in which people have them."""

import codecs
import csv
import io
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from htzoo.data.errors import DataError
from htzoo.data.prepare.label_names import composed, split_named
from htzoo.data.video.container import VIDEO_SUFFIXES

# Names of a column in the first line, in small letters.
_PATH = ("path", "file", "filename", "file_name", "video", "video_path", "clip")
_LABEL = ("label", "labels", "class")
_GROUP = ("group",)
_SPLIT = ("split", "subset")

_SEVERAL = "|"  # between the labels of a clip
_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))
_LINE = re.compile(rf'\s*"?(?P<path>.*?(?:{_SUFFIX}))"?\s*(?P<delimiter>[,;\t ])\s*(?P<labels>.+)', re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        path: The video file, as written.
        labels: What it shows.
        group: Scene, film or person that it shares with other clips; "" if the table does not say.
        split: "train", "val" or "test"; "" if the table does not say.
        line: Table and line, such as "table.csv, line 3".
    """

    path: str
    labels: tuple[str, ...]
    group: str
    split: str
    line: str


def read_tables(table: str | Mapping[str, str]) -> list[Row]:
    """Read one table, or one for each split.

    A table is a text file with a line for each clip. With a header, it has the columns path and label, and optionally
    group and split, separated by commas, semicolons, tabs or spaces. Without one, each line is a path and a label, such
    as `walk/3.mp4 0`, the lists of Kinetics, mmaction2 and pytorchvideo. A clip has several labels as `run|jump`, or
    as several numbers in a line without header.

    Args:
        table: The file; or files by split, {"train": "train.csv", "test": "test.csv"}.

    Raises:
        DataError: A table cannot be read; the message has its name and the line.
    """
    if isinstance(table, str):
        return list(_read(Path(table), ""))
    rows: list[Row] = []
    for name, path in table.items():
        split = split_named(name)
        if split is None:
            raise DataError(f"table has the split {name!r}; the splits are train, val and test.")
        rows += _read(Path(path), split)
    return rows


def _read(table: Path, split: str) -> Iterator[Row]:
    text = _decode(table)
    first = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t", " "):
        header = [cell.strip().lower() for cell in _split_line(first, delimiter)]
        if _find(header, _PATH) is not None and _find(header, _LABEL) is not None:
            yield from _read_columns(table, text, header, delimiter, split)
            return
    if not _LINE.fullmatch(first.strip()):
        missing = [name for name in ("path", "label") if not re.search(rf"\b{name}\b", first)]
        raise DataError(
            f"{table} has no column {' or '.join(missing) or 'path'} in its first line, {first[:80]!r}; write a header "
            "such as path,label, or PATH LABEL in every line, with a path that ends as a video file does."
        )
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found = _LINE.fullmatch(line.strip())
            if found is None:
                raise DataError(f"{table} has no path and label in line {number}, {line[:80]!r}; write PATH LABEL.")
            yield _row(
                f"{table}, line {number}", found["path"], _labels(found["delimiter"], found["labels"]), "", split
            )


def _read_columns(table: Path, text: str, header: list[str], delimiter: str, split: str) -> Iterator[Row]:
    """The lines below a header."""
    columns = [_find(header, words) for words in (_PATH, _LABEL, _GROUP, _SPLIT)]
    for number, cells in _cells(table, text, delimiter, len(header)):
        if len(cells) != len(header):
            raise DataError(
                f"{table} has {len(cells)} columns in line {number} and {len(header)} in its first line; "
                'write a path or label that has the separator in it between double quotes, "like, this".'
            )
        path, label, group, word = ("" if column is None else cells[column].strip() for column in columns)
        named = split_named(word)
        if word and named is None:
            raise DataError(f"{table} has split {word!r} in line {number}; write train, val or test.")
        yield _row(f"{table}, line {number}", path, label.split(_SEVERAL), group, split or named or "")


def _row(line: str, path: str, labels: list[str], group: str, split: str) -> Row:
    shown = tuple(dict.fromkeys(composed(label.strip().strip('"')) for label in labels))
    if not path or not all(shown) or not shown:
        table, _, number = line.rpartition(", line ")
        raise DataError(f"{table} has {'no label' if path else 'no path'} in line {number}; fill it in.")
    return Row(posixpath.normpath(path), shown, composed(group), split, line)


def _labels(delimiter: str, text: str) -> list[str]:
    """The labels behind the path in a line without header."""
    if delimiter != " ":
        return [label for label in text.split(delimiter) if label.strip()]
    words = text.split()
    return words if all(word.isdigit() for word in words) else text.split(_SEVERAL)


def _cells(table: Path, text: str, delimiter: str, count: int) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line below the first that is not empty."""
    if delimiter == " ":
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        for number, line in lines[1:]:
            yield number, line.rsplit(None, count - 1)  # a path that comes first may have spaces
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        filled = (row for row in reader if any(cell.strip() for cell in row))
        next(filled)
        for row in filled:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{table} cannot be read in line {reader.line_num} ({error}); check its quotes.") from error


def _split_line(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == " " else next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))


def _find(header: list[str], words: tuple[str, ...]) -> int | None:
    return next((header.index(word) for word in words if word in header), None)


def _decode(table: Path) -> str:
    """The text of a table: UTF-8, or UTF-16 with a mark at its beginning, as Excel writes "Unicode text"."""
    try:
        content = table.read_bytes()
    except OSError as error:
        raise DataError(
            f"{table} cannot be read ({error.strerror or error}); give a table of paths and labels."
        ) from error
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{table} is not UTF-8 in line {line}; save it as CSV with the encoding UTF-8.") from error
