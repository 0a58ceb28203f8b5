"""Downloading a published file: interrupted and resumed as often as need be, and checked before it has its name."""

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from htzoo.data.errors import DataError, unwritable
from htzoo.data.source import Source
from htzoo.files import file_digest

_CHUNK = 1 << 18
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_TIMEOUT = 30.0  # seconds without a byte


class _Gone(Exception):
    """The server will not give the file, however often one asks."""


class _Cut(Exception):
    """The connection broke; asking again may help."""


def download(source: Source, folder: Path, pauses: Sequence[float] = _PAUSES) -> Path:
    """Download a file, or go on where an earlier call was stopped, or take the file that is there.

    While it is on its way it is called `<file_name>.part`. A server that cannot resume sends it from the start.

    Args:
        source: What to download.
        folder: Where it goes; made if it is missing.
        pauses: Seconds to wait before each new try after a broken connection; a try that brings bytes starts anew.

    Returns:
        Path of the file, complete and with the published checksum, where there is one.

    Raises:
        DataError: The address is dead or the connection keeps breaking (the message says what to download by hand and
            where to put it), the file is not the published one, or the folder cannot be written.
    """
    target = folder / source.file_name
    part = folder / f"{source.file_name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            _verify(target, source, f"delete it, or put the right one in its place ({source.url})")
            return target
        try:
            _fetch_all(source, part, pauses)
        except (_Gone, _Cut) as error:
            raise DataError(
                f"{source.url} cannot be downloaded ({error}); download {source.file_name} by hand, put it at "
                f"{target}, and run the command again."
            ) from error
        try:
            _verify(part, source, "run the command again to download it anew")
        except DataError:
            _forget(part)
            raise
        os.replace(part, target)
        _forget(part)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _verify(file: Path, source: Source, remedy: str) -> None:
    size = file.stat().st_size
    if source.size is not None and size != source.size:
        raise DataError(f"{file} has {size:,} bytes where the published file has {source.size:,}; {remedy}.")
    for name, published in (("md5", source.md5), ("sha256", source.sha256)):
        if published is not None and (found := file_digest(file, name)) != published.lower():
            raise DataError(f"{file} has {name.upper()} {found} where the published one is {published}; {remedy}.")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_of(part).unlink(missing_ok=True)


def _tag_of(part: Path) -> Path:
    """File with the server's tag of the version that `part` is of, so that two versions are never joined."""
    return part.with_name(f"{part.name}.tag")


def _fetch_all(source: Source, part: Path, pauses: Sequence[float]) -> None:
    waiting: Iterator[float] = iter(pauses)
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch(source, part)
            return
        except _Cut:
            if part.exists() and part.stat().st_size > before:
                waiting = iter(pauses)
            pause = next(waiting, None)
            if pause is None:
                raise
            time.sleep(pause)


def _fetch(source: Source, part: Path) -> None:
    """Ask once for what is missing.

    Raises:
        _Gone, _Cut: It did not come.
    """
    have = part.stat().st_size if part.exists() else 0
    tag = _tag_of(part).read_text(encoding="ascii") if have and _tag_of(part).exists() else ""
    request = urllib.request.Request(source.url, headers={"User-Agent": "htzoo", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if tag:
            request.add_header("If-Range", tag)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to send, or what is here is of another file
            total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            if total == str(have):
                return
            _forget(part)
            raise _Cut("the part that is here is longer than the file") from None
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Cut(f"the server answers {error.code} {error.reason}") from None
        raise _Gone(f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _Cut(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(str(error) or type(error).__name__) from error
    with response:
        _receive(response, source, part, have)


def _receive(response: http.client.HTTPResponse, source: Source, part: Path, have: int) -> None:
    from tqdm import tqdm

    if response.headers.get_content_type() == "text/html":
        raise _Gone("a web page came instead of the file")
    resumed = response.status == 206
    if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
        _forget(part)
        raise _Cut("the server sends another part than the one asked for")
    length = response.headers.get("Content-Length")
    total = int(length) + (have if resumed else 0) if length and length.isdecimal() else None
    tag = response.headers.get("ETag") or ""
    with part.open("ab" if resumed else "wb") as file:
        _tag_of(part).write_text("" if tag.startswith("W/") else tag, encoding="ascii", errors="ignore")
        with tqdm(
            total=total, initial=file.tell(), unit="B", unit_scale=True, unit_divisor=1000, desc=source.file_name
        ) as bar:
            while True:
                try:
                    chunk = response.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _Cut(str(error) or type(error).__name__) from error
                if not chunk:
                    break
                file.write(chunk)
                bar.update(len(chunk))
        received = file.tell()
    if total is not None and received < total:
        raise _Cut(f"the connection ended after {received:,} of {total:,} bytes")
