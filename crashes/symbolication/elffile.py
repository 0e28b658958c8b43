"""The headers of an ELF file: sections, segments, notes; nothing else is read.

An ELF file (System V gABI, chapters 4 and 5) starts with a header that says where two tables lie:
the section headers (how linkers and debuggers see the file) and the program headers (how the
loader sees it). Debug files of several gigabytes are identified from these few kilobytes.

The reader is our own because it must hold against hostile bytes with one kind of error, and
because the normaliser (`normalize.py`) has to write the same tables back. Every count, size and
offset is checked against the file's length before anything is read, so memory is bounded by the
limits below whatever the headers claim. Both byte orders and both classes are understood.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from crashes.symbolication.errors import UnreadableDebugFile

MAGIC = b"\x7fELF"

ET_REL = 1

SHT_PROGBITS = 1
SHT_SYMTAB = 2
SHT_NOTE = 7
SHT_NOBITS = 8
SHT_DYNAMIC = 6
SHT_DYNSYM = 11
SHF_ALLOC = 0x2
SHF_EXECINSTR = 0x4
SHF_COMPRESSED = 0x800

PT_LOAD = 1
PT_DYNAMIC = 2
PT_NOTE = 4
PF_X = 1

ELFCOMPRESS_ZLIB = 1
ELFCOMPRESS_ZSTD = 2

NT_GNU_BUILD_ID = 3

_ELFCLASS_64 = 2
_SHN_XINDEX = 0xFFFF
_PN_XNUM = 0xFFFF

# A relocatable file of a large C++ unit has some 30,000 COMDAT sections; a linked file has 50.
_MAX_SECTIONS = 100_000
_MAX_SEGMENTS = 4_096
_MAX_NAMES_BYTES = 16 << 20
_MAX_NOTE_BYTES = 1 << 20

_ARCHES = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64", 243: "riscv64"}


@dataclass(frozen=True, slots=True)
class Section:
    """One section header. `name_offset` is its name's place in the section name table."""

    index: int
    name: str
    name_offset: int
    type: int
    flags: int
    addr: int
    offset: int
    size_bytes: int
    link: int
    entry_bytes: int
    info: int = 0
    alignment: int = 1

    @property
    def has_bytes(self) -> bool:
        """Whether the file holds the section's content (a stripped-away one is NOBITS)."""
        return self.type != SHT_NOBITS and self.size_bytes > 0

    @property
    def is_code(self) -> bool:
        """Whether it is loaded and executable; true in a `.debug` file too."""
        wanted = SHF_ALLOC | SHF_EXECINSTR
        return self.flags & wanted == wanted

    @property
    def is_gnu_compressed(self) -> bool:
        """Whether it has the older compression, told by the name (`.zdebug_line`)."""
        return self.name.startswith(".zdebug_")

    @property
    def is_compressed(self) -> bool:
        """Whether its content is compressed, in either convention."""
        return bool(self.flags & SHF_COMPRESSED) or self.is_gnu_compressed


@dataclass(frozen=True, slots=True)
class Segment:
    """One program header."""

    type: int
    flags: int
    offset: int
    addr: int
    file_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tables of one ELF class and byte order are spelled."""

    order: str
    is_64: bool

    @property
    def header(self) -> struct.Struct:
        """The rest of the file header, after `e_ident`."""
        return struct.Struct(self.order + ("HHIQQQIHHHHHH" if self.is_64 else "HHIIIIIHHHHHH"))

    @property
    def section(self) -> struct.Struct:
        """One section header: name, type, flags, addr, offset, size, link, info, align, entsize."""
        return struct.Struct(self.order + ("IIQQQQIIQQ" if self.is_64 else "10I"))

    @property
    def segment(self) -> struct.Struct:
        """One program header, in the class's own field order."""
        return struct.Struct(self.order + ("IIQQQQQQ" if self.is_64 else "8I"))

    @property
    def compression(self) -> struct.Struct:
        """The header of a compressed section: type, inflated size, alignment."""
        return struct.Struct(self.order + ("I4xQQ" if self.is_64 else "III"))

    @property
    def dynamic(self) -> struct.Struct:
        """One entry of the dynamic section: tag, value."""
        return struct.Struct(self.order + ("qQ" if self.is_64 else "iI"))


def read_at(file: BinaryIO, offset: int, size_bytes: int, what: str) -> bytes:
    """Exactly `size_bytes` from `offset`. Raises UnreadableDebugFile when the file ends before."""
    if offset < 0 or size_bytes < 0 or offset >= 1 << 62:
        raise UnreadableDebugFile("truncated_elf", "a header points outside the file", where=what)
    try:
        file.seek(offset)
        data = file.read(size_bytes)
    except OSError as problem:  # further than the file system can count
        raise UnreadableDebugFile("truncated_elf", "a header is wrong", where=what) from problem
    if len(data) != size_bytes:
        raise UnreadableDebugFile("truncated_elf", "the file ends too early", where=what)
    return data


class ElfFile:
    """The headers of one open ELF file; `file` must be seekable and stay open."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the headers. Raises UnreadableDebugFile."""
        self.file = file
        self.size_bytes = file.seek(0, os.SEEK_END)
        self.layout = _layout(read_at(file, 0, 16, "identification"))
        header = self.layout.header
        fields = header.unpack(read_at(file, 16, header.size, "file header"))
        self.type: int = fields[0]
        self.machine: int = fields[1]
        self.segments_offset: int = fields[4]
        self.sections_offset: int = fields[5]
        # e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        self._counts: tuple[int, int, int, int, int] = fields[8:]
        self.names_offset = 0
        self.sections = self._read_sections()
        self.segments = self._read_segments()

    @property
    def arch(self) -> str | None:
        """arm64, arm, x86_64, x86 or riscv64; None for a machine we do not know."""
        return _ARCHES.get(self.machine)

    @property
    def load_base(self) -> int:
        """The address of the first loaded segment; 0 when there is none.

        Not rounded to a page: symcaches count from exactly this address.
        """
        return next((part.addr for part in self.segments if part.type == PT_LOAD), 0)

    @property
    def text_ranges(self) -> tuple[tuple[int, int], ...]:
        """Sorted, merged `(start, end)` virtual addresses that hold code."""
        code = [(s.addr, s.addr + s.size_bytes) for s in self.sections if s.is_code]
        if not code:
            loaded = (s for s in self.segments if s.type == PT_LOAD and s.flags & PF_X)
            code = [(s.addr, s.addr + s.memory_bytes) for s in loaded]
        return _merged(code)

    @property
    def names(self) -> Section | None:
        """The section with the names of sections."""
        offset = self.names_offset
        return next(
            (s for s in self.sections if offset and s.offset == offset and s.has_bytes), None
        )

    def section(self, name: str) -> Section | None:
        """The first section with this name."""
        return next((section for section in self.sections if section.name == name), None)

    def debug_section(self, name: str) -> Section | None:
        """The section `.debug_<name>` or its older compressed twin, when it has content."""
        names = (f".debug_{name}", f".zdebug_{name}")
        return next((s for s in self.sections if s.name in names and s.has_bytes), None)

    def content(self, section: Section, limit_bytes: int) -> bytes:
        """The raw bytes of a section. Raises UnreadableDebugFile when over the limit or cut off."""
        if section.size_bytes > limit_bytes:
            raise UnreadableDebugFile(
                "oversized_section", "a section is larger than allowed", where=section.name
            )
        return read_at(self.file, section.offset, section.size_bytes, f"section {section.name}")

    def notes(self) -> Iterator[tuple[str, int, bytes]]:
        """`(owner, type, description)` of every note, from segments first, then from sections."""
        places = [(s.offset, s.file_bytes) for s in self.segments if s.type == PT_NOTE]
        places += [(s.offset, s.size_bytes) for s in self.sections if s.type == SHT_NOTE]
        for offset, size_bytes in dict.fromkeys(places):
            if offset + size_bytes <= self.size_bytes and size_bytes <= _MAX_NOTE_BYTES:
                data = read_at(self.file, offset, size_bytes, "notes")
                yield from _notes(data, self.layout.order)

    def _read_sections(self) -> tuple[Section, ...]:
        _, _, entry_bytes, count, names_index = self._counts
        if self.sections_offset == 0:
            return ()
        entry = self.layout.section
        if entry_bytes != entry.size:
            raise UnreadableDebugFile("malformed_elf", "section headers have an unknown size")
        first = entry.unpack(read_at(self.file, self.sections_offset, entry.size, "section 0"))
        count = count or first[5]
        names_index = first[6] if names_index == _SHN_XINDEX else names_index
        table = self._table(self.sections_offset, entry, count, _MAX_SECTIONS, "section headers")
        names = self._section_names(table, names_index)
        return tuple(_section(index, row, names) for index, row in enumerate(table))

    def _section_names(self, table: list[tuple[int, ...]], index: int) -> bytes:
        if index == 0 or index >= len(table) or table[index][1] == SHT_NOBITS:
            return b""
        offset, size_bytes = table[index][4:6]
        size_bytes = min(size_bytes, _MAX_NAMES_BYTES)
        self.names_offset = offset
        return read_at(self.file, offset, size_bytes, "section names")

    def _read_segments(self) -> tuple[Segment, ...]:
        entry_bytes, count = self._counts[:2]
        entry = self.layout.segment
        if self.segments_offset == 0 or count == 0:
            return ()
        if entry_bytes != entry.size or count == _PN_XNUM:
            raise UnreadableDebugFile("malformed_elf", "program headers have an unknown shape")
        rows = self._table(self.segments_offset, entry, count, _MAX_SEGMENTS, "program headers")
        return tuple(_segment(row, is_64=self.layout.is_64) for row in rows)

    def _table(
        self, offset: int, entry: struct.Struct, count: int, limit: int, what: str
    ) -> list[tuple[int, ...]]:
        if count > limit:
            raise UnreadableDebugFile("malformed_elf", f"{count} {what} are too many")
        return list(entry.iter_unpack(read_at(self.file, offset, entry.size * count, what)))


def _layout(identification: bytes) -> Layout:
    if identification[:4] != MAGIC:
        raise UnreadableDebugFile("not_an_elf", "the file does not start with the ELF magic")
    size_class, order = identification[4], identification[5]
    if size_class not in {1, 2} or order not in {1, 2}:
        raise UnreadableDebugFile("malformed_elf", "unknown ELF class or byte order")
    return Layout(order="<" if order == 1 else ">", is_64=size_class == _ELFCLASS_64)


def _section(index: int, row: tuple[int, ...], names: bytes) -> Section:
    return Section(
        index=index,
        name=text_at(names, row[0]),
        name_offset=row[0],
        type=row[1],
        flags=row[2],
        addr=row[3],
        offset=row[4],
        size_bytes=row[5],
        link=row[6],
        entry_bytes=row[9],
        info=row[7],
        alignment=row[8],
    )


def _segment(row: tuple[int, ...], *, is_64: bool) -> Segment:
    if is_64:
        kind, flags, offset, addr, _, file_bytes, memory_bytes, _ = row
    else:
        kind, offset, addr, _, file_bytes, memory_bytes, flags, _ = row
    return Segment(kind, flags, offset, addr, file_bytes, memory_bytes)


def text_at(table: bytes, offset: int, limit_bytes: int = 4096) -> str:
    """The zero-terminated string at `offset` of a string table, empty when there is none."""
    if offset >= len(table):
        return ""
    end = table.find(b"\0", offset, offset + limit_bytes)
    return table[offset : end if end >= 0 else offset + limit_bytes].decode("utf-8", "replace")


def _notes(data: bytes, order: str) -> Iterator[tuple[str, int, bytes]]:
    header = struct.Struct(order + "III")
    position = 0
    while position + header.size <= len(data):
        name_bytes, content_bytes, kind = header.unpack_from(data, position)
        name_start = position + header.size
        content_start = name_start + _padded(name_bytes)
        position = content_start + _padded(content_bytes)
        if content_start + content_bytes > len(data):
            return
        owner = data[name_start : name_start + name_bytes].rstrip(b"\0")
        content = data[content_start : content_start + content_bytes]
        yield owner.decode("utf-8", "replace"), kind, content


def _padded(size_bytes: int) -> int:
    return (size_bytes + 3) & ~3


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(pair for pair in ranges if pair[0] < pair[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
