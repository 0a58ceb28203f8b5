"""Names of classes and splits, as people write them in folders and tables."""

import unicodedata
from collections.abc import Iterable

from htzoo.data.clips.splits import Split
from htzoo.data.errors import DataError

_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def split_named(word: str) -> Split | None:
    """The split that a word names, such as "validation"; None if it names none."""
    return _SPLITS.get(word.strip().lower())


def composed(text: str) -> str:
    """The text with every accented letter as one character (Unicode NFC); file names from a Mac have two."""
    return unicodedata.normalize("NFC", text)


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes in a fixed order: by number if all are numbers, else as text."""
    found = set(labels)
    numeric = all(label.isascii() and label.isdigit() for label in found)
    return tuple(sorted(found, key=lambda label: (int(label) if numeric else 0, label)))


def check_labels(labels: Iterable[str], place: str) -> None:
    """Check that no two classes look alike.

    Args:
        labels: Names of the classes.
        place: Where they were read, for the message.

    Raises:
        DataError: Two names differ only in spaces, or only in the Unicode form of their letters.
    """
    seen: dict[str, str] = {}
    for label in sorted(set(labels)):
        same = seen.setdefault(" ".join(unicodedata.normalize("NFKC", label).split()), label)
        if same != label:
            raise DataError(
                f"{place} has the classes {same!a} and {label!a}, which differ only in spaces or in the "
                "Unicode form of their letters; give both the same name."
            )
