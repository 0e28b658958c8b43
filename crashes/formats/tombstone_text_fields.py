"""Where the text of a protobuf tombstone is, so that only text is looked at for names and numbers.

Between the strings of a tombstone are lengths, addresses and registers. Eight of their bytes may
well look like packed digits; overwriting them would end the tombstone. So whoever scrubs it looks
at a copy in which everything that is no text is zero, and takes over what changed inside text.

Fields that the schema does not know count as text. Bytes that do not follow the wire format, or in
which a known field has another type, are no tombstone: they are looked at as a whole.
"""

from collections.abc import Callable, Iterator

from crashes.formats.protobuf_wire import Kind, Schema
from crashes.formats.tombstone_schema import TOMBSTONE

_VARINT, _DELIMITED = 0, 2
_LENGTHY = frozenset({Kind.STRING, Kind.BYTES, Kind.MESSAGE, Kind.COUNTED})
_CONTINUES, _SEVEN_BITS = 0x80, 0x7F
_WRAPPED = 1
"""The field of Android 14's wrapper that holds the tombstone; a tombstone has a number there."""


def scrub_text_fields(payload: bytes, scrub: Callable[[bytes], bytes]) -> bytes:
    """The tombstone with its text scrubbed. `scrub` keeps the length of what it is given."""
    try:
        spans = list(_spans(payload, 0, len(payload), TOMBSTONE, is_root=True))
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


def _spans(
    data: bytes, at: int, end: int, schema: Schema, *, is_root: bool = False
) -> Iterator[tuple[int, int]]:
    """(start, end) of every text, in order. Raises _NoTombstone."""
    while at < end:
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
        if wire == _DELIMITED:
            size, at = _varint(data, at, end)
            if at + size > end:
                raise _NoTombstone
            if is_wrapped:
                yield from _spans(data, at, at + size, TOMBSTONE)
            elif field is not None and field.message is not None:
                yield from _spans(data, at, at + size, field.message)
            else:
                yield at, at + size
            at += size
        elif wire == _VARINT:
            _, at = _varint(data, at, end)
        else:  # no version of the schema has fields of a fixed width, or groups
            raise _NoTombstone


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:  # noqa: PLR2004  ten bytes
        byte = data[at]
        value |= (byte & _SEVEN_BITS) << shift
        at, shift = at + 1, shift + 7
        if byte < _CONTINUES:
            return value, at
    raise _NoTombstone
