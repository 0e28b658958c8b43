"""Give an unlinked object addresses: kernel modules are such objects (`.ko`, ET_REL).

A module is linked by the kernel when it is loaded. Its debug information counts from zero in
every section until then, with relocations that say what to add where. So the object is laid out
here as the kernel would: code first, section behind section, then everything else that is loaded:

    .text 0x1000    .text.unlikely 0x157d8    .exit.text ...    .init.text ...    .rodata ...

Section headers and symbols get these addresses and the relocations of `.debug_*` are applied, in
the private map of the file. Code begins at `TEXT_START` and not at zero, which compilers of symbol
tables take for code that the linker threw away. Frames of modules are found by symbol and offset;
the addresses themselves mean nothing outside.

Understood are the relocations that compilers write into debug information, for arm64, arm, x86_64
and x86. A file with others is refused rather than half read.
"""

import struct
from mmap import mmap

from crashes.symbolication.elffile import SHF_ALLOC, SHT_SYMTAB, ElfFile, Section
from crashes.symbolication.errors import UnreadableDebugFile

TEXT_START = 0x1000

_ET_DYN = 3
_SHT_RELA = 4
_SHT_REL = 9
_TYPE_OFFSET = 16
_RESERVED_SECTIONS = 0xFF00
_MAX_TABLE_BYTES = 512 << 20
_MAX_RELOCATIONS = 20_000_000

# machine: type -> (bytes, whether the place is subtracted); 0 bytes does nothing.
_KINDS: dict[str, dict[int, tuple[int, bool]]] = {
    "arm64": {0: (0, False), 257: (8, False), 258: (4, False), 260: (8, True), 261: (4, True)},
    "arm": {0: (0, False), 2: (4, False), 3: (4, True)},
    "x86_64": {
        0: (0, False), 1: (8, False), 2: (4, True), 10: (4, False), 11: (4, False), 24: (8, True),
        17: (8, False), 21: (4, False),  # offsets of thread-local variables: of no interest
    },
    "x86": {0: (0, False), 1: (4, False), 2: (4, True), 32: (4, False)},
}  # fmt: skip


def relocate(elf: ElfFile, data: mmap) -> None:
    """Lay the object out and apply its relocations, within `data`, a private map of its file.

    Raises UnreadableDebugFile: `relocatable_object` for relocations that are not understood,
    `malformed_elf` for those that leave their section.
    """
    kinds = _KINDS.get(elf.arch or "")
    if kinds is None:
        raise UnreadableDebugFile(
            "relocatable_object", "objects of this machine cannot be laid out"
        )
    addresses = _layout(elf)
    _write_headers(elf, data, addresses)
    values: dict[int, list[int]] = {}
    for section in elf.sections:
        if section.type == SHT_SYMTAB and section.has_bytes:
            values[section.index] = _move_symbols(elf, data, section, addresses)
    for section in elf.sections:
        target = elf.sections[section.info] if section.info < len(elf.sections) else None
        if section.type in {_SHT_RELA, _SHT_REL} and target and _is_wanted(target):
            _apply(elf, data, section, target, values.get(section.link, []), kinds)


def _is_wanted(section: Section) -> bool:
    return section.name.startswith(".debug_") and section.has_bytes


def _layout(elf: ElfFile) -> list[int]:
    """The address of every section: loaded code, loaded data, what is only used to start."""
    loaded = [section for section in elf.sections if section.flags & SHF_ALLOC]
    loaded.sort(key=lambda section: (section.name.startswith(".init"), not section.is_code))
    addresses = [0] * len(elf.sections)
    position = TEXT_START
    for section in loaded:
        alignment = max(1, min(section.alignment, 1 << 20))
        position = -(-position // alignment) * alignment
        addresses[section.index] = position
        position += section.size_bytes
    if position >= 1 << (63 if elf.layout.is_64 else 32):
        raise UnreadableDebugFile("malformed_elf", "the sections do not fit an address space")
    return addresses


def _write_headers(elf: ElfFile, data: mmap, addresses: list[int]) -> None:
    entry, order = elf.layout.section, elf.layout.order
    for section in elf.sections:
        place = elf.sections_offset + section.index * entry.size
        row = list(entry.unpack_from(data, place))
        row[3] = addresses[section.index]
        entry.pack_into(data, place, *row)
    struct.pack_into(order + "H", data, _TYPE_OFFSET, _ET_DYN)


def _move_symbols(elf: ElfFile, data: mmap, table: Section, addresses: list[int]) -> list[int]:
    """Add its section's address to every symbol; their new values."""
    order = elf.layout.order
    # name, info, other, section, value, size; or name, value, size, info, other, section
    entry = struct.Struct(order + ("IBBHQQ" if elf.layout.is_64 else "IIIBBH"))
    at_value, at_section = (4, 3) if elf.layout.is_64 else (1, 5)
    start, end = _bounds(table, data)
    mask = (1 << (64 if elf.layout.is_64 else 32)) - 1
    values = []
    for place in range(start, end - entry.size + 1, entry.size):
        row = list(entry.unpack_from(data, place))
        index = row[at_section]
        if 0 < index < min(len(addresses), _RESERVED_SECTIONS) and addresses[index]:
            row[at_value] = row[at_value] + addresses[index] & mask
            entry.pack_into(data, place, *row)
        values.append(row[at_value])
    return values


def _apply(  # noqa: PLR0917  one relocation section and what it refers to
    elf: ElfFile,
    data: mmap,
    table: Section,
    target: Section,
    values: list[int],
    kinds: dict[int, tuple[int, bool]],
) -> None:
    """Apply one section of relocations to the section that it is about."""
    order, wide = elf.layout.order, elf.layout.is_64
    has_addend = table.type == _SHT_RELA
    entry = struct.Struct(
        order + (("QQq" if wide else "IIi") if has_addend else "QQ" if wide else "II")
    )
    shift, type_mask = (32, 0xFFFFFFFF) if wide else (8, 0xFF)
    start, end = _bounds(table, data)
    count = (end - start) // entry.size
    low, high = _bounds(target, data)
    if count > _MAX_RELOCATIONS:
        raise UnreadableDebugFile("malformed_elf", "there are too many relocations")
    words = {4: struct.Struct(order + "I"), 8: struct.Struct(order + "Q")}
    with memoryview(data) as whole, whole[start : start + count * entry.size] as rows:
        table_rows = list(entry.iter_unpack(rows))
    for row in table_rows:
        offset, info = row[0], row[1]
        kind = kinds.get(info & type_mask)
        if kind is None:
            raise UnreadableDebugFile(
                "relocatable_object",
                f"relocation type {info & type_mask} is not understood",
                where=table.name,
            )
        size_bytes, is_relative = kind
        if not size_bytes:
            continue
        symbol = info >> shift
        if symbol >= len(values) or offset + size_bytes > high - low:
            raise UnreadableDebugFile("malformed_elf", "a relocation leaves its section")
        word = words[size_bytes]
        addend = row[2] if has_addend else word.unpack_from(data, low + offset)[0]
        value = values[symbol] + addend - (offset if is_relative else 0)
        word.pack_into(data, low + offset, value & ((1 << size_bytes * 8) - 1))


def _bounds(section: Section, data: mmap) -> tuple[int, int]:
    if section.size_bytes > _MAX_TABLE_BYTES and section.type in {_SHT_RELA, _SHT_REL, SHT_SYMTAB}:
        raise UnreadableDebugFile("oversized_section", "a table is too large", where=section.name)
    end = section.offset + section.size_bytes
    if end > len(data):
        raise UnreadableDebugFile("truncated_elf", "the file ends too early", where=section.name)
    return section.offset, end
