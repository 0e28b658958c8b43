"""Unwind tables of 32-bit ARM, brought into the text form.

Libraries for 32-bit phones carry no `.eh_frame`: ARM has its own tables (Exception Handling ABI
for the Arm Architecture, IHI0038). `.ARM.exidx` is a sorted list of pairs of words, function and
what to do there; all places are 31-bit offsets from the word itself:

    word 0   the function's start
    word 1   1: cannot be unwound
             0x80aabbcc: the opcodes aa bb cc
             otherwise the place of an entry in `.ARM.extab`, which has more of them

The opcodes move a virtual stack pointer and pop registers from it, as the epilogue would:

    a8 b0 b0      pop r4 and lr, finished       .cfa: sp 8 + r4: sp 0 + ^ .ra: sp 4 + ^
    9b 84 80      sp is r11, pop r11 and lr     .cfa: r11 8 + r11: r11 0 + ^ .ra: r11 4 + ^

One rule set stands for a whole function. It is right at every call, so for every frame but the
innermost, which may be in the middle of a prologue.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from crashes.symbolication.elffile import ElfFile, Section
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.unwind.records import MAX_ADDR, CfiRange

_MAX_SECTION_BYTES = 256 << 20
_MAX_OPCODES = 1024 + 8
_CANNOT_UNWIND = 1
_INLINE = 1 << 31
_ENTRY = struct.Struct("<II")
_NAMES = (*(f"r{number}" for number in range(12)), "r12", "sp", "lr", "pc")
_R4, _LR = 4, 14


class _NoRule(Exception):
    """The opcodes refuse to unwind, or are damaged."""


def arm_ranges(elf: ElfFile) -> Iterator[CfiRange]:
    """The rules of each function of a 32-bit ARM file; none for files without these tables."""
    index = elf.section(".ARM.exidx")
    if elf.arch != "arm" or index is None or not index.has_bytes:
        return
    table = elf.content(index, _MAX_SECTION_BYTES)
    extra = _Extra(elf)
    ends = [end - elf.load_base for _, end in elf.text_ranges]
    rows = [
        _row(index.addr - elf.load_base, position, table)
        for position in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size)
    ]
    limits = [*(row[0] for row in rows[1:]), ends[-1] if ends else 0]
    for (start, place, word), limit in zip(rows, limits, strict=True):
        rules = _rules_of(word, place, extra)
        if rules and 0 <= start < limit <= MAX_ADDR:
            yield CfiRange(start, limit - start, rules)


def _row(base: int, position: int, table: bytes) -> tuple[int, int, int]:
    """Start of the function, place of the second word, and that word."""
    function, word = _ENTRY.unpack_from(table, position)
    start = (base + position + _prel31(function)) & MAX_ADDR & ~1
    return start, base + position + 4, word


def _prel31(word: int) -> int:
    offset = word & 0x7FFF_FFFF
    return offset - (1 << 31) if offset & 1 << 30 else offset


class _Extra:
    """The entries of `.ARM.extab`, by address relative to the load base."""

    def __init__(self, elf: ElfFile) -> None:
        section = elf.section(".ARM.extab")
        self._start = section.addr - elf.load_base if section else 0
        self._data = _content(elf, section)

    def opcodes(self, place: int) -> bytes:
        """The opcodes of the entry at a place. Raises _NoRule."""
        first = self._word(place)
        if first & _INLINE:
            kind = first >> 24 & 0xF
            if kind == 0:
                return first.to_bytes(4, "big")[1:]
            more = first >> 16 & 0xFF
            return first.to_bytes(4, "big")[2:] + self._words(place + 4, more)
        # A routine of the language's own: its word is followed by the same, in C++'s layout.
        second = self._word(place + 4)
        return second.to_bytes(4, "big")[1:] + self._words(place + 8, second >> 24)

    def _words(self, place: int, count: int) -> bytes:
        return b"".join(self._word(place + 4 * at).to_bytes(4, "big") for at in range(count))

    def _word(self, place: int) -> int:
        offset = place - self._start
        if not 0 <= offset <= len(self._data) - 4:
            raise _NoRule
        return int.from_bytes(self._data[offset : offset + 4], "little")


def _content(elf: ElfFile, section: Section | None) -> bytes:
    if section is None or not section.has_bytes:
        return b""
    try:
        return elf.content(section, _MAX_SECTION_BYTES)
    except UnreadableDebugFile:
        return b""


def _rules_of(word: int, place: int, extra: _Extra) -> str:
    """The rule set that the second word of a pair stands for; empty without one."""
    if word == _CANNOT_UNWIND:
        return ""
    try:
        if word & _INLINE:
            opcodes = word.to_bytes(4, "big")[1:]
        else:
            opcodes = extra.opcodes((place + _prel31(word)) & MAX_ADDR)
        return rules_of_opcodes(opcodes)
    except (_NoRule, IndexError):
        return ""


def rules_of_opcodes(opcodes: bytes) -> str:
    """What the opcodes do, as a rule set. Raises IndexError where they end inside of one."""
    stack = _Stack()
    position = 0
    while position < min(len(opcodes), _MAX_OPCODES) and not stack.is_finished:
        position += stack.step(opcodes[position:])
    return stack.rules()


@dataclass(slots=True)
class _Stack:
    """The virtual stack pointer, a register and an offset, and where registers were popped."""

    base: str = "sp"
    offset: int = 0
    popped: dict[str, str] = field(default_factory=dict)
    is_finished: bool = False

    def rules(self) -> str:
        saved = {name: place for name, place in self.popped.items() if name not in {"lr", "pc"}}
        cfa = saved.pop("sp", f"{self.base} {self.offset} +")
        returned = self.popped.get("pc") or self.popped.get("lr") or "lr"
        rest = "".join(f" {name}: {place}" for name, place in saved.items())
        return f".cfa: {cfa} .ra: {returned}{rest}"

    def pop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.popped[_NAMES[number]] = f"{self.base} {self.offset} + ^"
            self.offset += 4

    def step(self, code: bytes) -> int:
        """Do one opcode; how many bytes it has. Raises _NoRule."""
        first = code[0]
        if first < 0x80:  # noqa: PLR2004 - 00xxxxxx adds, 01xxxxxx takes away
            amount = ((first & 0x3F) << 2) + 4
            self.offset += amount if first < 0x40 else -amount  # noqa: PLR2004
            return 1
        if first < 0xB0:  # noqa: PLR2004 - core registers
            return self._core(first, code)
        return self._other(first, code)

    def _core(self, first: int, code: bytes) -> int:
        if first < 0x90:  # noqa: PLR2004 - 1000iiii iiiiiiii
            mask = (first & 0xF) << 8 | code[1]
            if not mask:
                raise _NoRule
            self.pop(number + _R4 for number in range(12) if mask >> number & 1)
            return 2
        if first < 0xA0:  # noqa: PLR2004 - 1001nnnn
            self.base, self.offset = _NAMES[first & 0xF], 0
            return 1
        self.pop(range(_R4, _R4 + (first & 7) + 1))
        if first & 8:
            self.pop(range(_LR, _LR + 1))
        return 1

    def _other(self, first: int, code: bytes) -> int:
        match first:
            case 0xB0:
                self.is_finished = True
                return 1
            case 0xB1:
                self.pop(number for number in range(4) if code[1] >> number & 1)
                return 2
            case 0xB2:
                amount, length = _uleb128(code[1:])
                self.offset += 0x204 + (amount << 2)
                return 1 + length
            case 0xB4:  # the return address's authentication code
                self.offset += 4
                return 1
            case _:
                return self._floating(first, code)

    def _floating(self, first: int, code: bytes) -> int:
        """Floating point registers: they are passed over, the older form with a word more."""
        if first in {0xB3, 0xC8, 0xC9}:
            self.offset += 8 * ((code[1] & 0xF) + 1) + (4 if first == 0xB3 else 0)  # noqa: PLR2004
            return 2
        if first & 0xF8 in {0xB8, 0xD0}:
            self.offset += 8 * ((first & 7) + 1) + (4 if first < 0xC0 else 0)  # noqa: PLR2004
            return 1
        raise _NoRule


def _uleb128(code: bytes) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(code[:5]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, index + 1
    raise _NoRule
