"""A debug file as the symcache compiler should see it.

`mapped` gives the file's bytes as a private memory map with four things put right:

1. Compressed sections (`SHF_COMPRESSED` with zlib or zstd, and the older `.zdebug_*`) are
   inflated. The inflated copy goes to a scratch file: the caller's, best on a disk, or an
   anonymous memory file. The compiler would inflate by itself, but all at once and in its own
   heap; from a mapped scratch file the pages can be dropped and read again, which halves the
   memory of a large build.
2. An unlinked object, as kernel modules are, is given addresses (`relocate.py`).
3. What `dwz` moved into an alternate file comes back (`altfile.py`), where that file is given.
4. Line sequences of discarded code become tombstones (`lineprograms.py`). Only the touched pages
   become private copies; the uploaded file is never written to.

Memory stays bounded: data moves in pieces of 1 MiB, and the sizes that compressed sections
declare are added up and checked before anything is inflated (a file of 226 MB may well hold
617 MB of DWARF; one of 1 MB that claims 10 GB may not pass).
"""

import io
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from crashes.symbolication.altfile import join
from crashes.symbolication.elffile import ET_REL, SHF_COMPRESSED, ElfFile, read_at
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.inflating import (
    MAX_INFLATED_BYTES,
    PIECE_BYTES,
    Packed,
    check_sizes,
    inflated,
    malformed,
    packing,
    write_all,
)
from crashes.symbolication.lineprograms import LineWalk, dead_addresses
from crashes.symbolication.relocate import relocate

_ALIGNMENT = 16


@dataclass(slots=True)
class Normalized:
    """The mapped bytes, their headers, and what was done to them."""

    data: mmap.mmap
    elf: ElfFile
    lines: LineWalk = field(default_factory=LineWalk)


@contextmanager
def mapped(
    elf: ElfFile,
    debug_fd: int,
    scratch_fd: int | None = None,
    *,
    limit_bytes: int | None = None,
    alternate_fd: int | None = None,
) -> Iterator[Normalized]:
    """The normalized bytes of `debug_fd`, whose headers are in `elf`.

    `scratch_fd` is an empty file opened for reading and writing; without one an anonymous memory
    file is used when the file is compressed. `alternate_fd` is the file that `dwz` moved things
    into. Raises UnreadableDebugFile.
    """
    packed = _packed_sections(elf, MAX_INFLATED_BYTES if limit_bytes is None else limit_bytes)
    if not packed and alternate_fd is None:
        with _private_map(debug_fd) as data:
            yield _patched(data, _linked(data, elf))
        return
    with _scratch(scratch_fd) as target_fd:
        _write_inflated(elf, debug_fd, target_fd, packed)
        if alternate_fd is not None:
            with (
                open(target_fd, "rb", closefd=False) as own,
                open(alternate_fd, "rb", closefd=False) as shared,
            ):
                join(ElfFile(own), target_fd, ElfFile(shared))
        with _private_map(target_fd) as data, open(target_fd, "rb", closefd=False) as copy:
            yield _patched(data, _linked(data, ElfFile(copy)))


@contextmanager
def _scratch(scratch_fd: int | None) -> Iterator[int]:
    """The caller's scratch file, or an anonymous one for the time being."""
    if scratch_fd is not None:
        yield scratch_fd
        return
    owned_fd = os.memfd_create("debug-file")
    try:
        yield owned_fd
    finally:
        os.close(owned_fd)


@contextmanager
def _private_map(fd: int) -> Iterator[mmap.mmap]:
    data = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
    try:
        yield data
    finally:
        data.close()


def _linked(data: mmap.mmap, elf: ElfFile) -> ElfFile:
    """The same headers, or those of an unlinked object after it was given addresses."""
    if elf.type != ET_REL:
        return elf
    relocate(elf, data)
    return ElfFile(cast("BinaryIO", io.BufferedReader(_Map(data))))


def _patched(data: mmap.mmap, elf: ElfFile) -> Normalized:
    """Spell the dead line sequences as DWARF 5 asks; see `lineprograms`."""
    normalized = Normalized(data, elf)
    section, text = elf.debug_section("line"), elf.text_ranges
    if section is None or not text or section.offset + section.size_bytes > len(data):
        return normalized
    start, end = section.offset, section.offset + section.size_bytes
    with memoryview(data) as whole, whole[start:end] as lines:
        order, walk = elf.layout.order, normalized.lines
        for offset, size_bytes in dead_addresses(lines, order, text[0][0], walk):
            lines[offset : offset + size_bytes] = b"\xff" * size_bytes
    return normalized


# --- inflating -----------------------------------------------------------------------------


def _packed_sections(elf: ElfFile, limit_bytes: int) -> list[Packed]:
    sections = [s for s in elf.sections if s.is_compressed and s.has_bytes]
    check_sizes(elf, sections, limit_bytes)
    return [packing(elf, section) for section in sections]


def _write_inflated(elf: ElfFile, source_fd: int, target_fd: int, packed: list[Packed]) -> None:
    """Write the file with `packed` inflated behind its end and the headers pointing there."""
    _copy_around(source_fd, target_fd, elf.size_bytes, packed)
    end = elf.size_bytes
    for part in packed:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = _write_section(elf, target_fd, part, start)
        _repoint(elf, target_fd, part, start)


def _copy_around(source_fd: int, target_fd: int, size_bytes: int, holes: list[Packed]) -> None:
    """Copy everything except the compressed streams; the file system keeps holes there."""
    position = 0
    for hole in sorted(holes, key=lambda part: part.offset):
        _copy(source_fd, target_fd, position, hole.offset)
        position = max(position, hole.end)
    _copy(source_fd, target_fd, position, size_bytes)


def _copy(source_fd: int, target_fd: int, start: int, end: int) -> None:
    while start < end:
        piece = os.pread(source_fd, min(PIECE_BYTES, end - start), start)
        if not piece:
            raise UnreadableDebugFile("truncated_elf", "the file became shorter while being read")
        write_all(target_fd, piece, start)
        start += len(piece)


def _write_section(elf: ElfFile, target_fd: int, part: Packed, start: int) -> int:
    position, end = start, start + part.inflated_bytes
    for piece in inflated(elf.file, part):
        if position + len(piece) > end:
            raise malformed(part.section, "it inflates to more than it says")
        write_all(target_fd, piece, position)
        position += len(piece)
    if position != end:
        raise malformed(part.section, "it inflates to less than it says")
    return end


def _repoint(elf: ElfFile, target_fd: int, part: Packed, start: int) -> None:
    """Let the section's header describe the inflated bytes; undo the `.z` of the old names."""
    entry = elf.layout.section
    place = elf.sections_offset + part.section.index * entry.size
    row = list(entry.unpack(read_at(elf.file, place, entry.size, "section headers")))
    row[2] &= ~SHF_COMPRESSED
    row[4], row[5] = start, part.inflated_bytes
    if part.section.is_gnu_compressed:
        # `.zdebug_x` becomes `.debug_x` in place: its second letter turns into the dot.
        row[0] += 1
        write_all(target_fd, b".", elf.names_offset + part.section.name_offset + 1)
    try:
        write_all(target_fd, entry.pack(*row), place)
    except struct.error as problem:  # a 32-bit file beyond 4 GiB
        raise malformed(part.section, "it does not fit the file") from problem


class _Map(io.RawIOBase):
    """A memory map as a file, as private changes show nowhere else."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._position = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._data)}
        self._position = starts[whence] + offset
        return self._position

    def readinto(self, target: Any) -> int:
        piece = self._data[self._position : self._position + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
