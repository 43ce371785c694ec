"""How a file's bytes are packed: plain, gzip, or zip. Recognised by its first bytes, not by its name;
unpacked
while it is read, within bounds.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from insitu.errors import CorrectInput

MOST_BYTES: Final = 8 << 30
MOST_RATIO: Final = 250
FREE_BYTES: Final = 64 << 20
"""Unpacked bytes that are allowed whatever the ratio."""
MOST_IN_MEMORY: Final = 256 << 20
"""Bytes of a workbook, unpacked: it is held in memory."""

_REFUSED: Final = (
    (b"BZh", "is packed with bzip2: unpack it, or pack it as .gz or .zip"),
    (b"\xfd7zXZ", "is packed with xz: unpack it, or pack it as .gz or .zip"),
    (b"7z\xbc\xaf", "is packed with 7-Zip: unpack it, or pack it as .gz or .zip"),
    (b"Rar!", "is packed with RAR: unpack it, or pack it as .gz or .zip"),
    (b"(\xb5/\xfd", "is packed with zstd: unpack it, or pack it as .gz or .zip"),
    (b"%PDF", "is a PDF: export the table as CSV"),
    (b"SQLite format 3", "is a database: export the table as CSV"),
    (b"\x89HDF", "is HDF5 or NetCDF: export the table as CSV or Parquet"),
    (b"CDF", "is NetCDF: export the table as CSV or Parquet"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """`open` gives the unpacked bytes, as often as wanted. `kind`: text, parquet or workbook."""

    path: Path
    kind: str
    size: int
    """Unpacked bytes, as far as known; for progress only."""
    open: Callable[[], IO[bytes]]
    described: str = ""

    def read_all(self) -> bytes:
        """For formats that need random access; bounded."""
        with self.open() as file:
            content = file.read(MOST_IN_MEMORY + 1)
        if len(content) > MOST_IN_MEMORY:
            raise CorrectInput(f"{self.path} is too large to unpack in memory: unpack it first.")
        return content


class _Bounded(io.RawIOBase):
    """Stops where a packed file grows beyond all measure."""

    def __init__(self, path: Path, file: IO[bytes] | gzip.GzipFile, packed: int) -> None:
        self._path, self._file, self._packed, self._count = path, file, packed, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            part = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise CorrectInput(f"{self._path} is damaged, it cannot be unpacked: {error}.") from error
        buffer[: len(part)] = part
        self._count += len(part)
        if self._count > max(FREE_BYTES, min(MOST_BYTES, self._packed * MOST_RATIO)):
            raise CorrectInput(
                f"{self._path} unpacks to more than {self._count >> 20} MB from {self._packed} "
                f"bytes: that is no "
                "table. Unpack it yourself if it is."
            )
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_container(path: Path, member: str = "") -> Container:
    """Raises CorrectInput for a container that is not read, with advice."""
    with path.open("rb") as file:
        start = file.read(2048)
    for magic, advice in _REFUSED:
        if start.startswith(magic):
            raise CorrectInput(f"{path} {advice}.")
    if start.startswith(b"\x1f\x8b"):
        return _unpacked(path, lambda: _gzip(path), path.stat().st_size * 6, "unpacked from gzip")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _open_zip(path, member)
    if member:
        raise CorrectInput(f"{path} is no zip file: leave --member out.")
    return Container(path, _kind(path, start), path.stat().st_size, lambda: path.open("rb"))


def _gzip(path: Path) -> IO[bytes]:
    return io.BufferedReader(_Bounded(path, gzip.open(path, "rb"), path.stat().st_size), 1 << 17)


def _unpacked(path: Path, opener: Callable[[], IO[bytes]], size: int, described: str) -> Container:
    with opener() as file:
        start = file.read(2048)
    if start.startswith((b"\x1f\x8b", b"PK\x03\x04")) and not _is_workbook(start):
        raise CorrectInput(f"{path} is packed twice: unpack it once.")
    return Container(path, _kind(path, start), size, opener, described)


def _is_workbook(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04") and (
        b"[Content_Types].xml" in start
        or b"mimetypeapplication/vnd.oasis" in start
        or b"_rels/.rels" in start
    )


def _open_zip(path: Path, member: str) -> Container:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise CorrectInput(f"{path} is damaged, it cannot be unpacked: {error}.") from error
    names = {info.filename for info in infos}
    if names & {"[Content_Types].xml", "content.xml"}:
        total = sum(info.file_size for info in infos)
        if total > MOST_IN_MEMORY:
            raise CorrectInput(f"{path} unpacks to {total >> 20} MB: save its sheet as CSV.")
        return Container(path, "workbook", path.stat().st_size, lambda: path.open("rb"))
    infos = [info for info in infos if not _is_litter(info.filename)]
    if member:
        infos = [info for info in infos if info.filename == member]
    if len(infos) != 1:
        names_left = ", ".join(sorted(name for name in names if not _is_litter(name))[:20]) or "no file"
        raise CorrectInput(f"{path} has {names_left}: say which with --member NAME.")
    (info,) = infos
    if info.flag_bits & 1:
        raise CorrectInput(f"{path} is encrypted: unpack it with its password.")
    if info.file_size > max(FREE_BYTES, info.compress_size * MOST_RATIO) or info.file_size > MOST_BYTES:
        raise CorrectInput(
            f"{path} would unpack to {info.file_size >> 20} MB: that is no table. Unpack it "
            f"yourself if it is."
        )
    return _unpacked(path, lambda: _member(path, info), info.file_size, f"{info.filename} unpacked from zip")


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
    )


def _member(path: Path, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:  # the file stays open until its member is closed
            file = archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise CorrectInput(f"{path} cannot be unpacked: {error}.") from error
    return io.BufferedReader(_Bounded(path, file, info.compress_size), 1 << 17)


def _kind(path: Path, start: bytes) -> str:
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"\xd0\xcf\x11\xe0") or _is_workbook(start):
        return "workbook"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<table")):
        raise CorrectInput(
            f"{path} is a page of HTML, whatever its name: open it and save it as CSV or XLSX."
        )
    if text.startswith(b"<?xml"):
        raise CorrectInput(f"{path} is XML: open it and save it as CSV or XLSX.")
    if text.startswith((b'{"', b"[{", b"{\n", b"{\r")):
        raise CorrectInput(f"{path} is JSON: send it to the device's address over HTTP, or export CSV.")
    if b"\x00" in start.rstrip(b"\x00") and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorrectInput(f"{path} {_zero_bytes(start)}")
    return "text"


def _zero_bytes(start: bytes) -> str:
    """The beginning of a file that has zero bytes further up than at its end, in words."""
    if not start[:40].replace(b"\x00", b"").isascii():
        return f"is no text: its first bytes are {start[:8]!r}. Export CSV; for UTF-16 say --encoding utf-16."
    most = max(start[at::2].count(0) for at in (0, 1))
    if 4 * most > len(start):
        return "has zero bytes between its letters: say --encoding utf-16, or export CSV."
    line = start[: start.index(0)].count(b"\n") + 1
    return (
        f"has zero bytes in line {line}, as loggers leave them that lost power while they wrote, "
        f"and copies that "
        "were cut: import another copy of the file, or correct that line."
    )


def require_small(path: Path, most: int) -> None:
    """Raises CorrectInput for a packed file that really unpacks to more than `most` bytes, whatever it says
    about itself: a workbook is unpacked by a library that knows no bound. Reads the file as a stream.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"\x1f\x8b"):
        with path.open("rb") as file:
            _count_unpacked(path, file, 31, most, most)
    elif start.startswith(b"PK\x03\x04"):
        left = most
        for offset, method in _stored_parts(path):
            with path.open("rb") as file:
                file.seek(offset)
                if method == zipfile.ZIP_DEFLATED:
                    left -= _count_unpacked(path, file, -15, left, most)


def _stored_parts(path: Path) -> list[tuple[int, int]]:
    """(where its bytes begin, how they are packed) of each file in a zip."""
    parts = []
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for info in archive.infolist():
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise CorrectInput(f"{path} is packed in a way that is not read: pack it as zip again.")
                file.seek(info.header_offset + 26)
                head = file.read(4)
                lengths = int.from_bytes(head[:2], "little") + int.from_bytes(head[2:], "little")
                parts.append((info.header_offset + 30 + lengths, info.compress_type))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CorrectInput(f"{path} is damaged, it cannot be unpacked: {error}.") from error
    return parts


def _count_unpacked(path: Path, file: IO[bytes], bits: int, left: int, most: int) -> int:
    """Bytes of the stream that begins here, unpacked; at most `left` of the `most` are left."""
    stream, count = zlib.decompressobj(bits), 0
    try:
        while not stream.eof:
            packed = stream.unconsumed_tail or file.read(1 << 16)
            if not packed:
                return count
            count += len(stream.decompress(packed, 1 << 20))
            if count > left:
                raise CorrectInput(f"{path} unpacks to more than {most >> 20} MB: save a part of it as CSV.")
    except zlib.error as error:
        raise CorrectInput(f"{path} is damaged, it cannot be unpacked: {error}.") from error
    return count
