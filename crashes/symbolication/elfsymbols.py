"""The symbols of an ELF file: names and places of its functions, and of labels in its code."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from crashes.symbolication.elffile import SHT_DYNSYM, SHT_SYMTAB, ElfFile, Section, text_at

MAX_TABLE_BYTES = 512 << 20
_STT_NOTYPE = 0
_STT_FUNC = 2
_STT_GNU_IFUNC = 10
_FUNCTIONS = frozenset({_STT_FUNC, _STT_GNU_IFUNC})
_SHN_ABS = 0xFFF1
_MAPPING = ("$x", "$d", "$a", "$t", ".L")


class Symbol(NamedTuple):
    """A name of code. `size_bytes` is 0 where nobody said how much code it is."""

    address: int
    size_bytes: int
    name: str


def functions(elf: ElfFile) -> Iterator[Symbol]:
    """The defined functions of every symbol table."""
    for section in elf.sections:
        if section.type in {SHT_SYMTAB, SHT_DYNSYM} and section.link < len(elf.sections):
            yield from _symbols_in(elf, section, _FUNCTIONS)


def labels(elf: ElfFile) -> Iterator[Symbol]:
    """The functions, and the untyped labels of assembly, within the code."""
    ranges = elf.text_ranges
    for section in elf.sections:
        if section.type in {SHT_SYMTAB, SHT_DYNSYM} and section.link < len(elf.sections):
            for symbol in _symbols_in(elf, section, _FUNCTIONS | {_STT_NOTYPE}):
                if any(start <= symbol.address < end for start, end in ranges):
                    yield symbol


def _symbols_in(elf: ElfFile, table: Section, kinds: frozenset[int]) -> Iterator[Symbol]:
    strings = elf.sections[table.link]
    if not (table.has_bytes and strings.has_bytes):
        return
    wide = elf.layout.is_64
    entry = struct.Struct(elf.layout.order + ("IBBHQQ" if wide else "IIIBBH"))
    names = elf.content(strings, MAX_TABLE_BYTES)
    data = elf.content(table, MAX_TABLE_BYTES)
    # The lowest bit of an ARM function's address only says that its code is Thumb.
    mask = ~1 if elf.arch == "arm" else ~0
    for row in entry.iter_unpack(data[: len(data) - len(data) % entry.size]):
        if wide:
            name_offset, info, _, index, value, size_bytes = row
        else:
            name_offset, value, size_bytes, info, _, index = row
        if index and index != _SHN_ABS and value and info & 0xF in kinds:
            name = "".join(text_at(names, name_offset).split())
            if name and not name.startswith(_MAPPING):
                yield Symbol(value & mask, size_bytes, name)
