"""Downloads end whole and right, or with one sentence, whatever the server does."""

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest

from htzoo.data import DataError
from htzoo.data.prepare.download import download
from htzoo.data.source import Source
from tests.data.server import Behaviour, serve

CONTENT = np.random.default_rng(0).bytes(700_001)
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


def _source(address: str, **facts: object) -> Source:
    return Source(f"{address}/set.rar", "set.rar", **facts)  # type: ignore[arg-type]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_file(tmp_path: Path) -> None:
    behaviour = Behaviour({"/set.rar": CONTENT})
    with serve(behaviour) as address:
        source = _source(address, size=len(CONTENT), md5=MD5, sha256=SHA256.upper())
        path = download(source, tmp_path / "downloads")
        assert path.read_bytes() == CONTENT and _names(path.parent) == ["set.rar"]
        assert download(source, tmp_path / "downloads") == path
    assert behaviour.asked == [""]


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connections(tmp_path: Path, ranges: bool) -> None:
    """A server that resumes gets through; one that does not never does, and what came is kept."""
    behaviour = Behaviour({"/set.rar": CONTENT}, ranges=ranges, cut_after=200_000)
    with serve(behaviour) as address:
        if ranges:
            assert download(_source(address, md5=MD5), tmp_path, pauses=(0, 0)).read_bytes() == CONTENT
            assert behaviour.asked == ["", "bytes=200000-", "bytes=400000-", "bytes=600000-"]
        else:
            with pytest.raises(DataError, match=r"connection ended after 200,000 of 700,001 bytes.*by hand, put it at"):
                download(_source(address, md5=MD5), tmp_path, pauses=(0, 0))
            assert behaviour.asked == ["", "bytes=200000-", "bytes=200000-"]
            behaviour.cut_after = None
            assert download(_source(address, md5=MD5), tmp_path).read_bytes() == CONTENT


def test_part_of_an_earlier_run(tmp_path: Path) -> None:
    behaviour = Behaviour({"/set.rar": CONTENT}, cut_after=300_000)
    with serve(behaviour) as address:
        with pytest.raises(DataError, match="cannot be downloaded"):
            download(_source(address), tmp_path, pauses=())
        assert _names(tmp_path) == ["set.rar.part", "set.rar.part.tag"]
        behaviour.cut_after = None
        assert download(_source(address), tmp_path).read_bytes() == CONTENT
        assert behaviour.asked[-1] == "bytes=300000-"


def test_part_of_another_version_is_not_joined(tmp_path: Path) -> None:
    behaviour = Behaviour({"/set.rar": CONTENT[::-1]}, cut_after=300_000)
    with serve(behaviour) as address:
        with pytest.raises(DataError, match="cannot be downloaded"):
            download(_source(address), tmp_path, pauses=())
        behaviour.files["/set.rar"], behaviour.cut_after = CONTENT, None
        assert download(_source(address), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) + 5])
def test_part_that_is_complete_or_too_long(tmp_path: Path, length: int) -> None:
    (tmp_path / "set.rar.part").write_bytes((CONTENT + b"12345")[:length])
    with serve(Behaviour({"/set.rar": CONTENT})) as address:
        assert download(_source(address, sha256=SHA256), tmp_path, pauses=(0,)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"md5": "0" * 32}, f"has MD5 {MD5} where the published one is 000"),
        ({"sha256": "0" * 64}, f"has SHA256 {SHA256} where the published one is 000"),
        ({"size": 5}, "has 700,001 bytes where the published file has 5;"),
    ],
)
def test_not_the_published_file(tmp_path: Path, facts: dict[str, object], message: str) -> None:
    with serve(Behaviour({"/set.rar": CONTENT})) as address:
        with pytest.raises(DataError, match=message):
            download(_source(address, **facts), tmp_path)
        assert _names(tmp_path) == []
        (tmp_path / "set.rar").write_bytes(CONTENT)
        with pytest.raises(DataError, match="delete it, or put the right one in its place"):
            download(_source(address, **facts), tmp_path)
        assert _names(tmp_path) == ["set.rar"]  # the user's own


def test_busy_server(tmp_path: Path) -> None:
    with serve(Behaviour({"/set.rar": CONTENT}, failures=[503, 429])) as address:
        assert download(_source(address), tmp_path, pauses=(0, 0)).read_bytes() == CONTENT


def test_dead_address(tmp_path: Path) -> None:
    with serve(Behaviour({})) as address:
        with pytest.raises(DataError) as caught:
            download(_source(address), tmp_path)
        assert str(caught.value) == (
            f"{address}/set.rar cannot be downloaded (the server answers 404 Not Found); download set.rar by hand, "
            f"put it at {tmp_path / 'set.rar'}, and run the command again."
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(DataError, match=r"refused\); download set\.rar by hand"):
            download(_source(f"http://127.0.0.1:{port}"), tmp_path, pauses=(0,))
    with (
        serve(Behaviour({"/set.rar": b"<html>moved</html>"}, content_type="text/html")) as address,
        pytest.raises(DataError, match="a web page came instead"),
    ):
        download(_source(address), tmp_path)
    assert _names(tmp_path) == []
