"""Archives in the formats of the published datasets, made by hand: RAR (stored, versions 4 and 5) and tar."""

import io
import struct
import tarfile
import zlib
from collections.abc import Mapping


def rar4(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A RAR archive of version 4 whose members are not compressed; links are Unix symbolic links."""
    members = [_member4(name, data) for name, data in files.items()]
    members += [_member4(name, target.encode(), mode=0o120777) for name, target in (links or {}).items()]
    return _archive4(0, b"".join(members), 0)


def rar4_volumes(name: str, data: bytes, count: int) -> list[bytes]:
    """The volumes of a RAR archive of version 4 with one member, which goes on from each of them to the next."""
    length = -(-len(data) // count)
    volumes = []
    for number in range(count):
        part, is_last = data[number * length : (number + 1) * length], number == count - 1
        flags = (number > 0) | (not is_last) << 1
        member = _member4(name, part, flags, size=len(data), checksum=zlib.crc32(data if is_last else part))
        volumes.append(_archive4(0x0011 | (number == 0) << 8, member, not is_last))
    return volumes


def _archive4(flags: int, members: bytes, end_flags: int) -> bytes:
    return b"Rar!\x1a\x07\x00" + _block4(0x73, flags, bytes(6)) + members + _block4(0x7B, 0x4000 | end_flags, b"")


def _block4(kind: int, flags: int, body: bytes, data: bytes = b"") -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def _member4(
    name: str, data: bytes, flags: int = 0, mode: int = 0o100644, size: int | None = None, checksum: int | None = None
) -> bytes:
    path = name.replace("/", "\\").encode("latin-1")
    size, checksum = size or len(data), zlib.crc32(data) if checksum is None else checksum
    sizes = struct.pack("<LLBLLBBHL", len(data), size, 3, checksum, 0, 29, 0x30, len(path), mode)
    return _block4(0x74, 0x8000 | flags, sizes + path, data)


def rar5(files: Mapping[str, bytes]) -> bytes:
    """A RAR archive of version 5 whose members are not compressed."""

    def number(value: int) -> bytes:
        out = b""
        while value > 0x7F:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])

    def block(kind: int, flags: int, body: bytes, data: bytes = b"") -> bytes:
        head = number(kind) + number(flags) + (number(len(data)) if flags & 2 else b"") + body
        head = number(len(head)) + head
        return struct.pack("<L", zlib.crc32(head)) + head + data

    def member(name: str, data: bytes) -> bytes:
        path = name.encode()
        numbers = number(4) + number(len(data)) + number(0o100644) + struct.pack("<L", zlib.crc32(data))
        return block(2, 2, numbers + number(0) + number(1) + number(len(path)) + path, data)

    members = [member(name, data) for name, data in files.items()]
    return b"Rar!\x1a\x07\x01\x00" + block(1, 0, number(0)) + b"".join(members) + block(5, 0, number(0))


def tar(files: Mapping[str, bytes], others: Mapping[str, bytes] | None = None) -> bytes:
    """A tar archive; `others` are members of another type, such as links, devices, or pipes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in (others or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return content.getvalue()
