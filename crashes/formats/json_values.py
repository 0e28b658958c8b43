"""Values out of JSON that any client may have written: asked for politely, taken only when sound.

Nothing here raises but `json_object`; a value of another type than wanted is no value.
"""

import json
import math
from typing import Any

import msgspec

from crashes.formats.errors import MalformedPayload
from crashes.stack import JsonValue

MAX_TEXT = 64 * 1024
_MAX_NUMBER = 2**64 - 1
_MAX_DIGITS = 20
_MAX_LIST = 64


def json_object(payload: bytes | memoryview) -> dict[str, Any]:
    """The JSON object in `payload`. Raises MalformedPayload `malformed_json`.

    NaN and half surrogate pairs, which some writers let through, are read all the same.
    """
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = _decode_leniently(bytes(payload))
    if not isinstance(document, dict):
        raise MalformedPayload("malformed_json", "the payload is not a JSON object", where="line 1")
    return document


def _decode_leniently(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8-sig", "replace"), strict=False)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, letter {problem.colno}"
        raise MalformedPayload("malformed_json", "the payload is not JSON", where=where) from None
    except (ValueError, RecursionError):
        raise MalformedPayload(
            "malformed_json", "the payload nests too deep", where="line 1"
        ) from None


def text(value: Any, limit: int = MAX_TEXT) -> str | None:
    """A text of at most `limit` characters; None when it is empty or no text."""
    if not isinstance(value, str) or not value:
        return None
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    return value.replace("\0", "")[:limit] or None


def integer(value: Any) -> int | None:
    """A number from 0 to 2**64 - 1, written as such, in digits, or as `0x…`; else None."""
    if isinstance(value, str):
        value = _from_digits(value.strip())
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_NUMBER else None


def _from_digits(digits: str) -> int | None:
    if not digits.isascii() or len(digits) > _MAX_DIGITS or "_" in digits:
        return None
    try:
        return int(digits, 16 if digits[:2].lower() == "0x" else 10)
    except ValueError:
        return None


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; anything else in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def picked(source: Any, names: tuple[str, ...]) -> dict[str, JsonValue]:
    """Those of the named members that are a plain value or a list of texts."""
    members = mapping(source)
    found = {name: _plain(members.get(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> JsonValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_NUMBER else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        kept = [short for item in value[:_MAX_LIST] if (short := text(item, 200)) is not None]
        return list[JsonValue](kept) or None
    return text(value, 200)
