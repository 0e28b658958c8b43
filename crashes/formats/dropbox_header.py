"""What stands above the body of a DropBox entry: `Name: value` lines up to an empty line.

Two writers: ActivityManager (`ActivityManagerService.addErrorToDropBox`; StrictMode adds lines of
its own) and the boot receiver (`BootReceiver.getBootHeadersToLogAndUpdate`). Vendors add lines, so
any `Name: value` belongs to the header, and what is unknown is kept under `other_headers`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from crashes.formats.lines import blank
from crashes.stack import JsonValue

MAX_HEADER_LINES = 200
_UIDS_PER_USER = 100_000
_MAX_OTHERS = 32
_MAX_PACKAGES = 64
_LINE = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9-]{0,40}(?: [A-Za-z0-9-]{1,40})?):(?:\s(?P<value>.*)|)"
)
_ENTRY = re.compile(
    r"\s*(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?) "
    r"(?P<tag>[\w.-]{1,64}) \((?P<what>[^)]{0,128})\)\s*"
)
_BOOT_ONLY = frozenset({"isPrevious", "Hardware", "Bootloader", "Radio", "Kernel"})
_STRICT_MODE_ONLY = frozenset(
    {"System-App", "Uptime-Millis", "Loop-Violation-Number", "Animations-Running", "Span-Tag",
     "Duration-Millis", "Broadcast-Intent-Action", "Instance-Count"}
)  # fmt: skip


def _text(value: str) -> JsonValue:
    return value or None


def _number(value: str) -> JsonValue:
    return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else None


def _yes(value: str) -> JsonValue:
    return {"yes": True, "true": True, "no": False, "false": False}.get(value.casefold())


_READERS: dict[str, tuple[str, Callable[[str], JsonValue]]] = {
    "UID": ("uid", _number),
    "Flags": ("flags", _text),
    "Frozen": ("frozen", _yes),
    "Instant-App": ("instant_app", _yes),
    "SdkSandbox": ("sdk_sandbox", _yes),
    "Foreground": ("foreground", _yes),
    "SystemUptimeMs": ("system_uptime_ms", _number),
    "Process-Runtime": ("process_runtime_ms", _number),
    "Activity": ("activity", _text),
    "Parent-Process": ("parent_process", _text),
    "Parent-Activity": ("parent_activity", _text),
    "ErrorId": ("error_id", _text),
    "Debugger": ("debugger", _text),
    "Crash-Handler": ("crash_handler", _text),
    "Crash-Tag": ("crash_tag", _text),
    "Loading-Progress": ("loading_progress", _text),
    "Incremental": ("incremental", _text),
    "Dropped-Count": ("dropped_count", _number),
    "System-App": ("system_app", _yes),
    "Uptime-Millis": ("uptime_ms", _number),
    "Loop-Violation-Number": ("loop_violation_number", _number),
    "Animations-Running": ("animations_running", _number),
    "Broadcast-Intent-Action": ("broadcast_intent_action", _text),
    "Duration-Millis": ("duration_ms", _number),
    "Instance-Count": ("instance_count", _number),
    "Span-Tag": ("span_tag", _text),
    "isPrevious": ("is_previous", _yes),
    "Hardware": ("hardware", _text),
    "Revision": ("revision", _text),
    "Bootloader": ("bootloader", _text),
    "Radio": ("radio", _text),
    "Kernel": ("kernel", _text),
}
_WITH_A_PLACE = frozenset({"Process", "PID", "Package", "Build", "Subject"})


@dataclass(frozen=True, slots=True)
class EntryLine:
    """`2020-01-08 15:29:43 system_app_crash (text, 853 bytes)`, as dumpsys prints it."""

    timestamp: str
    tag: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Package:
    """`com.example v29 (1.4 (beta))`: every part but the name may be missing."""

    name: str
    version_code: int | None
    version_name: str | None


@dataclass(frozen=True, slots=True)
class Header:
    """The header and where the body begins."""

    fields: dict[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    body_at: int = 0

    def text(self, name: str) -> str | None:
        """The value of one line, or None when it is absent or empty."""
        return self.fields.get(name) or None

    @property
    def is_boot(self) -> bool:
        """Whether the boot receiver wrote it."""
        return "Process" not in self.fields and not _BOOT_ONLY.isdisjoint(self.fields)

    @property
    def is_strict_mode(self) -> bool:
        """Whether it has lines that only StrictMode writes."""
        return not _STRICT_MODE_ONLY.isdisjoint(self.fields)

    @property
    def pid(self) -> int | None:
        """The process id."""
        number = _number(self.fields.get("PID", ""))
        return number if isinstance(number, int) else None

    def details(self) -> dict[str, JsonValue]:
        """The lines without a place of their own in a `Crash`, with stable keys."""
        read = {
            key: reader(self.fields[name])
            for name, (key, reader) in _READERS.items()
            if name in self.fields
        }
        uid = read.get("uid")
        if isinstance(uid, int):
            read["android_user"] = uid // _UIDS_PER_USER
        others: dict[str, JsonValue] = {
            name: value
            for name, value in self.fields.items()
            if name not in _READERS and name not in _WITH_A_PLACE
        }
        read["other_headers"] = dict(list(others.items())[:_MAX_OTHERS]) or None
        read["other_packages"] = [package.name for package in self.packages[1:]] or None
        return {key: value for key, value in read.items() if value is not None}


def read_entry_line(line: str) -> EntryLine | None:
    """The line that dumpsys prints above an entry, or None for any other."""
    found = _ENTRY.fullmatch(line)
    if found is None:
        return None
    return EntryLine(found["time"], found["tag"], lost="lost" in found["what"])


def read_header(lines: list[str], start: int) -> Header:
    """The header that begins on line `start`; without one it is empty."""
    fields: dict[str, str] = {}
    packages: list[Package] = []
    at = start
    while at < min(len(lines), start + MAX_HEADER_LINES):
        found = _LINE.fullmatch(lines[at].strip())
        if blank(lines[at]) or found is None:
            break
        value = (found["value"] or "").strip()
        fields.setdefault(found["name"], value)
        if found["name"] == "Package" and value and len(packages) < _MAX_PACKAGES:
            packages.append(_package(value))
        at += 1
    return Header(fields, tuple(packages), at)


def _package(value: str) -> Package:
    """Split at the first ` v` and the first ` (`: the version may hold blanks and parentheses."""
    name, _, rest = value.partition(" v")
    code, _, version = rest.partition(" (")
    number = _number(code.strip())
    return Package(
        name=name.strip(),
        version_code=number if isinstance(number, int) else None,
        version_name=version.strip().removesuffix(")").strip() or None,
    )
