"""Names of a stripped library from its `.gnu_debugdata`.

Some systems ship libraries whose local function names sit, xz-compressed, in a section of their
own: an ELF file within the ELF file that holds nothing but a symbol table ("mini debug info").
The exported names are left out of it, as the dynamic symbol table has them anyway, so the two
must be put together: either one alone would give the code of a missing function to its neighbor.

The union is written as a Breakpad symbol file, the simplest input the symcache compiler takes:

    MODULE Linux arm64 2E24D3EB...0 libfoo.so
    FUNC 8f4 1c 0 _ZN3foo3barEv       address from the load base, size, parameter size
    PUBLIC 910 0 _start               when the size is unknown

Such names have no files and no lines.
"""

import io
import lzma

from crashes.symbolication.elf import build_id_of, debug_id_of
from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.elfsymbols import functions
from crashes.symbolication.errors import UnreadableDebugFile

_MAX_PACKED_BYTES = 256 << 20
_MAX_INFLATED_BYTES = 512 << 20
_MAX_XZ_MEMORY_BYTES = 256 << 20


def breakpad_text(elf: ElfFile) -> bytes:
    """A Breakpad symbol file with the functions of `.gnu_debugdata` and of the dynamic table.

    Raises UnreadableDebugFile when the section is missing, damaged, or not an ELF file.
    """
    section = elf.section(".gnu_debugdata")
    if section is None:
        raise UnreadableDebugFile("no_symbols", "there is no .gnu_debugdata section")
    inner = ElfFile(io.BytesIO(_inflated(elf.content(section, _MAX_PACKED_BYTES))))
    found: dict[int, tuple[int, str]] = {}
    for table in (inner, elf):
        for address, size_bytes, name in functions(table):
            found[address] = (size_bytes, name)
    lines = [_module_line(elf)]
    lines += (_record(address, *found[address], elf.load_base) for address in sorted(found))
    return "\n".join([*lines, ""]).encode("utf-8", "replace")


def _module_line(elf: ElfFile) -> str:
    build_id = build_id_of(elf) or ""
    debug_id = debug_id_of(build_id, is_little_endian=elf.layout.order == "<").replace("-", "")
    return f"MODULE Linux {elf.arch} {debug_id.upper()}0 library"


def _record(address: int, size_bytes: int, name: str, load_base: int) -> str:
    start = max(0, address - load_base)
    return f"FUNC {start:x} {size_bytes:x} 0 {name}" if size_bytes else f"PUBLIC {start:x} 0 {name}"


def _inflated(packed: bytes) -> bytes:
    inflater = lzma.LZMADecompressor(memlimit=_MAX_XZ_MEMORY_BYTES)
    try:
        data = inflater.decompress(packed, _MAX_INFLATED_BYTES)
    except (lzma.LZMAError, EOFError) as problem:
        raise UnreadableDebugFile(
            "malformed_compression", "the xz data is damaged", where=".gnu_debugdata"
        ) from problem
    if not inflater.eof:
        raise UnreadableDebugFile(
            "inflates_too_far", "the xz data is cut off or too large", where=".gnu_debugdata"
        )
    return data
