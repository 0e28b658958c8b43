"""The files in a zip, unpacked within limits, for the sandbox: descriptors in, plain values out.

The archive comes from outside, so its directory is not believed: entries that would leave the
archive, links, encrypted ones and ones that unpack too far are left out, each with its reason, and
what comes out is counted while it comes. Everything goes into one file, one entry behind the
other; a name is a label and never a path. Archives inside archives are not opened.

    archive: a.so (30 kB packed), ../b.so, c.so       out:  a.so's bytes, c.so's bytes
    answer:  {"name": "a.so", "offset": 0, "size_bytes": 70000}, {"name": "../b.so", "code": …}, …
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from crashes.symbolication.errors import UnreadableDebugFile

MAX_ENTRIES = 1000
MAX_ENTRY_BYTES = 2 << 30
MAX_UNPACKED_BYTES = 4 << 30
_FREE_BYTES = 1 << 20
_RATIO = 200  # DWARF packs 5:1, tables of zeros some 100:1
_COPY_BYTES = 1 << 20
_MAX_NAME = 300
_ENCRYPTED = 0x1
_READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_TROUBLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError, RuntimeError, IndexError, KeyError,
)  # fmt: skip


def unpack_job(archive_fd: int, out_fd: int) -> list[dict[str, Any]]:
    """One dict per entry: its name with `offset` and `size_bytes` in `out_fd`, or `code`, `detail`.

    Raises UnreadableDebugFile: `damaged_archive`, `too_many_entries`, `file_too_large`.
    """
    with open(archive_fd, "rb", closefd=False) as file, open(out_fd, "wb", closefd=False) as out:
        return list(_unpacked(file, out))


def _unpacked(file: BinaryIO, out: BinaryIO) -> Iterator[dict[str, Any]]:
    try:
        archive = zipfile.ZipFile(file)
    except _TROUBLE as problem:
        raise UnreadableDebugFile("damaged_archive", "The zip file is damaged.") from problem
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise UnreadableDebugFile("too_many_entries", f"A zip may have {MAX_ENTRIES} entries.")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise UnreadableDebugFile("file_too_large", "A zip may unpack to 4 GiB.")
    for entry in entries:
        start = out.tell()
        try:
            _refuse_unsafe(entry)
            size_bytes = _copy(archive, entry, out)
        except UnreadableDebugFile as problem:
            out.seek(start)
            yield {"name": _name(entry), "code": problem.code, "detail": problem.detail}
        else:
            yield {"name": _name(entry), "offset": start, "size_bytes": size_bytes}


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as text that can be encoded."""
    return entry.filename[:_MAX_NAME].encode("utf-8", "replace").decode()


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise UnreadableDebugFile("unsafe_entry", "The name of the entry leaves the archive.")
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & _ENCRYPTED:
        raise UnreadableDebugFile("unsafe_entry", "Links and encrypted entries are not read.")
    if entry.compress_type not in _READABLE:
        raise UnreadableDebugFile("damaged_archive", "The entry is packed in an unusual way.")
    bomb = entry.file_size > _FREE_BYTES + _RATIO * entry.compress_size
    if bomb or entry.file_size > MAX_ENTRY_BYTES:
        raise UnreadableDebugFile("file_too_large", "The entry unpacks too far.")


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, out: BinaryIO) -> int:
    """Unpack one entry; `zipfile` itself stops at the size that the directory says."""
    size_bytes = 0
    try:
        with archive.open(entry) as source:
            while chunk := source.read(_COPY_BYTES):
                out.write(chunk)
                size_bytes += len(chunk)
    except _TROUBLE as problem:
        raise UnreadableDebugFile("damaged_archive", "The entry is damaged.") from problem
    return size_bytes
