"""Find the line sequences of code that the linker threw away.

When a C++ template is compiled into many objects, the linker keeps one copy and discards the
others, but their line tables stay behind. GNU ld sets their addresses to 0:

    DW_LNE_set_address 0          a discarded function's sequence begins
    ... rows at 0, 4, 8 ...
    DW_LNE_set_address 0          the same function, second part (hot and cold, or a new file)
    ... rows ...
    DW_LNE_end_sequence

The DWARF reader under our symcache compiler takes a jump back to 0 within a sequence for a
tombstone and skips everything up to the next address, the end of the sequence included. The next,
living sequence is then glued to the dead one, and the giant that results hides every function of
its unit that lies below it. On a large C++ library that silently loses or falsifies one answer in
five. The cure is to spell the dead sequences the way DWARF 5 asks for (a tombstone of all ones):
then the reader skips all of them from their first row. See docs/adr/0003.

A sequence is dead when it begins below the first byte of code: linkers write 0, 1 or a small
addend there. `dead_addresses` walks every line program (DWARF 2 to 5, 32 and 64 bit) and yields
where the addresses of dead sequences stand. The walk does not interpret rows. One regular
expression per opcode table swallows everything between two extended opcodes at the speed of C;
only `DW_LNE_set_address` and `DW_LNE_end_sequence` come up to Python.

A unit that does not follow the rules ends the walk of that unit, not of the section: its
sequences stay as they are, and `LineWalk.unreadable_units` counts it.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

_DWARF_64 = 0xFFFFFFFF
_RESERVED_LENGTHS = 0xFFFFFFF0
_VERSIONS = range(2, 6)

_DW_LNS_FIXED_ADVANCE_PC = 9
_MAX_OPERANDS = 8  # the standard opcodes have one at most; a hostile table is not compiled
_DW_LNE_END_SEQUENCE = 1
_DW_LNE_SET_ADDRESS = 2

# Operands of the standard opcodes 1 to 12 (DWARF 5, section 6.2.5.2), as LEB128 numbers, except
# that DW_LNS_fixed_advance_pc has one plain two-byte operand.
_LEB = rb"[\x80-\xff]*+[\x00-\x7f]"
# Discriminators are the one frequent extended opcode; three lengths cover their values.
_DISCRIMINATORS = rb"\x00(?:\x02\x04.|\x03\x04..|\x04\x04...)"


@dataclass(slots=True)
class LineWalk:
    """What a walk over `.debug_line` met; filled while `dead_addresses` runs.

    `starts` has the first address of every living sequence, with the offset of its program.
    """

    units: int = 0
    unreadable_units: int = 0
    sequences: int = 0
    dead_sequences: int = 0
    starts: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Program:
    """One unit's line program: its opcodes are `data[start:end]`, its header is at `offset`."""

    offset: int
    start: int
    end: int
    tokens: "re.Pattern[bytes]"


class _Unreadable(Exception):
    """The unit breaks the rules of the format."""


def dead_addresses(
    data: memoryview, order: str, text_start: int, walk: LineWalk
) -> Iterator[tuple[int, int]]:
    """`(offset, size_bytes)` of every address operand of a dead sequence in `.debug_line`.

    `order` is `<` or `>`; `text_start` is the lowest address of code. Offsets are into `data`.
    """
    for start, end, wide in _units(data, order, walk):
        walk.units += 1
        try:
            program = _program(data, order, start, end, wide=wide)
            yield from _dead_in(data, order, program, text_start, walk)
        except (_Unreadable, struct.error, IndexError):
            walk.unreadable_units += 1


def _units(data: memoryview, order: str, walk: LineWalk) -> Iterator[tuple[int, int, bool]]:
    """Start (after the length), end, and whether offsets have 64 bits, of each unit."""
    position = 0
    while position + 4 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, position)
        wide = length == _DWARF_64
        position += 4
        if wide and position + 8 <= len(data):
            (length,) = struct.unpack_from(order + "Q", data, position)
            position += 8
        if position + length > len(data) or (not wide and length >= _RESERVED_LENGTHS):
            walk.unreadable_units += 1
            return
        yield position, position + length, wide
        position += length


def _program(data: memoryview, order: str, start: int, end: int, *, wide: bool) -> _Program:
    (version,) = struct.unpack_from(order + "H", data, start)
    if version not in _VERSIONS:
        raise _Unreadable
    position = start + (4 if version == _VERSIONS[-1] else 2)  # DWARF 5: two address size bytes
    length_format = order + ("Q" if wide else "I")
    (header_length,) = struct.unpack_from(length_format, data, position)
    position += struct.calcsize(length_format)
    first_opcode = position + header_length
    # minimum_instruction_length, [4+: maximum_operations], default_is_stmt, line_base, line_range
    position += 5 if version >= 4 else 4  # noqa: PLR2004 - the version that added the field
    opcode_base = data[position]
    lengths = bytes(data[position + 1 : position + opcode_base])
    fits = opcode_base > 0 and position + opcode_base <= first_opcode <= end
    if not fits or max(lengths, default=0) > _MAX_OPERANDS:
        raise _Unreadable
    offset = start - (12 if wide else 4)
    return _Program(offset, first_opcode, end, _tokens(opcode_base, lengths))


@lru_cache(maxsize=64)
def _tokens(opcode_base: int, lengths: bytes) -> "re.Pattern[bytes]":
    """Everything a line program holds between two extended opcodes that matter to us."""
    groups: dict[bytes, bytearray] = {b"": bytearray(range(opcode_base, 256))}
    for opcode, count in enumerate(lengths, start=1):
        operands = b".." if opcode == _DW_LNS_FIXED_ADVANCE_PC else _LEB * count
        groups.setdefault(operands, bytearray()).append(opcode)
    choices = [
        b"[" + b"".join(b"\\x%02x" % opcode for opcode in opcodes) + b"]" + operands
        for operands, opcodes in groups.items()
        if opcodes
    ]
    return re.compile(b"(?:" + b"|".join([*choices, _DISCRIMINATORS]) + b")*+", re.DOTALL)


def _dead_in(
    data: memoryview, order: str, program: _Program, text_start: int, walk: LineWalk
) -> Iterator[tuple[int, int]]:
    """The dead addresses of one program; see `dead_addresses`."""
    is_first, is_dead = True, False
    for opcode, offset, size_bytes in _extended_opcodes(data, program):
        if opcode == _DW_LNE_END_SEQUENCE:
            is_first, is_dead = True, False
        elif opcode == _DW_LNE_SET_ADDRESS:
            if is_first:
                address = _address(data[offset : offset + size_bytes], order)
                is_first, is_dead = False, address < text_start
                walk.sequences += 1
                walk.dead_sequences += is_dead
                if not is_dead:
                    walk.starts.append((address, program.offset))
            if is_dead:
                yield offset, size_bytes


def _extended_opcodes(data: memoryview, program: _Program) -> Iterator[tuple[int, int, int]]:
    """`(opcode, operand offset, operand bytes)` of the extended opcodes."""
    position = program.start
    while True:
        found = program.tokens.match(data, position, program.end)
        position = found.end() if found else position
        if position >= program.end:
            return
        length, operand = _leb128(data, position + 1, program.end)
        if data[position] != 0 or length == 0 or operand + length > program.end:
            raise _Unreadable
        yield data[operand], operand + 1, length - 1
        position = operand + length


def _leb128(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """An unsigned LEB128 number of at most five bytes, and the position behind it."""
    value = 0
    for shift in range(0, 35, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
    raise _Unreadable


def _address(operand: memoryview, order: str) -> int:
    return int.from_bytes(operand, "little" if order == "<" else "big")
