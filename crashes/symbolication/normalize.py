"""A debug file as the symcache compiler should see it.

`mapped` gives the file's bytes as a private memory map with three things put right:

1. Compressed sections (`SHF_COMPRESSED` with zlib or zstd, and the older `.zdebug_*`) are
   inflated. The inflated copy goes to a scratch file: the caller's, best on a disk, or an
   anonymous memory file. The compiler would inflate by itself, but all at once and in its own
   heap; from a mapped scratch file the pages can be dropped and read again, which halves the
   memory of a large build.
2. An unlinked object, as kernel modules are, is given addresses (`relocate.py`).
3. Line sequences of discarded code become tombstones (`lineprograms.py`). Only the touched pages
   become private copies; the uploaded file is never written to.

Memory stays bounded: data moves in pieces of 1 MiB, and the sizes that compressed sections
declare are added up and checked before anything is inflated (a file of 226 MB may well hold
617 MB of DWARF; one of 1 MB that claims 10 GB may not pass).
"""

import errno
import io
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import zstandard

from crashes.symbolication.elffile import (
    ELFCOMPRESS_ZLIB,
    ELFCOMPRESS_ZSTD,
    ET_REL,
    SHF_COMPRESSED,
    ElfFile,
    Section,
    read_at,
)
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lineprograms import LineWalk, dead_addresses
from crashes.symbolication.relocate import relocate

MAX_INFLATED_BYTES = 8 << 30

_PIECE_BYTES = 1 << 20
_ALIGNMENT = 16
_GNU_MAGIC = b"ZLIB"
_GNU_HEADER_BYTES = 12
_MAX_ZSTD_WINDOW_BYTES = 128 << 20


@dataclass(slots=True)
class Normalized:
    """The mapped bytes, their headers, and what was done to them."""

    data: mmap.mmap
    elf: ElfFile
    lines: LineWalk = field(default_factory=LineWalk)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A compressed section: how it is packed, where its stream lies, its inflated size."""

    section: Section
    method: int
    offset: int
    end: int
    inflated_bytes: int


@contextmanager
def mapped(
    elf: ElfFile, debug_fd: int, scratch_fd: int | None = None, *, limit_bytes: int | None = None
) -> Iterator[Normalized]:
    """The normalized bytes of `debug_fd`, whose headers are in `elf`.

    `scratch_fd` is an empty file opened for reading and writing; without one an anonymous memory
    file is used when the file is compressed. Raises UnreadableDebugFile.
    """
    packed = _packed_sections(elf, MAX_INFLATED_BYTES if limit_bytes is None else limit_bytes)
    if not packed:
        with _private_map(debug_fd) as data:
            yield _patched(data, _linked(data, elf))
        return
    with _scratch(scratch_fd) as target_fd:
        _write_inflated(elf, debug_fd, target_fd, packed)
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


def _packed_sections(elf: ElfFile, limit_bytes: int) -> list[_Packed]:
    packed = [_packed(elf, s) for s in elf.sections if s.is_compressed and s.has_bytes]
    if sum(part.inflated_bytes for part in packed) > limit_bytes:
        raise UnreadableDebugFile(
            "inflates_too_far", f"the compressed sections hold more than {limit_bytes} bytes"
        )
    return packed


def _packed(elf: ElfFile, section: Section) -> _Packed:
    end = section.offset + section.size_bytes
    if end > elf.size_bytes:
        raise UnreadableDebugFile("truncated_elf", "the file ends too early", where=section.name)
    if section.flags & SHF_COMPRESSED:
        header = elf.layout.compression
        method, size_bytes, _ = header.unpack(_head(elf, section, header.size))
        return _Packed(section, method, section.offset + header.size, end, size_bytes)
    head = _head(elf, section, _GNU_HEADER_BYTES)
    if head[:4] != _GNU_MAGIC:
        raise UnreadableDebugFile("malformed_compression", "no ZLIB header", where=section.name)
    size_bytes = int.from_bytes(head[4:], "big")
    return _Packed(section, ELFCOMPRESS_ZLIB, section.offset + len(head), end, size_bytes)


def _head(elf: ElfFile, section: Section, size_bytes: int) -> bytes:
    if section.size_bytes < size_bytes:
        raise UnreadableDebugFile(
            "malformed_compression", "the compression header is cut off", where=section.name
        )
    return read_at(elf.file, section.offset, size_bytes, section.name)


def _write_inflated(elf: ElfFile, source_fd: int, target_fd: int, packed: list[_Packed]) -> None:
    """Write the file with `packed` inflated behind its end and the headers pointing there."""
    _copy_around(source_fd, target_fd, elf.size_bytes, packed)
    end = elf.size_bytes
    for part in packed:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = _write_section(source_fd, target_fd, part, start)
        _repoint(elf, target_fd, part, start)


def _copy_around(source_fd: int, target_fd: int, size_bytes: int, holes: list[_Packed]) -> None:
    """Copy everything except the compressed streams; the file system keeps holes there."""
    position = 0
    for hole in sorted(holes, key=lambda part: part.offset):
        _copy(source_fd, target_fd, position, hole.offset)
        position = max(position, hole.end)
    _copy(source_fd, target_fd, position, size_bytes)


def _copy(source_fd: int, target_fd: int, start: int, end: int) -> None:
    while start < end:
        piece = os.pread(source_fd, min(_PIECE_BYTES, end - start), start)
        if not piece:
            raise UnreadableDebugFile("truncated_elf", "the file became shorter while being read")
        _write_all(target_fd, piece, start)
        start += len(piece)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = _write(fd, view, offset)
        view, offset = view[written:], offset + written


def _write(fd: int, data: memoryview, offset: int) -> int:
    try:
        return os.pwrite(fd, data, offset)
    except OSError as problem:
        if problem.errno != errno.EFBIG:
            raise
        raise UnreadableDebugFile(
            "inflates_too_far", "the inflated file is larger than this process may write"
        ) from problem


def _write_section(source_fd: int, target_fd: int, part: _Packed, start: int) -> int:
    position, end = start, start + part.inflated_bytes
    for piece in _inflated(source_fd, part):
        if position + len(piece) > end:
            raise _malformed(part, "it inflates to more than it says")
        _write_all(target_fd, piece, position)
        position += len(piece)
    if position != end:
        raise _malformed(part, "it inflates to less than it says")
    return end


def _repoint(elf: ElfFile, target_fd: int, part: _Packed, start: int) -> None:
    """Let the section's header describe the inflated bytes; undo the `.z` of the old names."""
    entry = elf.layout.section
    place = elf.sections_offset + part.section.index * entry.size
    row = list(entry.unpack(read_at(elf.file, place, entry.size, "section headers")))
    row[2] &= ~SHF_COMPRESSED
    row[4], row[5] = start, part.inflated_bytes
    if part.section.is_gnu_compressed:
        # `.zdebug_x` becomes `.debug_x` in place: its second letter turns into the dot.
        row[0] += 1
        _write_all(target_fd, b".", elf.names_offset + part.section.name_offset + 1)
    try:
        _write_all(target_fd, entry.pack(*row), place)
    except struct.error as problem:  # a 32-bit file beyond 4 GiB
        raise _malformed(part, "it does not fit the file") from problem


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


class _Stream(io.RawIOBase):
    """A stretch of a file as a stream of its own."""

    def __init__(self, fd: int, start: int, end: int) -> None:
        self._fd, self._position, self._end = fd, start, end

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        wanted = min(len(target), self._end - self._position)
        piece = os.pread(self._fd, wanted, self._position)
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def _inflated(fd: int, part: _Packed) -> Iterator[bytes]:
    stream = _Stream(fd, part.offset, part.end)
    try:
        if part.method == ELFCOMPRESS_ZLIB:
            yield from _zlib_pieces(stream)
        elif part.method == ELFCOMPRESS_ZSTD:
            yield from _zstd_pieces(stream)
        else:
            raise _malformed(part, f"compression method {part.method} is unknown")
    except (zlib.error, zstandard.ZstdError) as problem:
        raise _malformed(part, "the compressed data is damaged") from problem


def _zlib_pieces(stream: _Stream) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    while not inflater.eof:
        packed = inflater.unconsumed_tail or stream.read(_PIECE_BYTES)
        piece = inflater.decompress(packed, _PIECE_BYTES)
        if not piece and not packed:
            return
        yield piece


def _zstd_pieces(stream: _Stream) -> Iterator[bytes]:
    source = io.BufferedReader(stream, _PIECE_BYTES)
    inflater = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
    with inflater.stream_reader(source, read_size=_PIECE_BYTES, read_across_frames=True) as reader:
        while piece := reader.read(_PIECE_BYTES):
            yield piece


def _malformed(part: _Packed, detail: str) -> UnreadableDebugFile:
    return UnreadableDebugFile("malformed_compression", detail, where=part.section.name)
