"""Zip files of debug files: every entry is taken in by itself.

The archive comes from outside, so its directory is not believed: names that leave the archive,
links, encrypted entries, entries that unpack too far and entries beyond the first 2,000 are left
out, each with its reason. Archives inside archives are not opened.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO

from crashes.services.symbols import (
    MAX_DEBUG_FILE_BYTES,
    DebugFileRefused,
    Registration,
    register_debug_file,
)

MAX_ENTRIES = 2000
MAX_UNPACKED_BYTES = 4 << 30
_FREE_BYTES = 1 << 20
_RATIO = 200
_ENCRYPTED = 0x1
_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """What became of one entry: registered, or the code and detail of why not."""

    name: str
    registration: Registration | None = None
    code: str = ""
    detail: str = ""


def is_archive(file: IO[bytes]) -> bool:
    """Whether a file that stands at its start is a zip."""
    head = file.read(len(_MAGIC))
    file.seek(0)
    return head == _MAGIC


def register_archive(file: IO[bytes], *, program_id: int, now: datetime) -> Iterator[ArchiveEntry]:
    """Register the debug files in a zip, one by one. Raises DebugFileRefused for no zip at all."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError):
        raise DebugFileRefused("damaged_archive", "The zip file is damaged.") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_ENTRIES:
            raise DebugFileRefused("too_many_entries", f"A zip may have {MAX_ENTRIES} entries.")
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise DebugFileRefused("file_too_large", "A zip may unpack to 4 GiB.")
        for entry in entries:
            yield _register(archive, entry, program_id=program_id, now=now)


def _register(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, program_id: int, now: datetime
) -> ArchiveEntry:
    name = entry.filename[:300]
    try:
        _refuse_unsafe(entry)
        with archive.open(entry) as source:
            registration = register_debug_file(source, name=name, program_id=program_id, now=now)
    except DebugFileRefused as problem:
        return ArchiveEntry(name, code=problem.code, detail=problem.detail)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError):
        return ArchiveEntry(name, code="damaged_archive", detail="The entry is damaged.")
    return ArchiveEntry(name, registration)


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    """Raise DebugFileRefused for an entry that is not to be opened."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise DebugFileRefused("unsafe_entry", "The name of the entry leaves the archive.")
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & _ENCRYPTED:
        raise DebugFileRefused("unsafe_entry", "Links and encrypted entries are not read.")
    bomb = entry.file_size > _FREE_BYTES + _RATIO * entry.compress_size
    if bomb or entry.file_size > MAX_DEBUG_FILE_BYTES:
        raise DebugFileRefused("file_too_large", "The entry unpacks too far.")
