"""Thread dumps of processes that do not respond: /data/anr, ApplicationExitInfo, xCrash.

A file holds one to several dozen processes, the reporting one first. Its main thread, the one
whose kernel id is the process id, is the thread to look at: it comes first and is `crashing`.
Every thread of every process is in `Crash.threads`; those of other processes carry their process
and pid. Forms of Android 2.3 (Dalvik) to 16 differ in details named in `anr_threads`.

Details: `processes`, `reason_kind`, `first_app_frame`, `holder_first_app_frame` (of the thread
that holds the lock which the main thread waits for), `deadlock` (see `anr_deadlock`),
`uptime_ms`, `build_type`, `declared_threads`, `main_waiting_channel`, memory in KB,
`threads_omitted`, `frames_omitted`, and the header of xCrash.
"""

import re
from dataclasses import dataclass, field, replace

from crashes.formats.anr_deadlock import ProcessThreads, find_deadlock
from crashes.formats.anr_reason import reason_kind
from crashes.formats.anr_threads import ThreadDraft, thread_header, thread_label
from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import MAX_THREADS, text_lines
from crashes.formats.logcat_lines import messages
from crashes.formats.tombstone_parts import package_of
from crashes.formats.xcrash_header import XcrashHeader, read_xcrash_header
from crashes.stack import Crash, CrashKind, JsonValue, Thread

MAX_PROCESSES = 256
_PID = re.compile(r"pid (?P<pid>[0-9]{1,10}) at (?P<time>.{0,64}?)\s*")
_DUMPING = re.compile(r"dumping pid: (?P<pid>[0-9]{1,10}) at (?P<uptime>[0-9]{1,18})\s*")
_COUNT = re.compile(r"\s*\(?(?P<count>[0-9]{1,6})\)?:?")
_MEMORY = re.compile(r"\b(?P<name>Rss(?:Hwm|Anon|File|Shmem)?|VmSwap)Kb: (?P<kb>[0-9]{1,12})\b")
_CHANNEL = re.compile(r"sysTid=(?P<tid>[0-9]{1,10})\s+(?P<channel>\S{1,128})")
_SEPARATORS = ("--- --- ", "*** *** ", "+++ +++ ")
_MEMORY_KEYS = {
    "RssHwm": "rss_hwm_kb",
    "Rss": "rss_kb",
    "RssAnon": "rss_anon_kb",
    "RssFile": "rss_file_kb",
    "RssShmem": "rss_shmem_kb",
    "VmSwap": "vm_swap_kb",
}


@dataclass(slots=True)
class _Process:
    """One process of the dump while it is read."""

    pid: int | None = None
    name: str | None = None
    timestamp: str | None = None
    abi: str | None = None
    build_fingerprint: str | None = None
    details: dict[str, JsonValue] = field(default_factory=dict)
    threads: list[ThreadDraft] = field(default_factory=list)
    channels: dict[int, str] = field(default_factory=dict)

    def main(self) -> ThreadDraft | None:
        """The main thread: by kernel id, else by name, else the runtime's first."""
        return (
            next((one for one in self.threads if one.tid == self.pid is not None), None)
            or next((one for one in self.threads if one.name == "main"), None)
            or next((one for one in self.threads if one.runtime_tid == 1), None)
            or next(iter(self.threads), None)
        )


def parse(payload: bytes) -> Crash:
    """The dump in `payload`. Raises MalformedPayload when no thread stands in it."""
    return from_lines(text_lines(payload))


def from_lines(lines: list[str]) -> Crash:
    """The dump in lines, which may carry log prefixes. Raises MalformedPayload."""
    lines = messages(lines)
    reader = _Reader()
    for line in lines:
        reader.take(line.strip())
    if not reader.thread_count:
        raise MalformedPayload("no_threads", "no thread header was found", where="line 1")
    return _crash(reader, read_xcrash_header(lines))


class _Reader:
    """Takes one line after the other and knows which process and thread it belongs to."""

    def __init__(self) -> None:
        self.processes = [_Process()]
        self.reason: str | None = None
        self.details: dict[str, JsonValue] = {}
        self.thread_count = 0
        self._kept = 0
        self._process = self.processes[0]
        self._by_pid: dict[int, _Process] = {}
        self._thread: ThreadDraft | None = None
        self._in_channels = False

    @property
    def omitted(self) -> int:
        """How many threads were beyond the limit."""
        return self.thread_count - self._kept

    def take(self, text: str) -> None:
        """Take one stripped line."""
        if text.startswith('"') and (draft := thread_header(text)):
            self._open_thread(draft)
        elif text.startswith("-----"):
            self._section(text)
        elif text.startswith(_SEPARATORS):
            self._thread = None
        elif self._thread is not None:
            self._thread.take(text)
        elif self._in_channels:
            self._channel(text)
        else:
            self._fact(text)

    def _open_thread(self, draft: ThreadDraft) -> None:
        self.thread_count += 1
        self._thread = draft
        self._in_channels = False
        if self._kept < MAX_THREADS:
            self._kept += 1
            self._process.threads.append(draft)

    def _section(self, text: str) -> None:
        """A line of dashes: a process begins or ends, or its waiting channels begin."""
        self._thread = None
        self._in_channels = False
        title = text.strip("-").strip()
        if found := _PID.fullmatch(title):
            self._open_process(int(found["pid"]), found["time"] or None)
        elif found := _DUMPING.fullmatch(title):
            self.details.setdefault("uptime_ms", int(found["uptime"]))
        elif title.startswith("Waiting Channels"):
            self._in_channels = True

    def _open_process(self, pid: int, timestamp: str | None) -> None:
        """Begin a process, or go on with it: a dump that took too long is followed by a native one.

        What stands above the first process belongs to it.
        """
        first = self.processes[0]
        if first.pid is None and not first.threads:
            first.pid, first.timestamp = pid, timestamp
            self._by_pid[pid] = first
        if pid not in self._by_pid and len(self.processes) < MAX_PROCESSES:
            self._by_pid[pid] = _Process(pid=pid, timestamp=timestamp)
            self.processes.append(self._by_pid[pid])
        self._process = self._by_pid.get(pid, self._process)

    def _channel(self, text: str) -> None:
        found = _CHANNEL.fullmatch(text)
        if found and len(self._process.channels) < MAX_THREADS:
            self._process.channels[int(found["tid"])] = found["channel"]

    def _fact(self, text: str) -> None:
        name, colon, value = text.partition(":")
        process = self._process
        value = value.strip()
        if name.startswith("DALVIK THREADS"):
            self._declared(process, name.removeprefix("DALVIK THREADS"))
        elif not colon or not value:
            return
        elif name in ("Cmd line", "Cmdline"):
            process.name = process.name or value
        elif name == "ABI":
            process.abi = process.abi or _quoted(value)
        elif name == "Build fingerprint":
            process.build_fingerprint = process.build_fingerprint or _quoted(value)
        else:
            self._seldom_fact(process, name, value, text)

    def _seldom_fact(self, process: _Process, name: str, value: str, text: str) -> None:
        if name in ("Subject", "Reason"):
            self.reason = self.reason or value
        elif name == "Build type":
            process.details.setdefault("build_type", value)
        elif name.startswith(("Rss", "VmSwap")):
            for found in _MEMORY.finditer(text):
                self.details[_MEMORY_KEYS[found["name"]]] = int(found["kb"])

    @staticmethod
    def _declared(process: _Process, text: str) -> None:
        found = _COUNT.match(text)
        if found:
            process.details.setdefault("declared_threads", int(found["count"]))


def _quoted(value: str) -> str | None:
    return value.strip("'") or None


def _crash(reader: _Reader, header: XcrashHeader | None) -> Crash:
    first = _with_header(reader.processes[0], header)
    main = first.main()
    finished = [_finished(process) for process in reader.processes]
    crash = Crash(
        kind=CrashKind.ANR,
        process=first.name,
        package=package_of(first.name),
        pid=first.pid,
        tid=main.tid if main else None,
        abi=first.abi,
        build_fingerprint=first.build_fingerprint,
        timestamp=first.timestamp,
        reason=reader.reason,
        threads=_threads(reader.processes, finished),
        details=_details(reader, finished),
    )
    return _below_xcrash_header(crash, header) if header else crash


def _with_header(process: _Process, header: XcrashHeader | None) -> _Process:
    """The reporting process, completed in place by what xCrash says above the dump."""
    if header is not None:
        process.name = process.name or header.process
        process.pid = header.pid if process.pid is None else process.pid
        process.abi = process.abi or header.abi
        process.build_fingerprint = process.build_fingerprint or header.build_fingerprint
        process.timestamp = process.timestamp or header.text("crash_time")
    return process


def _below_xcrash_header(crash: Crash, header: XcrashHeader) -> Crash:
    return replace(
        crash,
        package=header.text("app_id") or crash.package,
        version_name=header.text("app_version"),
        details={**header.details, **crash.details},
    )


def _finished(process: _Process) -> list[Thread]:
    """The threads in the order of the dump, with the holders of their locks named."""
    threads = [draft.finished() for draft in process.threads]
    labels = {thread.runtime_tid: thread_label(thread) for thread in threads}
    return [_with_holder(thread, labels) for thread in threads]


def _with_holder(thread: Thread, labels: dict[int | None, str]) -> Thread:
    wait = thread.blocked_on
    if wait is None or wait.held_by_tid is None:
        return thread
    holder = labels.get(wait.held_by_tid, wait.holder)
    return replace(thread, blocked_on=replace(wait, holder=holder))


def _threads(processes: list[_Process], finished: list[list[Thread]]) -> tuple[Thread, ...]:
    """All threads, the reporting process's main thread first."""
    first, *others = zip(processes, finished, strict=True)
    process, threads = first
    main = process.main()
    at = next((at for at, draft in enumerate(process.threads) if draft is main), None)
    ordered = list(threads)
    if at is not None:
        ordered.insert(0, replace(ordered.pop(at), crashing=True))
    for other, its_threads in others:
        ordered += [replace(one, process=other.name, pid=other.pid) for one in its_threads]
    return tuple(ordered)


def _details(reader: _Reader, finished: list[list[Thread]]) -> dict[str, JsonValue]:
    first = reader.processes[0]
    main = first.main()
    drafts = [draft for process in reader.processes for draft in process.threads]
    details: dict[str, JsonValue] = {
        **reader.details,
        **first.details,
        "processes": len(reader.processes),
        "reason_kind": reason_kind(reader.reason) if reader.reason else None,
        "first_app_frame": main.first_app_frame() if main else None,
        "holder_first_app_frame": _holder_app_frame(first, main),
        "main_waiting_channel": first.channels.get(main.tid or 0) if main else None,
        "deadlock": find_deadlock(
            [
                ProcessThreads(process.name, threads)
                for process, threads in zip(reader.processes, finished, strict=True)
            ]
        ),
        "frames_omitted": sum(draft.calls.omitted for draft in drafts) or None,
        "threads_omitted": reader.omitted or None,
    }
    return {key: value for key, value in details.items() if value is not None}


def _holder_app_frame(process: _Process, main: ThreadDraft | None) -> str | None:
    wait = main.blocked_on if main else None
    if wait is None or wait.held_by_tid is None:
        return None
    holders = (one for one in process.threads if one.runtime_tid == wait.held_by_tid)
    holder = next(holders, None)
    return holder.first_app_frame() if holder else None
