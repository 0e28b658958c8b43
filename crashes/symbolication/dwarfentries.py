"""Where in a unit references and strings stand that move when its sections are joined with others.

Every entry of a unit is stepped over, about a million a second: an abbreviation becomes a short
list of steps (so many bytes on, a number to skip, a place to note), and neighbors of fixed size
become one step.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from crashes.symbolication import dwarfunits as dwarf
from crashes.symbolication.dwarfunits import Bytes, Unit, UnreadableUnit


@dataclass(slots=True)
class Places:
    """Where in a unit references and strings stand that move."""

    info: list[int] = field(default_factory=list)
    strings: list[int] = field(default_factory=list)


# A step is a number of bytes to go on, or one of these.
_SKIP_LEB, _SKIP_TEXT, _SKIP_BLOCK, _SKIP_BLOCK_1, _SKIP_BLOCK_2, _SKIP_BLOCK_4 = range(-1, -7, -1)
_NOTE_INFO, _NOTE_STRING = -7, -8
_VARIABLE = dict.fromkeys(dwarf.LEB_FORMS, _SKIP_LEB) | {
    dwarf.DW_FORM_STRING: _SKIP_TEXT,
    0x09: _SKIP_BLOCK,
    0x18: _SKIP_BLOCK,
    0x0A: _SKIP_BLOCK_1,
    0x03: _SKIP_BLOCK_2,
    0x04: _SKIP_BLOCK_4,
}
_BLOCK_LENGTHS = {_SKIP_BLOCK_1: "B", _SKIP_BLOCK_2: "H", _SKIP_BLOCK_4: "I"}


class Plan(NamedTuple):
    """How to step over the entries of a unit, by abbreviation, and whether anything moves."""

    steps: Mapping[int, tuple[int, ...]]
    moves: bool


class Plans:
    """The plans for the abbreviations of one file, made once for each kind of unit."""

    def __init__(self, table: Bytes, order: str) -> None:
        self._table, self._order = table, order
        self._made: dict[tuple[int, int, int, bool], Plan] = {}

    def of(self, unit: Unit) -> Plan:
        """The plan for a unit. Raises UnreadableUnit."""
        key = (unit.abbreviations, min(unit.version, 3), unit.address_bytes, unit.is_wide)
        if key not in self._made:
            rows = dwarf.abbreviation_rows(self._table, unit.abbreviations)
            steps = {code: _steps(shape.attributes, unit) for code, shape, _ in rows}
            moves = any(
                step in {_NOTE_INFO, _NOTE_STRING} for one in steps.values() for step in one
            )
            self._made[key] = Plan(steps, moves)
        return self._made[key]


def _steps(attributes: tuple[tuple[int, int, int], ...], unit: Unit) -> tuple[int, ...]:
    steps: list[int] = []
    for _, form, _ in attributes:
        if form == dwarf.DW_FORM_IMPLICIT_CONST:
            continue
        if form == dwarf.DW_FORM_REF_ADDR:
            steps.append(_NOTE_INFO)
        elif form == dwarf.DW_FORM_LINE_STRP:
            steps.append(_NOTE_STRING)
        size_bytes = _VARIABLE.get(form)
        if size_bytes is None:
            size_bytes = dwarf.fixed_size(form, unit)
        if size_bytes >= 0 and steps and steps[-1] >= 0:
            steps[-1] += size_bytes
        else:
            steps.append(size_bytes)
    return tuple(steps)


def walk(data: bytes, unit: Unit, plan: Plan, order: str) -> Places:  # noqa: C901, PLR0912 - one loop, for speed
    """What moves in the unit that `data` is. Raises UnreadableUnit, IndexError or struct.error."""
    found, plans = Places(), plan.steps
    at, end = unit.root, len(data)
    info, strings = found.info, found.strings
    while at < end:
        code = data[at]
        at += 1
        if code >= 0x80:  # noqa: PLR2004 - the continuation bit
            code, at = dwarf.leb128(data, at - 1)
        if not code:
            continue
        steps = plans.get(code)
        if steps is None:
            raise UnreadableUnit
        for step in steps:
            if step >= 0:
                at += step
            elif step == _SKIP_LEB:
                while data[at] & 0x80:
                    at += 1
                at += 1
            elif step == _NOTE_INFO:
                info.append(at)
            elif step == _NOTE_STRING:
                strings.append(at)
            elif step == _SKIP_BLOCK:
                length, at = dwarf.leb128(data, at)
                at += length
            elif step == _SKIP_TEXT:
                at = data.index(b"\0", at) + 1
            else:
                number = _BLOCK_LENGTHS[step]
                at += struct.calcsize(number) + struct.unpack_from(order + number, data, at)[0]
    if at != end:
        raise UnreadableUnit
    return found
