"""Small ELF files made to hurt their reader."""

import random
import struct

_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SHT_PROGBITS = 1
_SHT_STRTAB = 3


def endless_line_header(directories: int = 1 << 62) -> bytes:
    """DWARF 5 whose directory entries have no fields, and so no bytes, and are very many.

    A reader that trusts the count loops once per entry without ever running out of input.
    """
    after_length = bytes([1, 1, 1, 0xFB, 14, 1]) + b"\0" + _uleb(directories) + b"\0" + _uleb(0)
    header = struct.pack("<HBBI", 5, 8, 0, len(after_length)) + after_length
    compile_unit = bytes([1, 0x11, 0, 0x10, 0x17, 0, 0, 0])  # DW_AT_stmt_list, DW_FORM_sec_offset
    unit = struct.pack("<HBBI", 5, 1, 8, 0) + bytes([1]) + struct.pack("<I", 0)
    return _elf(
        {
            ".debug_abbrev": compile_unit,
            ".debug_info": _with_length(unit),
            ".debug_line": _with_length(header),
        }
    )


def damage(content: bytes, dice: random.Random) -> bytes:
    """The content with one to six bytes changed, often to what counts and lengths dislike most."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 6)):
        changed[dice.randrange(len(changed))] = dice.choice(
            (0, 0x7F, 0x80, 0xFF, dice.randrange(256))
        )
    return bytes(changed)


def _uleb(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _with_length(unit: bytes) -> bytes:
    return struct.pack("<I", len(unit)) + unit


def _elf(sections: dict[str, bytes]) -> bytes:
    names = [*sections, ".shstrtab"]
    table = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    headers, content = bytes(_SECTION_HEADER.size), b""
    for name, data in {**sections, ".shstrtab": table}.items():
        kind = _SHT_STRTAB if data is table else _SHT_PROGBITS
        offset = _FILE_HEADER.size + len(content)
        at = table.index(b"\0" + name.encode() + b"\0") + 1
        headers += _SECTION_HEADER.pack(at, kind, 0, 0, offset, len(data), 0, 0, 1, 0)
        content += data
    where = _FILE_HEADER.size + len(content)
    count = len(names) + 1
    magic = b"\x7fELF\2\1\1"
    head = _FILE_HEADER.pack(
        magic, 1, 62, 1, 0, 0, where, 0, _FILE_HEADER.size, 0, 0, _SECTION_HEADER.size,
        count, count - 1,
    )  # fmt: skip
    return head + content + headers
