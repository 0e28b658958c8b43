"""Debug information that was split off: the units in `.dwo` files, or many of them in a `.dwp`.

With `-gsplit-dwarf` the program keeps skeletons, which say where each unit's code and line program
are, and the rest goes elsewhere. Both know the unit's 64-bit id (`dwo_id`):

    libfoo.so          skeleton  dwo_id, stmt_list, addr_base, low_pc
    libfoo.so.dwp      unit      dwo_id, functions, inlined calls, with indexes instead of addresses
                       cu_index  dwo_id -> which part of every section is the unit's

The compiler reads no split units. So each is shown to it as an ordinary one, in an image
(`elfimage.py`) whose sections point at the unit's parts: indexes then count from where they
should without any base being named. Only the root of the unit is rewritten, in the bytes that it
has: a unit's references count from its beginning, so nothing may move. The tables that come of it
are laid over the program's own (`tableparts.py`).

Understood are DWARF 5 and the GNU form before it. Type units are not needed. A root that has no
room for what must be said keeps the names of the symbol table; `split_units` counts the others.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import pairwise
from mmap import mmap
from typing import BinaryIO, NamedTuple, cast

from crashes.symbolication import dwarfunits as dwarf
from crashes.symbolication.compiler import compile_table
from crashes.symbolication.dwarfunits import Bytes, Unit, UnreadableUnit
from crashes.symbolication.elffile import ElfFile, Section
from crashes.symbolication.elfimage import ElfImage, address_format
from crashes.symbolication.elfsymbols import functions
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.inflating import Stretch, inflated_bytes, inflated_size
from crashes.symbolication.table import string_bytes
from crashes.symbolication.tableparts import Patch, TableParts

_DWARF_5 = 5
_MAX_UNITS = 100_000
_MAX_LISTED_BYTES = 128 << 20
_MAX_SECTION_BYTES = 1 << 30
# Columns of the index, by their numbers in version 5 and in the GNU form (version 2).
_COLUMNS = {1: "info", 3: "abbrev", 6: "str_offsets", 8: "rnglists"}
_FORM_FLAG_PRESENT = 0x19
_FORM_DATA1 = 0x0B
_AT_RANGES = 0x55
_AT_PADDING = 0x3FFF
_TAG_COMPILE_UNIT = 0x11
_STRX_BYTES = {0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
_STRX_LEB = frozenset({0x1A, 0x1F02})
_STR_OFFSETS_HEADER = 8
_RNGLISTS_HEADER = 12


@dataclass(slots=True)
class SplitFile:
    """The sections of one `.dwo` or `.dwp`, and which part of them each unit has."""

    sections: dict[str, Bytes]
    parts: dict[int, dict[str, tuple[int, int]]] = field(default_factory=dict)


class SplitPlace(NamedTuple):
    """Where a split file is: in a file that may hold several, one behind the other."""

    fd: int
    start: int = 0
    size_bytes: int | None = None


def read(places: Iterable[SplitPlace]) -> Iterator[SplitFile]:
    """The split files, one at a time. One that cannot be read is left out, as if it were missing."""
    for place in places:
        size_bytes = place.size_bytes
        if size_bytes is None:
            size_bytes = os.fstat(place.fd).st_size
        with BufferedReader(Stretch(place.fd, place.start, place.start + size_bytes)) as file:
            try:
                yield _split_file(ElfFile(cast("BinaryIO", file)))
            except UnreadableDebugFile:
                continue


def _split_file(elf: ElfFile) -> SplitFile:
    found: dict[str, Bytes] = {}
    for section in elf.sections:
        name = _short_name(section)
        is_wanted = section.name.endswith(".dwo") or name == "cu_index"
        if is_wanted and section.has_bytes:
            found[name] = inflated_bytes(elf, section, _MAX_SECTION_BYTES)
    order = elf.layout.order
    split = SplitFile(found)
    if "cu_index" in found:
        split.parts = dict(_indexed(found["cu_index"], order))
    else:
        for unit in dwarf.units(found.get("info", b""), found.get("abbrev", b""), order):
            if unit.dwo_id is not None:
                split.parts[unit.dwo_id] = {"info": (unit.start, unit.end)}
    return split


def dwo_ids(elf: ElfFile) -> tuple[str, ...]:
    """The ids of the units that a file has split off, or holds for another, in hex, sorted."""
    contents = {}
    for section in elf.sections:
        name = _short_name(section)
        if name in {"cu_index", "info", "abbrev"} and section.has_bytes:
            if inflated_size(elf, section) > _MAX_LISTED_BYTES:
                return ()
            contents[name] = inflated_bytes(elf, section, _MAX_LISTED_BYTES)
            if name == "cu_index":
                rows = _indexed(contents[name], elf.layout.order)
                return tuple(sorted(f"{key:016x}" for key, _ in rows))
    if "info" in contents and "abbrev" in contents:
        found = dwarf.units(contents["info"], contents["abbrev"], elf.layout.order)
        ids = {unit.dwo_id for unit in found if unit.dwo_id is not None}
        return tuple(sorted(f"{one:016x}" for one in ids))
    return ()


def _short_name(section: Section) -> str:
    name = section.name.removesuffix(".dwo")
    return name.removeprefix(".zdebug_").removeprefix(".debug_")


def _indexed(index: Bytes, order: str) -> Iterator[tuple[int, dict[str, tuple[int, int]]]]:
    """The rows of a `.debug_cu_index` (DWARF 5, section 7.3.5.3)."""
    try:
        _, columns, count, slots = struct.unpack_from(order + "4I", index, 0)
        if max(columns, count, slots) > _MAX_UNITS:
            return
        ids = struct.unpack_from(f"{order}{slots}Q", index, 16)
        rows = struct.unpack_from(f"{order}{slots}I", index, 16 + slots * 8)
        start = 16 + slots * 12
        kinds = struct.unpack_from(f"{order}{columns}I", index, start)
        for key, row in zip(ids, rows, strict=True):
            if not 0 < row <= count:
                continue
            at = start + row * columns * 4
            offsets = struct.unpack_from(f"{order}{columns}I", index, at)
            sizes = struct.unpack_from(f"{order}{columns}I", index, at + count * columns * 4)
            yield (
                key,
                {
                    _COLUMNS[kind]: (offset, offset + size_bytes)
                    for kind, offset, size_bytes in zip(kinds, offsets, sizes, strict=True)
                    if kind in _COLUMNS
                },
            )
    except struct.error:
        return


# --- Laying the units over the table ------------------------------------------------------------


def with_units(
    table: bytes, elf: ElfFile, data: mmap, files: Iterable[SplitFile]
) -> tuple[bytes, int]:
    """The table of a program with the units that it has split off, and how many were found."""
    parts = TableParts.of(table)
    symbols = {one.address - elf.load_base: one.name for one in functions(elf)}
    patches: list[Patch] = []
    count = 0
    with memoryview(data) as whole:
        main = _main_sections(elf, whole)
        order = elf.layout.order
        skeletons = {
            unit.dwo_id: unit
            for unit in dwarf.units(main.get("info", b""), main.get("abbrev", b""), order)
            if unit.dwo_id is not None
        }
        for file in files:
            wanted = [key for key in file.parts if key in skeletons]
            if not wanted:
                continue
            view = _View(elf, main, file)
            for key in wanted:
                compiled = view.compiled(skeletons.pop(key), file.parts[key])
                if compiled is not None:
                    count += 1
                    _rename(compiled, symbols)
                    patches += parts.take(compiled)
    patches.sort()
    parts.overlay(list(_apart(patches)))
    return parts.to_bytes(), count


def _rename(parts: TableParts, symbols: Mapping[int, str]) -> None:
    """Call functions as the symbol table does; the units know some only by their plain names."""
    for row in range(0, len(parts.functions), 4):
        name = symbols.get(parts.functions[row + 2])
        if name is not None:
            parts.functions[row] = len(parts.strings)
            parts.strings += string_bytes(name)


def _apart(patches: Sequence[Patch]) -> Iterator[Patch]:
    """The same without overlaps: folded code belongs to the unit that comes last."""
    for patch, following in pairwise((*patches, None)):
        if patch is None:
            continue
        end = patch.end if following is None else min(patch.end, following.start)
        if patch.start < end:
            yield patch._replace(end=end)


def _main_sections(elf: ElfFile, data: memoryview) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {}
    for name in ("info", "abbrev", "addr", "line", "line_str", "ranges"):
        section = elf.debug_section(name)
        if section is not None and section.offset + section.size_bytes <= len(data):
            # A copy: the map may be closed while somebody still holds a view of it.
            found[name] = bytes(data[section.offset : section.offset + section.size_bytes])
    return found


class _View:
    """One split file as the compiler should see it, a unit at a time."""

    def __init__(self, elf: ElfFile, main: Mapping[str, Bytes], file: SplitFile) -> None:
        self._elf, self._file = elf, file
        self._order = elf.layout.order
        abbreviations = file.sections.get("abbrev", b"")
        contents: dict[str, Bytes] = {
            ".debug_info": file.sections.get("info", b""),
            ".debug_abbrev": bytes(len(abbreviations) + 256),
            ".debug_str": file.sections.get("str", b""),
            ".debug_str_offsets": file.sections.get("str_offsets", b""),
            ".debug_rnglists": file.sections.get("rnglists", b""),
        }
        for name in ("addr", "line", "line_str", "ranges"):
            contents[f".debug_{name}"] = main.get(name, b"")
        self._image = ElfImage(elf, contents)

    def compiled(self, skeleton: Unit, parts: Mapping[str, tuple[int, int]]) -> TableParts | None:
        """The table of one unit; None when it cannot be shown as an ordinary one."""
        info = self._file.sections.get("info", b"")
        start, end = parts.get("info", (0, len(info)))
        abbreviations = self._part("abbrev", parts)
        try:
            (unit,) = list(dwarf.units(info[start:end], abbreviations, self._order))[:1]
            root, shapes = self._ordinary(unit, skeleton, abbreviations)
            self._image.write(".debug_info", start, root)
            self._image.point(".debug_info", start, start + unit.end)
            self._image.write(".debug_abbrev", 0, shapes)
            self._image.point(".debug_abbrev", 0, len(shapes))
            self._point_at_tables(unit, skeleton, parts)
            return TableParts.of(compile_table(self._image.data))
        except (UnreadableUnit, UnreadableDebugFile, ValueError, IndexError, struct.error):
            return None

    def _part(self, name: str, parts: Mapping[str, tuple[int, int]]) -> Bytes:
        section = self._file.sections.get(name, b"")
        start, end = parts.get(name, (0, len(section)))
        return section[start:end]

    def _point_at_tables(
        self, unit: Unit, skeleton: Unit, parts: Mapping[str, tuple[int, int]]
    ) -> None:
        """Let every table begin where the unit's indexes count from."""
        is_new = unit.version == _DWARF_5
        for name, header_bytes in (
            ("str_offsets", _STR_OFFSETS_HEADER if is_new else 0),
            ("rnglists", _RNGLISTS_HEADER),
        ):
            start, end = parts.get(name, (0, len(self._file.sections.get(name, b""))))
            self._image.point(f".debug_{name}", start + header_bytes, end)
        addresses = skeleton.value(dwarf.DW_AT_ADDR_BASE, dwarf.DW_AT_GNU_ADDR_BASE)
        self._image.point(".debug_addr", addresses or 0)
        self._image.point(".debug_ranges", skeleton.value(dwarf.DW_AT_GNU_RANGES_BASE) or 0)

    def _ordinary(self, unit: Unit, skeleton: Unit, abbreviations: Bytes) -> tuple[bytes, bytes]:
        """The unit's header and root, and its abbreviations, as if nothing was split off."""
        if unit.is_wide:
            raise UnreadableUnit
        order, root_code = self._order, bytes(_leb128(unit.code))
        header = struct.pack(order + "IH", unit.end - 4, unit.version)
        if unit.version == _DWARF_5:
            header += struct.pack(order + "BBI", dwarf.DW_UT_COMPILE, unit.address_bytes, 0)
        else:
            header += struct.pack(order + "IB", 0, unit.address_bytes)
        body, shape = bytearray(root_code), bytearray()
        program = skeleton.value(dwarf.DW_AT_STMT_LIST)
        if program is not None:
            body += struct.pack(order + "I", program)
            shape += bytes((dwarf.DW_AT_STMT_LIST, dwarf.DW_FORM_SEC_OFFSET))
        base = self._base_of(skeleton)
        if base:
            body += address_format(self._elf).pack(base)
            shape += bytes((dwarf.DW_AT_LOW_PC, dwarf.DW_FORM_ADDR))
        else:
            # Without ranges the compiler takes a unit at 0 for one that was thrown away.
            shape += bytes((_AT_RANGES, _FORM_FLAG_PRESENT))
        directory = unit.values.get(dwarf.DW_AT_COMP_DIR)
        index = self._indexed_by(directory) if directory else b""
        if directory and index and len(header) + len(body) + len(index) <= unit.root_end:
            body += index
            shape += bytes((dwarf.DW_AT_COMP_DIR,)) + _leb128(directory[0])
        room = unit.root_end - len(header) - len(body)
        if room < 0:
            raise UnreadableUnit
        body += bytes(room)
        shape += (_leb128(_AT_PADDING) + bytes((_FORM_DATA1,))) * room
        return header + bytes(body), self._shapes(unit, bytes(shape), abbreviations)

    def _indexed_by(self, value: tuple[int, int]) -> bytes:
        """The bytes of a string's index, as the form of the attribute has them."""
        form, index = value
        size_bytes = _STRX_BYTES.get(form)
        if size_bytes is None:
            return _leb128(index) if form in _STRX_LEB else b""
        return index.to_bytes(size_bytes, "little" if self._order == "<" else "big")

    def _shapes(self, unit: Unit, root: bytes, abbreviations: Bytes) -> bytes:
        """The unit's abbreviations with another one for its root."""
        has_children = bool(unit.shape and unit.shape.has_children)
        own = _leb128(unit.code) + bytes((_TAG_COMPILE_UNIT, has_children)) + root + b"\0\0"
        kept = bytearray(own)
        start = unit.abbreviations
        for code, _, end in dwarf.abbreviation_rows(abbreviations, start):
            if code != unit.code:
                kept += abbreviations[start:end]
            start = end
        return bytes(kept) + b"\0"

    def _base_of(self, skeleton: Unit) -> int:
        """The address that the unit's ranges count from."""
        form, value = skeleton.values.get(dwarf.DW_AT_LOW_PC, (dwarf.DW_FORM_ADDR, 0))
        if form == dwarf.DW_FORM_ADDR:
            return value
        table = address_format(self._elf)
        start = skeleton.value(dwarf.DW_AT_ADDR_BASE, dwarf.DW_AT_GNU_ADDR_BASE) or 0
        addresses = self._image.content(".debug_addr")
        (found,) = table.unpack_from(addresses, start + value * table.size)
        return int(found)


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - the continuation bit
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
