"""Compile a debug file into a symcache: the small table that look-ups read.

The steps:

1. identify the file (`elf.py`);
2. an ELF file with DWARF or a symbol table is normalized (`normalize.py`: compressed sections
   inflated, line sequences of discarded code buried) and compiled by `symbolic`;
3. code that no function of the DWARF claims gets its lines (`linefallback.py`);
4. one that has only `.gnu_debugdata` goes through `minidebug.py` first, the map of a kernel through
   `kernelmap.py`; a Breakpad symbol file is compiled as it is;
5. function names are demangled (`demangle.py`);
6. table, names and a trailer with what the table cannot say (its load base, where code lies,
   the build id; of a kernel, its symbols; code with several names) are written to the output file. `table.py` has the format.

A symcache can always be made again. `SYMCACHE_VERSION` is part of its stored name and of its
trailer; raise it when the same debug file would now give other answers.

Everything here works on open descriptors: it runs in a sandboxed child that can open nothing.
All modules it needs are imported at the top for the same reason.
"""

import mmap
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from io import BytesIO
from shutil import copyfileobj
from typing import Any, NamedTuple

from crashes.symbolication.compiler import compile_table
from crashes.symbolication.demangle import demangle
from crashes.symbolication.elf import DebugFileFacts, DebugFileKind, elf_facts, identify
from crashes.symbolication.elffile import MAGIC, ElfFile
from crashes.symbolication.elfsymbols import functions, labels
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.folding import folded_text
from crashes.symbolication.kernel import PREFIX, symbols_text
from crashes.symbolication.kernelmap import breakpad_text as kernelmap_text
from crashes.symbolication.kernelmap import read_kernel_map
from crashes.symbolication.linefallback import with_lines
from crashes.symbolication.lineprograms import LineWalk
from crashes.symbolication.minidebug import breakpad_text
from crashes.symbolication.normalize import mapped
from crashes.symbolication.splitdwarf import SplitPlace, read, with_units
from crashes.symbolication.table import (
    NONE,
    layout_of,
    raw_name_offsets,
    string_at,
    string_bytes,
    trailer_bytes,
)

SYMCACHE_VERSION = 3

_MAX_NAME_CHARS = 65_536
# The kernel caches what is written at once in pieces as large as that, and a look-up that touches a
# byte maps the piece: 2 MiB in each of five places, where this is 64 KiB.
_PIECE_BYTES = 1 << 16
_WITHOUT_CODE = frozenset(
    {DebugFileKind.PROGUARD_MAPPING, DebugFileKind.ELF_ALTERNATE, DebugFileKind.ELF_SPLIT}
)


class SymcacheSource(StrEnum):
    """Where the names come from, best first. Only the first and the last have lines."""

    DWARF = "dwarf"
    SYMTAB = "symtab"
    MINIDEBUG = "minidebug"
    DYNSYM = "dynsym"
    BREAKPAD = "breakpad"


@dataclass(frozen=True, slots=True)
class SymcacheFacts:
    """What was compiled.

    `size_bytes` counts the trailer. `dead_sequences` are line sequences of discarded code that
    were buried before compiling, `unreadable_line_units` those that could not be checked; `split_units` the
    units that came from `.dwo` or `.dwp` files.
    """

    version: int
    source: SymcacheSource
    build_id: str | None
    debug_id: str | None
    arch: str | None
    load_base: int
    size_bytes: int
    line_units: int = 0
    dead_sequences: int = 0
    unreadable_line_units: int = 0
    is_split_dwarf: bool = False
    split_units: int = 0


def build_symcache(
    debug_fd: int,
    out_fd: int,
    *,
    scratch_fd: int | None = None,
    split: Sequence[SplitPlace] = (),
    alternate_fd: int | None = None,
) -> SymcacheFacts:
    """Compile the debug file behind `debug_fd` into the empty file behind `out_fd`.

    `scratch_fd` is an empty file opened for reading and writing, for the inflated copy of a
    compressed debug file; without it an anonymous memory file serves. `split` are `.dwo` or
    `.dwp` files that may hold units of this one, `alternate_fd` is the file that `dwz` moved
    things into. Nothing is closed. Raises
    UnreadableDebugFile: the codes of `identify` and of `normalize`, `no_symbols` for a file
    without names, `relocatable_object` for an unlinked one with relocations that
    are not understood, `uncompilable_debug_file` when the
    compiler gives up.
    """
    with open(debug_fd, "rb", closefd=False) as file:
        facts = identify(file)
        if facts.kind in _WITHOUT_CODE:
            raise UnreadableDebugFile("not_native", "a file of this kind has no code of its own")
        file.seek(0)
        if file.read(4) == MAGIC:
            work = _Work(debug_fd, out_fd, scratch_fd, split, alternate_fd)
            return _build_from_elf(ElfFile(file), work)
    with mmap.mmap(debug_fd, 0, access=mmap.ACCESS_READ) as data:
        if facts.kind is DebugFileKind.KERNEL_SYMBOLS:
            found = read_kernel_map(bytes(data))
            table = compile_table(kernelmap_text(found))
            beside = {"symbols": symbols_text(found.functions)}
            return _write(table, out_fd, facts, SymcacheSource.SYMTAB, LineWalk(), beside=beside)
        return _write(compile_table(data), out_fd, facts, SymcacheSource.BREAKPAD, LineWalk())


class _Work(NamedTuple):
    """The descriptors of one build."""

    debug_fd: int
    out_fd: int
    scratch_fd: int | None
    split: Sequence[SplitPlace]
    alternate_fd: int | None


def _build_from_elf(elf: ElfFile, work: _Work) -> SymcacheFacts:
    facts, out_fd = elf_facts(elf), work.out_fd
    alternate_fd = work.alternate_fd if facts.alternate else None
    source = _source(facts)
    if source is SymcacheSource.MINIDEBUG:
        return _write(compile_table(breakpad_text(elf)), out_fd, facts, source, LineWalk())
    with mapped(elf, work.debug_fd, work.scratch_fd, alternate_fd=alternate_fd) as normalized:
        # An unlinked object has addresses only now.
        facts = replace(facts, text_ranges=normalized.elf.text_ranges)
        table = compile_table(normalized.data)
        split_units = 0
        if work.split and facts.is_split_dwarf:
            files = read(work.split)
            table, split_units = with_units(table, normalized.elf, normalized.data, files)
        if source is SymcacheSource.DWARF:
            table = with_lines(table, normalized.elf, normalized.data, normalized.lines)
        places = b""
        if (facts.mapping_id or "").startswith(PREFIX):
            places = symbols_text(labels(normalized.elf))
        beside = {"symbols": places, "folded": folded_text(functions(normalized.elf), demangle)}
        return _write(
            table, out_fd, facts, source, normalized.lines, beside=beside, split_units=split_units
        )


def _source(facts: DebugFileFacts) -> SymcacheSource:
    if facts.has_dwarf:
        return SymcacheSource.DWARF
    if not facts.is_stripped:
        return SymcacheSource.SYMTAB
    if facts.has_minidebug:
        return SymcacheSource.MINIDEBUG
    if facts.has_dynsym:
        return SymcacheSource.DYNSYM
    raise UnreadableDebugFile("no_symbols", "the file has neither DWARF nor a symbol table")


def _write(
    table: bytes,
    out_fd: int,
    facts: DebugFileFacts,
    source: SymcacheSource,
    lines: LineWalk,
    *,
    beside: Mapping[str, bytes] | None = None,
    split_units: int = 0,
) -> SymcacheFacts:
    strings, offsets = _demangled_names(table)
    summary = _summary(facts, source, lines) | {"split_units": split_units}
    trailer: dict[str, Any] = {"names": len(table), "name_offsets": len(table) + len(strings)}
    trailer |= summary | {"text_ranges": facts.text_ranges}
    texts = {name: text for name, text in (beside or {}).items() if text}
    start = trailer["name_offsets"] + len(offsets)
    for name, content in texts.items():
        trailer[name] = (start, start + len(content))
        start += len(content)
    end = trailer_bytes(trailer, SYMCACHE_VERSION)
    parts: tuple[bytes | bytearray, ...] = (table, strings, offsets, *texts.values(), end)
    with open(out_fd, "wb", closefd=False) as out:
        for part in parts:
            copyfileobj(BytesIO(part), out, _PIECE_BYTES)
        size_bytes = out.tell()
    return SymcacheFacts(version=SYMCACHE_VERSION, size_bytes=size_bytes, **summary)


def _summary(facts: DebugFileFacts, source: SymcacheSource, lines: LineWalk) -> dict[str, Any]:
    """The fields of `SymcacheFacts` that the trailer repeats."""
    return {
        "source": source,
        "build_id": facts.build_id,
        "debug_id": facts.debug_id,
        "arch": facts.arch,
        "load_base": facts.load_base,
        "line_units": lines.units,
        "dead_sequences": lines.dead_sequences,
        "unreadable_line_units": lines.unreadable_units,
        "is_split_dwarf": facts.is_split_dwarf,
    }


def _demangled_names(table: bytes) -> tuple[bytearray, bytes]:
    """Strings padded to 8 bytes, and the offset of each function's one; see `table.py`.

    A function whose name is not mangled has no string here.
    """
    layout = layout_of(table)
    raw_offsets = raw_name_offsets(table, layout)
    strings = bytearray()
    offsets: dict[int, int] = {NONE: NONE}  # where the demangled name is, by where the raw one is
    known: dict[str, int] = {}
    for raw_offset in raw_offsets:
        if raw_offset in offsets:
            continue  # many functions have one name: each clone and each copy has a row
        raw = string_at(table, layout.strings + raw_offset)
        name = demangle(raw) if raw else raw
        if name is None or name == raw or len(name) > _MAX_NAME_CHARS:
            offsets[raw_offset] = NONE
            continue
        if name not in known:
            known[name] = len(strings)
            strings += string_bytes(name)
        offsets[raw_offset] = known[name]
    strings += bytes(-len(strings) % 8)
    return strings, array("I", map(offsets.__getitem__, raw_offsets)).tobytes()


def symcache_name(build_id: str, arch: str | None = None) -> str:
    """The file name under which a symcache is kept: a new version never meets an old file."""
    return f"{build_id}.{arch or 'any'}.v{SYMCACHE_VERSION}.symcache"
