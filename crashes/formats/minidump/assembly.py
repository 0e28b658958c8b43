"""One crash from the streams of a dump."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crashes.formats.lines import MAX_THREADS
from crashes.formats.minidump import streams
from crashes.formats.minidump.container import Container
from crashes.formats.minidump.contexts import cpu_of, registers_of
from crashes.formats.minidump.reasons import Reason, System, reason_of, system_of
from crashes.formats.minidump.streams import ExceptionRecord, RawThread, SystemInfo
from crashes.formats.stackwalk import (
    Budget,
    Cpu,
    ModuleMap,
    StackMemory,
    TableFinder,
    WalkedFrame,
    walk,
)
from crashes.formats.tombstone_parts import native_frame, package_of, present, process_id
from crashes.stack import Crash, CrashKind, Frame, JsonValue, Module, Thread

_FINGERPRINT = re.compile(r"\S+/\S+/\S+:\S+/\S+/\S+:\S+/\S+$")
_CPU_WORDS = {0: "x86", 5: "arm", 9: "amd64", 12: "arm64", 0x8003: "arm64"}


@dataclass(frozen=True, slots=True)
class _Dump:
    """What all threads of a dump need."""

    container: Container
    info: SystemInfo | None
    system: System | None
    cpu: Cpu | None
    modules: tuple[Module, ...]
    exception: ExceptionRecord | None
    tables: TableFinder


def crash_of(container: Container, tables: TableFinder) -> Crash:
    """The crash, walked with what `tables` knows. Raises MalformedPayload."""
    raw = streams.raw_threads(container)
    exception = streams.exception_record(container)
    writing, requesting = streams.breakpad_threads(container)
    crashed = exception.tid if exception else requesting
    # A thread that dumps itself shows nothing but the dumping, unless it is the one that crashed.
    raw = [thread for thread in raw if thread.tid != writing or thread.tid == crashed] or raw
    dump = _open(container, raw, exception, tables)
    return _crash(dump, raw, crashed)


def _open(
    container: Container,
    raw: Sequence[RawThread],
    exception: ExceptionRecord | None,
    tables: TableFinder,
) -> _Dump:
    info = streams.system_info(container)
    system = system_of(info.platform) if info else None
    context_bytes = next((len(thread.context) for thread in raw if thread.context), 0)
    return _Dump(
        container=container,
        info=info,
        system=system,
        cpu=cpu_of(info.architecture if info else None, context_bytes),
        modules=streams.modules(container, is_elf=system is None or system.has_elf),
        exception=exception,
        tables=tables,
    )


def _crash(dump: _Dump, raw: Sequence[RawThread], crashed: int | None) -> Crash:
    facts = streams.process_facts(dump.container)
    reason = reason_of(dump.exception, dump.system) if dump.exception else None
    main = dump.modules[0] if dump.modules else None
    process = facts.command or (_base_name(main.path) if main else facts.name)
    has_signal = reason is not None and reason.signal is not None
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=process,
        package=package_of(process),
        pid=process_id(facts.pid),
        tid=process_id(crashed),
        abi=dump.cpu.name if dump.cpu else None,
        build_fingerprint=_fingerprint(dump),
        timestamp=_timestamp(dump.container.written_at),
        signal=reason.signal if reason else None,
        signal_number=reason.signal_number if reason else None,
        signal_code=reason.code if reason else None,
        fault_addr=reason.fault_addr if reason else None,
        abort_message=streams.assertion(dump.container),
        reason=None if reason is None or has_signal else reason.text,
        threads=_threads(dump, raw, crashed, facts),
        modules=dump.modules,
        details=_details(dump, raw, crashed, reason) | present({"uid": facts.uid}),
    )


def _timestamp(seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def _fingerprint(dump: _Dump) -> str | None:
    """Breakpad puts Android's build fingerprint behind what `uname` says."""
    if dump.system is not System.ANDROID or dump.info is None:
        return None
    found = _FINGERPRINT.search(dump.info.service_pack[-400:])
    return found[0] if found else None


def _base_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2] or path


# --- Threads ---------------------------------------------------------------------------------


def _threads(
    dump: _Dump, raw: Sequence[RawThread], crashed: int | None, facts: streams.ProcessFacts
) -> tuple[Thread, ...]:
    """The threads, the one that crashed first, the others in the dump's order."""
    names = streams.thread_names(dump.container)
    if facts.pid and facts.name:
        names.setdefault(facts.pid, facts.name)
    walker = _Walker(dump)
    first = next((index for index, thread in enumerate(raw) if thread.tid == crashed), None)
    order = sorted(range(len(raw)), key=lambda index: (index != first, index))
    return tuple(
        _thread(walker, raw[index], names.get(raw[index].tid), crashing=index == first)
        for index in order[:MAX_THREADS]
    )


def _thread(walker: "_Walker", raw: RawThread, name: str | None, *, crashing: bool) -> Thread:
    dump = walker.dump
    registers = _registers(dump, raw, crashing=crashing)
    frames = enumerate(walker.frames_of(raw, registers))
    return Thread(
        name=name,
        tid=process_id(raw.tid),
        crashing=crashing,
        frames=tuple(_frame(index, frame, dump.tables) for index, frame in frames),
        registers=registers,
    )


def _registers(dump: _Dump, raw: RawThread, *, crashing: bool) -> dict[str, int]:
    """Of the thread that crashed as they were then; its own context is that of the handler."""
    if dump.cpu is None:
        return {}
    at_crash = dump.exception.context if crashing and dump.exception else None
    return registers_of(at_crash, dump.cpu) or registers_of(raw.context, dump.cpu)


def _frame(index: int, walked: WalkedFrame, tables: TableFinder) -> Frame:
    module = walked.module
    if module is None or walked.relative is None:
        return replace(native_frame(index, walked.address), trust=walked.trust)
    table = tables(module)
    address = walked.relative + (table.load_base if table else 0)
    # Systems without build ids name their debug files by debug id.
    build_id = module.build_id or module.debug_id
    frame = native_frame(index, address, module=module.path, build_id=build_id)
    return replace(frame, trust=walked.trust)


class _Walker:
    """Walks the threads of a dump, all on one budget.

    The stack of a thread is its own bytes, else the dump's memory where the stack should be.
    """

    def __init__(self, dump: _Dump) -> None:
        self.dump = dump
        self._modules = ModuleMap(dump.modules)
        self._budget = Budget()
        self._starts: list[int] | None = None
        self._regions: list[tuple[int, memoryview]] = []

    def frames_of(self, raw: RawThread, registers: dict[str, int]) -> tuple[WalkedFrame, ...]:
        dump, cpu = self.dump, self.dump.cpu
        if cpu is None:
            return ()
        return walk(
            registers,
            self._stack_of(raw, registers.get(cpu.sp, 0), cpu),
            self._modules,
            cpu=cpu,
            is_windows=dump.system is System.WINDOWS,
            is_ios=dump.system is System.IOS,
            tables=dump.tables,
            budget=self._budget,
        )

    def _stack_of(self, raw: RawThread, stack_pointer: int, cpu: Cpu) -> StackMemory | None:
        if raw.stack:
            return StackMemory(raw.stack_start, raw.stack, cpu.word_bytes)
        for address in (raw.stack_start, stack_pointer):
            found = self._region_at(address) if address else None
            if found:
                return StackMemory(*found, cpu.word_bytes)
        return None

    def _region_at(self, address: int) -> tuple[int, memoryview] | None:
        if self._starts is None:
            by_start = dict(streams.memory_regions(self.dump.container))
            self._regions = sorted(by_start.items())
            self._starts = [start for start, _ in self._regions]
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        start, data = self._regions[index]
        return (start, data) if address < start + len(data) else None


# --- Details ---------------------------------------------------------------------------------


def _details(
    dump: _Dump, raw: Sequence[RawThread], crashed: int | None, reason: Reason | None
) -> dict[str, JsonValue]:
    place = next((index for index, thread in enumerate(raw) if thread.tid == crashed), None)
    is_requested = reason is None or reason.is_requested
    return present(
        {
            **dict(_system_details(dump)),
            "crash_reason": reason.text if reason else None,
            "crashing_thread": place,
            "main_module": _identity(dump.modules[0]) if dump.modules else None,
            "requested_dump": is_requested or None,
            "threads_omitted": max(0, len(raw) - MAX_THREADS) or None,
        }
    )


def _system_details(dump: _Dump) -> Iterator[tuple[str, JsonValue]]:
    info = dump.info
    if info is None:
        return
    yield "os", dump.system.value if dump.system else f"{info.platform:#x}"
    yield "os_version", f"{info.version} {info.service_pack}".strip()
    yield "cpu", _CPU_WORDS.get(info.architecture, f"{info.architecture:#x}")


def _identity(module: Module) -> str:
    """Name and debug id in the spelling of symbol servers: `libfoo.so 0C1FF8D8…0`."""
    guid, _, age = (module.debug_id or "").replace("-", "", 4).partition("-")
    return f"{_base_name(module.path)} {guid.upper()}{age or '0' if guid else ''}".strip()
