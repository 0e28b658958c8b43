"""What a client wrote, made fit for a column: no NUL, no half characters, not too long, not a guess.

Clients that exist already send whatever their platform gave them: `N/A` for nothing, numbers as
text, text as numbers. These readers turn one value into one fact or into nothing; none of them
raises.
"""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

_NOTHING = frozenset({"", "n/a", "null", "none", "unknown", "undefined"})
_MAX_VERSION_CODE = 2**63 - 1
_MAX_DIGITS = 19
_MILLISECONDS_FROM = 1e11
_SEEN_BY_CLIENTS = 1e14


def text_of(value: Any, *, limit: int) -> str:
    """The value as text of at most `limit` characters; empty when it says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    if not text.isascii():  # lone surrogates cannot be stored
        text = text.encode("utf-8", "replace").decode()
    text = text.replace("\0", "").strip()
    return "" if text.lower() in _NOTHING else text[:limit].rstrip()


def number_of(value: Any) -> int | None:
    """A whole number from 0 to 2**63 - 1, given as number or digits; else None."""
    if isinstance(value, str):
        digits = value.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
            return None
        value = int(digits)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_VERSION_CODE else None


def flag_of(value: Any) -> bool | None:
    """True or false, given as such or as a word; else None."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower())


def moment_of(value: Any) -> datetime | None:
    """A moment in UTC from seconds or milliseconds since 1970, or from ISO 8601; else None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < _SEEN_BY_CLIENTS:
            return None
        seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
        return datetime.fromtimestamp(seconds, UTC)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def object_of(value: Any) -> dict[str, Any]:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def decode_object(data: bytes | memoryview) -> dict[str, Any] | None:
    """The JSON object in `data`, or None.

    Some writers are looser than the standard (NaN, half surrogate pairs), so what the strict
    decoder refuses is tried with the lenient one.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = _decode_leniently(bytes(data))
    return document if isinstance(document, dict) else None


def _decode_leniently(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
