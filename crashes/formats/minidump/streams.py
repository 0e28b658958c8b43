"""The streams, each as the values it holds.

Layouts are those of minidump_format.h (Breakpad) and minidumpapiset.h (Microsoft). A stream that
is missing or damaged says nothing; only the thread list must be there.
"""

import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from crashes.formats.errors import MalformedPayload
from crashes.formats.minidump.container import Container, Stream, rows
from crashes.stack import Module

MAX_THREADS = 4096
MAX_MODULES = 4096
MAX_REGIONS = 65_536

_THREAD = struct.Struct("<IIIIQQIIII")
_MODULE = struct.Struct("<QIIII52xIIII16x")
_REGION = struct.Struct("<QII")
_REGION_64 = struct.Struct("<QQ")
_EXCEPTION = struct.Struct("<I4xIIQQI4x15QII")
_SYSTEM = struct.Struct("<HHHBBIIIIIHH")
_NAME = struct.Struct("<IQ")
_GUID_AND_AGE = struct.Struct("<4s16sI")
_WORDS = struct.Struct("<III")

_CODEVIEW_PDB = b"RSDS"
_CODEVIEW_ELF = b"LEpB"  # "BpEL" as a little-endian number
_MAX_BUILD_ID_BYTES = 64
_MAX_CODEVIEW_BYTES = 4096
_HAS_PID = 1
_HAS_DUMP_THREAD, _HAS_REQUESTING_THREAD = 1, 2
_STATUS_LINE = re.compile(rb"^(Name|Pid|Uid):[ \t]+([^\t\n]{1,64})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RawThread:
    """One row of the thread list; `context` are the bytes of its registers."""

    tid: int
    stack_start: int
    stack: memoryview | None
    context: memoryview | None


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    """Why the dump was written. `code` and `flags` mean what the system says they mean.

    On Linux the code is the signal's number, the flags its `si_code`, the address its `si_addr`.
    """

    tid: int
    code: int
    flags: int
    address: int
    parameters: tuple[int, ...]
    context: memoryview | None


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """Processor and system; `service_pack` is free text (on Linux what `uname` says)."""

    architecture: int
    platform: int
    version: str
    service_pack: str


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What a dump says about the process. `name` is the kernel's, 15 characters at most."""

    pid: int | None = None
    uid: int | None = None
    name: str | None = None
    command: str | None = None


def raw_threads(container: Container) -> list[RawThread]:
    """The threads, in the dump's order. Raises MalformedPayload without a list that can be read."""
    stream = container.stream(Stream.THREAD_LIST)
    if stream is None:
        raise MalformedPayload("no_threads", "the dump has no list of threads")
    threads = []
    for row in rows(stream, _THREAD, MAX_THREADS, "threads"):
        tid, _, _, _, _, stack_start, stack_bytes, stack_rva, context_bytes, context_rva = row
        threads.append(
            RawThread(
                tid=tid,
                stack_start=stack_start,
                stack=container.at(stack_rva, stack_bytes) if stack_bytes else None,
                context=container.at(context_rva, context_bytes),
            )
        )
    return threads


def modules(container: Container, *, is_elf: bool) -> tuple[Module, ...]:
    """The modules, in the dump's order: the first one is the program.

    `is_elf` says that the system's binaries are ELF files, whose build ids old writers put into
    the record made for Windows. Raises MalformedPayload for a damaged list.
    """
    stream = container.stream(Stream.MODULE_LIST)
    if stream is None:
        return ()
    found = []
    for row in rows(stream, _MODULE, MAX_MODULES, "modules"):
        base, size_bytes, _, _, name_rva, codeview_bytes, codeview_rva, _, _ = row
        if not size_bytes or base + size_bytes >= 1 << 64:
            continue
        build_id, debug_id = _identity(container, codeview_rva, codeview_bytes, is_elf=is_elf)
        found.append(
            Module(
                path=container.string(name_rva) or f"<{base:#x}>",
                build_id=build_id,
                start_addr=base,
                end_addr=base + size_bytes,
                debug_id=debug_id,
            )
        )
    return tuple(found)


def _identity(
    container: Container, rva: int, size_bytes: int, *, is_elf: bool
) -> tuple[str | None, str | None]:
    """Build id and debug id by the CodeView record.

    Older Breakpad wrote only the first 16 bytes of the build id, as if they were a GUID; they
    are the build id then, as far as it goes.
    """
    record = bytes(container.at(rva, min(size_bytes, _MAX_CODEVIEW_BYTES)) or b"")
    if record[:4] == _CODEVIEW_ELF:
        build_id = record[4 : 4 + _MAX_BUILD_ID_BYTES]
        if not any(build_id):
            return None, None
        return build_id.hex(), _debug_id(build_id[:16].ljust(16, b"\0"), 0)
    if record[:4] != _CODEVIEW_PDB or len(record) < _GUID_AND_AGE.size:
        return None, None
    _, guid, age = _GUID_AND_AGE.unpack_from(record)
    if not any(guid):
        return None, None
    return (guid.hex() if is_elf and not age else None), _debug_id(guid, age)


def _debug_id(guid: bytes, age: int) -> str:
    return str(uuid.UUID(bytes_le=guid)) + (f"-{age:x}" if age else "")


def memory_regions(container: Container) -> Iterator[tuple[int, memoryview]]:
    """The memory that the dump holds, as `(start address, bytes)`; a damaged list has none."""
    try:
        yield from _listed_regions(container)
        yield from _listed_regions_64(container)
    except MalformedPayload:
        return


def _listed_regions(container: Container) -> Iterator[tuple[int, memoryview]]:
    stream = container.stream(Stream.MEMORY_LIST)
    for start, size_bytes, rva in rows(stream, _REGION, MAX_REGIONS, "regions") if stream else ():
        data = container.at(rva, size_bytes)
        if data:
            yield start, data


def _listed_regions_64(container: Container) -> Iterator[tuple[int, memoryview]]:
    """Full dumps: the regions lie one behind the other, from one place on."""
    stream = container.stream(Stream.MEMORY_64_LIST)
    if stream is None or len(stream) < _REGION_64.size:
        return
    count, rva = _REGION_64.unpack_from(stream)
    for index in range(min(count, MAX_REGIONS, len(stream) // _REGION_64.size - 1)):
        start, size_bytes = _REGION_64.unpack_from(stream, (index + 1) * _REGION_64.size)
        data = container.at(rva, size_bytes)
        if data is None:
            return
        yield start, data
        rva += size_bytes


def exception_record(container: Container) -> ExceptionRecord | None:
    """What happened; None for a dump that somebody asked for."""
    stream = container.stream(Stream.EXCEPTION)
    if stream is None or len(stream) < _EXCEPTION.size:
        return None
    tid, code, flags, _, address, count, *rest = _EXCEPTION.unpack_from(stream)
    *parameters, context_bytes, context_rva = rest
    return ExceptionRecord(
        tid=tid,
        code=code,
        flags=flags,
        address=address,
        parameters=tuple(parameters[:count]),
        context=container.at(context_rva, context_bytes),
    )


def system_info(container: Container) -> SystemInfo | None:
    """Processor and system, if the dump says."""
    stream = container.stream(Stream.SYSTEM_INFO)
    if stream is None or len(stream) < _SYSTEM.size:
        return None
    architecture, _, _, _, _, major, minor, build, platform, rva, _, _ = _SYSTEM.unpack_from(stream)
    version = f"{major}.{minor}.{build}"
    return SystemInfo(architecture, platform, version, (container.string(rva) or "").strip())


def thread_names(container: Container) -> dict[int, str]:
    """Names by thread id."""
    stream = container.stream(Stream.THREAD_NAMES)
    try:
        entries = rows(stream, _NAME, MAX_THREADS, "thread names") if stream else []
    except MalformedPayload:
        return {}
    names = {tid: container.string(rva) for tid, rva in entries}
    return {tid: name for tid, name in names.items() if name}


def breakpad_threads(container: Container) -> tuple[int | None, int | None]:
    """The thread that wrote the dump, and the one that asked for it."""
    stream = container.stream(Stream.BREAKPAD_INFO)
    if stream is None or len(stream) < _WORDS.size:
        return None, None
    validity, dumping, requesting = _WORDS.unpack_from(stream)
    return (
        dumping if validity & _HAS_DUMP_THREAD else None,
        requesting if validity & _HAS_REQUESTING_THREAD else None,
    )


def assertion(container: Container) -> str | None:
    """The failed assertion, if the program's handler recorded one."""
    stream = container.stream(Stream.ASSERTION_INFO)
    if stream is None:
        return None
    text = bytes(stream[:256]).decode("utf-16-le", "replace").partition("\0")[0]
    return text.strip() or None


def process_facts(container: Container) -> ProcessFacts:
    """Who crashed. Of a command line only the first word is read: the rest may be personal."""
    status = bytes((container.stream(Stream.LINUX_PROC_STATUS) or b"")[:4096])
    found = {
        match[1]: match[2].decode("utf-8", "replace") for match in _STATUS_LINE.finditer(status)
    }
    command = bytes((container.stream(Stream.LINUX_CMD_LINE) or b"")[:1024])
    return ProcessFacts(
        pid=_misc_pid(container) or _number(found.get(b"Pid")),
        uid=_number(found.get(b"Uid")),
        name=(found.get(b"Name") or "").strip().replace("\0", "") or None,
        command=command.partition(b"\0")[0].decode("utf-8", "replace") or None,
    )


def _misc_pid(container: Container) -> int | None:
    stream = container.stream(Stream.MISC_INFO)
    if stream is None or len(stream) < _WORDS.size:
        return None
    _, flags, pid = _WORDS.unpack_from(stream)
    return pid if flags & _HAS_PID else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 11 else None  # noqa: PLR2004
