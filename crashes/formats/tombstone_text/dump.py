"""What one tombstone said, collected while it is read, and the `Crash` made of it at the end."""

from dataclasses import dataclass, field

from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import HeadAndTail
from crashes.formats.tombstone_parts import (
    BuildIds,
    MemoryMapping,
    is_requested_dump,
    known,
    modules_of,
    package_of,
    present,
    process_id,
    stack_details,
)
from crashes.formats.tombstone_text.frames import read_frame
from crashes.formats.tombstone_text.rows import SignalRow, ThreadRow
from crashes.stack import Crash, CrashKind, Frame, JsonValue, Thread

MAX_FACTS = 64  # causes, notes, crash details: a handful each in real dumps

_ABI_BY_REGISTER = {"rax": "x86_64", "eax": "x86", "x0": "arm64", "r0": "arm"}


@dataclass(slots=True)
class Stack:
    """Frames as text until the end, and whose they are."""

    role: str | None = None
    tid: int | None = None
    name: str | None = None
    has_row: bool = False
    registers: dict[str, int] = field(default_factory=dict)
    lines: HeadAndTail[str] = field(default_factory=HeadAndTail)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said about it."""
        return not (self.has_row or self.registers or len(self.lines))

    def frames(self) -> tuple[Frame, ...]:
        """The frames that were kept, innermost first."""
        read = (read_frame(line) for _, line in self.lines.items())
        return tuple(frame for frame in read if frame is not None)


@dataclass(slots=True)
class Dump:
    """Everything a tombstone may hold. The first of `threads` is the one that crashed."""

    threads: list[Stack] = field(default_factory=lambda: [Stack()])
    side_stacks: list[Stack] = field(default_factory=list)
    guest_stacks: list[Stack] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    details: dict[str, JsonValue] = field(default_factory=dict)
    facts: dict[str, list[JsonValue]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    mappings: list[MemoryMapping] = field(default_factory=list)
    build_ids: BuildIds = field(default_factory=BuildIds)
    row: ThreadRow | None = None
    signal: SignalRow | None = None
    fault_addr: int | None = None
    abort_message: str | None = None
    has_banner: bool = False
    more_tombstones: int = 0

    def add_fact(self, name: str, value: JsonValue) -> None:
        """Add to a list of `details`, up to its limit."""
        facts = self.facts.setdefault(name, [])
        if len(facts) < MAX_FACTS:
            facts.append(value)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a number of `details`."""
        self.counts[name] = self.counts.get(name, 0) + by

    def to_crash(self) -> Crash:
        """The crash. Raises MalformedPayload `not_a_tombstone` when nothing shows one."""
        self._check()
        threads = self._threads()
        self.build_ids.learn_all(self.mappings, threads)
        process = self._process()
        signal = self.signal
        return Crash(
            kind=CrashKind.NATIVE_CRASH,
            process=process,
            package=package_of(process) or package_of(self._detail("app_id")),
            version_name=self.fields.get("version_name"),
            pid=process_id(self.row.pid) if self.row else None,
            tid=process_id(self.threads[0].tid),
            abi=self.fields.get("abi") or self._abi_by_registers(),
            build_fingerprint=self.fields.get("build_fingerprint"),
            timestamp=self.fields.get("timestamp"),
            signal=signal.name if signal else None,
            signal_number=signal.number if signal else None,
            signal_code=signal.code if signal else None,
            fault_addr=signal.fault_addr if signal else self.fault_addr,
            abort_message=self.abort_message or None,
            reason=self._reason(),
            threads=self.build_ids.complete_threads(threads),
            modules=self.build_ids.complete_modules(modules_of(self.mappings)),
            details=self._all_details(),
        )

    def _check(self) -> None:
        evidence = self.has_banner or self.signal or self.row or len(self.threads[0].lines)
        if not evidence:
            raise MalformedPayload(
                "not_a_tombstone",
                "no banner, process, signal or backtrace of a native crash",
                where="line 1",
            )
        kind = self._detail("crash_type")
        if kind not in (None, "native"):
            raise MalformedPayload(
                "not_a_tombstone", f"the report of a crash of type {kind}", where="line 1"
            )

    def _threads(self) -> tuple[Thread, ...]:
        return tuple(
            Thread(
                name=stack.name,
                tid=process_id(stack.tid),
                crashing=at == 0,
                frames=stack.frames(),
                registers=stack.registers,
            )
            for at, stack in enumerate(self.threads)
            if not stack.is_empty
        )

    def _process(self) -> str | None:
        if self.row and self.row.process:
            return self.row.process
        command = (self._detail("command_line") or "").split(maxsplit=1)
        return known(command[0]) if command else None

    def _detail(self, name: str) -> str | None:
        value = self.details.get(name)
        return value if isinstance(value, str) else None

    def _abi_by_registers(self) -> str | None:
        registers = self.threads[0].registers
        return next((abi for name, abi in _ABI_BY_REGISTER.items() if name in registers), None)

    def _reason(self) -> str | None:
        cause = next(iter(self.facts.get("causes", [])), None)
        return cause if isinstance(cause, str) else None

    def _all_details(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {**self.details, **self.facts, **self._signal_details()}
        for name, declared in (("memory_mappings", "declared_mappings"), ("open_fds", "")):
            found[name] = max(self.counts.get(name, 0), self.counts.get(declared, 0)) or None
        omitted = sum(stack.lines.omitted for stack in self.threads)
        found["heap_stacks"] = [_details_of(stack) for stack in self.side_stacks]
        found["guest_threads"] = [_details_of(stack) for stack in self.guest_stacks]
        found["frames_omitted"] = omitted or None
        found["threads_omitted"] = self.counts.get("threads_omitted")
        found["tombstones"] = self.more_tombstones + 1 if self.more_tombstones else None
        return present(found)

    def _signal_details(self) -> dict[str, JsonValue]:
        signal = self.signal
        if signal is None:
            return {}
        has_sender = signal.sender_pid is not None
        return {
            "signal_code_number": signal.code_number,
            "sender": {"pid": signal.sender_pid, "uid": signal.sender_uid} if has_sender else None,
            "requested_dump": is_requested_dump(signal.name, signal.number) or None,
        }


def _details_of(stack: Stack) -> JsonValue:
    return stack_details(stack.role, stack.tid, stack.frames())
