"""Which format a payload has, judged by its content alone.

Clients mislabel, tools send files without a word. Every mark looked for is one that its writer
always puts there; where formats contain one another (a log with a tombstone, a DropBox entry with
a stack) the outer one is the answer, since its parser hands the inner on. Only the first part of
a payload is looked at.
"""

import re

from crashes.formats import batterystats, dropbox_header
from crashes.formats.anr_threads import thread_header
from crashes.formats.bugreport_text import is_bugreport
from crashes.formats.core_file import is_core
from crashes.formats.exception_chain import call_of, is_sure_title, is_title
from crashes.formats.exit_info import is_exit_proto, is_exit_text
from crashes.formats.flattened import unflattened
from crashes.formats.kernel_log.console import is_pstore_header, is_stamped
from crashes.formats.kernel_log.report import topic_of
from crashes.formats.kernel_log.stack_lines import has_call
from crashes.formats.lines import blank, text_lines
from crashes.formats.logcat_lines import is_log
from crashes.formats.tombstone_text.frames import is_frame
from crashes.formats.xcrash_header import read_xcrash_header
from crashes.stack import PayloadFormat

_LOOK_AT = 256 * 1024
_HEAD_LINES = 60
_FIRST_LINES = 4
_SHARE = 3
_MINIDUMP_MAGICS = (b"MDMP", b"PMDM")
_MICRODUMP_MARKS = ("-----BEGIN BREAKPAD MICRODUMP-----", "google-breakpad(", "google-breakpad:")
_PROCESS_SECTION = re.compile(r"\s*-----+ (?:dumping )?pid:? [0-9]{1,10} at ")
_PID_LINE = re.compile(r"\s*pid: [0-9]{1,10}(?:, tid: [0-9]{1,10})?(?:, name: .*?)?  >>> ")
_SIGNAL_LINE = re.compile(r"\s*signal -?[0-9]{1,3} \(")
_FINGERPRINT = re.compile(rb"[\x21-\x7e]{1,200}/[\x20-\x7e]{1,400}")
_ACRA_FIELDS = ("REPORT_ID", "APP_VERSION_CODE", "PACKAGE_NAME", "ANDROID_VERSION")
_EVENT_FIELDS = ("exception", "threads", "platform", "debug_meta", "logentry", "breadcrumbs")
_XCRASH_FORMATS = {
    "anr": PayloadFormat.ANR_TRACES,
    "java": PayloadFormat.JAVA_STACKTRACE,
    "native": PayloadFormat.TOMBSTONE_TEXT,
}


def sniff(payload: bytes) -> PayloadFormat | None:
    """The format that `payload` most surely has, or None when it looks like none."""
    by_bytes = next((found for is_one, found in _BY_BYTES if is_one(payload)), None)
    if by_bytes is not None:
        return by_bytes
    lines = [line for line in text_lines(payload[:_LOOK_AT]) if not blank(line)]
    if not lines:
        return None
    return _by_wrapping(lines) or _by_content(lines)


def _is_minidump(payload: bytes) -> bool:
    return payload.startswith(_MINIDUMP_MAGICS)


def is_tombstone_proto(payload: bytes) -> bool:
    """Whether `payload` begins like a tombstone message, bare or in the wrapper of Android 14."""
    if payload[:1] == b"\x0a":
        length, at = _varint(payload, 1)
        return 0 < length <= len(payload) - at and _is_bare(payload, at)
    return _is_bare(payload, 0)


def _is_bare(payload: bytes, at: int) -> bool:
    """Whether an architecture (absent when it is 32-bit ARM) and a fingerprint stand at `at`."""
    if payload[at : at + 1] == b"\x08":
        at += 2
    if payload[at : at + 1] != b"\x12":
        return False
    length, start = _varint(payload, at + 1)
    return _FINGERPRINT.fullmatch(payload[start : start + length]) is not None


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits and where it ends; -1 for none."""
    number = 0
    for place, byte in enumerate(payload[at : at + 5]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last group has no continuation bit
            return number, at + place + 1
    return -1, at


def _by_wrapping(lines: list[str]) -> PayloadFormat | None:
    """The format of a text that says at its beginning what it is."""
    head = lines[:_HEAD_LINES]
    if lines[0].lstrip().startswith("{"):
        return _of_json("\n".join(lines))
    if _is_dropbox(head):
        return PayloadFormat.DROPBOX
    if found := next((found for is_one, found in _BY_HEAD if is_one(head)), None):
        return found
    header = read_xcrash_header(head)
    if header and (found := _XCRASH_FORMATS.get(header.text("crash_type") or "")):
        return found
    return None


def _is_exit_text(head: list[str]) -> bool:
    return any(map(is_exit_text, head)) and not is_log(head[:_FIRST_LINES])


def _is_microdump(head: list[str]) -> bool:
    return any(mark in line for line in head for mark in _MICRODUMP_MARKS)


def _is_batterystats(head: list[str]) -> bool:
    return sum(map(batterystats.is_row, head)) * _SHARE >= len(head)


def _of_json(text: str) -> PayloadFormat | None:
    if '"STACK_TRACE"' in text and any(f'"{name}"' in text for name in _ACRA_FIELDS):
        return PayloadFormat.ACRA_JSON
    is_event = '"event_id"' in text and any(f'"{name}"' in text for name in _EVENT_FIELDS)
    return PayloadFormat.SENTRY_EVENT if is_event else None


def _is_dropbox(head: list[str]) -> bool:
    """Whether an entry line, a list of entries or a header stands at the beginning."""
    if any(line.startswith("Drop box contents:") for line in head):
        return True
    first = next((line for line in head if not line.startswith("====")), "")
    if dropbox_header.read_entry_line(first):
        return True
    header = dropbox_header.read_header(head, 0)
    said = {"Flags", "Package", "Build", "UID", "PID"} & header.fields.keys()
    return header.is_boot or ("Process" in header.fields and bool(said))


def _by_content(lines: list[str]) -> PayloadFormat | None:
    if _begins_as_tombstone(lines):  # it may end in a piece of log, which is not what it is
        return PayloadFormat.TOMBSTONE_TEXT
    if is_log(lines):
        return PayloadFormat.LOGCAT
    if _is_anr(lines):
        return PayloadFormat.ANR_TRACES
    if _is_tombstone(lines):
        return PayloadFormat.TOMBSTONE_TEXT
    if _is_kernel(lines):
        return PayloadFormat.KERNEL_LOG
    return PayloadFormat.JAVA_STACKTRACE if _is_java(lines) else None


def _is_anr(lines: list[str]) -> bool:
    if any(_PROCESS_SECTION.match(line) for line in lines):
        return True
    drafts = (thread_header(line.strip()) for line in lines if line.lstrip().startswith('"'))
    return any(
        draft and (draft.runtime_tid is not None or draft.tid is not None) for draft in drafts
    )


def _begins_as_tombstone(lines: list[str]) -> bool:
    """Whether the head holds a tombstone's own lines, not ones that a log has prefixed."""
    head = lines[:_HEAD_LINES]
    marked = any(_SIGNAL_LINE.match(line) or _PID_LINE.match(line) for line in head)
    return marked and not is_log(lines[:_FIRST_LINES])


def _is_tombstone(lines: list[str]) -> bool:
    if any(_SIGNAL_LINE.match(line) or _PID_LINE.match(line) for line in lines):
        return True
    return any(is_frame(line.strip()) for line in lines)


def _is_kernel(lines: list[str]) -> bool:
    """Whether pstore's mark, time stamps on many of the first lines, or a report is there."""
    head = lines[:_HEAD_LINES]
    stamped = sum(is_stamped(line) for line in head)
    if stamped * _SHARE >= len(head) or any(is_pstore_header(line) for line in head):
        return True
    return any(map(has_call, lines)) and any(map(topic_of, lines))


def _is_java(lines: list[str]) -> bool:
    if any(call_of(line) for line in lines) or unflattened(lines[:_HEAD_LINES]):
        return True
    return is_sure_title(lines[0]) or (
        is_title(lines[0]) and any(line.startswith("Caused by: ") for line in lines)
    )


_BY_BYTES = (
    (_is_minidump, PayloadFormat.MINIDUMP),
    (is_core, PayloadFormat.CORE),
    (is_exit_proto, PayloadFormat.EXIT_INFO),
    (is_bugreport, PayloadFormat.BUGREPORT),
    (is_tombstone_proto, PayloadFormat.TOMBSTONE_PROTO),
)
_BY_HEAD = (
    (_is_exit_text, PayloadFormat.EXIT_INFO),
    (_is_microdump, PayloadFormat.MICRODUMP),
    (_is_batterystats, PayloadFormat.BATTERYSTATS),
)
