"""The binaries of a core, by their mappings; build ids come out of the headers in memory.

A binary is mapped in several pieces. NT_FILE names the file of each, so the pieces of one path
behind one another are one module, and where an ELF header stands in memory a new one starts (an
APK holds several libraries). Kernels before 3.7 wrote no NT_FILE: there the dynamic linker's list
of libraries is read, which it keeps in the memory of the process for debuggers:

    auxiliary vector   AT_PHDR, the program's headers
    PT_DYNAMIC         DT_DEBUG, where the linker has put its `r_debug`
    r_debug            version, first `link_map`
    link_map           load bias, name, dynamic section, next
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from crashes.formats.core_file.container import (
    ELF_MAGIC,
    HEADER_AT,
    PT_DYNAMIC,
    PT_LOAD,
    PT_NOTE,
    PT_PHDR,
    Core,
    Segment,
    notes_in,
)
from crashes.formats.core_file.notes import Facts, MappedFile
from crashes.formats.tombstone_parts import MAX_MODULES
from crashes.stack import Module

_PAGE = 4096
_MAX_HEADERS = 128
_MAX_NOTE_BYTES = 16 * 1024
_MAX_DYNAMIC = 256
_MAX_SOUGHT = 2000
_MAX_SOUGHT_BYTES = 64 << 20
_MAX_PIECE_BYTES = 1 << 20
_MAX_PIECES = 64
_MAX_NOTES = 64
_MAX_NOTE_SEGMENTS = 4
_MAX_BUILD_ID_BYTES = 64
_BUILD_ID = 3
_AT_PHDR, _AT_PHNUM, _AT_SYSINFO_EHDR, _AT_EXECFN = 3, 5, 33, 31
_DT_DEBUG = 21
_VDSO = "[vdso]"
_NO_BINARY = ("/dev/", "/memfd:", "anon_inode:", "/SYSV")


@dataclass(frozen=True, slots=True)
class Binary:
    """A module, and the ELF address of its first byte; None when its headers are not in memory."""

    module: Module
    base: int | None = None


@dataclass(frozen=True, slots=True)
class _Image:
    """What the headers of a mapped binary say."""

    base: int
    build_id: str | None
    size: int


def binaries_of(core: Core, facts: Facts) -> tuple[Binary, ...]:
    """The binaries, at most `MAX_MODULES`, by address."""
    found = [*islice(_mapped(core, facts.files), MAX_MODULES)]
    if not facts.files:
        found = [*_linked(core, facts)]
    vdso = (facts.auxiliary or {}).get(_AT_SYSINFO_EHDR)
    image = _image(core, vdso) if vdso else None
    if vdso and image:
        end = vdso + max(image.size, _PAGE)
        found.append(Binary(Module(_VDSO, image.build_id, vdso, end), image.base))
    return tuple(sorted(found, key=lambda one: one.module.start_addr or 0)[:MAX_MODULES])


# --- By the kernel's list of mapped files ------------------------------------------------------


def _mapped(core: Core, files: Sequence[MappedFile]) -> Iterator[Binary]:
    code = {segment.address for segment in core.segments if segment.is_executable}
    for pieces in _binaries(core, sorted(files, key=lambda piece: piece.start)):
        first = pieces[0]
        image = _image(core, first.start)
        if image is None and not any(piece.start in code for piece in pieces):
            continue
        module = Module(
            path=first.path,
            build_id=image.build_id if image else None,
            start_addr=first.start,
            end_addr=pieces[-1].end,
            map_offset=first.offset or None,
        )
        yield Binary(module, image.base if image else None)


def _binaries(core: Core, files: Iterable[MappedFile]) -> Iterator[list[MappedFile]]:
    """The mappings, those of one binary together."""
    pieces: list[MappedFile] = []
    for piece in files:
        if not piece.path or piece.path.startswith(_NO_BINARY):
            continue
        is_next = (
            pieces
            and piece.path == pieces[-1].path
            and piece.offset
            and core.memory.read(piece.start, 4) != ELF_MAGIC
        )
        if is_next:
            pieces.append(piece)
            continue
        if pieces:
            yield pieces
        pieces = [piece]
    if pieces:
        yield pieces


# --- By the linker's list ----------------------------------------------------------------------


def _linked(core: Core, facts: Facts) -> Iterator[Binary]:
    links = [*_links(core, facts.auxiliary or {})]
    program = core.memory.text((facts.auxiliary or {}).get(_AT_EXECFN, 0)) or _command(facts)
    named = [(bias, core.memory.text(name_at)) for bias, name_at in links]
    if named:
        named[0] = (named[0][0], named[0][1] or program)
    biases = {bias for bias, _ in named}
    pieces = sorted(
        (one for one in core.segments if one.kind == PT_LOAD), key=lambda one: one.address
    )
    headers = _program_headers(core, facts.auxiliary or {})
    for number, (bias, path) in enumerate(named):
        own = () if number else headers
        binary = _at_bias(core, (bias, path), own, pieces, biases) if path else None
        if binary:
            yield binary


def _links(core: Core, auxiliary: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """(load bias, place of the name), the program first."""
    seen: set[int] = set()
    at = _first_link(core, auxiliary) or _sought_link(core)
    while at and at not in seen and len(seen) < MAX_MODULES:
        seen.add(at)
        bias, name_at, _, following = _words(core, at, 4)
        yield bias, name_at
        at = following


def _command(facts: Facts) -> str | None:
    process = facts.process
    return (process.command or process.name) if process else None


def _program_headers(core: Core, auxiliary: Mapping[int, int]) -> tuple[Segment, ...]:
    """Those of the program, at their places in memory (`AT_PHDR`)."""
    at, count = auxiliary.get(_AT_PHDR, 0), min(auxiliary.get(_AT_PHNUM, 0), _MAX_HEADERS)
    return tuple(_headers(core, at, count))


def _headers(core: Core, at: int, count: int) -> Iterator[Segment]:
    layout = core.width.segment
    data = core.memory.read(at, layout.size * count)
    for place in range(0, len(data) - layout.size + 1, layout.size):
        yield core.width.segment_of(layout.unpack_from(data, place))


def _first_link(core: Core, auxiliary: Mapping[int, int]) -> int:
    headers = _program_headers(core, auxiliary)
    start = next((one.address for one in headers if one.kind == PT_PHDR), None)
    dynamic = next((one.address for one in headers if one.kind == PT_DYNAMIC), None)
    if dynamic is None:
        return 0
    bias = auxiliary.get(_AT_PHDR, 0) - start if start is not None else 0
    words = _words(core, bias + dynamic, 2 * _MAX_DYNAMIC)
    for tag, value in zip(words[::2], words[1::2], strict=True):
        if tag == _DT_DEBUG:
            return _link_of(core, value)
        if not tag:
            break
    return 0


def _link_of(core: Core, debug: int) -> int:
    """The first `link_map` by the linker's `r_debug`, whose version is 1 or 2; 0 for none."""
    version, link = _words(core, debug, 2) if debug else (0, 0)
    return link if version & 0xFFFF_FFFF in (1, 2) and any(_words(core, link, 4)) else 0


def _sought_link(core: Core) -> int:
    """Where headers are not in memory (emulators leave them out), DT_DEBUG is looked for."""
    left, left_bytes, size = _MAX_SOUGHT, _MAX_SOUGHT_BYTES, core.width.word_bytes
    mark = _DT_DEBUG.to_bytes(size, "little")
    for segment in core.segments:
        start, data = core.memory.region(segment.address) or (0, memoryview(b""))
        if segment.kind != PT_LOAD or not 0 < len(data) <= min(left_bytes, _MAX_PIECE_BYTES):
            continue
        content = bytes(data)
        left_bytes -= len(content)
        at = content.find(mark)
        while at >= 0 and left:
            left -= 1
            link = 0 if at % size else _link_of(core, _words(core, start + at, 2)[1])
            if link:
                return link
            at = content.find(mark, at + 1)
    return 0


def _at_bias(
    core: Core,
    link: tuple[int, str],
    headers: Sequence[Segment],
    pieces: Sequence[Segment],
    biases: Set[int],
) -> Binary | None:
    """The binary with this load bias; its own headers say where it starts.

    Without them it is what is mapped from there on, to its first writable piece.
    """
    bias, path = link
    loaded = [one for one in headers if one.kind == PT_LOAD]
    start = bias + min((one.address - one.offset for one in loaded), default=0)
    image = _image(core, start)
    if image:
        end = start + max(image.size, _PAGE)
        return Binary(Module(path, image.build_id, start, end), image.base)
    end = _end_of(pieces, start, biases)
    return Binary(Module(path, None, start, end)) if end > start else None


def _end_of(pieces: Sequence[Segment], start: int, biases: Set[int]) -> int:
    """Where the mappings that begin at `start` end, each right behind the one before it."""
    end, first = start, bisect_left(pieces, start, key=lambda one: one.address)
    for piece in pieces[first : first + _MAX_PIECES]:
        if piece.address != end or (end in biases and end != start):
            break
        end += piece.in_memory
        if piece.is_writable:
            break
    return end


def _words(core: Core, at: int, count: int) -> tuple[int, ...]:
    """Words of memory; zeros where there is none."""
    size = core.width.word_bytes
    data = core.memory.read(at, count * size).ljust(count * size, b"\0")
    return tuple(
        int.from_bytes(data[place : place + size], "little")
        for place in range(0, count * size, size)
    )


# --- The headers of a binary in memory ---------------------------------------------------------


def _image(core: Core, start: int) -> _Image | None:
    width = core.width
    data = core.memory.read(start, HEADER_AT + width.header.size)
    if data[:4] != ELF_MAGIC or len(data) < HEADER_AT + width.header.size:
        return None
    _, headers_at, _, _, _, size, count, _ = width.header.unpack_from(data, HEADER_AT)
    if size != width.segment.size:
        return None
    headers = [*_headers(core, start + headers_at, min(count, _MAX_HEADERS))]
    loaded = [one for one in headers if one.kind == PT_LOAD]
    if not loaded:
        return None
    first = min(loaded, key=lambda one: one.address)
    base = first.address - first.offset
    end = max(one.address + one.in_memory for one in loaded)
    if base < 0 or end <= base or start + end - base >= 1 << (8 * width.word_bytes):
        return None
    return _Image(base, _build_id(core, start - base, headers), end - base)


def _build_id(core: Core, bias: int, headers: Sequence[Segment]) -> str | None:
    for one in [one for one in headers if one.kind == PT_NOTE][:_MAX_NOTE_SEGMENTS]:
        data = core.memory.read(bias + one.address, min(one.in_memory, _MAX_NOTE_BYTES))
        for note in islice(notes_in(memoryview(data), 0, len(data)), _MAX_NOTES):
            if note.owner == b"GNU" and note.kind == _BUILD_ID and any(note.content):
                return bytes(note.content[:_MAX_BUILD_ID_BYTES]).hex()
    return None
