"""Compressed sections of an ELF file: how large they are inside, and what they hold.

`SHF_COMPRESSED` with zlib or zstd, and the older `.zdebug_*` of GNU tools. Sizes are what the
headers declare, to be checked before anything is inflated (`check_sizes`); contents come in pieces
of 1 MiB, and an inflated section that is not as large as declared is an error.
"""

import errno
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import zstandard

from crashes.symbolication.elffile import (
    ELFCOMPRESS_ZLIB,
    ELFCOMPRESS_ZSTD,
    SHF_COMPRESSED,
    ElfFile,
    Section,
    read_at,
)
from crashes.symbolication.errors import UnreadableDebugFile

MAX_INFLATED_BYTES = 8 << 30
PIECE_BYTES = 1 << 20

_GNU_MAGIC = b"ZLIB"
_GNU_HEADER_BYTES = 12
_MAX_ZSTD_WINDOW_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """A compressed section: how it is packed, where its stream lies, its inflated size."""

    section: Section
    method: int
    offset: int
    end: int
    inflated_bytes: int


def check_sizes(
    elf: ElfFile, sections: Iterable[Section], limit_bytes: int = MAX_INFLATED_BYTES
) -> None:
    """Raise UnreadableDebugFile when sections hold more than so many bytes altogether."""
    if sum(inflated_size(elf, section) for section in sections) > limit_bytes:
        raise UnreadableDebugFile(
            "inflates_too_far", f"the compressed sections hold more than {limit_bytes} bytes"
        )


def inflated_size(elf: ElfFile, section: Section) -> int:
    """How much a section holds. Raises UnreadableDebugFile."""
    is_packed = section.is_compressed and section.has_bytes
    return packing(elf, section).inflated_bytes if is_packed else section.size_bytes


def pieces(elf: ElfFile, section: Section) -> Iterator[bytes]:
    """What a section holds. Raises UnreadableDebugFile."""
    if section.is_compressed:
        yield from inflated(elf.file, packing(elf, section))
        return
    position, end = section.offset, section.offset + section.size_bytes
    while position < end:
        piece = read_at(elf.file, position, min(PIECE_BYTES, end - position), section.name)
        yield piece
        position += len(piece)


def inflated_bytes(elf: ElfFile, section: Section, limit_bytes: int) -> bytes:
    """All that a section holds. Raises UnreadableDebugFile, over the limit too."""
    if inflated_size(elf, section) > limit_bytes:
        raise UnreadableDebugFile(
            "oversized_section", "a section is larger than allowed", where=section.name
        )
    content = bytearray()
    for piece in pieces(elf, section):
        content += piece
        if len(content) > limit_bytes:
            raise malformed(section, "it inflates to more than it says")
    return bytes(content)


def packing(elf: ElfFile, section: Section) -> Packed:
    """How a compressed section is packed. Raises UnreadableDebugFile."""
    end = section.offset + section.size_bytes
    if end > elf.size_bytes:
        raise UnreadableDebugFile("truncated_elf", "the file ends too early", where=section.name)
    if section.flags & SHF_COMPRESSED:
        header = elf.layout.compression
        method, size_bytes, _ = header.unpack(_head(elf, section, header.size))
        return Packed(section, method, section.offset + header.size, end, size_bytes)
    head = _head(elf, section, _GNU_HEADER_BYTES)
    if head[:4] != _GNU_MAGIC:
        raise UnreadableDebugFile("malformed_compression", "no ZLIB header", where=section.name)
    size_bytes = int.from_bytes(head[4:], "big")
    return Packed(section, ELFCOMPRESS_ZLIB, section.offset + len(head), end, size_bytes)


def _head(elf: ElfFile, section: Section, size_bytes: int) -> bytes:
    if section.size_bytes < size_bytes:
        raise UnreadableDebugFile(
            "malformed_compression", "the compression header is cut off", where=section.name
        )
    return read_at(elf.file, section.offset, size_bytes, section.name)


def write_all(fd: int, data: bytes | bytearray, offset: int) -> None:
    """Write all of it. Raises UnreadableDebugFile when the process may not write that far."""
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


class _Stream(io.RawIOBase):
    """A stretch of a file as a stream of its own."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._position, self._end = file, start, end

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        self._file.seek(self._position)
        piece = self._file.read(min(len(target), self._end - self._position))
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class Stretch(io.RawIOBase):
    """A stretch of the file behind a descriptor as a file of its own."""

    def __init__(self, fd: int, start: int, end: int) -> None:
        self._fd, self._start, self._size_bytes, self._position = fd, start, end - start, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place within the stretch."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}
        self._position = max(0, starts[whence] + offset)
        return self._position

    def readinto(self, target: Any) -> int:
        """Read into a buffer what fits; how much that was."""
        wanted = max(0, min(len(target), self._size_bytes - self._position))
        piece = os.pread(self._fd, wanted, self._start + self._position)
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def inflated(file: BinaryIO, part: Packed) -> Iterator[bytes]:
    """What a compressed section holds, in pieces. Raises UnreadableDebugFile."""
    stream = _Stream(file, part.offset, part.end)
    try:
        if part.method == ELFCOMPRESS_ZLIB:
            yield from _zlib_pieces(stream)
        elif part.method == ELFCOMPRESS_ZSTD:
            yield from _zstd_pieces(stream)
        else:
            raise malformed(part.section, f"compression method {part.method} is unknown")
    except (zlib.error, zstandard.ZstdError) as problem:
        raise malformed(part.section, "the compressed data is damaged") from problem


def _zlib_pieces(stream: _Stream) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    while not inflater.eof:
        packed = inflater.unconsumed_tail or stream.read(PIECE_BYTES)
        piece = inflater.decompress(packed, PIECE_BYTES)
        if not piece and not packed:
            return
        yield piece


def _zstd_pieces(stream: _Stream) -> Iterator[bytes]:
    source = io.BufferedReader(stream, PIECE_BYTES)
    inflater = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
    with inflater.stream_reader(source, read_size=PIECE_BYTES, read_across_frames=True) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


def malformed(section: Section, detail: str) -> UnreadableDebugFile:
    """The error for a compressed section that is not as it says."""
    return UnreadableDebugFile("malformed_compression", detail, where=section.name)
