"""The words of a crash: what happened, in which process, on which threads, in which modules.

Every parser in `crashes.formats` turns the bytes of one payload into one `Crash`; symbolication
answers with a `Crash` whose frames have names; grouping reads it; `to_json` is the `crash` object
of the staff API. The values are frozen and know nothing beyond themselves.

Conventions, the same for every format:

* frames are innermost first, and inlined frames stand before the frame that holds them;
* the crashing thread is first in `Crash.threads` and the only one with `crashing=True`;
* an absent value is `None`, never an empty string, a zero or a dash;
* addresses are integers here and `0x…` strings in JSON;
* `Frame.address` of native code is an ELF virtual address inside `module` (what tombstones call
  `pc` or `rel_pc`): relative to the load bias, already adjusted for return addresses. Only where
  a stack was walked here (`Frame.trust` is set) a caller has its return address as it is;
* text that came from a device is kept as it was written; whoever shows it escapes it.

A managed frame (Java, Kotlin) has the fully qualified method in `function`
(`com.example.Foo.bar`), the source file in `file`, and no module, build id or address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    JsonValue: TypeAlias = (
        "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
    )
else:
    JsonValue = Any  # decoders read annotations, and know no type that contains itself


class CrashKind(StrEnum):
    """What went wrong, as the device names it in `kind`."""

    JAVA_CRASH = "java_crash"
    NATIVE_CRASH = "native_crash"
    ANR = "anr"
    WATCHDOG = "watchdog"
    WTF = "wtf"
    STRICT_MODE = "strict_mode"
    KERNEL_PANIC = "kernel_panic"
    REBOOT = "reboot"
    LOW_MEMORY_KILL = "low_memory_kill"
    BACKGROUND_KILL = "background_kill"
    ERROR = "error"


class PayloadFormat(StrEnum):
    """The formats a payload may claim to be."""

    JAVA_STACKTRACE = "java_stacktrace"
    TOMBSTONE_TEXT = "tombstone_text"
    TOMBSTONE_PROTO = "tombstone_proto"
    ANR_TRACES = "anr_traces"
    DROPBOX = "dropbox"
    KERNEL_LOG = "kernel_log"
    MINIDUMP = "minidump"
    MICRODUMP = "microdump"
    CORE = "core"
    ACRA_JSON = "acra_json"
    SENTRY_EVENT = "sentry_event"
    LOGCAT = "logcat"
    BUGREPORT = "bugreport"
    BATTERYSTATS = "batterystats"
    EXIT_INFO = "exit_info"
    NONE = "none"


class FrameStatus(StrEnum):
    """How far the name of a frame can be trusted, and why it may have none.

    A native frame whose name the device printed and no debug file has confirmed keeps that name
    in `function` with the status that says what is missing.
    """

    SYMBOLICATED = "symbolicated"
    MISSING_DEBUG_FILE = "missing_debug_file"
    NO_BUILD_ID = "no_build_id"
    UNKNOWN_ADDRESS = "unknown_address"
    JAVA = "java"
    DEOBFUSCATED = "deobfuscated"


class FrameTrust(StrEnum):
    """How a stack walk of ours found a frame, most trustworthy first."""

    CONTEXT = "context"
    PREWALKED = "prewalked"
    CFI = "cfi"
    LEAF = "leaf"
    FRAME_POINTER = "frame_pointer"
    CFI_SCAN = "cfi_scan"
    SCAN = "scan"


@dataclass(frozen=True, slots=True)
class Frame:
    """One call.

    `raw_function` is the name as the dump or the symbol table spells it (mangled, obfuscated);
    `function` is the name for people. `function_offset` is bytes from the function's start.
    `map_offset` is the offset of the mapped part in its file (`base.apk (offset 0x1000)`).
    `native_method` marks a managed frame without code of its own ("Native Method").
    `folded_with` are the other functions that have the very same code (at most eight): the linker
    made them one, and any of them may be the one that was called.
    `trust` is set where the dump holds stack memory and the stack was walked here.
    """

    index: int
    function: str | None = None
    raw_function: str | None = None
    file: str | None = None
    line: int | None = None
    module: str | None = None
    build_id: str | None = None
    address: int | None = None
    inlined: bool = False
    status: FrameStatus = FrameStatus.NO_BUILD_ID
    function_offset: int | None = None
    map_offset: int | None = None
    native_method: bool = False
    trust: FrameTrust | None = None
    folded_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockWait:
    """The monitor a blocked thread waits for, and who holds it."""

    lock: str
    lock_class: str | None = None
    held_by_tid: int | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """One stack.

    `tid` is the kernel's thread id where the dump has it (`sysTid`), else the runtime's.
    `runtime_tid` is ART's or Dalvik's own small number (`tid=1`). `process` and `pid` are set
    only when a dump holds several processes and this thread belongs to another one than the
    crash. `registers` maps a register's name to its value. `held_locks` are lock addresses as
    written.
    """

    name: str | None = None
    tid: int | None = None
    crashing: bool = False
    state: str | None = None
    frames: tuple[Frame, ...] = ()
    runtime_tid: int | None = None
    process: str | None = None
    pid: int | None = None
    blocked_on: LockWait | None = None
    held_locks: tuple[str, ...] = ()
    registers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Module:
    """A binary mapped into the process. `start_addr` to `end_addr` is where it was mapped.

    `debug_id` is Breakpad's name of the build, as a lower-case UUID with `-<age>` behind it when
    the age is not zero; dumps of systems without build ids have no other.
    """

    path: str
    build_id: str | None = None
    start_addr: int | None = None
    end_addr: int | None = None
    map_offset: int | None = None
    debug_id: str | None = None


class CauseLink(StrEnum):
    """How an exception hangs on the one before it."""

    OUTERMOST = "outermost"
    CAUSED_BY = "caused_by"
    SUPPRESSED = "suppressed"
    CIRCULAR = "circular"


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """One exception of a chain, outermost first. `depth` counts the suppressed-nesting."""

    type: str
    message: str | None = None
    link: CauseLink = CauseLink.OUTERMOST
    frames: tuple[Frame, ...] = ()
    frames_omitted: int = 0
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Crash:
    """The parsed content of one report.

    `exceptions` is the whole chain of a managed crash; `exception_type` and `exception_message`
    repeat the outermost. `reason` is the sentence the system gave (ANR subject, watchdog, panic).
    `timestamp` is the device's own spelling. `details` holds facts of one format that have no
    word of their own here (plain JSON values, keys in snake case, units in the name).
    """

    kind: CrashKind
    process: str | None = None
    package: str | None = None
    version_name: str | None = None
    version_code: int | None = None
    pid: int | None = None
    tid: int | None = None
    abi: str | None = None
    build_fingerprint: str | None = None
    timestamp: str | None = None
    signal: str | None = None
    signal_number: int | None = None
    signal_code: str | None = None
    fault_addr: int | None = None
    abort_message: str | None = None
    exception_type: str | None = None
    exception_message: str | None = None
    reason: str | None = None
    threads: tuple[Thread, ...] = ()
    exceptions: tuple[ExceptionInfo, ...] = ()
    modules: tuple[Module, ...] = ()
    details: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def crashing_thread(self) -> Thread | None:
        """The thread that crashed, or the one to look at first; None for a dump without stacks."""
        return next((thread for thread in self.threads if thread.crashing), None)


_HEX_FIELDS = frozenset({"address", "fault_addr", "start_addr", "end_addr", "map_offset"})


def to_json(value: Any) -> Any:
    """The JSON form of a `Crash` or any part of it: dicts, lists, strings, numbers, None.

    Addresses become lower-case `0x…` strings; register values too, as they exceed 2**53.
    """
    kind = type(value)
    if kind in _PLAIN:  # nine of ten values; a report has thousands
        return value
    names = _NAMES.get(kind)
    if names is not None:
        document = {name: _field_json(name, getattr(value, name)) for name in names}
        if kind is Frame and value.folded_with:  # few have it, so the others do not say so
            document["folded_with"] = list(value.folded_with)
        return document
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    return value


_PLAIN = frozenset({str, int, float, bool, type(None)})
_NAMES = {  # every dataclass of this module
    kind: tuple(part.name for part in fields(kind) if part.name != "folded_with")
    for kind in tuple(globals().values())
    if isinstance(kind, type) and is_dataclass(kind)
}


def _field_json(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _HEX_FIELDS:
        return hex(value)
    if name == "registers":
        return {register: hex(number) for register, number in value.items()}
    return to_json(value)


def from_json(document: Mapping[str, Any]) -> Crash:
    """The `Crash` that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return _crash_from(document)


def _hex(value: str | None) -> int | None:
    return None if value is None else int(value, 16)


def _frame_from(document: Mapping[str, Any]) -> Frame:
    known = dict(document)
    known["status"] = FrameStatus(known["status"])
    known["address"] = _hex(known["address"])
    known["map_offset"] = _hex(known["map_offset"])
    if known.get("trust") is not None:  # absent in what was stored before there was a walk
        known["trust"] = FrameTrust(known["trust"])
    known["folded_with"] = tuple(known.get("folded_with", ()))
    return Frame(**known)


def _thread_from(document: Mapping[str, Any]) -> Thread:
    known = dict(document)
    known["frames"] = tuple(_frame_from(frame) for frame in known["frames"])
    known["held_locks"] = tuple(known["held_locks"])
    known["registers"] = {name: int(value, 16) for name, value in known["registers"].items()}
    if known["blocked_on"] is not None:
        known["blocked_on"] = LockWait(**known["blocked_on"])
    return Thread(**known)


def _module_from(document: Mapping[str, Any]) -> Module:
    known = dict(document)
    for name in ("start_addr", "end_addr", "map_offset"):
        known[name] = _hex(known[name])
    return Module(**known)


def _exception_from(document: Mapping[str, Any]) -> ExceptionInfo:
    known = dict(document)
    known["link"] = CauseLink(known["link"])
    known["frames"] = tuple(_frame_from(frame) for frame in known["frames"])
    return ExceptionInfo(**known)


def _crash_from(document: Mapping[str, Any]) -> Crash:
    known = dict(document)
    known["kind"] = CrashKind(known["kind"])
    known["fault_addr"] = _hex(known["fault_addr"])
    known["threads"] = tuple(_thread_from(thread) for thread in known["threads"])
    known["exceptions"] = tuple(_exception_from(item) for item in known["exceptions"])
    known["modules"] = tuple(_module_from(module) for module in known["modules"])
    return Crash(**known)
