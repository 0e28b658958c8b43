"""The first fatal crash in a piece of the system log.

Recognized, whichever comes first: an uncaught exception (`FATAL EXCEPTION`), a tombstone that
`crash_dump` or `debuggerd` wrote to the log, an ANR or watchdog sentence of the system. Where none
stands, the first stack trace counts, then a `Fatal signal` line without a tombstone, then a process
that was killed for its memory, or what the event log says (`event_log`). A text without
log prefixes is read as what stands in it. `event` in the details is what the log announced:
app_crash, system_server_crash, native_crash, anr, watchdog.
"""

import re
from dataclasses import replace
from itertools import islice

from crashes.formats import anr_traces, java_stacktrace, tombstone_text
from crashes.formats.anr_reason import reason_kind
from crashes.formats.errors import MalformedPayload
from crashes.formats.event_log import crash_in_event
from crashes.formats.exception_chain import call_of
from crashes.formats.lines import MAX_FRAMES, MAX_THREADS, text_lines
from crashes.formats.logcat_lines import LogLine, is_log, read_log
from crashes.formats.managed_frame import managed_frame
from crashes.formats.memory_kills import kill_in, kill_in_event
from crashes.formats.tombstone_parts import package_of, present
from crashes.stack import Crash, CrashKind, Frame, JsonValue, Thread

TOMBSTONE_MARK = "*** *** ***"
_ANR = re.compile(
    r"ANR (?:in|\(application not responding\) in process:) (?P<process>[^\s(]{1,256})"
    r"(?: \((?P<activity>[^)]{1,512})\))?"
)
_WATCHDOG = re.compile(r"\*\*\* WATCHDOG KILLING SYSTEM PROCESS: (?P<subject>.*)")
_SIGNAL = re.compile(
    r"Fatal signal (?P<number>[0-9]{1,3}) \((?P<signal>\w{1,32})\)"
    r"(?:, code (?P<code>-?[0-9]{1,6})(?: \((?P<code_name>\w{1,32})\))?)?"
    r"(?:.{0,80}?fault addr (?:0x)?(?P<address>[0-9a-fA-F]{1,16}|-+))?"
    r"(?:.{0,80}?in tid (?P<tid>[0-9]{1,10})(?: \((?P<thread>[^)]{0,32})\))?)?"
    r"(?:, pid (?P<pid>[0-9]{1,10})(?: \((?P<process>[^)]{0,256})\))?)?"
)
_STRICT_MODE = re.compile(
    r"StrictMode policy violation(?:; ~duration=(?P<ms>\d{1,10}) ms)?: (?=\S)"
)
_STACK_OF = re.compile(r"(?P<name>\S.{0,128}?) (?:annotated )?stack trace:")
_ANR_LINES = 16
_WATCHDOG_LINES = 2000
_MAX_ATTEMPTS = 16


def parse(payload: bytes) -> Crash:
    """The first crash in `payload`. Raises MalformedPayload `no_crash_in_log` when none is there."""
    lines = text_lines(payload)
    if not is_log(lines):
        return _plain(payload, lines)
    log = read_log(lines)
    announced = (at for at, line in enumerate(log) if _announces(line.message))
    for at in islice(announced, _MAX_ATTEMPTS):
        crash = _fatal(log, at, log[at])
        if crash is not None:
            return crash
    return _less_than_fatal(log)


def _announces(message: str) -> bool:
    """Whether the system says in this line that something died or hangs."""
    return (
        java_stacktrace.is_fatal(message)
        or message.lstrip().startswith(TOMBSTONE_MARK)
        or ("ANR " in message and _ANR.search(message) is not None)
        or ("WATCHDOG" in message and _WATCHDOG.search(message) is not None)
    )


def _strict_mode(log: list[LogLine]) -> Crash | None:
    """The first violation that StrictMode logged: its title behind a sentence, then the stack."""
    for at, line in enumerate(log):
        found = _STRICT_MODE.match(line.message) if "StrictMode policy" in line.message else None
        if found:
            below = [other.message for other in log[at + 1 :] if other.writer == line.writer]
            try:
                crash = java_stacktrace.from_lines([line.message[found.end() :], *below])
            except MalformedPayload:
                return None
            duration: JsonValue = int(found["ms"]) if found["ms"] else None
            return replace(
                crash,
                kind=CrashKind.STRICT_MODE,
                pid=line.pid,
                tid=line.tid,
                timestamp=line.time,
                details={**crash.details, **present({"duration_ms": duration})},
            )
    return None


def _plain(payload: bytes, lines: list[str]) -> Crash:
    """The crash of a text whose prefixes somebody took off."""
    if any(TOMBSTONE_MARK in line for line in lines):
        return tombstone_text.parse(payload)
    for read in (java_stacktrace.from_lines, anr_traces.from_lines):
        try:
            return read(lines)
        except MalformedPayload:
            continue
    raise MalformedPayload("no_crash_in_log", "no crash stands in this text", where="line 1")


def _fatal(log: list[LogLine], at: int, line: LogLine) -> Crash | None:
    """The crash that `line` announces, or None."""
    message = line.message
    if java_stacktrace.is_fatal(message):
        return _announced_exception(log[at:])
    if message.lstrip().startswith(TOMBSTONE_MARK):
        return _tombstone(log, at)
    if found := _ANR.search(message):
        return _anr(log, at, found)
    if found := _WATCHDOG.search(message):
        return _watchdog(log[at:], found["subject"])
    return None


def _announced_exception(log: list[LogLine]) -> Crash | None:
    try:
        return java_stacktrace.from_log(log)
    except MalformedPayload:
        return None


def _tombstone(log: list[LogLine], at: int) -> Crash | None:
    """The tombstone that begins at `at`; one process prints it, maybe with several tags."""
    pid = log[at].pid
    text = "\n".join(line.message for line in log[at:] if line.pid == pid)
    try:
        crash = tombstone_text.parse(text.encode())
    except MalformedPayload:
        return None
    details = {**crash.details, "event": "native_crash"}
    return replace(crash, timestamp=crash.timestamp or log[at].time, details=details)


def _anr(log: list[LogLine], at: int, found: re.Match[str]) -> Crash:
    """The ANR that ActivityManager reports in a few lines, without any stack."""
    facts: dict[str, str] = {}
    for line in log[at + 1 : at + 1 + _ANR_LINES]:
        name, colon, value = line.message.partition(":")
        if colon and line.writer == log[at].writer:
            facts.setdefault(name.strip(), value.strip())
    process, reason = found["process"], facts.get("Reason") or None
    details: dict[str, JsonValue] = {
        "event": "anr",
        "activity": found["activity"],
        "reason_kind": reason_kind(reason) if reason else None,
        "load": facts.get("Load"),
    }
    pid = facts.get("PID", "")
    return Crash(
        kind=CrashKind.ANR,
        process=process,
        package=package_of(process),
        pid=int(pid) if re.fullmatch(r"[0-9]{1,10}", pid) else None,
        timestamp=log[at].time,
        reason=reason,
        details={key: value for key, value in details.items() if value},
    )


def _watchdog(log: list[LogLine], subject: str) -> Crash:
    """A watchdog's sentence, and the stacks that stand below; the first one named is to blame."""
    line, name = log[0], blocked_thread(subject)
    stacks = _stacks_below(log[1:_WATCHDOG_LINES], line)
    first = [name] if name else []
    names = [*first, *(one for one in stacks if one != name)][:MAX_THREADS]
    return Crash(
        kind=CrashKind.WATCHDOG,
        process="system_server",
        pid=line.pid,
        timestamp=line.time,
        reason=subject.strip() or None,
        threads=tuple(
            Thread(name=one, crashing=one == name, frames=stacks.get(one, ())) for one in names
        ),
        details={"event": "watchdog"},
    )


def _stacks_below(log: list[LogLine], first: LogLine) -> dict[str, tuple[Frame, ...]]:
    """By thread, `NAME annotated stack trace:` and the frames below it."""
    stacks: dict[str, tuple[Frame, ...]] = {}
    frames: list[Frame] | None = None
    name = ""
    for line in log:
        if line.writer != first.writer:
            continue
        if found := _STACK_OF.fullmatch(line.message.strip()):
            frames, name = [], found["name"]
        call = call_of(" " + line.message)
        frame = managed_frame(call, len(frames)) if call and frames is not None else None
        if frame is not None and frames is not None and len(frames) < MAX_FRAMES:
            frames.append(frame)
            stacks[name] = tuple(frames)
    return stacks


def blocked_thread(subject: str) -> str | None:
    """The name in `Blocked in handler on foreground thread (android.fg) for 15s`, the first one."""
    _, blocked, rest = subject.partition("Blocked in ")
    name, closed, _ = rest.partition("(")[2].partition(")")
    return name.strip() or None if blocked and closed else None


def _less_than_fatal(log: list[LogLine]) -> Crash:
    """What StrictMode logged or the first stack trace, else the signal of a crash without a tombstone, else who was killed."""
    try:
        return _strict_mode(log) or java_stacktrace.from_log(log)
    except MalformedPayload:
        pass
    for line in log:
        if found := _SIGNAL.search(line.message):
            return _signal(line, found)
    for line in log:
        if event := crash_in_event(line.tag, line.message, line.time):
            return event
        kill = kill_in_event(line.message) if line.tag == "am_kill" else kill_in(line.message)
        if kill:
            return kill.crash(line.time)
    raise MalformedPayload("no_crash_in_log", "no crash stands in this log", where="line 1")


def _signal(line: LogLine, found: re.Match[str]) -> Crash:
    address = (found["address"] or "").strip("-")
    tid = int(found["tid"]) if found["tid"] else line.tid
    process = found["process"] or None
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=process,
        package=package_of(process),
        pid=int(found["pid"]) if found["pid"] else line.pid,
        tid=tid,
        timestamp=line.time,
        signal=found["signal"],
        signal_number=int(found["number"]),
        signal_code=found["code_name"],
        fault_addr=int(address, 16) if address else None,
        threads=(Thread(name=found["thread"] or None, tid=tid, crashing=True),),
        details={"event": "native_crash"},
    )
