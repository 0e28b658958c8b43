"""Stack traces of Java and Kotlin code, as the JVM, ART, the log and crash libraries print them.

The trace itself is read by `exception_chain`. This module finds where it begins: behind
`Exception in thread "main"` (a JVM), below `FATAL EXCEPTION: main` and `Process: x, PID: n`
(Android's RuntimeInit.java, mostly with log prefixes), below an xCrash header, or on the first
line; a stack that was put on one line is taken apart first (`flattened`). What stands after the trace is ignored.
"""

import re
from dataclasses import dataclass, field, replace

from crashes.formats.errors import MalformedPayload
from crashes.formats.exception_chain import (
    Chain,
    ChainReader,
    call_of,
    is_structural,
    is_sure_title,
    is_title,
)
from crashes.formats.flattened import unflattened
from crashes.formats.lines import blank, text_lines
from crashes.formats.logcat_lines import LogLine, is_log, read_log
from crashes.formats.tombstone_parts import package_of
from crashes.formats.xcrash_header import read_xcrash_header
from crashes.stack import Crash, CrashKind, ExceptionInfo, Frame, JsonValue, Thread

_MAX_LEAD = 1024
_IN_THREAD = 'Exception in thread "'
_MAX_QUOTES = 32
_REPORTED = re.compile(
    r"(?:Non-)?[Ff]atal Exception: (?=\S)|Exception (?=(?:\w{1,64}\.){1,12}[A-Z])"
)
_FATAL = re.compile(
    r"\s*(?:\*\*\* )?FATAL EXCEPTION(?P<system> IN SYSTEM PROCESS)?: (?P<thread>.*)"
)
_PROCESS = re.compile(r"\s*Process: (?P<process>[^,\s]{1,256})(?:, PID: (?P<pid>[0-9]{1,10}))?\s*")
_WTF = "android.util.Log$TerribleFailure"
_PID = re.compile(r"\s*PID: (?P<pid>[0-9]{1,10})\s*")
_MAP_ID = re.compile(r"r8-map-id-(?P<id>[0-9a-fA-F]{7,64})")


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Where a trace starts and what was said above it. Without a title it starts with frames."""

    at: int
    title: str | None = None
    thread: str | None = None
    process: str | None = None
    pid: int | None = None
    tid: int | None = None
    timestamp: str | None = None
    details: dict[str, JsonValue] = field(default_factory=dict)


def parse(payload: bytes) -> Crash:
    """The first Java stack trace in `payload`. Raises MalformedPayload when there is none."""
    lines = text_lines(payload)
    if is_log(lines):
        return from_log(read_log(lines))
    crash = from_lines(unflattened(lines) or lines)
    return _below_xcrash_header(crash, lines)


def from_lines(lines: list[str]) -> Crash:
    """The first stack trace in lines without log prefixes. Raises MalformedPayload."""
    return _crash(lines, _find_beginning(lines))


def from_log(log: list[LogLine]) -> Crash:
    """The first fatal exception of a log, else its first stack trace. Raises MalformedPayload.

    Only lines of the process, thread and tag that began it are read, so that lines of others
    that came in between do not cut the trace.
    """
    start = fatal_line(log)
    if start is None:
        raise MalformedPayload(
            "not_a_java_stacktrace", "no exception stands in this log", where="line 1"
        )
    first = log[start]
    lines = [line.message for line in log[start:] if line.writer == first.writer]
    begin = _find_beginning(lines)
    return _crash(
        lines,
        replace(begin, pid=begin.pid or first.pid, tid=first.tid, timestamp=first.time),
    )


def fatal_line(log: list[LogLine]) -> int | None:
    """The index of the line that announces a fatal exception, or that begins a stack trace."""
    announced = next((at for at, line in enumerate(log) if is_fatal(line.message)), None)
    if announced is not None:
        return announced
    begun = {line.writer for line in log if call_of(line.message)}
    return next(
        (at for at, line in enumerate(log) if line.writer in begun and _starts(line.message)),
        None,
    )


def is_fatal(line: str) -> bool:
    """Whether RuntimeInit announces an uncaught exception here."""
    return "FATAL EXCEPTION" in line and _FATAL.match(line) is not None


def _starts(line: str) -> bool:
    return is_sure_title(line) or line.startswith(_IN_THREAD)


def _find_beginning(lines: list[str]) -> _Beginning:
    """Where the first trace starts, and under which title."""
    above = _Beginning(at=0)
    unsure: int | None = None
    for at, line in enumerate(lines[:_MAX_LEAD]):
        if blank(line):
            continue
        if is_structural(line):
            return _with_title(above, lines, unsure, at)
        said = _announced(above, line)
        if said is not None:
            above, unsure = said, None
        elif (found := _title_in(above, line, at)) is not None:
            return found
        elif unsure is None and is_title(line):
            unsure = at
    if above.thread is not None and unsure is not None:
        return replace(above, at=unsure, title=lines[unsure].strip())
    raise MalformedPayload(
        "not_a_java_stacktrace", "no exception and no frame was found", where="line 1"
    )


def _announced(above: _Beginning, line: str) -> _Beginning | None:
    """What was known above a trace together with `line`, or None when the line says nothing."""
    if fatal := _FATAL.match(line):
        system = fatal["system"] is not None
        event: JsonValue = "system_server_crash" if system else "app_crash"
        return replace(
            above,
            thread=fatal["thread"].strip() or None,
            process="system_server" if system else above.process,
            details={**above.details, "event": event},
        )
    if process := _PROCESS.fullmatch(line):
        return replace(above, process=process["process"], pid=_number(process["pid"]))
    if pid := _PID.fullmatch(line):
        return replace(above, pid=_number(pid["pid"]))
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _title_in(above: _Beginning, line: str, at: int) -> _Beginning | None:
    """The beginning that `line` is beyond doubt, or None."""
    text = line.strip()
    if text.startswith(_IN_THREAD):
        thread, title = _thread_and_title(text.removeprefix(_IN_THREAD))
        return replace(above, at=at, thread=thread, title=title)
    title = _REPORTED.sub("", text, count=1)
    if title != text or is_sure_title(title):
        return replace(above, at=at, title=title)
    return None


def _thread_and_title(text: str) -> tuple[str | None, str]:
    """Both sides of the quote that ends a thread's name; names and messages hold quotes too."""
    parts = text.split('" ', _MAX_QUOTES)
    for cut in range(1, len(parts)):
        title = '" '.join(parts[cut:])
        if is_sure_title(title):
            return '" '.join(parts[:cut]) or None, title
    return parts[0] or None, '" '.join(parts[1:]) or text


def _with_title(above: _Beginning, lines: list[str], unsure: int | None, at: int) -> _Beginning:
    """The beginning of a trace whose first frame stands on line `at`.

    Its title is the first line that can be one (obfuscated types look like any word), else the
    trace has lost its head.
    """
    if unsure is None:
        return replace(above, at=at)
    return replace(above, at=unsure, title=lines[unsure].strip())


def _crash(lines: list[str], begin: _Beginning) -> Crash:
    chain = ChainReader(lines).read(begin.at, begin.title)
    outermost = chain.exceptions[0] if begin.title is not None else None
    frames = outermost.frames if outermost else chain.headless
    return Crash(
        kind=CrashKind.WTF if outermost and outermost.type == _WTF else CrashKind.JAVA_CRASH,
        process=begin.process,
        package=package_of(begin.process),
        pid=begin.pid,
        tid=begin.tid,
        timestamp=begin.timestamp,
        exception_type=outermost.type if outermost else None,
        exception_message=outermost.message if outermost else None,
        threads=(Thread(name=begin.thread, tid=begin.tid, crashing=True, frames=frames),),
        exceptions=chain.exceptions,
        details={**begin.details, **_details(chain)},
    )


def _details(chain: Chain) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {}
    if chain.dropped_frames:
        details["frames_omitted"] = chain.dropped_frames
    if chain.dropped_exceptions:
        details["exceptions_omitted"] = chain.dropped_exceptions
    map_id = _map_id(chain.exceptions, chain.headless)
    if map_id:
        details["r8_map_id"] = map_id
    return details


def _map_id(exceptions: tuple[ExceptionInfo, ...], headless: tuple[Frame, ...]) -> str | None:
    """The id of the R8 mapping that a source file names (`r8-map-id-…`), if one does."""
    stacks = [headless, *(exception.frames for exception in exceptions)]
    files = (frame.file for frames in stacks for frame in frames if frame.file)
    found = next(filter(None, map(_MAP_ID.fullmatch, files)), None)
    return found["id"] if found else None


def _below_xcrash_header(crash: Crash, lines: list[str]) -> Crash:
    """`crash` with the facts of the xCrash header above it, if one is there."""
    header = read_xcrash_header(lines)
    if header is None:
        return crash
    thread = replace(crash.threads[0], name=header.thread, tid=header.tid)
    return replace(
        crash,
        process=header.process,
        package=header.text("app_id") or package_of(header.process),
        version_name=header.text("app_version"),
        pid=header.pid,
        tid=header.tid,
        abi=header.abi,
        build_fingerprint=header.build_fingerprint,
        timestamp=header.text("crash_time"),
        threads=(thread,),
        details={**crash.details, **header.details},
    )
