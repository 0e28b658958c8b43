"""Which reports tell of one and the same occurrence.

A phone writes one crash down several times: debuggerd leaves a tombstone as text and as protobuf,
ActivityManager a DropBox entry beside them, and an app may bring an SDK that sends its own account.
Each is a report with an id of its own. Counted are occurrences, so a report of one that is known
becomes evidence of it: kept and shown, and not counted. The report that shows the occurrence best
is its lead.

Two reports tell of the same occurrence when nothing speaks against it and something firm for it:

* they come from the same enrolled device and have the same kind, `java_crash` or `native_crash`:
  only what ends a process happens to it once;
* they come from different *sources*. One source tells of an occurrence once, so two tombstones as
  text are two crashes, however alike, and a crash loop that wrote each of its crashes down in two
  ways counts once for each crash;
* pid, tid, process, and signal or exception agree wherever both name them;
* both name the pid, and the process or the thread, and their moments are near: five seconds
  between what two dumps say of their own moment (debuggerd hands one text to all its writers), a
  minute between the moments of the reports (ActivityManager writes later than debuggerd);
* or, for Java crashes of which one names no pid, as SDKs never do: they name the same process, the
  same exception and the same message, and lie no more than a second apart. Native crashes
  without a pid are never joined.

A report joins the occurrence whose reports all agree with it, the nearest in time if there are
several. How many occurrences come out does not depend on who arrives first: a source opens a new
one only when every fitting one has a report from it already. (Without pids, an app that crashes
again within a second can come out as one crash too many. It is never one too few.)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from crashes.stack import Crash, CrashKind, PayloadFormat

SAME_PID_WITHIN = timedelta(seconds=60)
SAME_DUMP_WITHIN = timedelta(seconds=5)
WITHOUT_PID_WITHIN = timedelta(seconds=1)

_JOINED = frozenset({CrashKind.JAVA_CRASH, CrashKind.NATIVE_CRASH})
_RANKS = {
    # Whole processes first, walked on the phone with everything that it had mapped.
    PayloadFormat.TOMBSTONE_PROTO: 9,
    PayloadFormat.TOMBSTONE_TEXT: 8,
    PayloadFormat.MINIDUMP: 7,
    PayloadFormat.CORE: 7,
    PayloadFormat.SENTRY_EVENT: 6,  # other threads, and which mapping file belongs to it
    PayloadFormat.DROPBOX: 5,  # one stack, and the system's facts about the process
    PayloadFormat.MICRODUMP: 4,
    PayloadFormat.ACRA_JSON: 3,
    PayloadFormat.JAVA_STACKTRACE: 2,
    PayloadFormat.LOGCAT: 1,
}
_MESSAGE_LETTERS = 200
_MAX_ID = 2**31
_OWN_MOMENT = re.compile(
    r"(?P<moment>[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,6})[0-9]{0,6})?(?P<zone>[+-][0-9]{2}:?[0-9]{2})"
)
_BOOT_FACTS = frozenset({"is_previous", "hardware", "bootloader", "radio"})
_APP_FACTS = frozenset({"uid", "flags", "process_runtime_ms", "foreground"})


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells the occurrence of a report from others.

    `cause` is the signal or the outermost exception, `message_key` a digest of its message; texts
    that a dump lacks are empty. `dumped_at` is what the dump itself says of its moment, where it
    names a zone. `rank` grows with how much the report shows.
    """

    kind: str
    source: str
    pid: int | None
    tid: int | None
    process: str
    cause: str
    message_key: str
    occurred_at: datetime
    dumped_at: datetime | None
    rank: int


def mark_of(crash: Crash, payload_format: PayloadFormat, *, occurred_at: datetime) -> Mark | None:
    """The mark of a report; None for one that is never joined with others.

    `occurred_at` is the moment of the report, which the device's clock said and we set right.
    """
    if crash.kind not in _JOINED or payload_format not in _RANKS:
        return None
    is_native = crash.kind is CrashKind.NATIVE_CRASH
    pid, tid = _id(crash.pid), _id(crash.tid)
    if is_native and pid is None:
        return None
    cause = crash.signal if is_native else crash.exception_type
    return Mark(
        kind=crash.kind.value,
        source=_source(crash, payload_format),
        pid=pid,
        tid=tid if is_native else None,  # a Java thread's number may be the runtime's own
        process=(crash.process or (crash.package if pid is None else None) or "")[:200],
        cause=(cause or "")[:200],
        message_key=_digest(crash.exception_message),
        occurred_at=occurred_at,
        dumped_at=_own_moment(crash.timestamp),
        rank=_rank(crash, payload_format),
    )


def _id(number: int | None) -> int | None:
    """A pid or tid as the kernel gives them; anything else is none."""
    return number if number is not None and 0 < number < _MAX_ID else None


def _source(crash: Crash, payload_format: PayloadFormat) -> str:
    """Who wrote the report: the format, and for DropBox which of its writers."""
    if payload_format is not PayloadFormat.DROPBOX:
        return payload_format.value
    if _BOOT_FACTS & crash.details.keys() or crash.details.get("tag") == "SYSTEM_TOMBSTONE":
        return "dropbox/boot"
    is_app = "tag" in crash.details or _APP_FACTS & crash.details.keys()
    return "dropbox/app" if is_app else "dropbox"


def _rank(crash: Crash, payload_format: PayloadFormat) -> int:
    """A stack counts before everything else."""
    thread = crash.crashing_thread
    has_stack = bool(thread and thread.frames) or any(one.frames for one in crash.exceptions)
    return _RANKS[payload_format] + (100 if has_stack else 0)


def _digest(message: str | None) -> str:
    if not message:
        return ""
    first = message.strip().partition("\n")[0][:_MESSAGE_LETTERS].strip()
    return blake2b(first.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _own_moment(timestamp: str | None) -> datetime | None:
    found = _OWN_MOMENT.match(timestamp) if timestamp else None
    if found is None:
        return None
    fraction = (found["fraction"] or "").ljust(6, "0")
    zone = found["zone"].replace(":", "")
    try:
        moment = datetime.strptime(
            f"{found['moment'].replace('T', ' ')}.{fraction}{zone}", "%Y-%m-%d %H:%M:%S.%f%z"
        )
        return moment if moment.year > 1 else None  # another zone could be outside the calendar
    except ValueError:
        return None


def tell_the_same(one: Mark, other: Mark) -> bool:
    """Whether two reports of one device tell of one occurrence."""
    if one.kind != other.kind or one.source == other.source:
        return False
    pairs = ((one.pid, other.pid), (one.tid, other.tid))
    if any(a is not None and b is not None and a != b for a, b in pairs):
        return False
    words = ((one.process, other.process), (one.cause, other.cause))
    if any(a and b and a != b for a, b in words):
        return False
    if one.pid is None or other.pid is None:
        return _agree_without_pid(one, other)
    names_process = bool(one.process and other.process)
    names_thread = one.tid is not None and other.tid is not None
    return (names_process or names_thread) and _are_near(one, other)


def _agree_without_pid(one: Mark, other: Mark) -> bool:
    is_named = one.process and other.process and one.cause and other.cause
    return (
        one.kind == CrashKind.JAVA_CRASH
        and bool(is_named)
        and one.message_key == other.message_key
        and abs(one.occurred_at - other.occurred_at) <= WITHOUT_PID_WITHIN
    )


def _are_near(one: Mark, other: Mark) -> bool:
    if one.dumped_at is not None and other.dumped_at is not None:
        return abs(one.dumped_at - other.dumped_at) <= SAME_DUMP_WITHIN
    return abs(one.occurred_at - other.occurred_at) <= SAME_PID_WITHIN


def choose_occurrence(mark: Mark, occurrences: Sequence[Iterable[Mark]]) -> int | None:
    """The position of the occurrence that a report belongs to; None when it is a new one.

    `occurrences` are the marks of the reports of each, all of the report's device.
    """
    fitting = [
        (min(abs(mark.occurred_at - known.occurred_at) for known in marks), place)
        for place, marks in enumerate(map(list, occurrences))
        if marks and all(tell_the_same(mark, known) for known in marks)
    ]
    return min(fitting)[1] if fitting else None
