"""Crashes that only the event log tells of: am_crash, am_anr, am_wtf.

    am_crash: [PID,USER,PROCESS,FLAGS,TYPE,MESSAGE,FILE,LINE]     [...,LINE,RECOVERABLE] since 13
    am_anr:   [USER,PID,PROCESS,FLAGS,REASON]
    am_wtf:   [USER,PID,PROCESS,FLAGS,LOG TAG,MESSAGE]

Nothing is quoted, so messages and reasons, which may hold commas, reach as far as the fields behind
them allow. Source: AOSP `services/core/java/com/android/server/am/EventLogTags.logtags`.
"""

import re
from dataclasses import replace

from crashes.formats.anr_reason import reason_kind
from crashes.formats.tombstone_parts import package_of, present, process_id
from crashes.stack import Crash, CrashKind, ExceptionInfo, Thread

_CRASH = re.compile(
    r"\[(?P<pid>\d{1,10}),(?P<user>\d{1,6}),(?P<process>[^,]{1,256}),-?\d{1,12},(?P<type>[^,]{1,512}),"
    r"(?P<message>.*?),(?P<file>[^,]{0,256}),(?P<line>-?\d{1,9})(?:,[01])?\]?\s*",
    re.DOTALL,
)
_ANR = re.compile(
    r"\[(?P<user>\d{1,6}),(?P<pid>\d{1,10}),(?P<process>[^,]{1,256}),-?\d{1,12},(?P<reason>.*?)\]?\s*"
)
_WTF = re.compile(
    r"\[(?P<user>\d{1,6}),(?P<pid>\d{1,10}),(?P<process>[^,]{1,256}),-?\d{1,12},(?P<tag>[^,]{0,256}),"
    r"(?P<message>.*?)\]?\s*"
)
_NOTHING = frozenset({"", "NULL", "null", "unknown", "Unknown", "Unknown Source"})
_NATIVE = "Native crash"


def crash_in_event(tag: str | None, message: str, time: str | None) -> Crash | None:
    """The crash that an entry tells of, or None."""
    if tag == "am_crash" and (found := _CRASH.fullmatch(message)):
        return _crash(found, time)
    if tag == "am_anr" and (found := _ANR.fullmatch(message)):
        reason = found["reason"] or None
        return _event(
            CrashKind.ANR, found, time, "am_anr", reason=reason,
            reason_kind=reason_kind(reason) if reason else None,
        )  # fmt: skip
    if tag == "am_wtf" and (found := _WTF.fullmatch(message)):
        return _event(
            CrashKind.WTF, found, time, "am_wtf", reason=found["message"] or None,
            log_tag=found["tag"],
        )  # fmt: skip
    return None


def _event(
    kind: CrashKind,
    found: re.Match[str],
    time: str | None,
    event: str,
    *,
    reason: str | None = None,
    reason_kind: str | None = None,
    log_tag: str | None = None,
) -> Crash:
    process = found["process"]
    return Crash(
        kind=kind,
        process=process,
        package=package_of(process),
        pid=process_id(int(found["pid"])),
        timestamp=time,
        reason=reason,
        details=present({"event": event, "reason_kind": reason_kind, "log_tag": log_tag}),
    )


def _crash(found: re.Match[str], time: str | None) -> Crash:
    """The file and the line are of the innermost frame, whose method is not told: no frame then."""
    message = _said(found["message"])
    if found["type"] == _NATIVE:
        return _event(CrashKind.NATIVE_CRASH, found, time, "am_crash", reason=message)
    crash = _event(CrashKind.JAVA_CRASH, found, time, "am_crash")
    file, line = _said(found["file"]), int(found["line"])
    thrown_at = f"{file}:{line}" if file and line > 0 else file
    return replace(
        crash,
        exception_type=found["type"],
        exception_message=message,
        threads=(Thread(crashing=True),),
        exceptions=(ExceptionInfo(found["type"], message),),
        details={**crash.details, **present({"thrown_at": thrown_at})},
    )


def _said(text: str) -> str | None:
    return None if text in _NOTHING else text
