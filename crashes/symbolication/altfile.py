"""Debug information that several files share: what `dwz -m` moved into an alternate file.

`dwz` finds what the debug files of one package have in common, moves it into one more file and
leaves references (`.gnu_debugaltlink` names the file by its build id; DWARF 5 calls it
supplementary, and the section `.debug_sup`):

    libfoo.so.debug    DW_TAG_inlined_subroutine   abstract_origin  DW_FORM_GNU_ref_alt 0x31
    shared.debug       0x31 DW_TAG_subprogram      name             DW_FORM_strp        0x7

The compiler follows no reference into another file. So the two are joined into one before it sees
them, with as few changes as there can be. What is shared comes first, so that references to it are
right as they are and only need another form; the file's own move up by as much:

    .debug_info        shared units, own units       GNU_ref_alt -> ref_addr;  own ref_addr move up
    .debug_abbrev      shared, own                   the own units' headers move up
    .debug_line_str    shared .debug_str, own        GNU_strp_alt and the shared strp -> line_strp;
                                                     own line_strp move up, in line tables too

Strings go where few others are, as moving all `strp` of a library would take longer than all the
rest. What must move is found by walking the entries of the units that may have it: about ten
megabytes of `.debug_info` a second.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from crashes.symbolication import dwarfunits as dwarf
from crashes.symbolication.dwarfentries import Places, Plans, walk
from crashes.symbolication.dwarfunits import Bytes, Unit, UnreadableUnit
from crashes.symbolication.elffile import SHT_PROGBITS, ElfFile, Section, read_at
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.inflating import (
    check_sizes,
    inflated_bytes,
    inflated_size,
    pieces,
    write_all,
)

_ALIGNMENT = 16
_MAX_TABLE_BYTES = 256 << 20
_MAX_UNIT_BYTES = 1 << 30
_LINK = ".gnu_debugaltlink"
_SUPPLEMENT = ".debug_sup"
_LINE_STR = ".debug_line_str"
_MAX_LINK_BYTES = 8192
_MAX_ID_BYTES = 64
_DWARF_2, _DWARF_5 = 2, 5

_REF_ADDR, _STRP = dwarf.DW_FORM_REF_ADDR, dwarf.DW_FORM_STRP
_LINE_STRP = dwarf.DW_FORM_LINE_STRP
_OWN_FORMS = {
    0x1F20: _REF_ADDR,
    0x1C: _REF_ADDR,
    0x24: _REF_ADDR,
    0x1F21: _LINE_STRP,
    0x1D: _LINE_STRP,
}
_SHARED_FORMS = {_STRP: _LINE_STRP}
_SHT_STRTAB = 3


class AlternateLink(NamedTuple):
    """What a file says about the one it shares: its build id in hex, or its own in that role."""

    build_id: str
    is_shared: bool


def alternate_link(elf: ElfFile) -> AlternateLink | None:
    """Which alternate file a file needs, or that it is one by DWARF 5; None without either."""
    section = elf.section(_LINK)
    if section is not None and section.has_bytes:
        content = elf.content(section, _MAX_LINK_BYTES)
        _, _, build_id = content.partition(b"\0")
        return AlternateLink(build_id[:_MAX_ID_BYTES].hex(), is_shared=False) if build_id else None
    section = elf.section(_SUPPLEMENT)
    if section is None or not section.has_bytes:
        return None
    content = elf.content(section, _MAX_LINK_BYTES)
    is_shared = content[2:3] == b"\1"
    try:
        start = content.index(b"\0", 3) + 1
        length, start = dwarf.leb128(content, start)
    except (ValueError, IndexError, UnreadableUnit):
        return None
    checksum = content[start : start + min(length, _MAX_ID_BYTES)]
    return AlternateLink(checksum.hex(), is_shared) if checksum else None


@dataclass(frozen=True, slots=True)
class _Shift:
    """How far the own parts move up."""

    info: int
    abbreviations: int
    strings: int


def join(own: ElfFile, target_fd: int, shared: ElfFile) -> None:
    """Append the joined sections to the file behind `target_fd`, whose headers are in `own`.

    Nothing in `own` may be compressed any more; `shared` may be. Raises UnreadableDebugFile.
    """
    sections = {name: shared.debug_section(name) for name in ("info", "abbrev", "str")}
    info, abbrev = own.debug_section("info"), own.debug_section("abbrev")
    if not (info and abbrev and sections["info"] and sections["abbrev"]):
        raise UnreadableDebugFile("malformed_alternate", "there is nothing to join")
    check_sizes(shared, [section for section in sections.values() if section])
    strings = sections["str"]
    shift = _Shift(
        inflated_size(shared, sections["info"]),
        inflated_size(shared, sections["abbrev"]),
        inflated_size(shared, strings) if strings else 0,
    )
    out = _Appender(own, target_fd)
    try:
        _join_info(out, shift, shared, sections["info"], sections["abbrev"])
    except (struct.error, IndexError, ValueError, UnreadableUnit, OverflowError) as problem:
        raise UnreadableDebugFile("malformed_alternate", "the units cannot be read") from problem
    line_str = own.section(_LINE_STR)
    start = out.begin()
    if strings:
        out.write_pieces(pieces(shared, strings))
    if line_str is not None and line_str.has_bytes:
        out.copy(line_str)
        _move_line_tables(out, shift)
    if line_str is not None:
        out.repoint(line_str, start)
    else:
        out.rename_link(start)


def _join_info(
    out: "_Appender",
    shift: _Shift,
    shared: ElfFile,
    info: Section,
    abbrev: Section,
) -> None:
    own, order = out.elf, out.elf.layout.order
    own_info, own_abbrev = own.debug_section("info"), own.debug_section("abbrev")
    if own_info is None or own_abbrev is None:
        raise UnreadableUnit
    start = out.begin()
    out.write_pieces(pieces(shared, info))
    table = own.content(own_abbrev, _MAX_TABLE_BYTES)
    plans = Plans(table, order)
    tables: set[int] = set()
    for unit, data in _own_units(out, own_info):
        tables.add(unit.abbreviations)
        _move_unit(unit, data, plans, shift, order)
        out.write(data)
    out.repoint(own_info, start)
    start = out.begin()
    shared_table = bytearray(inflated_bytes(shared, abbrev, _MAX_TABLE_BYTES))
    _reform(shared_table, _tables_in(shared_table), _SHARED_FORMS)
    out.write(shared_table)
    reformed = bytearray(table)
    _reform(reformed, sorted(tables), _OWN_FORMS)
    out.write(reformed)
    out.repoint(own_abbrev, start)


# --- Own units ----------------------------------------------------------------------------------


def _own_units(out: "_Appender", info: Section) -> Iterator[tuple[Unit, bytearray]]:
    """The units one by one with their bytes; positions count from the unit's beginning."""
    order, position = out.elf.layout.order, 0
    while position + 12 <= info.size_bytes:
        head = out.read(info.offset + position, min(64, info.size_bytes - position))
        size_bytes = dwarf.size_of(head, order)
        if not 0 < size_bytes <= min(_MAX_UNIT_BYTES, info.size_bytes - position):
            raise UnreadableUnit
        data = bytearray(out.read(info.offset + position, size_bytes))
        yield dwarf.header(data, order), data
        position += size_bytes
    out.write(out.read(info.offset + position, info.size_bytes - position))


def _move_unit(unit: Unit, data: bytearray, plans: "Plans", shift: _Shift, order: str) -> None:
    """Move what a unit says about places in the joined sections."""
    plan = plans.of(unit)
    places = walk(bytes(data), unit, plan, order) if plan.moves else Places()
    offset = order + ("Q" if unit.is_wide else "I")
    _add(data, [unit.abbreviations_at], offset, shift.abbreviations)
    address = order + ("Q" if unit.address_bytes == struct.calcsize("Q") else "I")
    _add(data, places.info, address if unit.version == _DWARF_2 else offset, shift.info)
    _add(data, places.strings, offset, shift.strings)


def _add(data: bytearray, places: list[int], number: str, amount: int) -> None:
    packed = struct.Struct(number)
    for at in places:
        packed.pack_into(data, at, packed.unpack_from(data, at)[0] + amount)


# --- Abbreviations --------------------------------------------------------------------------------


def _tables_in(table: Bytes) -> Iterator[int]:
    """Where the sets of a section begin that lie one behind the other."""
    position = 0
    while position < len(table):
        yield position
        for _, _, end in dwarf.abbreviation_rows(table, position):
            position = end
        position += 1


def _reform(table: bytearray, sets: Iterator[int] | list[int], forms: Mapping[int, int]) -> None:
    """Give attributes other forms, in the bytes that the old ones have."""
    original = bytes(table)
    for start in sets:
        for position, end, form in dwarf.forms_in(original, start):
            new = forms.get(form)
            if new is not None:
                filler = bytes([new | 0x80, *[0x80] * (end - position - 2), 0])
                table[position:end] = filler if end - position > 1 else bytes([new])


# --- Line tables ----------------------------------------------------------------------------------


def _move_line_tables(out: "_Appender", shift: _Shift) -> None:
    """Move the names of folders and files that DWARF 5's line programs keep with the strings."""
    section = out.elf.debug_section("line")
    if section is None or not shift.strings:
        return
    order = out.elf.layout.order
    data = bytearray(out.read(section.offset, section.size_bytes))
    position = 0
    while position + 12 <= len(data):
        size_bytes = dwarf.size_of(data[position : position + 12], order)
        end = position + size_bytes
        if size_bytes <= 0 or end > len(data):
            break
        is_wide = data[position : position + 4] == b"\xff\xff\xff\xff"
        try:
            places = list(_line_strings(data, position, end, order, is_wide=is_wide))
            _add(data, places, order + ("Q" if is_wide else "I"), shift.strings)
        except (UnreadableUnit, IndexError, ValueError, struct.error):
            pass  # files of this program keep no names; the others do
        position = end
    write_all(out.fd, data, section.offset)


def _line_strings(data: Bytes, start: int, end: int, order: str, *, is_wide: bool) -> Iterator[int]:
    """Where `line_strp` values stand in the header of the line program `data[start:end]`."""
    at = start + (12 if is_wide else 4)
    (version,) = struct.unpack_from(order + "H", data, at)
    if version != _DWARF_5:
        return
    offset_bytes = 8 if is_wide else 4
    # version, sizes of addresses and segments, header length, five bytes about instructions
    at += 2 + 2 + offset_bytes + 5
    at += data[at]  # opcode_base counts itself
    unit = Unit(start, end, version, is_wide, 0, 8, 0, 0)
    for _ in range(2):
        count = data[at]
        at += 1
        forms = []
        for _ in range(count):
            _, at = dwarf.leb128(data, at)
            form, at = dwarf.leb128(data, at)
            forms.append(form)
        entries, at = dwarf.leb128(data, at)
        for _ in range(entries if forms else 0):
            for form in forms:
                if form == _LINE_STRP:
                    yield at
                at = dwarf.skipped(data, at, form, unit, order)


# --- Writing ---------------------------------------------------------------------------------------


class _Appender:
    """A file that gets new contents for its sections behind its end."""

    def __init__(self, elf: ElfFile, fd: int) -> None:
        self.elf, self.fd = elf, fd
        self._end = os.fstat(fd).st_size

    def begin(self) -> int:
        """Where the next content begins."""
        self._end = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        return self._end

    def write(self, data: bytes | bytearray) -> None:
        """More of the content."""
        write_all(self.fd, data, self._end)
        self._end += len(data)

    def write_pieces(self, parts: Iterator[bytes]) -> None:
        """More of the content, piece by piece."""
        for part in parts:
            self.write(part)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Exactly so many bytes. Raises UnreadableDebugFile."""
        return read_at(self.elf.file, offset, size_bytes, "debug information")

    def copy(self, section: Section) -> None:
        """More of the content: that of a section of the file."""
        position, end = section.offset, section.offset + section.size_bytes
        while position < end:
            piece = self.read(position, min(1 << 20, end - position))
            self.write(piece)
            position += len(piece)

    def repoint(self, section: Section, start: int, kind: int = SHT_PROGBITS) -> None:
        """Let a section be what was written since `start`."""
        entry = self.elf.layout.section
        place = self.elf.sections_offset + section.index * entry.size
        row = list(entry.unpack(self.read(place, entry.size)))
        row[1], row[4], row[5] = kind, start, self._end - start
        write_all(self.fd, entry.pack(*row), place)

    def rename_link(self, start: int) -> None:
        """Let the section that named the alternate file be the strings written since `start`."""
        entry, names = self.elf.layout.section, self.elf.names
        section = self.elf.section(_LINK) or self.elf.section(_SUPPLEMENT)
        if section is None or names is None:
            raise UnreadableDebugFile("malformed_alternate", "there is no room for its strings")
        self.repoint(section, start)
        start = self.begin()
        self.copy(names)
        self.write(_LINE_STR.encode() + b"\0")
        self.repoint(names, start, kind=_SHT_STRTAB)
        place = self.elf.sections_offset + section.index * entry.size
        name = struct.pack(self.elf.layout.order + "I", names.size_bytes)
        write_all(self.fd, name, place)
