"""Protocol buffers, as far as crash dumps need them: a message is read and written by a schema.

A message is a run of fields. Each starts with a key (number and wire type in one varint) and
goes on with its value: a varint (0), 8 bytes (1), a length and that many bytes (2), or 4 bytes
(5). `08 96 01` is field 1 as a varint, 150. Strings, bytes and messages have wire type 2.

A schema maps numbers to `Field`s; a message becomes a dict by field name, which holds what was
there and nothing else. Numbers the schema lacks are checked for shape and skipped, as devices
send fields of later versions and of their maker.

The bytes are untrusted, so reading is strict: every key, length, nesting and wire type must fit,
to the last byte, and the number of fields and the depth are limited. A field that is known but
has another wire type is an error here, where the official parsers would set it aside: it never
happens in an honest dump, and always in a damaged one. Strings are the exception. They come from
crashed processes and are not always UTF-8, so they are decoded with replacement.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum, auto
from typing import Any, Final, NoReturn, TypeAlias

from crashes.formats.errors import MalformedPayload

MAX_FIELDS = 500_000  # a dump of 390 KB, the largest seen, has 60,000
MAX_DEPTH = 16

Message: TypeAlias = dict[str, Any]
Schema: TypeAlias = Mapping[int, "Field"]


class WireType(IntEnum):
    """How a value is laid out. 3 and 4 were groups and are not used any more."""

    VARINT = 0
    FIXED64 = 1
    LENGTH_DELIMITED = 2
    FIXED32 = 5


class Kind(StrEnum):
    """The types of the schema language that crash dumps use."""

    UINT32 = auto()
    UINT64 = auto()
    INT32 = auto()
    INT64 = auto()
    BOOL = auto()
    STRING = auto()
    BYTES = auto()
    MESSAGE = auto()
    COUNTED = auto()
    """A repeated message that is checked and counted, but not kept."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a schema. `message` is the schema of a MESSAGE or COUNTED field."""

    name: str
    kind: Kind
    repeated: bool = False
    message: Schema | None = None


_LENGTH_DELIMITED_KINDS = frozenset({Kind.STRING, Kind.BYTES, Kind.MESSAGE, Kind.COUNTED})
_WIRE_TYPE: Final = {
    kind: WireType.LENGTH_DELIMITED if kind in _LENGTH_DELIMITED_KINDS else WireType.VARINT
    for kind in Kind
}
_MAX_VARINT_BYTES = 10
MIN_KEY = 1 << 3
MAX_KEY = (1 << 32) - 1
_UINT64 = (1 << 64) - 1
_CONTINUES = 0x80


def decode(data: bytes, schema: Schema, *, max_fields: int = MAX_FIELDS) -> Message:
    """The message in `data`.

    Raises MalformedPayload with the offset: `truncated_protobuf` when a value runs over the end
    of its message, `malformed_protobuf` for an impossible key, varint or wire type, and
    `protobuf_too_complex` beyond the limits.
    """
    return _Decoder(data, max_fields).message(0, len(data), schema, 0)


class _Decoder:
    def __init__(self, data: bytes, max_fields: int) -> None:
        self._data = data
        self._fields_left = max_fields

    def message(self, at: int, end: int, schema: Schema, depth: int) -> Message:
        if depth > MAX_DEPTH:
            _fail("protobuf_too_complex", "messages are nested too deep", at)
        message: Message = {}
        while at < end:
            at = self._field(at, end, message, schema, depth)
        return message

    def _field(self, start: int, end: int, message: Message, schema: Schema, depth: int) -> int:
        self._spend(start)
        key, at = self.varint(start, end)
        wire_type = key & 7
        if not MIN_KEY <= key <= MAX_KEY or wire_type not in _READERS:
            _fail("malformed_protobuf", f"no field has the key {key}", start)
        raw, at = _READERS[wire_type](self, at, end)
        field = schema.get(key >> 3)
        if field is not None and wire_type != _WIRE_TYPE[field.kind]:
            _fail("malformed_protobuf", f"{field.name} has wire type {wire_type}", start)
        if field is not None:
            self._store(message, field, raw, depth)
        return at

    def _spend(self, at: int) -> None:
        self._fields_left -= 1
        if self._fields_left < 0:
            _fail("protobuf_too_complex", "the message has too many fields", at)

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for position in range(at, min(end, at + _MAX_VARINT_BYTES)):
            byte = self._data[position]
            value |= (byte & 0x7F) << shift
            if byte < _CONTINUES:
                return value & _UINT64, position + 1
            shift += 7
        if end - at < _MAX_VARINT_BYTES:
            _fail("truncated_protobuf", "the message ends inside a number", at)
        return _fail("malformed_protobuf", "a number has more than 10 bytes", at)

    def delimited(self, at: int, end: int) -> tuple[tuple[int, int], int]:
        length, start = self.varint(at, end)
        if length > end - start:
            _fail("truncated_protobuf", f"a field of {length} bytes runs over its message", at)
        return (start, start + length), start + length

    def fixed(self, size: int, at: int, end: int) -> tuple[None, int]:
        if size > end - at:
            _fail("truncated_protobuf", "the message ends inside a number", at)
        return None, at + size

    def _store(self, message: Message, field: Field, raw: Any, depth: int) -> None:
        if field.kind is Kind.COUNTED:
            self._value(field, raw, depth)
            message[field.name] = message.get(field.name, 0) + 1
        elif field.repeated:
            message.setdefault(field.name, []).append(self._value(field, raw, depth))
        else:
            message[field.name] = self._value(field, raw, depth)

    def _value(self, field: Field, raw: Any, depth: int) -> Any:
        if field.message is not None:
            return self.message(raw[0], raw[1], field.message, depth + 1)
        if field.kind in _LENGTH_DELIMITED_KINDS:
            content = self._data[raw[0] : raw[1]]
            return content if field.kind is Kind.BYTES else content.decode("utf-8", "replace")
        return _FROM_VARINT[field.kind](raw)


_READERS: Final[dict[int, Callable[[_Decoder, int, int], tuple[Any, int]]]] = {
    WireType.VARINT: _Decoder.varint,
    WireType.LENGTH_DELIMITED: _Decoder.delimited,
    WireType.FIXED64: lambda decoder, at, end: decoder.fixed(8, at, end),
    WireType.FIXED32: lambda decoder, at, end: decoder.fixed(4, at, end),
}


def _fail(code: str, detail: str, at: int) -> NoReturn:
    raise MalformedPayload(code, detail, where=f"offset {at:#x}")


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


_FROM_VARINT: Final[dict[Kind, Callable[[int], int]]] = {
    Kind.UINT32: lambda value: value & 0xFFFFFFFF,
    Kind.UINT64: lambda value: value,
    Kind.BOOL: bool,
    Kind.INT32: lambda value: _signed(value, 32),
    Kind.INT64: lambda value: _signed(value, 64),
}


def encode(message: Mapping[str, Any], schema: Schema) -> bytes:
    """The bytes of a message, in the order of field numbers.

    Like every writer of proto3 it leaves out zeros, empty texts and None, except in lists. A
    COUNTED field takes a list of messages. Raises KeyError for a name the schema lacks.
    """
    unknown = message.keys() - {field.name for field in schema.values()}
    if unknown:
        raise KeyError(f"not in the schema: {sorted(unknown)}")
    numbered = sorted(schema.items())
    return b"".join(
        _encoded(number, field, message[field.name])
        for number, field in numbered
        if message.get(field.name)
    )


def _encoded(number: int, field: Field, value: Any) -> bytes:
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    key = _varint_bytes(number << 3 | _WIRE_TYPE[field.kind])
    return b"".join(key + _encoded_value(field, item) for item in values)


def _encoded_value(field: Field, value: Any) -> bytes:
    if field.kind not in _LENGTH_DELIMITED_KINDS:
        return _varint_bytes(int(value) & _UINT64)
    if field.message is not None:
        value = encode(value, field.message)
    content = value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
    return _varint_bytes(len(content)) + content


def _varint_bytes(value: int) -> bytes:
    groups = bytearray()
    while value >= _CONTINUES:
        groups.append(value & 0x7F | _CONTINUES)
        value >>= 7
    groups.append(value)
    return bytes(groups)
