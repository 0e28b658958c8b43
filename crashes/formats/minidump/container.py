"""The container: header, directory, and bounded access to what they point at.

A minidump (minidumpapiset.h, extended by Breakpad in minidump_format.h) is a header, a directory
of streams, and data that both point at by RVA, which is an offset in the file:

    header       "MDMP", version, stream count, RVA of the directory, checksum, time, flags
    directory    per stream: type, size, RVA
    ThreadList   count, then per thread: id, ..., RVA and size of stack bytes and of registers
    ...

Nothing here trusts a number: a place outside the file has no bytes, a list is as long as its
stream at most, and a count beyond the limits below is refused. All fields are little-endian; the
big-endian twin ("PMDM") was only ever written on processors that are gone.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from crashes.formats.errors import MalformedPayload

MAGIC = b"MDMP"
MAX_STREAMS = 256
MAX_STRING_BYTES = 8 * 1024

_SWAPPED_MAGIC = b"PMDM"
_VERSION = 0xA793
_HEADER = struct.Struct("<4sIIIIIQ")
_ENTRY = struct.Struct("<III")
_COUNT = struct.Struct("<I")


class Stream(IntEnum):
    """The streams that are read. All others (handles, environment, auxiliary vector) never are."""

    THREAD_LIST = 3
    MODULE_LIST = 4
    MEMORY_LIST = 5
    EXCEPTION = 6
    SYSTEM_INFO = 7
    MEMORY_64_LIST = 9
    MISC_INFO = 15
    THREAD_NAMES = 24
    BREAKPAD_INFO = 0x47670001
    ASSERTION_INFO = 0x47670002
    LINUX_PROC_STATUS = 0x47670004
    LINUX_CMD_LINE = 0x47670006


@dataclass(frozen=True, slots=True)
class Container:
    """An open minidump: the whole file, when it was written (seconds since 1970), its streams."""

    data: memoryview
    written_at: int
    streams: Mapping[int, memoryview]

    def stream(self, kind: Stream) -> memoryview | None:
        """The bytes of a stream; None when the dump has none or it lies outside the file."""
        return self.streams.get(kind)

    def at(self, rva: int, size_bytes: int) -> memoryview | None:
        """The bytes at a place; None when it lies outside the file."""
        if rva < 0 or size_bytes < 0 or rva + size_bytes > len(self.data):
            return None
        return self.data[rva : rva + size_bytes]

    def string(self, rva: int) -> str | None:
        """A string as minidumps hold them: a byte count, then UTF-16; None without one.

        NUL is dropped, as no database column takes it.
        """
        size = self.at(rva, 4) if rva else None
        if size is None:
            return None
        size_bytes = min(_COUNT.unpack(size)[0], MAX_STRING_BYTES)
        text = self.data[rva + 4 : rva + 4 + size_bytes]
        return bytes(text).decode("utf-16-le", "replace").replace("\0", "") or None


def open_container(payload: bytes) -> Container:
    """The container of a minidump. Raises MalformedPayload.

    `not_a_minidump` for bytes of another kind, `truncated_minidump` when the directory lies
    outside, `malformed_minidump` for a damaged header.
    """
    if payload[:4] == _SWAPPED_MAGIC:
        raise MalformedPayload("unsupported_minidump", "a big-endian dump is of no known processor")
    if payload[:4] != MAGIC:
        raise MalformedPayload(
            "not_a_minidump", "the file does not start with MDMP", where="offset 0x0"
        )
    if len(payload) < _HEADER.size:
        raise MalformedPayload("truncated_minidump", "the header is cut off", where="offset 0x4")
    _, version, count, directory, _, written_at, _ = _HEADER.unpack_from(payload)
    if version & 0xFFFF != _VERSION:
        raise MalformedPayload("malformed_minidump", "unknown version", where="offset 0x4")
    if count > MAX_STREAMS:
        raise MalformedPayload(
            "malformed_minidump", f"{count} streams are too many", where="offset 0x8"
        )
    data = memoryview(payload)
    return Container(data, written_at, dict(_streams(data, directory, count)))


def _streams(data: memoryview, directory: int, count: int) -> Iterator[tuple[int, memoryview]]:
    """The streams that lie in the file, the first of each type."""
    if directory + count * _ENTRY.size > len(data):
        raise MalformedPayload(
            "truncated_minidump", "the directory lies outside", where=f"offset {directory:#x}"
        )
    seen: set[int] = set()
    for index in range(count):
        kind, size_bytes, rva = _ENTRY.unpack_from(data, directory + index * _ENTRY.size)
        if kind not in seen and kind and rva + size_bytes <= len(data):
            seen.add(kind)
            yield kind, data[rva : rva + size_bytes]


def rows(stream: memoryview, row: struct.Struct, limit: int, what: str) -> list[tuple[int, ...]]:
    """The rows of a list stream: a count, then the rows, which some writers align to 8 bytes.

    Raises MalformedPayload when the count is beyond `limit` or beyond the stream.
    """
    if len(stream) < _COUNT.size:
        raise MalformedPayload("truncated_minidump", f"the list of {what} is cut off")
    (count,) = _COUNT.unpack_from(stream)
    if count > limit:
        raise MalformedPayload("malformed_minidump", f"{count} {what} are too many")
    start = _COUNT.size
    if len(stream) == 2 * _COUNT.size + count * row.size:
        start = 2 * _COUNT.size
    if start + count * row.size > len(stream):
        raise MalformedPayload("truncated_minidump", f"{count} {what} do not fit their list")
    return [row.unpack_from(stream, start + index * row.size) for index in range(count)]
