"""The main text of a bugreport: its header and where its sections are.

    ========================================================
    == dumpstate: 2020-01-08 15:30:07
    ========================================================

    Build: QP1A.191005.007.A3
    Build fingerprint: 'google/sailfish/sailfish:10/…'
    Kernel: Linux version 3.18.137-g72a7a64 (…)
    Uptime: up 0 weeks, 0 days, 3 hours, 9 minutes
    Bugreport format version: 2.0

    ------ SYSTEM LOG (logcat -v threadtime -d) ------
    …
    ------ 0.016s was the duration of 'SYSTEM LOG' ------
    ------ DUMPSYS (dumpsys) ------
    DUMP OF SERVICE CRITICAL activity:

A section ends where the next begins, so one whose end line is missing costs nothing. The text
may be 100 MB; it is never split into lines, only searched. Source: AOSP frameworks/native
cmds/dumpstate. The kernel's command line is left out, as it holds the serial number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crashes.stack import JsonValue

MAX_SECTIONS = 1_024
_HEAD_BYTES = 64 * 1024
_MARK_BYTES = 4 * 1024
_MAX_TITLE = 256
_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_NAMES = re.compile(
    rb"main_entry\.txt|(?:bugreport|dumpState)[\w.-]{0,200}\.(?:txt|zip)|dumpstate_log\.txt"
)
_DUMPSTATE = re.compile(rb"^== dumpstate: (?P<time>[0-9: -]{8,32})", re.MULTILINE)
_SECTION = re.compile(
    rb"^------ (?P<title>(?:(?! ------).){1,512}) ------[ \t\r]*$|^DUMP OF SERVICE (?:(?:CRITICAL|HIGH|NORMAL) )?"
    rb"(?P<service>[\w./-]{1,128}):[ \t\r]*$",
    re.MULTILINE,
)
_DURATION = re.compile(rb"[0-9.]{1,16}s was the duration of '")
_TITLE = re.compile(r"(?P<title>.*?)(?: \((?P<command>.*)\))?", re.DOTALL)
_FACTS = tuple(
    (name, re.compile(expression, re.MULTILINE))
    for name, expression in (
        ("build", rb"^Build: (.{1,256}?)\r?$"),
        ("fingerprint", rb"^Build fingerprint: '(.{1,256}?)'"),
        ("bootloader", rb"^Bootloader: (.{1,256}?)\r?$"),
        ("radio", rb"^Radio: (.{1,256}?)\r?$"),
        ("kernel", rb"^Kernel: Linux version (\S{1,128})"),
        ("uptime", rb"^Uptime: (.{1,128}?)\r?$"),
        ("format_version", rb"^Bugreport format version: (\S{1,16})"),
    )
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text: bytes `start` to `end`, behind its own title line."""

    title: str
    command: str | None
    start: int
    end: int
    is_service: bool = False


def is_bugreport(payload: bytes) -> bool:
    """Whether `payload` begins like a bugreport, packed or not."""
    if payload.startswith(_ZIP_MAGIC):
        return _ZIP_NAMES.search(payload[:_HEAD_BYTES] + payload[-_HEAD_BYTES:]) is not None
    return _DUMPSTATE.search(payload[:_MARK_BYTES]) is not None


def header(text: bytes) -> dict[str, str]:
    """What stands above the first section: dumpstate_time, build, fingerprint and so on."""
    head = text[:_HEAD_BYTES]
    first = _SECTION.search(head)
    head = head[: first.start()] if first else head
    facts = {name: found[1] for name, fact in _FACTS if (found := fact.search(head))}
    if found := _DUMPSTATE.search(head):
        facts["dumpstate_time"] = found["time"]
    return {name: value.decode("utf-8", "replace").strip() for name, value in facts.items()}


def sections(text: bytes) -> list[Section]:
    """The sections in their order, at most `MAX_SECTIONS`; services are sections of their own."""
    found = list(_titles(text))
    ends = [start for start, *_ in found[1:]] + [len(text)] * bool(found)
    return [
        Section(title, command, body, end, service)
        for (_, body, title, command, service), end in zip(found, ends, strict=True)
    ]


def _titles(text: bytes) -> Iterator[tuple[int, int, str, str | None, bool]]:
    """Where each title line begins and ends, and what it says."""
    count = 0
    for found in _SECTION.finditer(text):
        title = found["title"] or found["service"]
        if _DURATION.match(title):
            continue
        name = title.decode("utf-8", "replace")
        is_service = found["title"] is None
        parts = None if is_service else _TITLE.fullmatch(name)
        command = parts["command"] if parts else None
        shown = (parts["title"] if parts else name)[:_MAX_TITLE]
        yield found.start(), min(found.end() + 1, len(text)), shown, command, is_service
        count += 1
        if count >= MAX_SECTIONS:
            return


def index(found: list[Section]) -> list[JsonValue]:
    """The sections for `details`: title, command, offset and length in bytes of the main text."""
    return [
        {
            "title": section.title,
            "command": section.command,
            "offset_bytes": section.start,
            "size_bytes": section.end - section.start,
            "is_service": section.is_service,
        }
        for section in found
    ]
