"""Microdumps: what Breakpad writes to the log where it may not write a file (WebView, Chrome).

    F/google-breakpad(16162): -----BEGIN BREAKPAD MICRODUMP-----
    V WebView:48.0.2564.106                                 product and version
    O A arm 06 armv8l lge/p1_tmo_us/p1:6.0/MRA58K/…         system, processor, count, machine, build
    P renderer                                              kind of process
    R 0000000B SIGSEGV 00000000                             signal, its name, address
    G OpenGL ES 3.1|Qualcomm|Adreno (TM) 418                graphics
    S 0 FFEA68C0 FFEA6000 00002000                          stack: pointer, start, length
    S FFEA6000 0000…                                        its bytes, 384 a line
    C 06000040…                                             registers, a minidump's context
    M AAACD000 00000000 0007C000 DA7778FB…0 libfoo.so       module: start, offset, length, id, name
    -----END BREAKPAD MICRODUMP-----

Written from the form of Breakpad's src/client/linux/microdump_writer. Everything is hexadecimal.
The registers have a minidump's layout and the stack is walked the same way; modules are known by
debug id, and by the 16 bytes of the build id that it is made of.

A log is a ring and drops lines: a dump may have lost its beginning (it is no dump then), its end,
its stack or its registers. The first dump that has registers is read, of one writer; memory is
never kept. `details` may hold: os, os_version, cpu, cpu_count, machine, product, process_type,
gpu, crash_reason, main_module, dumps, incomplete, stack_bytes_missing.
"""

import re
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import text_lines
from crashes.formats.logcat_lines import read_line
from crashes.formats.minidump.contexts import registers_of
from crashes.formats.stackwalk import (
    CPUS,
    NO_TABLES,
    Cpu,
    ModuleMap,
    StackMemory,
    TableFinder,
    WalkedFrame,
    walk,
)
from crashes.formats.tombstone_parts import MAX_MODULES, native_frame, package_of, present
from crashes.stack import Crash, CrashKind, Frame, JsonValue, Module, Thread

__all__ = ["MAX_LINES", "parse", "parse_with_tables"]

MAX_LINES = 500_000
_BEGIN = "-----BEGIN BREAKPAD MICRODUMP-----"
_END = "-----END BREAKPAD MICRODUMP-----"
_MAX_DUMPS = 64
_MAX_DUMP_LINES = 20_000
_MAX_STACK_BYTES = 4 * 1024 * 1024  # a writer takes 32 KiB
_MAX_TEXT = 512

_LOOSE_PREFIX = re.compile(r".{0,128}?google-breakpad(?:\( {0,8}(?P<pid>[0-9]{1,10})\))?:? ")
_STACK = re.compile(r"S 0 ([0-9A-F]{1,16}) ([0-9A-F]{1,16}) ([0-9A-F]{1,16})", re.IGNORECASE)
_BYTES = re.compile(r"S ([0-9A-F]{2,16}) ((?:[0-9A-F]{2}){1,8192})", re.IGNORECASE)
_CONTEXT = re.compile(r"C ((?:[0-9A-F]{2}){1,8192})", re.IGNORECASE)
_MODULE = re.compile(
    r"M ([0-9A-F]{1,16}) ([0-9A-F]{1,16}) ([0-9A-F]{1,16}) ([0-9A-F]{32})([0-9A-F]{1,8}) (\S.*)",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"O (?P<os>\w{1,16}) (?P<cpu>\w{1,16}) (?P<count>[0-9A-Fa-f]{1,8}) (?P<rest>.*)"
)
_REASON = re.compile(r"R ([0-9A-F]{1,8}) (\S{1,64})(?: ([0-9A-F]{1,16}))?\b", re.IGNORECASE)
_FINGERPRINT = re.compile(r"\S+/\S+/\S+:\S+/\S+/\S+:\S+/\S+")
_SYSTEMS = {"A": "Android", "L": "Linux"}
_LAUNCHER = "app_process"
_MIPS = struct.Struct("<8x32Q48xQ")


@dataclass(slots=True)
class _Dump:
    """One dump as it is read; `chunks` are the stack's bytes by address."""

    pid: int | None = None
    os: str | None = None
    cpu: str | None = None
    cpu_count: int | None = None
    machine: str | None = None
    os_version: str | None = None
    signal_number: int | None = None
    signal: str | None = None
    fault_addr: int | None = None
    stack: tuple[int, int] | None = None
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    stack_bytes: int = 0
    context: bytes | None = None
    modules: list[Module] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    complete: bool = False


def parse(payload: bytes) -> Crash:
    """The first microdump of a text that has registers, else the first one.

    Raises MalformedPayload: `not_a_microdump` without a beginning, `truncated_microdump` when
    neither registers nor modules follow.
    """
    return parse_with_tables(payload, NO_TABLES)


def parse_with_tables(payload: bytes, tables: TableFinder) -> Crash:
    """The same, unwound by debug files where there are any; then addresses are ELF addresses."""
    dumps = list(_dumps(text_lines(payload)[:MAX_LINES]))
    if not dumps:
        raise MalformedPayload("not_a_microdump", f"no line says {_BEGIN}", where="line 1")
    dump = next((dump for dump in dumps if dump.context), dumps[0])
    if dump.context is None and not dump.modules:
        raise MalformedPayload("truncated_microdump", "neither registers nor modules are there")
    return _crash(dump, len(dumps), tables)


# --- Lines -----------------------------------------------------------------------------------


def _dumps(lines: Sequence[str]) -> Iterator[_Dump]:
    """The dumps in the order of their beginnings."""
    starts = [at for at, line in enumerate(lines) if _BEGIN in line][:_MAX_DUMPS]
    for start in starts:
        pid, _ = _message(lines[start])
        dump = _Dump(pid=pid)
        _read(dump, lines[start + 1 : start + _MAX_DUMP_LINES])
        yield dump


def _read(dump: _Dump, lines: Sequence[str]) -> None:
    """Fill a dump from the lines behind its beginning that the same process wrote."""
    for line in lines:
        pid, text = _message(line)
        if pid != dump.pid:
            continue
        if text.startswith(_END):
            dump.complete = True
            return
        if text.startswith(_BEGIN):
            return
        _take(dump, text)


def _message(line: str) -> tuple[int | None, str]:
    """Who wrote the line, and what, behind whichever prefix."""
    if entry := read_line(line):
        return entry.pid, entry.message
    if found := _LOOSE_PREFIX.match(line):
        pid = found["pid"]
        return (int(pid) if pid else None), line[found.end() :]
    return None, line


def _take(dump: _Dump, text: str) -> None:
    """One record, by the letter that it begins with."""
    letter = text[:2].rstrip()
    if take := _RECORDS.get(letter):
        take(dump, text)
    elif letter in _NOTES and text[1:2] == " ":
        dump.notes.setdefault(letter, text[2:].strip()[:_MAX_TEXT])


def _take_context(dump: _Dump, text: str) -> None:
    if (found := _CONTEXT.fullmatch(text)) and dump.context is None:
        dump.context = bytes.fromhex(found[1])


def _take_stack(dump: _Dump, text: str) -> None:
    if found := _STACK.fullmatch(text):
        start, length = int(found[2], 16), int(found[3], 16)
        dump.stack = dump.stack or (start, min(length, _MAX_STACK_BYTES))
    elif (found := _BYTES.fullmatch(text)) and dump.stack_bytes < _MAX_STACK_BYTES:
        chunk = bytes.fromhex(found[2])
        dump.chunks.append((int(found[1], 16), chunk))
        dump.stack_bytes += len(chunk)


def _take_module(dump: _Dump, text: str) -> None:
    found = _MODULE.fullmatch(text)
    if found is None or len(dump.modules) >= MAX_MODULES:
        return
    start, offset, length = (int(found[place], 16) for place in (1, 2, 3))
    if not length or start + length >= 1 << 64:
        return
    build_id, debug_id = _identity(found[4], int(found[5], 16))
    dump.modules.append(
        Module(
            path=found[6].strip(),
            build_id=build_id,
            start_addr=start,
            end_addr=start + length,
            map_offset=offset or None,
            debug_id=debug_id,
        )
    )


def _identity(identifier: str, age: int) -> tuple[str | None, str | None]:
    """Build id, as far as it goes, and debug id of a module's identifier."""
    guid = uuid.UUID(identifier)
    if not guid.int:
        return None, None
    return guid.bytes_le.hex(), str(guid) + (f"-{age:x}" if age else "")


def _take_system(dump: _Dump, text: str) -> None:
    if found := _SYSTEM.fullmatch(text):
        machine, _, version = found["rest"].partition(" ")
        dump.os, dump.cpu = _SYSTEMS.get(found["os"], found["os"]), found["cpu"]
        dump.cpu_count = int(found["count"], 16) or None
        dump.machine, dump.os_version = machine or None, version.strip()[:_MAX_TEXT] or None


def _take_reason(dump: _Dump, text: str) -> None:
    if found := _REASON.match(text):
        dump.signal_number = int(found[1], 16) or None
        dump.signal = found[2]
        dump.fault_addr = int(found[3], 16) if found[3] else None


_RECORDS: Mapping[str, Callable[[_Dump, str], None]] = {
    "S": _take_stack,
    "C": _take_context,
    "M": _take_module,
    "O": _take_system,
    "R": _take_reason,
}
_NOTES = frozenset("VPG")


# --- Crash -----------------------------------------------------------------------------------


def _crash(dump: _Dump, dumps: int, tables: TableFinder) -> Crash:
    process = _process(dump)
    registers = _registers(dump)
    memory, missing = _memory(dump)
    walked = _walked(dump, registers, memory, tables)
    frames = tuple(_frame(index, frame, tables) for index, frame in enumerate(walked))
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=process,
        package=package_of(process),
        pid=dump.pid,
        abi=dump.cpu,
        build_fingerprint=_fingerprint(dump.os_version),
        signal=dump.signal if dump.signal and dump.signal.startswith("SIG") else None,
        signal_number=dump.signal_number,
        fault_addr=dump.fault_addr,
        threads=(Thread(crashing=True, frames=frames, registers=registers),),
        modules=tuple(dump.modules),
        details=_details(dump, dumps, missing),
    )


def _process(dump: _Dump) -> str | None:
    """The program, which is the first module; apps have all the same one."""
    name = dump.modules[0].path if dump.modules else None
    return None if name is None or name.startswith(_LAUNCHER) else name


def _fingerprint(version: str | None) -> str | None:
    found = _FINGERPRINT.search(version) if version else None
    return found[0] if found else None


def _registers(dump: _Dump) -> dict[str, int]:
    if dump.context is None:
        return {}
    if cpu := CPUS.get(dump.cpu or ""):
        return registers_of(memoryview(dump.context), cpu)
    if dump.cpu in {"mips", "mips64"} and len(dump.context) >= _MIPS.size:
        numbers = _MIPS.unpack_from(dump.context)
        return {"sp": numbers[29], "ra": numbers[31], "pc": numbers[32]}
    return {}


def _memory(dump: _Dump) -> tuple[bytearray, int]:
    """The stack from its start, and how many of its bytes the log has lost."""
    if dump.stack is None:
        return bytearray(), 0
    start, length = dump.stack
    memory = bytearray(length)
    filled = 0
    for address, chunk in dump.chunks:
        offset = address - start
        if 0 <= offset <= length - len(chunk):
            memory[offset : offset + len(chunk)] = chunk
            filled += len(chunk)
    return memory, max(0, length - filled)


def _walked(
    dump: _Dump, registers: dict[str, int], memory: bytearray, tables: TableFinder
) -> tuple[WalkedFrame, ...]:
    cpu = CPUS.get(dump.cpu or "")
    if not registers:
        return ()
    if cpu is None:
        return _innermost(registers["pc"], dump.modules)
    stack = _stack(dump, memory, cpu)
    return walk(registers, stack, ModuleMap(dump.modules), cpu=cpu, tables=tables)


def _stack(dump: _Dump, memory: bytearray, cpu: Cpu) -> StackMemory | None:
    if dump.stack is None or not memory:
        return None
    return StackMemory(dump.stack[0], memoryview(memory), cpu.word_bytes)


def _innermost(address: int, modules: Sequence[Module]) -> tuple[WalkedFrame, ...]:
    """The one frame that the registers of a processor without a walker give."""
    cpu = CPUS["x86_64"]
    return walk({cpu.pc: address}, None, ModuleMap(modules), cpu=cpu)


def _frame(index: int, walked: WalkedFrame, tables: TableFinder) -> Frame:
    module = walked.module
    if module is None or walked.relative is None:
        return replace(native_frame(index, walked.address), trust=walked.trust)
    table = tables(module)
    address = walked.relative + (table.load_base if table else 0)
    build_id = module.build_id or module.debug_id
    frame = native_frame(index, address, module=module.path, build_id=build_id)
    return replace(frame, trust=walked.trust)


def _details(dump: _Dump, dumps: int, missing: int) -> dict[str, JsonValue]:
    return present(
        {
            "os": dump.os,
            "os_version": dump.os_version,
            "cpu": dump.cpu,
            "cpu_count": dump.cpu_count,
            "machine": dump.machine,
            "product": dump.notes.get("V"),
            "process_type": dump.notes.get("P"),
            "gpu": dump.notes.get("G"),
            "crash_reason": dump.signal,
            "crashing_thread": 0,
            "main_module": _main_module(dump.modules),
            "dumps": dumps if dumps > 1 else None,
            "incomplete": None if dump.complete else True,
            "stack_bytes_missing": missing or None,
        }
    )


def _main_module(modules: Sequence[Module]) -> str | None:
    """Name and debug id of the program in the spelling of symbol servers."""
    if not modules:
        return None
    main = modules[0]
    guid, _, age = (main.debug_id or "").replace("-", "", 4).partition("-")
    return f"{main.path} {guid.upper()}{age or '0' if guid else ''}".strip()
