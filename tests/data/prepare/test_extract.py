"""What comes out of an archive is whole and inside its folder, or nothing but a sentence comes out."""

import bz2
import copy
import gzip
import io
import lzma
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from htzoo.data import DataError
from htzoo.data.prepare.extract import Limits, extract
from tests.data.archives import rar4, rar4_volumes, rar5, tar

FILES = {"set/a/one.avi": b"one" * 500, "set/b/two.avi": b"two" * 700, "set/b/two.xgtf": b"notes", "set/empty.avi": b""}
COMPRESSED = Path(__file__).parent / "files"


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {"rar4": rar4, "rar5": rar5, "tar": tar, "zip": _zip}
each_format = pytest.mark.parametrize("kind", MAKERS)
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def _anything(path: PurePosixPath) -> bool:
    return True


def _archive(folder: Path, content: bytes) -> Path:
    path = folder / "set.rar"  # whatever it is: formats are told by content
    path.write_bytes(content)
    return path


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@each_format
def test_wanted_files_come_out(tmp_path: Path, kind: str) -> None:
    archive = _archive(tmp_path, MAKERS[kind](FILES))
    extract(archive, tmp_path / "out", lambda path: path.suffix == ".avi")
    wanted = {name: data for name, data in FILES.items() if name.endswith(".avi")}
    assert _tree(tmp_path / "out") == wanted
    archive.write_bytes(b"")  # not looked at again
    extract(archive, tmp_path / "out", lambda path: path.suffix == ".avi")
    assert _tree(tmp_path / "out") == wanted


def test_archives_inside(tmp_path: Path) -> None:
    """As HMDB51: a RAR of RARs. Half of it was done when the first call was stopped."""
    inner = {f"{label}.rar": rar4({f"{label}/{label}_1.avi": label.encode() * 99}) for label in ("run", "sit", "walk")}
    archive = _archive(tmp_path, rar4(inner))
    broken = _archive(tmp_path, rar4({**inner, "walk.rar": inner["walk.rar"][:-300]}))
    with pytest.raises(DataError, match="walk"):
        extract(broken, tmp_path / "out", _anything)
    assert (tmp_path / "out/sit/sit_1.avi").is_file()
    (tmp_path / "out/walk.rar").unlink()
    archive = _archive(tmp_path, rar4(inner))
    extract(archive, tmp_path / "out", _anything)
    assert _tree(tmp_path / "out") == {
        f"{label}/{label}_1.avi": label.encode() * 99 for label in ("run", "sit", "walk")
    }
    deep = _archive(tmp_path, rar4({"a.rar": rar4({"b.rar": rar4({"c.rar": rar4({"d": b"1"})})})}))
    with pytest.raises(DataError, match="archives in archives in archives"):
        extract(deep, tmp_path / "deep", _anything)


def test_volumes(tmp_path: Path) -> None:
    """An archive of several volumes, by itself and inside another, whole and with a volume missing."""
    clip = bytes(range(256)) * 50
    volumes = {f"run.part{number}.rar": data for number, data in enumerate(rar4_volumes("run/1.avi", clip, 3), start=1)}
    for name, data in volumes.items():
        (tmp_path / name).write_bytes(data)
    extract(tmp_path / "run.part1.rar", tmp_path / "alone", _anything)
    assert _tree(tmp_path / "alone") == {"run/1.avi": clip}
    extract(_archive(tmp_path, rar4(volumes)), tmp_path / "inside", lambda path: path.suffix == ".avi")
    assert _tree(tmp_path / "inside") == {"run/1.avi": clip}
    del volumes["run.part3.rar"]
    with pytest.raises(DataError, match=r"run\.part1\.rar goes on in run\.part3\.rar, which"):
        extract(_archive(tmp_path, rar4(volumes)), tmp_path / "missing", _anything)
    assert "run/1.avi" not in _tree(tmp_path / "missing")


@each_format
@pytest.mark.parametrize("name", ["../evil.avi", "a/../../evil.avi", "/tmp/evil.avi", "C:/evil.avi"])
def test_no_way_out_of_the_folder(tmp_path: Path, kind: str, name: str) -> None:
    archive = _archive(tmp_path, MAKERS[kind]({"good.avi": b"good", name: b"evil"}))
    if kind == "rar4" and name.startswith("/"):
        archive = _archive(tmp_path, rar4({"good.avi": b"good", "\\" + name: b"evil"}))
    with pytest.raises(DataError, match="wants to write outside its folder"):
        extract(archive, tmp_path / "deeper" / "out", _anything)
    assert not _tree(tmp_path / "deeper") and not (tmp_path / "deeper" / "evil.avi").exists()


def test_only_regular_files(tmp_path: Path) -> None:
    kinds = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    for number, content in enumerate((tar({"good": b"1"}, kinds), rar4({"good": b"1"}, {"link": "/etc/passwd"}))):
        extract(_archive(tmp_path, content), tmp_path / str(number), _anything)
        assert _tree(tmp_path / str(number)) == {"good": b"1"}
        assert not any(path.is_symlink() for path in (tmp_path / str(number)).rglob("*"))
    extract(COMPRESSED / "rar5-evil-symlink-traversal.rar", tmp_path / "evil", _anything)
    assert list(_tree(tmp_path / "evil")) == ["up/pwned.txt"] and not (tmp_path / "evil/up").is_symlink()
    assert not (tmp_path / "pwned.txt").exists()


@each_format
def test_limits(tmp_path: Path, kind: str) -> None:
    archive = _archive(tmp_path, MAKERS[kind](FILES))
    for limits, message in (
        (Limits(file=1000), r"holds set/a/one\.avi of 1,500 bytes"),
        (Limits(total=3000), "unpacks to more than expected"),
        (Limits(members=2), "holds 4 files"),
    ):
        with pytest.raises(DataError, match=message):
            extract(archive, tmp_path / "out", _anything, limits)
        assert not (tmp_path / "out").exists() or not _tree(tmp_path / "out")


def test_bomb(tmp_path: Path) -> None:
    """A hundred files of 12 MB each that are one in the archive, which says that they have 12 MB."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("0.avi", bytes(12_000_000))
        first = archive.infolist()[0]
        for number in range(1, 100):
            archive.filelist.append(copy.copy(first))
            archive.filelist[-1].filename = f"{number}.avi"
    with pytest.raises(DataError, match="unpacks to more than expected"):
        extract(tmp_path / "set.zip", tmp_path / "out", _anything)


@each_format
def test_damaged_archive(tmp_path: Path, kind: str) -> None:
    content = MAKERS[kind](FILES | {"set/c.avi": bytes(40_000)})
    with pytest.raises(DataError, match=r"set\.rar"):
        extract(_archive(tmp_path, content[: len(content) // 2]), tmp_path / "cut", _anything)
    # Headers have a checksum in every format; what follows a damaged one must not be missing without a word.
    with pytest.raises(DataError, match=r"set\.rar"):
        extract(_archive(tmp_path, content.replace(b"two.avi", b"too.avi", 1)), tmp_path / "header", _anything)
    with pytest.raises(DataError, match="is not a RAR, zip or tar archive"):
        extract(_archive(tmp_path, b"no archive" * 99), tmp_path / "none", _anything)


@pytest.mark.parametrize("kind", ["rar4", "rar5", "rar3-solid", "rar5-solid", "zip", "gz", "bz2", "xz"])
def test_flipped_bits(tmp_path: Path, kind: str) -> None:
    """Wherever a bit is flipped, no file comes out otherwise than it was packed, or is missing without a word."""
    rng = random.Random(0)
    files = {f"set/{number}.avi": rng.randbytes(2000) for number in range(4)}
    if kind.endswith("solid"):
        pytest.importorskip("unrar.cffi", reason="the extra rar is not installed")
        content = (COMPRESSED / f"{kind}.rar").read_bytes()
    else:
        content = PACKERS[kind](tar(files)) if kind in PACKERS else MAKERS[kind](files)
    extract(_archive(tmp_path, content), tmp_path / "whole", _anything)
    whole, named = _tree(tmp_path / "whole"), 0
    for number in range(40):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        out = tmp_path / str(number)
        try:
            extract(_archive(tmp_path, bytes(changed)), out, _anything)
        except DataError:
            named += 1
            assert _tree(out).items() <= whole.items()
        else:
            assert _tree(out) == whole
    assert named > 30  # the rest were of no importance, such as a date


@pytest.mark.parametrize("name", ["rar3-solid", "rar5-solid"])
def test_compressed_rar(tmp_path: Path, name: str) -> None:
    pytest.importorskip("unrar.cffi", reason="the extra rar is not installed")
    extract(COMPRESSED / f"{name}.rar", tmp_path, _anything)
    found = _tree(tmp_path)
    assert list(map(len, found.values())) == [2048, 2048] and sorted(found) == ["stest1.txt", "stest2.txt"]
    small = Limits(total=3000)
    with pytest.raises(DataError, match="unpacks to more"):
        extract(COMPRESSED / f"{name}.rar", tmp_path / "small", _anything, small)


def test_compressed_rar_without_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unrar.cffi", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"run pip install 'htzoo\[rar\]', or install the program unrar"):
        extract(COMPRESSED / "rar5-solid.rar", tmp_path / "out", _anything)


def test_encrypted_rar(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is encrypted; extract it by hand"):
        extract(COMPRESSED / "rar5-psw.rar", tmp_path / "out", _anything)
