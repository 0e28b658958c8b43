"""Where the text of a protobuf tombstone is, so that only text is looked at for names and numbers.

Between the strings of a tombstone are lengths, addresses and registers. Eight of their bytes may
well look like packed digits; overwriting them would end the tombstone. So whoever scrubs it looks
at a copy in which everything that is no text is zero, and takes over what changed inside text.

Fields that the schema does not know count as text. Bytes that do not follow the wire format, or in
which a known field has another type, are no tombstone: they are looked at as a whole.
"""

from collections.abc import Callable

from crashes.formats.protobuf_wire import Kind, Schema
from crashes.formats.tombstone_schema import TOMBSTONE

_VARINT, _DELIMITED = 0, 2
_LENGTHY = frozenset({Kind.STRING, Kind.BYTES, Kind.MESSAGE, Kind.COUNTED})
_CONTINUES, _SEVEN_BITS = 0x80, 0x7F
_WRAPPED = 1
"""The field of Android 14's wrapper that holds the tombstone; a tombstone has a number there."""


def scrub_text_fields(payload: bytes, scrub: Callable[[bytes], bytes]) -> bytes:
    """The tombstone with its text scrubbed. `scrub` keeps the length of what it is given."""
    spans: list[tuple[int, int]] = []
    try:
        _collect(payload, 0, len(payload), TOMBSTONE, spans, is_root=True)
    except _NoTombstone:
        return scrub(payload)
    masked = bytearray(len(payload))
    for start, end in spans:
        masked[start:end] = payload[start:end]
    before = bytes(masked)
    clean = scrub(before)
    if clean == before:
        return payload
    result = bytearray(payload)
    for start, end in spans:
        result[start:end] = clean[start:end]
    return bytes(result)


class _NoTombstone(Exception):
    """The bytes are something else, or damaged."""


def _collect(  # noqa: C901  a call for each field would cost more than the field
    data: bytes, at: int, end: int, schema: Schema, found: list[tuple[int, int]], *, is_root: bool
) -> None:
    """Add (start, end) of every text, in order. Raises _NoTombstone."""
    while at < end:
        key = data[at]
        if key < _CONTINUES:
            at += 1
        else:
            key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        field = schema.get(number)
        is_wrapped = is_root and number == _WRAPPED and wire == _DELIMITED
        if (
            field is not None
            and not is_wrapped
            and (field.kind in _LENGTHY) != (wire == _DELIMITED)
        ):
            raise _NoTombstone
        if wire not in (_VARINT, _DELIMITED):
            raise _NoTombstone  # no version of the schema has fields of a fixed width, or groups
        if at < end and data[at] < _CONTINUES:
            size = data[at]
            at += 1
        else:
            size, at = _varint(data, at, end)
        if wire == _VARINT:
            continue
        start, at = at, at + size
        if at > end:
            raise _NoTombstone
        if is_wrapped:
            _collect(data, start, at, TOMBSTONE, found, is_root=False)
        elif field is not None and field.message is not None:
            _collect(data, start, at, field.message, found, is_root=False)
        elif size:
            found.append((start, at))


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:  # noqa: PLR2004  ten bytes
        byte = data[at]
        at += 1
        if byte < _CONTINUES:
            return value | byte << shift, at
        value |= (byte & _SEVEN_BITS) << shift
        shift += 7
    raise _NoTombstone
