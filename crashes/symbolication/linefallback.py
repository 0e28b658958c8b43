"""Lines for code that no function of the DWARF claims: assembly, thunks, and what lies between.

The compiler answers for addresses within functions (`DW_TAG_subprogram`). Virtual thunks have no
such entry, nor has much hand-written assembly, and the compiler then knows at best the symbol.
The line table knows such code as well, and debuggers show it. So it is asked a second time:

1. the places of the table without a line are its gaps;
2. each stretch of gaps is cut where a line sequence begins;
3. an ELF image is written that declares every stretch as a function, in a unit that has just the
   line program of that place; compiled, it gives the lines of the stretches;
4. these are laid over the gaps, with the table's own name or the symbol's.

    table      0x10 f, a.cc:3    0x40 _ZThn8_f, no line    0x48 -
    stretch    0x10..0x60 in the line program at 0x1c0
    result     0x10 f, a.cc:3    0x40 _ZThn8_f, a.cc:9     0x48 (no function), a.cc:9

Padding between functions keeps a line without a function, which is what the line table says. Only
behind the last function of a sequence it stays empty: where a sequence ends is not known here.
"""

import struct
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from mmap import mmap
from typing import NamedTuple

from crashes.symbolication.compiler import compile_table
from crashes.symbolication.dwarfunits import (
    DW_AT_COMP_DIR,
    DW_AT_STMT_LIST,
    Bytes,
    text_of,
    units,
)
from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.elfimage import ElfImage, address_format
from crashes.symbolication.elfsymbols import labels
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.lineprograms import LineWalk
from crashes.symbolication.table import NONE
from crashes.symbolication.tableparts import Patch, TableParts

_SECTIONS = ("line_str", "str", "str_offsets", "info", "abbrev")
_MAX_GAPS = 2_000_000
_ROOT, _FUNCTION = 1, 2
# Tag, children, (attribute, form)...: a unit with stmt_list, low_pc, comp_dir and name; a function
# with low_pc, high_pc as a length, and a name.
_ABBREVIATIONS = bytes(
    (_ROOT, 0x11, 1, 0x10, 0x17, 0x11, 0x01, 0x1B, 0x08, 0x03, 0x08, 0, 0,
     _FUNCTION, 0x2E, 0, 0x11, 0x01, 0x12, 0x06, 0x03, 0x08, 0, 0, 0)
)  # fmt: skip
_DWARF_5 = 5
_NAME = b"_\0"
_NO_LINES = frozenset({0, NONE})


class _Gap(NamedTuple):
    """Code without a line, as addresses from the load base, and its function's row or NONE."""

    start: int
    end: int
    function: int


def with_lines(table: bytes, elf: ElfFile, data: mmap, walk: LineWalk) -> bytes:
    """The table, with what the line programs of `data` (the file behind `elf`) say of its gaps."""
    parts = TableParts.of(table)
    gaps = list(_gaps(parts, elf))
    starts = sorted(walk.starts)
    stretches = _stretches(parts, gaps, elf.load_base, starts)
    if not stretches or len(gaps) > _MAX_GAPS:
        return table
    with memoryview(data) as whole:
        image = _image(elf, _debug_sections(elf, whole), stretches)
    try:
        lines = TableParts.of(compile_table(image))
    except UnreadableDebugFile:
        return table  # a line program is damaged; the functions are there all the same
    found = parts.take(lines)
    names = _Names(parts, elf, [address - elf.load_base for address, _ in starts])
    parts.overlay(list(_patches(gaps, list(found), names)))
    return parts.to_bytes()


# --- Gaps -----------------------------------------------------------------------------------


def _gaps(parts: TableParts, elf: ElfFile) -> Iterator[_Gap]:
    """Everything that has code and no line, in order."""
    base, ranges = elf.load_base, parts.ranges
    text = [(start - base, end - base) for start, end in elf.text_ranges]
    functions, parents = parts.places[2::4], parts.places[3::4]
    if ranges:
        yield from _within(text, 0, ranges[0], NONE)
    for at in compress(count(), map(_NO_LINES.__contains__, parts.places[1::4])):
        if parents[at] == NONE:
            end = ranges[at + 1] if at + 1 < len(ranges) else NONE
            yield from _within(text, ranges[at], end, functions[at])


def _within(text: Sequence[tuple[int, int]], start: int, end: int, function: int) -> Iterator[_Gap]:
    for low, high in text:
        if max(start, low) < min(end, high):
            yield _Gap(max(start, low), min(end, high), function)


def _stretches(
    parts: TableParts, gaps: Sequence[_Gap], base: int, starts: Sequence[tuple[int, int]]
) -> dict[int, list[tuple[int, int]]]:
    """What to ask of each line program: `(start, end)` by the program's offset.

    Gaps that touch are one stretch. Where the row of a gap's line began before the gap, the
    compiler finds it only if the stretch begins at a row too, so it begins with the code before.
    """
    places = [address - base for address, _ in starts]
    ranges = parts.ranges
    stretches: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for start, end in _joined(gaps):
        at = bisect_left(ranges, start)
        before = ranges[at - 1] if at else start
        for low, high in _cut(start, end, places):
            sequence = bisect_right(places, low) - 1
            if sequence >= 0:
                lead = before if low == start and before >= places[sequence] else low
                stretches[starts[sequence][1]].append((lead, high))
    return stretches


def _joined(gaps: Sequence[_Gap]) -> Iterator[tuple[int, int]]:
    start = end = -1
    for gap in gaps:
        if gap.start != end:
            if end > start:
                yield start, end
            start = gap.start
        end = gap.end
    if end > start:
        yield start, end


def _cut(start: int, end: int, places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The stretch from `start` to `end`, cut at the places within."""
    at = bisect_right(places, start)
    while start < end:
        cut = min(places[at], end) if at < len(places) else end
        if cut > start:
            yield start, cut
        start, at = cut, at + 1


# --- The image ------------------------------------------------------------------------------


def _debug_sections(elf: ElfFile, data: Bytes) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {}
    for name in ("line", *_SECTIONS):
        section = elf.debug_section(name)
        if section is not None and section.offset + section.size_bytes <= len(data):
            found[name] = data[section.offset : section.offset + section.size_bytes]
    return found


def _image(
    elf: ElfFile,
    sections: Mapping[str, Bytes],
    stretches: Mapping[int, Sequence[tuple[int, int]]],
) -> bytearray:
    directories = _directories(elf, sections, stretches)
    info = bytearray()
    for program, group in stretches.items():
        info += _unit(elf, program, group, directories.get(program, b""))
    contents: dict[str, Bytes] = {".debug_info": info, ".debug_abbrev": _ABBREVIATIONS}
    # Paths are in .debug_line_str, or in .debug_str where a compiler knows no better.
    for name in ("line", "line_str" if "line_str" in sections else "str"):
        if name in sections:
            contents[f".debug_{name}"] = sections[name]
    return ElfImage(elf, contents).data


def _directories(
    elf: ElfFile, sections: Mapping[str, Bytes], programs: Iterable[int]
) -> dict[int, bytes]:
    """The directory in which each line program's unit was compiled.

    Line programs of DWARF 5 name it themselves; only for older ones the units are read.
    """
    info, order = sections.get("info", b""), elf.layout.order
    lines = sections["line"]
    if all(struct.unpack_from(order + "H", lines, at + 4)[0] == _DWARF_5 for at in programs):
        return {}
    found = {}
    for unit in units(info, sections.get("abbrev", b""), order):
        program = unit.value(DW_AT_STMT_LIST)
        if program is not None:
            text = text_of(unit, DW_AT_COMP_DIR, info, sections, order) or ""
            found[program] = text.encode("utf-8", "replace")
    return found


def _unit(
    elf: ElfFile, program: int, stretches: Sequence[tuple[int, int]], directory: bytes
) -> bytes:
    """A unit of DWARF 4 with one function per stretch."""
    order, address, base = elf.layout.order, address_format(elf), elf.load_base
    mask = (1 << address.size * 8) - 1
    body = bytearray(struct.pack(order + "HIB", 4, 0, address.size))
    body += bytes((_ROOT,)) + struct.pack(order + "I", program & 0xFFFFFFFF)
    # The compiler takes a unit that begins at 0 for one that the linker threw away.
    body += address.pack(1) + directory + b"\0" + b"\0"
    for start, end in stretches:
        body += bytes((_FUNCTION,)) + address.pack((start + base) & mask)
        body += struct.pack(order + "I", end - start) + _NAME
    body += b"\0"
    return struct.pack(order + "I", len(body)) + bytes(body)


# --- Back into the table --------------------------------------------------------------------


def _patches(gaps: Sequence[_Gap], found: Sequence[Patch], names: "_Names") -> Iterator[Patch]:
    """The lines found, each within its gap and with the gap's function."""
    starts = [gap.start for gap in gaps]
    for patch in found:
        if patch.line in {0, NONE}:
            continue
        at = max(0, bisect_right(starts, patch.start) - 1)
        while at < len(gaps) and gaps[at].start < patch.end:
            gap = gaps[at]
            at += 1
            low, high = max(gap.start, patch.start), min(gap.end, patch.end)
            if low >= high:
                continue
            if gap.function != NONE:
                yield Patch(low, high, patch.file, patch.line, gap.function, NONE)
                continue
            for start, end in _cut(low, high, names.places):
                function = names.function_at(start)
                if function != NONE or names.is_inside(gap):
                    yield Patch(start, end, patch.file, patch.line, function, NONE)


class _Names:
    """The symbols of a file as rows of a table, each made when it is first needed."""

    def __init__(self, parts: TableParts, elf: ElfFile, sequences: Sequence[int]) -> None:
        self._parts = parts
        self._sequences = sequences
        self._code_ends = {end - elf.load_base for _, end in elf.text_ranges}
        self._symbols = symbols = {symbol.address - elf.load_base: symbol for symbol in labels(elf)}
        ends = {start + symbol.size_bytes for start, symbol in symbols.items()}
        self.places = sorted(ends | symbols.keys())
        """Where a symbol begins or ends."""
        self._starts = sorted(symbols)
        self._rows: dict[str, int] = {}

    def is_inside(self, gap: _Gap) -> bool:
        """Whether code of the same sequence follows the gap."""
        before = bisect_right(self._sequences, gap.start)
        return gap.end not in self._code_ends and before == bisect_right(self._sequences, gap.end)

    def function_at(self, address: int) -> int:
        """The row of the symbol that covers an address, or NONE."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return NONE
        start = self._starts[at]
        symbol = self._symbols[start]
        if symbol.size_bytes and address >= start + symbol.size_bytes:
            return NONE
        if symbol.name not in self._rows:
            self._rows[symbol.name] = self._parts.add_function(symbol.name)
        return self._rows[symbol.name]
