"""Where a published dataset comes from, and what a file name says about a clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One published file of a dataset.

    Attributes:
        url: Address to download it from.
        file_name: Name of the downloaded file.
        size: Size in bytes, or None if the publisher does not state it.
        md5: MD5 in hexadecimal, or None if it is not published.
        sha256: SHA-256 in hexadecimal, or None if it is not published.
    """

    url: str
    file_name: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ClipLabel:
    """What a clip shows, and which clips it was filmed with.

    Attributes:
        label: Name of its class.
        group: Name of the scene, film or person that it shares with other clips; "" if not known.
        split: "train", "val" or "test" if the folders say so, else "".
    """

    label: str
    group: str
    split: str = ""
