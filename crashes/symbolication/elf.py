"""What an uploaded file is: its kind, its build id, and what it can tell.

These kinds of file bring names to crashes:

    elf               a library or program as it runs on the phone, stripped or not
    elf_debug         its separate debug file (`objcopy --only-keep-debug`): the code is gone,
                      the DWARF is there
    elf_alternate     what `dwz -m` found to be common to several of those (`altfile.py`)
    elf_split         a `.dwo`, or a `.dwp` of many: units that a program has split off
    breakpad_sym      Breakpad's text form: `MODULE Linux arm64 <debug id> libfoo.so`
    kernel_symbols    a kernel's `System.map` or `/proc/kallsyms` (`kernelmap.py`)
    proguard_mapping  R8's or ProGuard's `mapping.txt`

An ELF file is named by the GNU build-id note; a report names its modules by the same bytes. The
note is looked up in the PT_NOTE segments, then in the note sections (`.note.gnu.build-id`). Some
systems speak of the debug id instead, which is made from the first 16 bytes of the build id read
as a little-endian GUID: build id `ebd3242e…` is debug id `2e24d3eb-…`.

An alternate file goes by its build id as well, which the others name; split units go by their ids,
and such a file by the first of them.

A mapping file has two names: the `pg_map_id` that R8 writes into its header and into the frames
of the app, and the UUID that upload tools compute: UUID version 5 of the file's bytes within the
name space that is itself the UUID 5 of `guardsquare.com` among DNS names.

A map of kernel symbols has the UUID of its bytes; which kernel it is of stands in its file's name.

To add a kind: recognise its first bytes in `_identifiers`, fill a `DebugFileFacts`, and teach
`symcache.build_symcache` to compile it.
"""

import hashlib
import io
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from crashes.symbolication.altfile import AlternateLink, alternate_link
from crashes.symbolication.elffile import (
    ET_REL,
    MAGIC,
    NT_GNU_BUILD_ID,
    SHT_DYNAMIC,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_SYMTAB,
    ElfFile,
    Section,
    text_at,
)
from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.kernel import kernel_name
from crashes.symbolication.kernelmap import MAX_BYTES, is_kernel_map, read_kernel_map
from crashes.symbolication.splitdwarf import dwo_ids

__all__ = ["DebugFileFacts", "DebugFileKind", "UnreadableDebugFile", "identify"]

_ET_CORE = 4
_DT_SONAME = 14
_HEAD_BYTES = 1 << 16
_MAX_DYNAMIC_BYTES = 1 << 20
_MAX_STRINGS_BYTES = 64 << 20
_MAX_BUILD_ID_BYTES = 64

_HEX_NAME = re.compile(r"[0-9a-f]{14,}")
_MAX_RODATA_BYTES = 64 << 20
_MAX_NAME = 130
_MAX_SPLIT_UNITS = 20_000
_BANNER = re.compile(rb"Linux version ([0-9][0-9A-Za-z.+_~-]{2,100}) ")
_MAPPING_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "guardsquare.com")
_MAPPING_LINE = re.compile(
    rb"^(?:[^\s#:][^\n]*? -> [^\s:]+:[ \t\r]*$|# (?:pg_map_id|compiler): ?\S+)", re.MULTILINE
)
_MAP_ID = re.compile(rb"^# pg_map_id: *([0-9A-Za-z_.-]{1,128})", re.MULTILINE)
_MODULE_LINE = re.compile(
    rb"MODULE (?P<os>\S{1,64}) (?P<arch>\S{1,64}) (?P<id>[0-9A-Fa-f]{32,42}) (?P<name>[^\r\n]{1,4096})\r?\n"
)
_CODE_ID_LINE = re.compile(rb"^INFO CODE_ID (?P<id>(?:[0-9A-Fa-f]{2}){1,64})\b", re.MULTILINE)
# The code id is the build id only where modules are ELF files.
_ELF_SYSTEMS = frozenset({b"Linux", b"linux", b"Android", b"android"})
_BREAKPAD_ARCHES = {"arm64": "arm64", "arm": "arm", "x86_64": "x86_64", "x86": "x86"}
_BREAKPAD_ARCHES |= {"riscv64": "riscv64", "arm64e": "arm64"}


class DebugFileKind(StrEnum):
    """What kind of debug file it is; see the module."""

    ELF = "elf"
    ELF_DEBUG = "elf_debug"
    ELF_ALTERNATE = "elf_alternate"
    ELF_SPLIT = "elf_split"
    BREAKPAD_SYM = "breakpad_sym"
    KERNEL_SYMBOLS = "kernel_symbols"
    PROGUARD_MAPPING = "proguard_mapping"


@dataclass(frozen=True, slots=True)
class DebugFileFacts:
    """What a file says about itself.

    `build_id` is lower-case hex; `debug_id` is Breakpad's spelling of it, or the UUID of a
    mapping; `mapping_id` is R8's `pg_map_id`, or the second name of a kernel or of a module of it
    (`kernel.py`). `name` is a hint for people: the soname, the name
    in a `.sym`, or what the debug link calls it. `load_base` is the address of the first loaded
    segment, which symcaches count from. `text_ranges` are `(start, end)` virtual addresses.
    `dwo_ids` are the units that were split off, or that the file holds for
    another one; `alternate` is the build id of the file that it shares debug information with. `has_symtab` is true for a full symbol table, in the open or xz-compressed inside
    (`has_minidebug`); the dynamic table, which a stripped library keeps, is `has_dynsym`.
    """

    kind: DebugFileKind
    build_id: str | None = None
    debug_id: str | None = None
    mapping_id: str | None = None
    arch: str | None = None
    name: str | None = None
    has_dwarf: bool = False
    has_symtab: bool = False
    has_dynsym: bool = False
    has_minidebug: bool = False
    has_unwind: bool = False
    is_stripped: bool = False
    is_split_dwarf: bool = False
    debuglink: str | None = None
    load_base: int = 0
    text_ranges: tuple[tuple[int, int], ...] = ()
    has_compressed_sections: bool = False
    dwo_ids: tuple[str, ...] = ()
    alternate: str | None = None


def identify(source: BinaryIO | bytes) -> DebugFileFacts:
    """What the file is, from its headers and notes.

    `source` is a seekable binary file, or its bytes. Only a mapping is read to its end (for its
    UUID). Raises UnreadableDebugFile: `not_a_debug_file` for anything unknown, `truncated_elf`,
    `malformed_elf`, `unsupported_machine`, `core_dump`.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for recognises, identifier in _IDENTIFIERS:
        if recognises(head):
            return identifier(file, head)
    raise UnreadableDebugFile(
        "not_a_debug_file", "neither ELF, nor a Breakpad symbol file, nor an R8 mapping"
    )


def debug_id_of(build_id: str, *, is_little_endian: bool = True) -> str:
    """Breakpad's debug id of a build id, as a lower-case UUID; short ids are filled with zeros."""
    first = bytes.fromhex(build_id)[:16].ljust(16, b"\0")
    return str(uuid.UUID(bytes_le=first) if is_little_endian else uuid.UUID(bytes=first))


# --- ELF -----------------------------------------------------------------------------------


def _identify_elf(file: BinaryIO, _: bytes) -> DebugFileFacts:
    return elf_facts(ElfFile(file))


def elf_facts(elf: ElfFile) -> DebugFileFacts:
    """The facts of an ELF file whose headers are read. Raises UnreadableDebugFile."""
    if elf.arch is None:
        raise UnreadableDebugFile("unsupported_machine", f"ELF machine {elf.machine} is unknown")
    if elf.type == _ET_CORE:
        raise UnreadableDebugFile("core_dump", "a core dump is not a debug file")
    link = alternate_link(elf)
    units = dwo_ids(elf)[:_MAX_SPLIT_UNITS] if _is_split(elf) else ()
    kind = _kind(elf, link)
    build_id = build_id_of(elf)
    if kind is DebugFileKind.ELF_SPLIT:
        build_id = next(iter(units), None)
    elif build_id is None and link is not None and link.is_shared:
        build_id = link.build_id
    little = elf.layout.order == "<"
    symtab, dynsym = _has_type(elf, SHT_SYMTAB), _has_type(elf, SHT_DYNSYM)
    minidebug, dwarf = elf.section(".gnu_debugdata"), elf.debug_section("info")
    debuglink = _debuglink(elf)
    is_code = kind in {DebugFileKind.ELF, DebugFileKind.ELF_DEBUG}
    return DebugFileFacts(
        kind=kind,
        build_id=build_id,
        debug_id=debug_id_of(build_id, is_little_endian=little) if build_id and is_code else None,
        arch=elf.arch,
        mapping_id=_kernel_name(elf),
        name=_soname(elf) or _module_name(elf) or _name_in(debuglink),
        has_dwarf=dwarf is not None,
        has_symtab=symtab or minidebug is not None,
        has_dynsym=dynsym,
        has_minidebug=minidebug is not None,
        has_unwind=_has_unwind(elf),
        is_stripped=not symtab and dwarf is None,
        is_split_dwarf=_is_split(elf),
        debuglink=debuglink,
        load_base=elf.load_base,
        text_ranges=elf.text_ranges,
        has_compressed_sections=any(section.is_compressed for section in elf.sections),
        dwo_ids=units,
        alternate=link.build_id if link is not None and not link.is_shared else None,
    )


def _kind(elf: ElfFile, link: AlternateLink | None) -> DebugFileKind:
    has_code = any(section.is_code for section in elf.sections)
    if _holds_split_units(elf) and (elf.type == ET_REL or not has_code):
        return DebugFileKind.ELF_SPLIT
    is_alone = not (has_code or elf.segments or _has_type(elf, SHT_SYMTAB))
    if is_alone and elf.debug_section("info") and (link is None or link.is_shared):
        return DebugFileKind.ELF_ALTERNATE
    return DebugFileKind.ELF_DEBUG if _has_lost_its_code(elf) else DebugFileKind.ELF


def build_id_of(elf: ElfFile) -> str | None:
    """The GNU build id in lower-case hex; None for a file without one."""
    for owner, kind, content in elf.notes():
        if owner == "GNU" and kind == NT_GNU_BUILD_ID and 0 < len(content) <= _MAX_BUILD_ID_BYTES:
            return content.hex()
    return None


def _has_type(elf: ElfFile, kind: int) -> bool:
    return any(section.type == kind and section.has_bytes for section in elf.sections)


def _has_lost_its_code(elf: ElfFile) -> bool:
    code = [section for section in elf.sections if section.is_code]
    return bool(code) and all(section.type == SHT_NOBITS for section in code)


def _has_unwind(elf: ElfFile) -> bool:
    if elf.type == ET_REL:
        return False  # it would count from the wrong addresses
    names = (".eh_frame", ".ARM.exidx")
    sections = (elf.section(name) for name in names)
    has_tables = any(section is not None and section.has_bytes for section in sections)
    return has_tables or elf.debug_section("frame") is not None


def _holds_split_units(elf: ElfFile) -> bool:
    return any(section.name.endswith(".dwo") for section in elf.sections)


def _is_split(elf: ElfFile) -> bool:
    """Whether the units' bodies live in `.dwo` or `.dwp` files, or this is one of those."""
    names = {section.name for section in elf.sections}
    # The skeletons that stay behind share .debug_addr with clang's ordinary DWARF 5; what tells
    # them apart is the index of names, which -gsplit-dwarf switches on in both compilers.
    return _holds_split_units(elf) or (".debug_addr" in names and ".debug_gnu_pubnames" in names)


def _debuglink(elf: ElfFile) -> str | None:
    section = elf.section(".gnu_debuglink")
    if section is None or not section.has_bytes:
        return None
    return text_at(elf.content(section, _HEAD_BYTES), 0) or None


def _name_in(debuglink: str | None) -> str | None:
    """The module's name in a debug link, unless the link is named after the build id."""
    name = (debuglink or "").removesuffix(".debug")
    return None if not name or _HEX_NAME.fullmatch(name) else name


def _module_name(elf: ElfFile) -> str | None:
    """What a kernel module calls itself, as the kernel prints it."""
    return _module_fact(elf, b"name=")


def _module_fact(elf: ElfFile, key: bytes) -> str | None:
    """One of the `key=value` lines that a kernel module has in `.modinfo`."""
    section = elf.section(".modinfo")
    if section is None or not section.has_bytes or section.size_bytes > _HEAD_BYTES:
        return None
    facts = elf.content(section, _HEAD_BYTES).split(b"\0")
    found = next((fact.removeprefix(key) for fact in facts if fact.startswith(key)), b"")
    return found.decode("utf-8", "replace") or None


def _kernel_name(elf: ElfFile) -> str | None:
    release = _kernel_release(elf)
    return kernel_name(release, _module_name(elf))[:_MAX_NAME] if release else None


def _kernel_release(elf: ElfFile) -> str | None:
    """The release of a kernel, or of the one that a module was built for."""
    if elf.type == ET_REL:
        magic = _module_fact(elf, b"vermagic=")
        return magic.split()[0] if magic and magic.strip() else None
    section = elf.section(".rodata")
    if section is None or not section.has_bytes or elf.section("__ksymtab") is None:
        return None
    end = min(section.offset + min(section.size_bytes, _MAX_RODATA_BYTES), elf.size_bytes)
    elf.file.seek(section.offset)
    tail = b""
    while elf.file.tell() < end:
        piece = elf.file.read(min(1 << 20, end - elf.file.tell()))
        found = _BANNER.search(tail + piece)
        if found:
            return found[1].decode()
        tail = piece[-256:]
    return None


def _soname(elf: ElfFile) -> str | None:
    section = next((s for s in elf.sections if s.type == SHT_DYNAMIC), None)
    if section is None or section.link >= len(elf.sections):
        return None
    strings = elf.sections[section.link]
    if strings.type == SHT_NOBITS:
        return None
    return _dynamic_string(elf, section, strings, _DT_SONAME)


def _dynamic_string(elf: ElfFile, dynamic: Section, strings: Section, tag: int) -> str | None:
    entry = elf.layout.dynamic
    data = elf.content(dynamic, _MAX_DYNAMIC_BYTES)
    whole = data[: len(data) - len(data) % entry.size]
    for found, value in entry.iter_unpack(whole):
        if found == tag:
            return text_at(elf.content(strings, _MAX_STRINGS_BYTES), value) or None
    return None


# --- Breakpad ------------------------------------------------------------------------------


def _identify_breakpad(file: BinaryIO, head: bytes) -> DebugFileFacts:
    module = _MODULE_LINE.match(head)
    if module is None:
        raise UnreadableDebugFile("malformed_sym", "the MODULE line cannot be read", where="line 1")
    arch = _BREAKPAD_ARCHES.get(module["arch"].decode("ascii", "replace"))
    if arch is None:
        raise UnreadableDebugFile("unsupported_machine", "the architecture is unknown")
    code_id = _CODE_ID_LINE.search(head) if module["os"] in _ELF_SYSTEMS else None
    return DebugFileFacts(
        kind=DebugFileKind.BREAKPAD_SYM,
        build_id=code_id["id"].decode().lower() if code_id else None,
        debug_id=_breakpad_debug_id(module["id"].decode()),
        arch=arch,
        name=module["name"].decode("utf-8", "replace").strip() or None,
        has_symtab=True,
        has_unwind=b"\nSTACK " in _tail(file),
    )


def _breakpad_debug_id(text: str) -> str:
    age = int(text[32:] or "0", 16)
    return str(uuid.UUID(hex=text[:32])) + (f"-{age:x}" if age else "")


def _tail(file: BinaryIO) -> bytes:
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(max(0, size_bytes - _HEAD_BYTES))
    return file.read(_HEAD_BYTES)


# --- R8 and ProGuard -----------------------------------------------------------------------


def _is_mapping(head: bytes) -> bool:
    return b"\0" not in head and _MAPPING_LINE.search(head) is not None


def _identify_mapping(file: BinaryIO, head: bytes) -> DebugFileFacts:
    map_id = _MAP_ID.search(head)
    return DebugFileFacts(
        kind=DebugFileKind.PROGUARD_MAPPING,
        debug_id=_mapping_uuid(file),
        mapping_id=map_id[1].decode() if map_id else None,
    )


def _identify_kernel_map(file: BinaryIO, _: bytes) -> DebugFileFacts:
    file.seek(0)
    found = read_kernel_map(file.read(MAX_BYTES + 1))
    return DebugFileFacts(
        kind=DebugFileKind.KERNEL_SYMBOLS,
        debug_id=_mapping_uuid(file),
        arch=found.arch,
        name="vmlinux",
        has_symtab=True,
        load_base=found.start,
        text_ranges=((found.start, found.end),),
    )


def _mapping_uuid(file: BinaryIO) -> str:
    """UUID version 5 over the whole file, read in pieces (RFC 9562, section 5.5)."""
    digest = hashlib.sha1(_MAPPING_SPACE.bytes, usedforsecurity=False)
    file.seek(0)
    while piece := file.read(1 << 20):
        digest.update(piece)
    return str(uuid.UUID(bytes=digest.digest()[:16], version=5))


_IDENTIFIERS: tuple[
    tuple[Callable[[bytes], bool], Callable[[BinaryIO, bytes], DebugFileFacts]], ...
] = (
    (lambda head: head.startswith(MAGIC), _identify_elf),
    (lambda head: head.startswith(b"MODULE "), _identify_breakpad),
    (is_kernel_map, _identify_kernel_map),
    (_is_mapping, _identify_mapping),
)
