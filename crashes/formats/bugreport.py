"""Bugreports: everything a phone knows about itself, and the crashes that are in there.

A bugreport is a text (see `bugreport_text`) or an archive with that text and files beside it
(`bugreport_archive`). Crashes stand in several places, often the same one in more than one:

    SYSTEM LOG                      the last crash that the log still has
    VM TRACES AT LAST ANR, FS/data/anr/            thread dumps
    FS/data/tombstones/, TOMBSTONE …               native crashes, as text and as protobuf
    DROPBOX SYSTEM SERVER CRASHES, … APP CRASHES   stored entries
    LAST KMSG, LAST PANIC CONSOLE, FS/sys/fs/pstore/   the kernel's end before the last boot

Each is read by the parser of its format; what cannot be read is left out. The crash of the report
is the first of them in this order (a stack that was only logged comes last), and `details.crashes`
lists all: source, kind, process, what and when. An ANR in the log gets the threads of the dump of the same process. A bugreport without
a crash has kind `error` and neither reason nor threads.

`details`: dumpstate_time, build, bootloader, radio, kernel, uptime, format_version, last_kmsg,
sections [{title, command, offset_bytes, size_bytes, is_service}], files and files_count of an
archive, main_entry, crashes, crash_source, events (counts of am_crash, am_anr, am_kill and
others), checkin (of battery statistics, without its rows), and what the crash's own parser says.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from crashes.formats import (
    anr_traces,
    batterystats,
    dropbox,
    kernel_log,
    logcat,
    tombstone_proto,
    tombstone_text,
)
from crashes.formats.bugreport_archive import MAX_MAIN_BYTES, Archive, open_archive
from crashes.formats.bugreport_text import Section, header, index, is_bugreport, sections
from crashes.formats.errors import MalformedPayload
from crashes.formats.tombstone_parts import inflated
from crashes.stack import Crash, CrashKind, JsonValue

__all__ = ["parse"]

_ZIP_MAGIC = b"PK"
_MAX_PART_BYTES = 16 * 1024 * 1024
_MAX_CRASHES = 64
_MAX_FILES = 512
_MAX_TEXT = 512

_Reader = Callable[[bytes], Crash]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where crashes may stand, in the order in which they count."""

    name: re.Pattern[str]
    read: _Reader


@dataclass(frozen=True, slots=True)
class _Found:
    """A crash and where it stood."""

    source: str
    crash: Crash
    is_log: bool = False


_SECTIONS = (
    _Place(re.compile(r"SYSTEM LOG|CRASH LOG|MAIN LOG"), logcat.parse),
    _Place(re.compile(r"VM TRACES AT LAST ANR.*"), anr_traces.parse),
    _Place(re.compile(r"TOMBSTONE.*"), tombstone_text.parse),
    _Place(re.compile(r"DROPBOX SYSTEM (?:SERVER|APP) CRASHES.*"), dropbox.parse),
    _Place(re.compile(r"LAST KMSG|LAST PANIC CONSOLE|LAST LOGCAT KERNEL.*"), kernel_log.parse),
)
_FILES = (
    _Place(re.compile(r"FS/data/tombstones/tombstone_[0-9]+\.pb"), tombstone_proto.parse),
    _Place(re.compile(r"FS/data/tombstones/tombstone_[0-9]+"), tombstone_text.parse),
    _Place(re.compile(r"FS/data/anr/[\w.-]+"), anr_traces.parse),
    _Place(re.compile(r"FS/data/system/dropbox/[^/]*(?:crash|anr|watchdog)[^/]*"), dropbox.parse),
    _Place(re.compile(r"FS/sys/fs/pstore/[\w.-]+|FS/proc/last_kmsg"), kernel_log.parse),
)
_EVENT = re.compile(rb"\b(am_(?:crash|anr|kill|proc_died|wtf|low_memory))\s{0,4}(?:\(|:)")
_EVENT_LOG = re.compile(r"EVENT LOG\b.*")
_BATTERY = re.compile(r"CHECKIN BATTERYSTATS.*")
_BATTERY_FACTS = (
    "checkin_version", "start_build", "end_build", "battery", "discharge", "power", "misc",
    "first_time_ms", "last_time_ms", "first_battery_level", "last_battery_level",
)  # fmt: skip
_KMSG = re.compile(r"LAST KMSG|LAST PANIC CONSOLE")


def parse(payload: bytes) -> Crash:
    """The first crash in a bugreport, with an index of the whole.

    Raises MalformedPayload: `not_a_bugreport`, for archives `corrupt_zip`, `too_many_entries`,
    `no_main_entry`.
    """
    if payload.startswith(_ZIP_MAGIC):
        return _from_archive(open_archive(payload))
    if not is_bugreport(payload):
        raise MalformedPayload("not_a_bugreport", "no dumpstate line was found", where="line 1")
    return _crash(payload, [], {})


def _from_archive(archive: Archive) -> Crash:
    name = archive.main_name()
    text = archive.read(name, MAX_MAIN_BYTES) if name else None
    if name is None or text is None:
        raise MalformedPayload("no_main_entry", "the archive has no main text that can be read")
    names = archive.names()
    files: list[JsonValue] = [file[:_MAX_TEXT] for file in names[:_MAX_FILES]]
    details: dict[str, JsonValue] = {"main_entry": name, "files": files, "files_count": len(names)}
    return _crash(text, list(_in_files(archive, names)), details)


def _crash(text: bytes, in_files: list[_Found], details: dict[str, JsonValue]) -> Crash:
    facts, parts = header(text), sections(text)
    found = [*_in_sections(text, parts), *in_files]
    found = _joined(sorted(found, key=_is_only_logged))[:_MAX_CRASHES]
    fingerprint = facts.pop("fingerprint", None)
    details |= facts | _about(text, parts)
    details["crashes"] = [_summary(one) for one in found]
    if not found:
        return Crash(kind=CrashKind.ERROR, build_fingerprint=fingerprint, details=details)
    first = found[0]
    return replace(
        first.crash,
        build_fingerprint=first.crash.build_fingerprint or fingerprint,
        details={**first.crash.details, **details, "crash_source": first.source},
    )


def _about(text: bytes, parts: list[Section]) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"sections": index(parts)}
    details["last_kmsg"] = any(_KMSG.fullmatch(part.title) for part in parts)
    events = Counter(
        found[1].decode()
        for part in parts
        if _EVENT_LOG.fullmatch(part.title)
        for found in _EVENT.finditer(text, part.start, part.end)
    )
    if events:
        details["events"] = dict(sorted(events.items()))
    if checkin := _checkin(text, parts):
        details["checkin"] = checkin
    return details


def _checkin(text: bytes, parts: list[Section]) -> dict[str, JsonValue]:
    """The battery statistics, if the report has any."""
    part = next((part for part in parts if _BATTERY.fullmatch(part.title)), None)
    if part is None:
        return {}
    try:
        details = batterystats.parse(_content(text, part)).details
    except MalformedPayload:
        return {}
    return {name: details[name] for name in _BATTERY_FACTS if name in details}


# --- Crashes ---------------------------------------------------------------------------------


def _in_sections(text: bytes, parts: list[Section]) -> Iterator[_Found]:
    """The crashes of the text, by the order of the places and then of the text."""
    for place in _SECTIONS:
        for part in parts:
            if not part.is_service and place.name.fullmatch(part.title):
                yield from _read(place, part.title, _content(text, part))


def _content(text: bytes, part: Section) -> bytes:
    return text[part.start : min(part.end, part.start + _MAX_PART_BYTES)]


def _in_files(archive: Archive, names: list[str]) -> Iterator[_Found]:
    count = 0
    for place in _FILES:
        for name in sorted(names):
            if count < _MAX_CRASHES and place.name.fullmatch(_inside(name)):
                content = archive.read(name)
                count += 1
                yield from _read(place, name, content or b"")


def _inside(name: str) -> str:
    """The name below the folder that everything may lie in."""
    above, mark, path = name.partition("/FS/")
    return f"FS/{path}" if mark and "/" not in above else name


def _read(place: _Place, source: str, content: bytes) -> Iterator[_Found]:
    """The crash at a place, if its parser finds one there."""
    try:
        crash = place.read(inflated(content))
    except MalformedPayload:
        return
    if crash.kind is not CrashKind.REBOOT or crash.reason is not None:
        yield _Found(source[:_MAX_TEXT], crash, place.read is logcat.parse)


def _is_only_logged(found: _Found) -> bool:
    """Whether this is a stack that somebody wrote to the log without dying of it."""
    return found.crash.kind is CrashKind.JAVA_CRASH and (
        found.is_log and "event" not in found.crash.details
    )


def _joined(found: list[_Found]) -> list[_Found]:
    """What was found, where an ANR of the log and the thread dump of its process are one."""
    first = next((one for one in found if one.crash.kind is CrashKind.ANR), None)
    if first is None or first.crash.pid is None or len(first.crash.threads) > 1:
        return found
    for other in found:
        if other is not first and other.crash.pid == first.crash.pid and other.crash.threads:
            whole = _with_threads(first.crash, other.crash)
            return [
                replace(one, crash=whole) if one is first else one
                for one in found
                if one is not other
            ]
    return found


def _with_threads(said: Crash, dumped: Crash) -> Crash:
    """The ANR that the log tells about, with the threads of the dump."""
    return replace(
        dumped,
        process=dumped.process or said.process,
        package=dumped.package or said.package,
        reason=dumped.reason or said.reason,
        timestamp=said.timestamp or dumped.timestamp,
        details={**dumped.details, **said.details},
    )


def _summary(found: _Found) -> JsonValue:
    crash = found.crash
    what = crash.exception_type or crash.signal or crash.reason
    return {
        "source": found.source,
        "kind": crash.kind.value,
        "process": crash.process,
        "pid": crash.pid,
        "what": what[:_MAX_TEXT] if what else None,
        "timestamp": crash.timestamp,
    }
