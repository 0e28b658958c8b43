"""The units of `.debug_info`: their headers and their first entry, the root; nothing below.

The compiler reads DWARF; this reader only finds out how units hang together: which line program a
unit has, in which directory it was compiled, where the rest of a split unit is. DWARF 2 to 5 in
both widths, and the GNU forms that came before DWARF 5's split units (DWARF 5, chapter 7.5).

A unit that breaks the rules ends the walk of the section: `units` yields what came before.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview

DW_AT_NAME = 0x03
DW_AT_STMT_LIST = 0x10
DW_AT_LOW_PC = 0x11
DW_AT_COMP_DIR = 0x1B
DW_AT_STR_OFFSETS_BASE = 0x72
DW_AT_ADDR_BASE = 0x73
DW_AT_RNGLISTS_BASE = 0x74
DW_AT_DWO_NAME = 0x76
DW_AT_GNU_DWO_NAME = 0x2130
DW_AT_GNU_DWO_ID = 0x2131
DW_AT_GNU_RANGES_BASE = 0x2132
DW_AT_GNU_ADDR_BASE = 0x2133

DW_UT_COMPILE = 1
DW_UT_TYPE = 2
DW_UT_SKELETON = 4
DW_UT_SPLIT_COMPILE = 5
DW_UT_SPLIT_TYPE = 6

DW_FORM_ADDR = 0x01
DW_FORM_DATA4 = 0x06
DW_FORM_STRING = 0x08
DW_FORM_STRP = 0x0E
DW_FORM_REF_ADDR = 0x10
DW_FORM_SEC_OFFSET = 0x17
DW_FORM_IMPLICIT_CONST = 0x21
DW_FORM_LINE_STRP = 0x1F

_DWARF_64 = 0xFFFFFFFF
_RESERVED_LENGTHS = 0xFFFFFFF0
_WITH_ID = frozenset({DW_UT_SKELETON, DW_UT_SPLIT_COMPILE})
_TYPES = frozenset({DW_UT_TYPE, DW_UT_SPLIT_TYPE})
_DWARF_5 = 5
_VERSIONS = range(2, 6)
_MAX_ABBREVIATIONS = 1 << 20
_MAX_ATTRIBUTES = 1 << 10

_FIXED = {
    0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8, 0x19: 0,
    0x1C: 4, 0x1E: 16, 0x20: 8, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2,
    0x2B: 3, 0x2C: 4,
}  # fmt: skip
LEB_FORMS = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02})
_OFFSETS = frozenset({0x0E, 0x10, 0x17, 0x1D, 0x1F, 0x1F20, 0x1F21})
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4}
_LEB_BLOCKS = frozenset({0x09, 0x18})
_STRX = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28, 0x1F02})


class UnreadableUnit(Exception):
    """The unit breaks the rules of the format."""


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """The shape of an entry: `(attribute, form, implicit value)` in order."""

    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. `start` to `end` are its bytes, header included; `root` is where its root is.

    `values` maps an attribute of the root to `(form, value)`; the value of a string form is its
    offset or index, that of an inline string the place of its text. `root_end` is the first byte
    behind the root, `abbreviations_at` where the header names its abbreviations.
    """

    start: int
    end: int
    version: int
    is_wide: bool
    type: int
    address_bytes: int
    abbreviations: int
    root: int
    dwo_id: int | None = None
    code: int = 0
    shape: Abbreviation | None = None
    root_end: int = 0
    values: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    abbreviations_at: int = 0

    def value(self, *attributes: int) -> int | None:
        """The value of the first of these attributes that the root has."""
        return next((self.values[one][1] for one in attributes if one in self.values), None)


def units(info: Bytes, abbreviations: Bytes, order: str) -> Iterator[Unit]:
    """The units of a section, with their roots."""
    position = 0
    while position + 12 <= len(info):
        try:
            unit = header(info, order, position)
            yield with_root(unit, info, abbreviations, order)
        except (UnreadableUnit, struct.error, IndexError, OverflowError):
            return
        position = unit.end


def size_of(head: Bytes, order: str) -> int:
    """How many bytes a unit or line program has that begins like this."""
    (length,) = struct.unpack_from(order + "I", head, 0)
    if length == _DWARF_64:
        return int(struct.unpack_from(order + "Q", head, 4)[0]) + 12
    return int(length) + 4


def header(info: Bytes, order: str, start: int = 0) -> Unit:
    """The header of the unit that begins at `start`. Raises UnreadableUnit or struct.error."""
    (length,) = struct.unpack_from(order + "I", info, start)
    position, is_wide = start + 4, length == _DWARF_64
    if is_wide:
        (length,) = struct.unpack_from(order + "Q", info, position)
        position += 8
    end = position + length
    if end > len(info) or (not is_wide and length >= _RESERVED_LENGTHS):
        raise UnreadableUnit
    offset = "Q" if is_wide else "I"
    (version,) = struct.unpack_from(order + "H", info, position)
    position += 2
    if version not in _VERSIONS:
        raise UnreadableUnit
    kind, dwo_id = DW_UT_COMPILE, None
    if version == _DWARF_5:
        kind, address_bytes, abbreviations = struct.unpack_from(
            order + "BB" + offset, info, position
        )
        abbreviations_at = position + 2
        position += struct.calcsize(order + "BB" + offset)
        if kind in _WITH_ID:
            (dwo_id,) = struct.unpack_from(order + "Q", info, position)
            position += 8
        elif kind in _TYPES:
            position += 8 + struct.calcsize(offset)
    else:
        abbreviations, address_bytes = struct.unpack_from(order + offset + "B", info, position)
        abbreviations_at = position
        position += struct.calcsize(order + offset + "B")
    return Unit(
        start, end, version, is_wide, kind, address_bytes, abbreviations, position, dwo_id,
        abbreviations_at=abbreviations_at,
    )  # fmt: skip


def with_root(unit: Unit, info: Bytes, abbreviations: Bytes, order: str) -> Unit:
    """The same unit with the attributes of its root."""
    code, position = leb128(info, unit.root)
    shape = abbreviation(abbreviations, unit.abbreviations, code)
    values: dict[int, tuple[int, int]] = {}
    for attribute, form, implicit in shape.attributes:
        if form == DW_FORM_IMPLICIT_CONST:
            values[attribute] = (form, implicit)
            continue
        value, position = _read(info, position, form, unit, order)
        values[attribute] = (form, value)
    if position > unit.end:
        raise UnreadableUnit
    dwo_id = unit.dwo_id
    if dwo_id is None and DW_AT_GNU_DWO_ID in values:
        dwo_id = values[DW_AT_GNU_DWO_ID][1]
    return Unit(
        unit.start, unit.end, unit.version, unit.is_wide, unit.type, unit.address_bytes,
        unit.abbreviations, unit.root, dwo_id, code, shape, position, values, unit.abbreviations_at,
    )  # fmt: skip


def abbreviation(table: Bytes, position: int, wanted: int) -> Abbreviation:
    """One abbreviation of the set that begins at `position`. Raises UnreadableUnit without it."""
    for code, shape, _ in abbreviation_rows(table, position):
        if code == wanted:
            return shape
    raise UnreadableUnit


def abbreviation_rows(table: Bytes, position: int) -> Iterator[tuple[int, Abbreviation, int]]:
    """`(code, shape, end)` of every abbreviation of a set."""
    for _ in range(_MAX_ABBREVIATIONS):
        code, position = leb128(table, position)
        if code == 0:
            return
        tag, position = leb128(table, position)
        has_children = bool(table[position])
        position += 1
        attributes = []
        for _ in range(_MAX_ATTRIBUTES):
            attribute, position = leb128(table, position)
            form, position = leb128(table, position)
            implicit = 0
            if form == DW_FORM_IMPLICIT_CONST:
                implicit, position = _signed(table, position)
            if attribute == form == 0:
                break
            attributes.append((attribute, form, implicit))
        yield code, Abbreviation(tag, has_children, tuple(attributes)), position


def _read(info: Bytes, position: int, form: int, unit: Unit, order: str) -> tuple[int, int]:
    """The value of one attribute, and the position behind it."""
    if form in LEB_FORMS:
        return leb128(info, position)
    if form == DW_FORM_STRING:
        return position, bytes(info[position : unit.end]).index(b"\0") + position + 1
    if form in _BLOCKS:
        length = _number(info, position, _BLOCKS[form], order)
        return position, position + _BLOCKS[form] + length
    if form in _LEB_BLOCKS:
        length, start = leb128(info, position)
        return position, start + length
    size_bytes = fixed_size(form, unit)
    return _number(info, position, size_bytes, order), position + size_bytes


def fixed_size(form: int, unit: Unit) -> int:
    """How many bytes a form takes in a unit that has one size. Raises UnreadableUnit."""
    if form == DW_FORM_ADDR or (form == DW_FORM_REF_ADDR and unit.version == _VERSIONS[0]):
        return unit.address_bytes
    if form not in _FIXED and form not in _OFFSETS:
        raise UnreadableUnit
    return _FIXED.get(form, 8 if unit.is_wide else 4)


def skipped(info: Bytes, position: int, form: int, unit: Unit, order: str) -> int:
    """The position behind a value. Raises UnreadableUnit."""
    return _read(info, position, form, unit, order)[1]


def forms_in(table: Bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """`(start, end, form)` of every form in the set of abbreviations at `position`."""
    for _ in range(_MAX_ABBREVIATIONS):
        code, position = leb128(table, position)
        if code == 0:
            return
        _, position = leb128(table, position)
        position += 1
        for _ in range(_MAX_ATTRIBUTES):
            attribute, start = leb128(table, position)
            form, position = leb128(table, start)
            if attribute == form == 0:
                break
            yield start, position, form
            if form == DW_FORM_IMPLICIT_CONST:
                _, position = leb128(table, position)


def _number(data: Bytes, position: int, size_bytes: int, order: str) -> int:
    if position + size_bytes > len(data):
        raise UnreadableUnit
    part = bytes(data[position : position + size_bytes])
    return int.from_bytes(part, "little" if order == "<" else "big")


def leb128(data: Bytes, position: int) -> tuple[int, int]:
    """An unsigned LEB128 number of at most 64 bits, and the position behind it."""
    value = data[position]
    if value < 0x80:  # noqa: PLR2004  nearly all of them
        return value, position + 1
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
    raise UnreadableUnit


def _signed(data: Bytes, position: int) -> tuple[int, int]:
    start = position
    value, position = leb128(data, position)
    bits = (position - start) * 7
    return (value - (1 << bits) if value >> (bits - 1) & 1 else value), position


def text_of(
    unit: Unit, attribute: int, info: Bytes, sections: Mapping[str, Bytes], order: str
) -> str | None:
    """The text of a string attribute of the root; None where it has none or it lies elsewhere.

    `sections` holds `str`, `line_str` and `str_offsets` as far as they exist.
    """
    form, value = unit.values.get(attribute, (0, 0))
    if form in _STRX:
        base = unit.value(DW_AT_STR_OFFSETS_BASE) or (16 if unit.is_wide else 8)
        size_bytes = 8 if unit.is_wide else 4
        table = sections.get("str_offsets", b"")
        place = base + value * size_bytes
        if place + size_bytes > len(table):
            return None
        form, value = DW_FORM_STRP, _number(table, place, size_bytes, order)
    source = {
        DW_FORM_STRING: info,
        DW_FORM_STRP: sections.get("str", b""),
        DW_FORM_LINE_STRP: sections.get("line_str", b""),
    }.get(form)
    if source is None or value >= len(source):
        return None
    text = bytes(source[value : value + 4096]).partition(b"\0")[0]
    return text.decode("utf-8", "replace") or None
