"""The ELF container of a core: which memory it holds, and its notes. Every number is checked.

Layouts are those of the generic ABI (Elf32_Ehdr, Elf64_Phdr, ...). Both widths, little-endian; no
Android phone was ever big-endian.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from crashes.formats.errors import MalformedPayload

MAX_SEGMENTS = 1 << 17
"""The kernel maps 65,530 areas per process unless told otherwise."""
MAX_NOTES = 1 << 16
MAX_TEXT_BYTES = 4096
NOTE = struct.Struct("<III")
PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR = 1, 2, 4, 6
ELF_MAGIC = b"\x7fELF"

_ET_CORE = (b"\4\0", b"\0\4")  # in either byte order
_TYPE_AND_MACHINE = struct.Struct("<HH")
HEADER_AT = 24
_MORE_SEGMENTS = 0xFFFF  # PN_XNUM: their number stands in the first section header
_EXECUTABLE, _WRITABLE = 1, 2


@dataclass(frozen=True, slots=True)
class Width:
    """How the two classes of ELF lay things out.

    `header` is what follows type, machine and version: entry, phoff, shoff, flags, ehsize,
    phentsize, phnum, shentsize. `info_at` is the place of `sh_info` in a section header.
    """

    word: struct.Struct
    header: struct.Struct
    segment: struct.Struct
    info_at: int

    @property
    def word_bytes(self) -> int:
        """Of a pointer."""
        return self.word.size

    def segment_of(self, row: tuple[int, ...]) -> "Segment":
        """A program header in one order of fields."""
        if self.word_bytes == 8:  # noqa: PLR2004
            kind, flags, offset, address, _, in_file, in_memory, _ = row
        else:
            kind, offset, address, _, in_file, in_memory, flags, _ = row
        return Segment(kind, flags, offset, address, in_file, in_memory)


WIDTHS = {
    1: Width(struct.Struct("<I"), struct.Struct("<IIIIHHHH"), struct.Struct("<8I"), 28),
    2: Width(struct.Struct("<Q"), struct.Struct("<QQQIHHHH"), struct.Struct("<II6Q"), 44),
}
"""By the class in the ELF header."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: where in the file, where in memory, and how many bytes in both."""

    kind: int
    flags: int
    offset: int
    address: int
    in_file: int
    in_memory: int

    @property
    def is_executable(self) -> bool:
        """Whether code may run there."""
        return bool(self.flags & _EXECUTABLE)

    @property
    def is_writable(self) -> bool:
        """Whether the process may write there."""
        return bool(self.flags & _WRITABLE)


@dataclass(frozen=True, slots=True)
class Note:
    """A note; `head` and `at` are the places of its sizes and of its content in the file."""

    owner: bytes
    kind: int
    content: memoryview
    head: int
    at: int


class Memory:
    """The memory that a core holds, by address. Of what is cut off the first part is there.

    `seen` are the places in the file, (offset, size), that were read: what no parser reads need
    not be kept.
    """

    def __init__(self, data: memoryview, segments: Sequence[Segment]) -> None:
        held = sorted(
            (segment.address, segment.offset, min(segment.in_file, len(data) - segment.offset))
            for segment in segments
            if segment.kind == PT_LOAD and segment.in_file and segment.offset < len(data)
        )
        self._starts = [address for address, _, _ in held]
        self._held = held
        self._data = data
        self.seen: list[tuple[int, int]] = []

    def region(self, address: int) -> tuple[int, memoryview] | None:
        """The piece around `address`: where it starts, and its bytes."""
        held = self._piece(address)
        if held is None:
            return None
        start, offset, size = held
        return start, self._data[offset : offset + size]

    def place(self, address: int) -> tuple[int, int]:
        """Where `address` is in the file, and how many bytes there are; (0, 0) for nowhere."""
        held = self._piece(address)
        if held is None:
            return 0, 0
        start, offset, size = held
        return offset + address - start, size - (address - start)

    def read(self, address: int, size: int) -> bytes:
        """As many of `size` bytes as one piece holds."""
        at, left = self.place(address)
        size = max(0, min(size, left))
        self.seen.append((at, size))
        return bytes(self._data[at : at + size])

    def text(self, address: int) -> str | None:
        """The text that ends at the next NUL; None for an empty one."""
        at, left = self.place(address)
        content = bytes(self._data[at : at + min(left, MAX_TEXT_BYTES)]).partition(b"\0")[0]
        self.seen.append((at, len(content)))
        return content.decode("utf-8", "replace") or None

    def _piece(self, address: int) -> tuple[int, int, int] | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._held[index][0] + self._held[index][2]:
            return None
        return self._held[index]


@dataclass(frozen=True, slots=True)
class Core:
    """An open core."""

    data: memoryview
    machine: int
    width: Width
    segments: tuple[Segment, ...]
    memory: Memory

    @property
    def is_cut(self) -> bool:
        """Whether the file ends before what its headers promise."""
        size = len(self.data)
        return any(segment.offset + segment.in_file > size for segment in self.segments)

    def headers(self) -> Iterator[tuple[int, int]]:
        """(place, size) of the ELF header, the program headers, and what says how many they are."""
        _, start, sections, *_ = self.width.header.unpack_from(self.data, HEADER_AT)
        yield 0, HEADER_AT + self.width.header.size + 4
        yield start, len(self.segments) * self.width.segment.size
        yield sections, self.width.info_at + 4

    def notes(self) -> Iterator[Note]:
        """The notes, in order; one that does not fit ends its segment."""
        return islice(chain.from_iterable(map(self._notes_of, self.segments)), MAX_NOTES)

    def _notes_of(self, segment: Segment) -> Iterator[Note]:
        if segment.kind != PT_NOTE:
            return iter(())
        return notes_in(self.data, segment.offset, segment.offset + segment.in_file)


def notes_in(data: memoryview, at: int, end: int) -> Iterator[Note]:
    """The notes between two places: sizes of name and content, kind, both padded to 4 bytes."""
    end = min(end, len(data))
    while at + NOTE.size <= end:
        name_bytes, content_bytes, kind = NOTE.unpack_from(data, at)
        name_at = at + NOTE.size
        start = name_at + (name_bytes + 3 & ~3)
        if start + content_bytes > end:
            return
        owner = bytes(data[name_at : name_at + min(name_bytes, 16)]).rstrip(b"\0")
        yield Note(owner, kind, data[start : start + content_bytes], at, start)
        at = start + (content_bytes + 3 & ~3)


def is_core(payload: bytes) -> bool:
    """Whether the ELF header says that this is a core."""
    return payload[:4] == ELF_MAGIC and payload[16:18] in _ET_CORE


def open_core(payload: bytes) -> Core:
    """The container of a core.

    Raises MalformedPayload: `not_a_core` for bytes of another kind, `unsupported_core` for a
    byte order that no phone has, `truncated_core` when program headers are cut off,
    `malformed_core` when there are too many.
    """
    if not is_core(payload):
        raise MalformedPayload(
            "not_a_core", "the file does not start as a core does", where="offset 0x0"
        )
    width = WIDTHS.get(payload[4])
    if width is None or payload[5] != 1:
        raise MalformedPayload(
            "unsupported_core", "neither 32 nor 64 bits, little-endian", where="offset 0x4"
        )
    if len(payload) < HEADER_AT + width.header.size:
        raise MalformedPayload("truncated_core", "the header is cut off", where="offset 0x18")
    data = memoryview(payload)
    _, machine = _TYPE_AND_MACHINE.unpack_from(data, 16)
    segments = tuple(_segments(data, width))
    return Core(data, machine, width, segments, Memory(data, segments))


def _segments(data: memoryview, width: Width) -> Iterator[Segment]:
    """The program headers. Raises MalformedPayload as `open_core`."""
    _, start, sections, _, _, size, count, _ = width.header.unpack_from(data, HEADER_AT)
    if count == _MORE_SEGMENTS and sections + width.info_at + 4 <= len(data):
        count = int.from_bytes(data[sections + width.info_at :][:4], "little")
    if count > MAX_SEGMENTS:
        raise MalformedPayload("malformed_core", f"{count} program headers are too many")
    if size != width.segment.size or not count:
        raise MalformedPayload("malformed_core", "no program headers of the usual size")
    if start + count * size > len(data):
        raise MalformedPayload(
            "truncated_core", "the program headers are cut off", where=f"offset {start:#x}"
        )
    for number in range(count):
        yield width.segment_of(width.segment.unpack_from(data, start + number * size))
