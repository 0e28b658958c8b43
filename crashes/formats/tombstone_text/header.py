"""The `Name: value` lines in front of the registers, and what becomes of each.

Names are compared in lower case. Two tables say where a value goes: into a word of `Crash`, or
under a key of its `details`; a value that came first is kept. xCrash's header has its own names.
Add a line by adding a row.
"""

import re
from collections.abc import Callable
from typing import Final

from crashes.stack import JsonValue

_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_ -]{1,40}): ?(.*)")
_FLAGS = re.compile(r"([0-9a-fA-F]{1,16})\b.*")
_DIGITS = re.compile(r"([0-9]{1,10})\b.*")
_BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


def _text(value: str) -> JsonValue:
    return value or None


def _integer(value: str) -> JsonValue:
    found = _DIGITS.match(value.removesuffix("s"))
    return int(found[1]) if found else None


def _positive(value: str) -> JsonValue:
    """`4s`, `3`; an uptime of 0 is what a process shows that could not be asked."""
    return _integer(value) or None


def _flags(value: str) -> JsonValue:
    found = _FLAGS.match(value)
    return hex(int(found[1], 16)) if found else None


def _boolean(value: str) -> JsonValue:
    return _BOOLEANS.get(value.lower())


CRASH_FIELDS: Final = {
    "build fingerprint": "build_fingerprint",
    "abi": "abi",
    "timestamp": "timestamp",
    "crash time": "timestamp",
    "app version": "version_name",
}

DETAILS: Final[dict[str, tuple[str, Callable[[str], JsonValue]]]] = {
    "revision": ("revision", _text),
    "guest architecture": ("guest_architecture", _text),
    "process uptime": ("uptime_s", _positive),
    "page size": ("page_size_bytes", _integer),
    "has been in 16kb mode": ("has_been_16kb_mode", _boolean),
    "has been in 16 kb mode before": ("has_been_16kb_mode", _boolean),
    "cmdline": ("command_line", _text),
    "selinux label": ("selinux_label", _text),
    "uid": ("uid", _integer),
    "dropped-count": ("dropped_count", _positive),
    "tagged_addr_ctrl": ("tagged_addr_ctrl", _flags),
    "pac_enabled_keys": ("pac_enabled_keys", _flags),
    "tombstone maker": ("tombstone_maker", _text),
    "crash type": ("crash_type", _text),
    "start time": ("start_time", _text),
    "crash time": ("crash_time", _text),
    "app id": ("app_id", _text),
    "app version": ("app_version", _text),
    "rooted": ("rooted", _boolean),
    "api level": ("api_level", _integer),
    "os version": ("os_version", _text),
    "kernel version": ("kernel", _text),
    "abi list": ("abi_list", _text),
    "manufacturer": ("manufacturer", _text),
    "brand": ("brand", _text),
    "model": ("device_model", _text),
}


def read_header(line: str) -> tuple[str, str] | None:
    """The name in lower case and the value without its quotes, of a stripped line."""
    found = _LINE.fullmatch(line)
    return (found[1].lower(), unquoted(found[2])) if found else None


def unquoted(value: str) -> str:
    """The value without quotes around it; a cut line lacks the second."""
    value = value.strip()
    return value[1:].removesuffix("'") if value.startswith("'") else value
