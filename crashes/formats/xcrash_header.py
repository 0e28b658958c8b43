"""The header that the xCrash library writes above the dumps of an app: `Name: 'value'` lines.

The body below it is a tombstone, an ART thread dump or a Java stack, and `Crash type` says which.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from crashes.stack import JsonValue

_FIELD = re.compile(r"(?P<name>[A-Z][A-Za-z ]{1,40}): '(?P<value>.*)'\s*")
_PROCESS = re.compile(
    r"pid: (?P<pid>[0-9]{1,10})(?:, tid: (?P<tid>[0-9]{1,10}), name: (?P<thread>.*?))?"
    r"  >>> (?P<process>[^<]*) <<<\s*"
)
_MAKER = "Tombstone maker: '"
_HEADER_LINES = 40
_DETAILS = {
    "App ID": "app_id",
    "App version": "app_version",
    "Crash type": "crash_type",
    "Crash time": "crash_time",
    "Start time": "start_time",
    "Model": "device_model",
    "Manufacturer": "manufacturer",
    "Brand": "brand",
    "API level": "api_level",
    "OS version": "os_version",
    "Kernel version": "kernel_version",
    "ABI list": "abi_list",
    "Tombstone maker": "tombstone_maker",
    "Rooted": "rooted",
}


@dataclass(frozen=True, slots=True)
class XcrashHeader:
    """What the header says; `details` has the keys of `Crash.details`."""

    process: str | None = None
    thread: str | None = None
    pid: int | None = None
    tid: int | None = None
    abi: str | None = None
    build_fingerprint: str | None = None
    details: dict[str, JsonValue] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """One detail as text, or None."""
        value = self.details.get(key)
        return value if isinstance(value, str) else None


def read_xcrash_header(lines: Iterable[str]) -> XcrashHeader | None:
    """The facts of an xCrash header, or None when the text does not begin with one."""
    head = [line.strip() for line in islice(lines, _HEADER_LINES)]
    if not any(line.startswith(_MAKER) for line in head):
        return None
    found = (_FIELD.fullmatch(line) for line in head)
    fields = {item["name"]: item["value"] for item in found if item}
    process = next(filter(None, map(_PROCESS.fullmatch, head)), None)
    parts = process.groupdict() if process else {}
    return XcrashHeader(
        process=parts.get("process") or None,
        thread=parts.get("thread") or None,
        pid=int(parts["pid"]) if parts else None,
        tid=int(parts["tid"]) if parts.get("tid") else None,
        abi=fields.get("ABI") or None,
        build_fingerprint=fields.get("Build fingerprint") or None,
        details=_details(fields),
    )


def _details(fields: dict[str, str]) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {
        key: fields[name] for name, key in _DETAILS.items() if fields.get(name)
    }
    level = fields.get("API level", "")
    if re.fullmatch(r"[0-9]{1,4}", level):
        details["api_level"] = int(level)
    if "rooted" in details:
        details["rooted"] = details["rooted"] == "Yes"
    return details
