"""Where a published data set comes from, and what a file name says about a clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One published file of a data set.

    Attributes:
        url: Address to download it from.
        file_name: Name under which it is kept.
        size: Size in bytes where the publisher's server states it, else None.
        md5: MD5 in hexadecimal where published, else None.
        sha256: SHA-256 in hexadecimal where published, else None.
    """

    url: str
    file_name: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ClipLabel:
    """What a clip shows, and which clips were filmed in one go.

    Attributes:
        label: Name of its class.
        group: Name of the scene, film or person that it shares with other clips; "" where nothing is known.
    """

    label: str
    group: str
