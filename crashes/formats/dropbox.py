"""Entries of Android's DropBox: a header, an empty line, and a body of many kinds.

The tag (`system_app_crash`) says which kind, but it is no part of the content: it is known only
when dumpsys printed the entry, else the body tells. The body goes to the parser of its kind, and
what the header says about process, package and build wins over what the body says.

Read are entries as they are stored, as `dumpsys dropbox --print` prints them (the first that can
be read, with `entries` in the details), the plain list of `dumpsys dropbox`, and binary
tombstones. Details: `tag`, the facts that `dropbox_header` names, `violations` (StrictMode joins
several in one entry), `log_tag` (of Log.wtf), `last_boot_reason`.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from crashes.formats import (
    anr_traces,
    java_stacktrace,
    kernel_log,
    tombstone_proto,
    tombstone_text,
)
from crashes.formats.anr_reason import reason_kind
from crashes.formats.anr_threads import thread_header
from crashes.formats.dropbox_header import EntryLine, Header, read_entry_line, read_header
from crashes.formats.errors import MalformedPayload
from crashes.formats.exception_chain import call_of
from crashes.formats.kernel_log.console import is_stamped
from crashes.formats.kernel_log.report import PANIC
from crashes.formats.lines import blank, text_lines
from crashes.formats.logcat import TOMBSTONE_MARK, blocked_thread
from crashes.formats.sniffing import is_tombstone_proto
from crashes.formats.tombstone_parts import inflated, present
from crashes.stack import Crash, CrashKind, JsonValue, Thread

_SEPARATOR = re.compile(r"={20,}\s*")
_LIST_FACTS = re.compile(
    r"(?:Drop box contents: (?P<entries>[0-9]{1,9}) entries"
    r"|Low priority rate limit period: (?P<period>[0-9]{1,12}) ms)\s*"
)
_BOOT_REASON = re.compile(r"Last boot reason: (?P<reason>\S.{0,255})")
_MAX_ENTRIES = 16
_MAX_TAGS = 256
_MAX_JOINED = 32
_MAX_FUNCTIONS = 8
_LIST_HEAD = 40
_OF_THE_MAIN_THREAD = frozenset({"reason_kind", "first_app_frame", "holder_first_app_frame"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry taken apart."""

    line: EntryLine | None
    header: Header
    body: list[str]

    @property
    def tag(self) -> str:
        return self.line.tag if self.line else ""

    @property
    def subject(self) -> str:
        return self.header.text("Subject") or ""


def parse(payload: bytes) -> Crash:
    """The crash of an entry. Raises MalformedPayload `unknown_dropbox_body` and those of bodies."""
    payload = inflated(payload)
    if is_tombstone_proto(payload):
        return tombstone_proto.parse(payload)
    lines = text_lines(payload)
    entries = _split(lines)
    if len(entries) == 1 and _is_list(lines):
        return _list_of_entries(lines)
    crash = _first_readable(entries)
    if len(entries) == 1:
        return crash
    return replace(crash, details={**crash.details, "entries": len(entries)})


def _split(lines: list[str]) -> list[list[str]]:
    """The lines of each entry; dumpsys draws a line of `=` above every one."""
    starts = [at for at, line in enumerate(lines) if line.startswith("=") and _is_start(lines, at)]
    if not starts:
        return [lines]
    ends = [*starts[1:], len(lines)]
    return [lines[start + 1 : end] for start, end in zip(starts, ends, strict=True)]


def _is_start(lines: list[str], at: int) -> bool:
    """Whether the drawn line at `at` stands above an entry and not inside a body."""
    below = lines[at + 1] if at + 1 < len(lines) else ""
    return _SEPARATOR.fullmatch(lines[at]) is not None and read_entry_line(below) is not None


def _first_readable(entries: list[list[str]]) -> Crash:
    problem: MalformedPayload | None = None
    for lines in islice(entries, _MAX_ENTRIES):
        try:
            return _crash(_take_apart(lines))
        except MalformedPayload as found:
            problem = problem or found
    raise problem or MalformedPayload("unknown_dropbox_body", "no entry was found")


def _take_apart(lines: list[str]) -> _Entry:
    at = _after_blanks(lines, 0)
    line = read_entry_line(lines[at]) if at < len(lines) else None
    if line is not None:
        at = _after_blanks(lines, at + 1)
    header = read_header(lines, at)
    return _Entry(line, header, lines[_after_blanks(lines, header.body_at) :])


def _after_blanks(lines: list[str], at: int) -> int:
    while at < len(lines) and blank(lines[at]):
        at += 1
    return at


def _crash(entry: _Entry) -> Crash:
    if entry.line is not None and entry.line.lost:
        raise MalformedPayload("contents_lost", f"the system dropped the {entry.tag} entry")
    read = _by_tag(entry.tag) or _by_content(entry)
    if read is None:
        raise MalformedPayload(
            "unknown_dropbox_body", "the body is of no known kind", where=_line_of(entry)
        )
    try:
        return _with_header(read(entry), entry)
    except MalformedPayload as problem:
        raise MalformedPayload(problem.code, problem.detail, where=_line_of(entry)) from problem


def _line_of(entry: _Entry) -> str:
    return f"line {entry.header.body_at + 1}"


_Reader = Callable[[_Entry], Crash]


def _by_tag(tag: str) -> _Reader | None:
    """The reader for a tag; the first word says whose process it was and is not looked at."""
    return next((read for end, read in _TAGS if tag.endswith(end)), None) if tag else None


def _by_content(entry: _Entry) -> _Reader | None:
    if entry.header.is_boot:
        return _boot
    if entry.subject.startswith("Blocked in "):
        return _watchdog
    if entry.header.is_strict_mode:
        return _strict_mode
    return _by_body(entry)


def _by_body(entry: _Entry) -> _Reader | None:
    """The first line that only one kind has decides: a log of anything may follow a stack."""
    for line in entry.body:
        text = line.lstrip()
        if call_of(line):
            return _managed(entry)
        if text.startswith(TOMBSTONE_MARK):
            return _native_crash
        if text.startswith('"') and thread_header(text.rstrip()):
            return _anr
    return _by_subject(entry)


def _managed(entry: _Entry) -> _Reader:
    first = next(iter(entry.body), "")
    if first.startswith(("android.os.StrictMode", "android.os.strictmode.")):
        return _strict_mode
    failed_terribly = first.startswith("android.util.Log$TerribleFailure")
    return _wtf if failed_terribly or entry.subject else _java_crash


def _by_subject(entry: _Entry) -> _Reader | None:
    """The reader of an entry whose body has no stack: it was cut, or never had one."""
    if reason_kind(entry.subject) or any(line.startswith("CPU usage from") for line in entry.body):
        return _anr
    if entry.subject.casefold().startswith("low on memory"):
        return _low_memory
    return _java_crash if "Process" in entry.header.fields and entry.body else None


def _java_crash(entry: _Entry) -> Crash:
    return java_stacktrace.from_lines(entry.body)


def _native_crash(entry: _Entry) -> Crash:
    return tombstone_text.parse("\n".join(entry.body).encode())


def _anr(entry: _Entry) -> Crash:
    """An ANR; without any thread the subject is what is known."""
    try:
        crash = anr_traces.from_lines(entry.body)
    except MalformedPayload:
        crash = Crash(kind=CrashKind.ANR)
    reason = entry.subject or crash.reason
    kind = reason_kind(reason) if reason else None
    details = {**crash.details, "reason_kind": kind} if kind else crash.details
    return replace(crash, reason=reason, details=details)


def _watchdog(entry: _Entry) -> Crash:
    """A watchdog: the thread named in the subject is the one to look at."""
    crash = replace(_anr(entry), kind=CrashKind.WATCHDOG, reason=entry.subject or None)
    name = blocked_thread(entry.subject)
    details = {key: value for key, value in crash.details.items() if key not in _OF_THE_MAIN_THREAD}
    threads = _to_the_front(crash.threads, name) if name else crash.threads
    tid = threads[0].tid if threads and threads[0].crashing else crash.tid
    return replace(crash, threads=threads, tid=tid, details=details)


def _to_the_front(threads: tuple[Thread, ...], name: str) -> tuple[Thread, ...]:
    """The threads with the one called `name` first and crashing; it is made up when absent."""
    if not threads:
        return (Thread(name=name, crashing=True),)
    at = next((at for at, one in enumerate(threads) if one.name == name and one.pid is None), None)
    if at is None:
        return threads
    others = [replace(one, crashing=False) for one in (*threads[:at], *threads[at + 1 :])]
    return (replace(threads[at], crashing=True), *others)


def _wtf(entry: _Entry) -> Crash:
    """A `Log.wtf`: its subject is the log tag, its body a stack or only the message."""
    try:
        crash = java_stacktrace.from_lines(entry.body)
    except MalformedPayload:
        message = next((line for line in entry.body if not blank(line)), "").strip()
        crash = Crash(kind=CrashKind.WTF, exception_message=message or None)
    tag: dict[str, JsonValue] = {"log_tag": entry.subject} if entry.subject else {}
    return replace(crash, kind=CrashKind.WTF, details={**crash.details, **tag})


def _strict_mode(entry: _Entry) -> Crash:
    """A StrictMode violation: the first of those that were joined in the entry."""
    starts = [at for at, line in enumerate(entry.body) if line.startswith("Process: ")]
    first = entry.body[: starts[0]] if starts else entry.body
    crash = java_stacktrace.from_lines(first)
    details: dict[str, JsonValue] = {**crash.details, "violations": len(starts) + 1}
    ends = [*starts[1:], len(entry.body)]
    joined = [
        _violation(entry.body[start:end])
        for start, end in zip(starts[:_MAX_JOINED], ends, strict=False)
    ]
    if any(joined):
        details["other_violations"] = [one for one in joined if one]
    return replace(crash, kind=CrashKind.STRICT_MODE, details=details)


def _violation(lines: list[str]) -> JsonValue:
    """What a further violation is about, in brief; None when it has no stack."""
    try:
        crash = java_stacktrace.from_lines(lines)
    except MalformedPayload:
        return None
    frames = crash.threads[0].frames
    said: dict[str, JsonValue] = {
        "process": crash.process,
        "exception_type": crash.exception_type,
        "exception_message": crash.exception_message,
        "functions": [frame.function for frame in frames[:_MAX_FUNCTIONS]],
    }
    return present(said)


def _low_memory(entry: _Entry) -> Crash:
    first = next((line.strip() for line in entry.body if not blank(line)), None)
    return Crash(kind=CrashKind.LOW_MEMORY_KILL, reason=entry.subject or first)


def _boot(entry: _Entry) -> Crash:
    """What the boot receiver collected: a tombstone, a kernel log, or the mere fact of a boot."""
    if any(TOMBSTONE_MARK in line for line in entry.body):
        return _native_crash(entry)
    boot = next(filter(None, map(_BOOT_REASON.search, reversed(entry.body))), None)
    last = boot["reason"].strip() if boot else None
    crash = _kernel_log(entry)
    details = {**crash.details, "last_boot_reason": last} if last else crash.details
    reason = crash.reason or last if crash.kind is not CrashKind.REBOOT else last or crash.reason
    return replace(crash, reason=reason, details=details)


def _kernel_log(entry: _Entry) -> Crash:
    """The crash in the tail of the kernel's log; a boot without such a log is a mere restart."""
    if not any(is_stamped(line) or PANIC in line for line in entry.body):
        return Crash(kind=CrashKind.REBOOT)
    try:
        return kernel_log.parse("\n".join(entry.body).encode())
    except MalformedPayload:
        return Crash(kind=CrashKind.REBOOT)


def _log_of_boot(entry: _Entry) -> Crash:
    """Logs of recovery, fsck and SELinux: kept, and not crashes."""
    first = next((line.strip() for line in entry.body if not blank(line)), None)
    return Crash(kind=CrashKind.ERROR, reason=first)


_TAGS: tuple[tuple[str, _Reader], ...] = (
    ("native_crash", _native_crash),
    ("crash", _java_crash),
    ("anr", _anr),
    ("wtf", _wtf),
    ("strictmode", _strict_mode),
    ("lowmem", _low_memory),
    ("watchdog", _watchdog),
    ("SYSTEM_TOMBSTONE", _native_crash),
    ("SYSTEM_BOOT", _boot),
    ("SYSTEM_RESTART", _boot),
    ("SYSTEM_LAST_KMSG", _boot),
    ("SYSTEM_RECOVERY_LOG", _log_of_boot),
    ("SYSTEM_RECOVERY_KMSG", _log_of_boot),
    ("SYSTEM_AUDIT", _log_of_boot),
    ("SYSTEM_FSCK", _log_of_boot),
)


def _with_header(crash: Crash, entry: _Entry) -> Crash:
    """`crash` with what the header and the entry's line say."""
    header = entry.header
    fingerprints = [header.text("Build"), crash.build_fingerprint]
    if header.is_boot:  # which may have changed the build since the tombstone was written
        fingerprints.reverse()
    package = header.packages[0] if header.packages else None
    details: dict[str, JsonValue] = {**crash.details, **header.details()}
    if entry.line is not None:
        details["tag"] = entry.line.tag
    return replace(
        crash,
        process=header.text("Process") or crash.process,
        package=package.name if package else crash.package,
        version_code=package.version_code if package else crash.version_code,
        version_name=package.version_name if package else crash.version_name,
        pid=crash.pid if header.pid is None else header.pid,
        build_fingerprint=next(filter(None, fingerprints), None),
        timestamp=crash.timestamp or (entry.line.timestamp if entry.line else None),
        details=details,
    )


def _is_list(lines: list[str]) -> bool:
    return any(line.startswith("Drop box contents:") for line in lines[:_LIST_HEAD])


def _list_of_entries(lines: list[str]) -> Crash:
    """The list of `dumpsys dropbox`: counts by tag, most frequent first, and no crash."""
    tags: Counter[str] = Counter()
    details: dict[str, JsonValue] = {}
    for line in lines:
        if line[:1].isdigit() and (entry := read_entry_line(line)):
            tags[entry.tag] += 1
        elif found := _LIST_FACTS.fullmatch(line):
            details |= _list_facts(found)
    details["tag_counts"] = dict(tags.most_common(_MAX_TAGS))
    return Crash(kind=CrashKind.ERROR, details=details)


def _list_facts(found: re.Match[str]) -> dict[str, JsonValue]:
    if found["entries"]:
        return {"declared_entries": int(found["entries"])}
    return {"low_priority_rate_limit_ms": int(found["period"])}
