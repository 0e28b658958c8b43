"""Why processes ended, by Android's own record: ApplicationExitInfo (Android 11 on).

Three forms of the same facts are read, the newest exit first:

    dumpsys activity exit-info   packages, users, and four lines for each exit
    toString()                   the same on one line, `ApplicationExitInfo(timestamp=... pid=...`
    protobuf                     AppsExitInfoProto (/data/system/procexitstore/procexitinfo), or a
                                 bare ApplicationExitInfoProto

The newest exit is the crash; `exits` in the details lists all, `exit_count` says how many there were.
What an exit is called here:

    4 crash                      java_crash           3 low memory        low_memory_kill
    5 native crash               native_crash         2 signaled          background_kill, with its signal
    6 not responding             anr                  1, 7                error
                                                      all others          background_kill

Source: AOSP `core/java/android/app/ApplicationExitInfo.java` and `appexitinfo.proto`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from crashes.formats.anr_reason import reason_kind
from crashes.formats.errors import MalformedPayload
from crashes.formats.lines import text_lines
from crashes.formats.protobuf_wire import Field, Kind, Message, Schema, decode
from crashes.formats.signals import SIGNALS
from crashes.formats.tombstone_parts import package_of, present, process_id
from crashes.stack import Crash, CrashKind, JsonValue

MAX_EXITS = 64
"""Android keeps 16 for each package."""

_REASONS = (
    "unknown", "exit_self", "signaled", "low_memory", "crash", "crash_native", "anr",
    "initialization_failure", "permission_change", "excessive_resource_usage", "user_requested",
    "user_stopped", "dependency_died", "other", "freezer", "package_state_change",
    "package_updated",
)  # fmt: skip
_SIGNALED = 2
_KINDS = {
    1: CrashKind.ERROR, 3: CrashKind.LOW_MEMORY_KILL, 4: CrashKind.JAVA_CRASH,
    5: CrashKind.NATIVE_CRASH, 6: CrashKind.ANR, 7: CrashKind.ERROR,
}  # fmt: skip

_BEGIN = re.compile(r"ApplicationExitInfo(?: #[0-9]{1,4}:|\()")
_PACKAGE = re.compile(r"\bpackage: (?P<name>\S{1,256})")
_NUMBERS = r"pid=(?P<pid>-?\d{1,10})\s+realUid=(?P<real_uid>-?\d{1,10})\s+packageUid=(?P<package_uid>-?\d{1,10})"
_EXIT = re.compile(
    r"\s*timestamp=(?P<timestamp>[^=\n]{1,64}?)\s+" + _NUMBERS +
    r"\s+definingUid=-?\d{1,10}\s+user=(?P<user>-?\d{1,6})"
    r"\s+process=(?P<process>\S{1,256})\s+reason=(?P<reason>\d{1,4}) \((?P<word>[^\n=]{0,64})\)"
    r"(?:\s+subreason=(?P<sub>\d{1,6}) \((?P<sub_word>[^\n=]{0,64})\))?"
    r"\s+status=(?P<status>-?\d{1,10})\s+importance=(?P<importance>-?\d{1,10})"
    r"\s+pss=(?P<pss>\S{1,24})\s+rss=(?P<rss>\S{1,24})(?:\s+description=(?P<rest>.*))?",
    re.DOTALL,
)  # fmt: skip
_AFTER_DESCRIPTION = re.compile(r"\s+(?:state=(?:empty|null|[0-9]{1,4} bytes)|trace=)")
_SIZE = re.compile(r"(?P<number>[0-9]{1,12}(?:[.,][0-9]{1,3})?)(?P<unit>[KMGT]?B?)")
_UNITS_KB = {"": 1 / 1024, "B": 1 / 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
_MAX_BLOCK, _MAX_TEXT = 4096, 1024
_NOTHING = frozenset({"", "null", "UNKNOWN"})

EXIT_INFO_SCHEMA: Final[Schema] = {
    1: Field("pid", Kind.INT32),
    2: Field("real_uid", Kind.INT32),
    3: Field("package_uid", Kind.INT32),
    4: Field("defining_uid", Kind.INT32),
    5: Field("process", Kind.STRING),
    6: Field("reason", Kind.INT32),
    7: Field("sub", Kind.INT32),
    8: Field("status", Kind.INT32),
    9: Field("importance", Kind.INT32),
    10: Field("pss", Kind.INT64),
    11: Field("rss", Kind.INT64),
    12: Field("timestamp", Kind.INT64),
    13: Field("description", Kind.STRING),
    14: Field("state", Kind.BYTES),
    15: Field("trace_file", Kind.STRING),
}
_USER: Final[Schema] = {
    1: Field("uid", Kind.INT32),
    2: Field("exits", Kind.MESSAGE, repeated=True, message=EXIT_INFO_SCHEMA),
    3: Field("recoverable", Kind.COUNTED, repeated=True, message=EXIT_INFO_SCHEMA),
}
_PACKAGES: Final[Schema] = {
    1: Field("name", Kind.STRING),
    2: Field("users", Kind.MESSAGE, repeated=True, message=_USER),
}
STORE_SCHEMA: Final[Schema] = {
    1: Field("updated_at", Kind.INT64),
    2: Field("packages", Kind.MESSAGE, repeated=True, message=_PACKAGES),
    3: Field("persisted_at", Kind.INT64),
}
_STORE_HEAD = re.compile(
    rb"(?:\x08[\x80-\xff]{5}[\x00-\x7f])?\x12[\x00-\xff]{1,5}?\x0a(?P<size>.)"
    rb"(?P<name>[A-Za-z][\w.]{1,126})\x12",
    re.DOTALL,
)
_ONE_HEAD = re.compile(
    rb"\x08[\x80-\xff]{0,4}[\x00-\x7f](?:[\x10\x18\x20][\x80-\xff]{0,4}[\x00-\x7f]){1,3}"
    rb"\x2a.[\x21-\x7e]{1,127}\x30[\x00-\x10]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Exit:
    """One exit; `numbers` go into the details as they are."""

    process: str | None
    package: str | None
    pid: int
    reason: int
    sub: int
    sub_word: str | None
    status: int
    timestamp: str | None
    description: str | None
    numbers: Mapping[str, JsonValue]


def parse(payload: bytes) -> Crash:
    """The newest exit. Raises MalformedPayload `not_exit_info`, or what a damaged protobuf says."""
    exits = _from_proto(payload) if is_exit_proto(payload) else _from_text(payload)
    if not exits:
        raise MalformedPayload(
            "not_exit_info", "no exit of a process stands in the text", where="line 1"
        )
    return _crash(exits)


def is_exit_proto(payload: bytes) -> bool:
    """Whether the bytes begin as a store of exits or as one exit."""
    head = payload[:512]
    store = _STORE_HEAD.match(head)
    if store:
        return len(store["name"]) == store["size"][0]
    return _ONE_HEAD.match(head) is not None


def is_exit_text(line: str) -> bool:
    """Whether a line is one that only lists of exits have."""
    return "ACTIVITY MANAGER PROCESS EXIT INFO" in line or _BEGIN.search(line) is not None


# --- Text --------------------------------------------------------------------------------------


def _from_text(payload: bytes) -> list[_Exit]:
    text = "\n".join(text_lines(payload))
    begins = list(_BEGIN.finditer(text))
    packages = [(found.start(), found["name"]) for found in _PACKAGE.finditer(text)]
    exits: list[_Exit] = []
    for number, begin in enumerate(begins):
        end = begins[number + 1].start() if number + 1 < len(begins) else len(text)
        block = text[begin.end() : min(end, begin.end() + _MAX_BLOCK)]
        found = _EXIT.match(block)
        while len(packages) > 1 and packages[1][0] < begin.start():
            packages.pop(0)
        above = packages[0][1] if packages and packages[0][0] < begin.start() else None
        if found:
            exits.append(_of_text(found, above))
    return exits


def _of_text(found: re.Match[str], package: str | None) -> _Exit:
    rest = found["rest"] or ""
    said = _AFTER_DESCRIPTION.search(rest)
    description = rest[: said.start()] if said else rest.partition("\n")[0]
    return _Exit(
        process=found["process"],
        package=package or package_of(found["process"]),
        pid=int(found["pid"]),
        reason=int(found["reason"]),
        sub=int(found["sub"] or 0),
        sub_word=_word(found["sub_word"]),
        status=int(found["status"]),
        timestamp=found["timestamp"],
        description=_known(description.strip()[:_MAX_TEXT]),
        numbers={
            "uid": int(found["real_uid"]),
            "package_uid": int(found["package_uid"]),
            "android_user": int(found["user"]),
            "importance": int(found["importance"]),
            "pss_kb": _kilobytes(found["pss"]),
            "rss_kb": _kilobytes(found["rss"]),
        },
    )


def _known(text: str | None) -> str | None:
    return None if text is None or text in _NOTHING else text


def _word(text: str | None) -> str | None:
    known = _known(text)
    return known.lower().replace(" ", "_") if known else None


def _kilobytes(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    if not found:
        return None
    unit = found["unit"].removesuffix("B") or ("B" if found["unit"] else "")
    return round(float(found["number"].replace(",", ".")) * _UNITS_KB[unit])


# --- Protobuf ----------------------------------------------------------------------------------


def _from_proto(payload: bytes) -> list[_Exit]:
    if not _STORE_HEAD.match(payload[:512]):
        return [_of_message(decode(payload, EXIT_INFO_SCHEMA), None)]
    store = decode(payload, STORE_SCHEMA)
    exits = [
        (message.get("timestamp", 0), _of_message(message, package.get("name")))
        for package in store.get("packages", [])
        for user in package.get("users", [])
        for message in user.get("exits", [])
    ]
    exits.sort(key=lambda pair: -pair[0])
    return [one for _, one in exits]


def _of_message(message: Message, package: str | None) -> _Exit:
    moment = message.get("timestamp", 0)
    process = message.get("process") or None
    return _Exit(
        process=process,
        package=package or package_of(process),
        pid=message.get("pid", 0),
        reason=message.get("reason", 0),
        sub=message.get("sub", 0),
        sub_word=None,
        status=message.get("status", 0),
        timestamp=_moment(moment),
        description=_known(message.get("description", "")[:_MAX_TEXT]),
        numbers={
            "uid": message.get("real_uid"),
            "package_uid": message.get("package_uid"),
            "importance": message.get("importance"),
            "pss_kb": message.get("pss"),
            "rss_kb": message.get("rss"),
        },
    )


def _moment(milliseconds: int) -> str | None:
    try:
        return (
            datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat() if milliseconds else None
        )
    except (ValueError, OverflowError, OSError):
        return None


# --- The crash -----------------------------------------------------------------------------------


def _crash(exits: Sequence[_Exit]) -> Crash:
    first = exits[0]
    is_signaled = first.reason == _SIGNALED
    signal = SIGNALS.get(first.status) if is_signaled else None
    details: dict[str, JsonValue] = {
        **dict(_facts(first)),
        **first.numbers,
        "reason_kind": reason_kind(first.description or "") if first.reason == 6 else None,  # noqa: PLR2004
        "exit_count": len(exits),
        "exits": [_row(one) for one in exits[:MAX_EXITS]] if len(exits) > 1 else None,
    }
    return Crash(
        kind=_KINDS.get(first.reason, CrashKind.BACKGROUND_KILL),
        process=first.process,
        package=first.package,
        pid=process_id(first.pid if first.pid > 0 else None),
        timestamp=first.timestamp,
        signal=signal,
        signal_number=first.status if signal else None,
        reason=first.description or _reason_word(first.reason),
        details=present(details),
    )


def _reason_word(number: int) -> str:
    return _REASONS[number] if 0 <= number < len(_REASONS) else f"reason {number}"


def _facts(one: _Exit) -> Iterator[tuple[str, JsonValue]]:
    yield "exit_reason", _reason_word(one.reason)
    yield "exit_sub_reason", one.sub_word or (one.sub or None)
    yield "exit_status", one.status


def _row(one: _Exit) -> JsonValue:
    row: dict[str, JsonValue] = {
        "process": one.process, "package": one.package, "pid": one.pid,
        "timestamp": one.timestamp, "description": one.description, **dict(_facts(one)),
    }  # fmt: skip
    return present(row)
