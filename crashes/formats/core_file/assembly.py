"""One crash from what a core says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crashes.formats.core_file.container import Core
from crashes.formats.core_file.modules import Binary, binaries_of
from crashes.formats.core_file.notes import Facts, ThreadStatus, facts_of
from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import MAX_THREADS
from crashes.formats.signals import SIGNALS, code_name, has_address
from crashes.formats.stackwalk import (
    CPUS,
    Budget,
    Cpu,
    ModuleMap,
    StackMemory,
    TableFinder,
    WalkedFrame,
    walk,
)
from crashes.formats.tombstone_parts import native_frame, package_of, present, process_id
from crashes.stack import Crash, CrashKind, Frame, FrameTrust, JsonValue, Thread

_TRAPS = frozenset({"TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "SI_KERNEL"})
_ANDROID = ("/system/", "/apex/", "/vendor/")


@dataclass(frozen=True, slots=True)
class _Signal:
    """What stopped the process; `number` 0 is nothing."""

    number: int
    name: str | None
    code: str | None
    fault_addr: int | None
    sender: JsonValue

    @property
    def is_requested(self) -> bool:
        """Whether a debugger wrote the core of a process that had not crashed."""
        is_stop = self.name == "SIGTRAP" and self.code not in _TRAPS
        return not self.number or self.name == "SIGSTOP" or is_stop


def crash_of(core: Core, tables: TableFinder) -> Crash:
    """The crash, walked with what `tables` knows. Raises MalformedPayload `no_threads`."""
    facts = facts_of(core)
    if not facts.threads:
        raise MalformedPayload("no_threads", "no note of the core tells of a thread")
    binaries = binaries_of(core, facts)
    signal = _signal(facts)
    process = facts.process
    name = (process.command or process.name or None) if process else None
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=name,
        package=package_of(name),
        pid=process_id(process.pid) if process else None,
        tid=process_id(facts.threads[0].tid),
        abi=facts.abi,
        signal=signal.name,
        signal_number=signal.number or None,
        signal_code=signal.code,
        fault_addr=signal.fault_addr,
        threads=_threads(core, facts, binaries, tables),
        modules=tuple(binary.module for binary in binaries),
        details=_details(core, facts, binaries, signal),
    )


def _signal(facts: Facts) -> _Signal:
    """By NT_SIGINFO; older kernels only tell the number, with the thread."""
    info = facts.signal
    number = info.number if info else facts.threads[0].signal
    name = SIGNALS.get(number)
    if info is None:
        return _Signal(number, name, None, None, None)
    is_sent = number != 0 and info.code <= 0
    return _Signal(
        number=number,
        name=name,
        code=code_name(name, info.code) if number else None,
        fault_addr=info.address if has_address(name, info.code) else None,
        sender={"pid": info.sender_pid, "uid": info.sender_uid} if is_sent else None,
    )


def _details(
    core: Core, facts: Facts, binaries: Sequence[Binary], signal: _Signal
) -> dict[str, JsonValue]:
    is_android = any(binary.module.path.startswith(_ANDROID) for binary in binaries)
    reason = " / ".join(filter(None, (signal.name, signal.code)))
    return present(
        {
            "os": "Android" if is_android else "Linux",
            "cpu": facts.abi or f"machine {core.machine}",
            "crash_reason": reason or None,
            "sender": signal.sender,
            "requested_dump": signal.is_requested or None,
            "uid": facts.process.uid if facts.process else None,
            "thread_count": len(facts.threads),
            "threads_omitted": max(0, len(facts.threads) - MAX_THREADS) or None,
            "is_cut": core.is_cut or None,
        }
    )


# --- Threads ---------------------------------------------------------------------------------


def _threads(
    core: Core, facts: Facts, binaries: Sequence[Binary], tables: TableFinder
) -> tuple[Thread, ...]:
    """The kernel writes the thread that crashed first. Names of threads are in no note."""
    modules = ModuleMap([binary.module for binary in binaries])
    bases = {binary.module.start_addr or 0: binary.base for binary in binaries}
    walker = _Walker(core, CPUS.get(facts.abi or ""), modules, bases, tables, Budget())
    process = facts.process
    main = (process.pid, process.name) if process else (0, "")
    return tuple(
        Thread(
            name=(main[1] or None) if status.tid == main[0] else None,
            tid=process_id(status.tid),
            crashing=index == 0,
            frames=walker.frames_of(status),
            registers=status.registers,
        )
        for index, status in enumerate(facts.threads[:MAX_THREADS])
    )


@dataclass(frozen=True, slots=True)
class _Walker:
    """Walks the threads of a core, all on one budget; `bases` are ELF addresses by start."""

    core: Core
    cpu: Cpu | None
    modules: ModuleMap
    bases: Mapping[int, int | None]
    tables: TableFinder
    budget: Budget

    def frames_of(self, status: ThreadStatus) -> tuple[Frame, ...]:
        """The calls of a thread; where we know no processor the innermost alone."""
        if self.cpu is None:
            return self._only_pc(status)
        walked = walk(
            status.registers,
            self._stack(status.registers.get(self.cpu.sp, 0), self.cpu.word_bytes),
            self.modules,
            cpu=self.cpu,
            tables=self.tables,
            budget=self.budget,
        )
        return tuple(self._frame(index, frame) for index, frame in enumerate(walked))

    def _only_pc(self, status: ThreadStatus) -> tuple[Frame, ...]:
        pc = status.registers.get("pc")
        if pc is None:
            return ()
        module = self.modules.at(pc)
        relative = pc - (module.start_addr or 0) if module else None
        return (self._frame(0, WalkedFrame(pc, FrameTrust.CONTEXT, module, relative)),)

    def _stack(self, stack_pointer: int, word_bytes: int) -> StackMemory | None:
        found = self.core.memory.region(stack_pointer)
        return StackMemory(*found, word_bytes) if found else None

    def _frame(self, index: int, walked: WalkedFrame) -> Frame:
        module = walked.module
        if module is None or walked.relative is None:
            return replace(native_frame(index, walked.address), trust=walked.trust)
        base = self.bases.get(module.start_addr or 0)
        if base is None:
            table = self.tables(module)
            base = table.load_base if table else 0
        frame = native_frame(
            index,
            walked.relative + base,
            module=module.path,
            build_id=module.build_id,
            map_offset=module.map_offset,
        )
        return replace(frame, trust=walked.trust)
