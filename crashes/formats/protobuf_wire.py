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
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

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
    return _Decoder(data, max_fields).message(0, len(data), schema)


class _Row(NamedTuple):
    """A field as the decoder meets it: by its key, so that the wire type is checked with it."""

    name: str
    kind: Kind
    is_delimited: bool
    repeated: bool
    table: "_Table | None"


_Table: TypeAlias = dict[int, _Row]

_tables: dict[int, tuple[Schema, _Table]] = {}
"""By identity of the schema, which is kept so that no other gets its number."""


def _table_of(schema: Schema) -> _Table:
    known = _tables.get(id(schema))
    if known is None:
        table: _Table = {}
        known = _tables[id(schema)] = (schema, table)
        for number, field in schema.items():
            key = number << 3 | _WIRE_TYPE[field.kind]
            inner = None if field.message is None else _table_of(field.message)
            is_delimited = field.kind in _LENGTH_DELIMITED_KINDS
            table[key] = _Row(field.name, field.kind, is_delimited, field.repeated, inner)
    return known[1]


class _Decoder:
    """One pass over the bytes. Numbers of one byte, which nearly all are, are read in place."""

    def __init__(self, data: bytes, max_fields: int) -> None:
        self._data = data
        self._fields_left = max_fields

    def message(self, at: int, end: int, schema: Schema) -> Message:
        return self._message(at, end, schema, _table_of(schema), 0)

    def _message(  # noqa: C901, PLR0912  a call for each field would cost more than the field
        self, at: int, end: int, schema: Schema, table: _Table, depth: int
    ) -> Message:
        if depth > MAX_DEPTH:
            _fail("protobuf_too_complex", "messages are nested too deep", at)
        data = self._data
        message: Message = {}
        while at < end:
            start = at
            self._fields_left -= 1
            if self._fields_left < 0:
                _fail("protobuf_too_complex", "the message has too many fields", at)
            key = data[at]
            if key < _CONTINUES:
                at += 1
            else:
                key, at = self.varint(at, end)
            row = table.get(key)
            if row is None:
                at = self._skip(key, start, at, end, schema)
                continue
            name, kind, is_delimited, repeated, inner = row
            if at < end and data[at] < _CONTINUES:
                raw = data[at]
                at += 1
            else:
                raw, at = self.varint(at, end)
            value: Any
            if not is_delimited:
                value = raw if kind is Kind.UINT64 else _FROM_VARINT[kind](raw)
            else:
                begin, at = at, at + raw
                if at > end:
                    self._fail_beyond(raw, start, end)
                if inner is not None:
                    sub = schema[key >> 3].message or {}
                    value = self._message(begin, at, sub, inner, depth + 1)
                elif kind is Kind.BYTES:
                    value = data[begin:at]
                else:
                    value = data[begin:at].decode("utf-8", "replace")
            if kind is Kind.COUNTED:
                message[name] = message.get(name, 0) + 1
            elif not repeated:
                message[name] = value
            elif name in message:
                message[name].append(value)
            else:
                message[name] = [value]
        return message

    def _fail_beyond(self, size: int, start: int, end: int) -> NoReturn:
        """Where a length that is too large begins: behind the key."""
        _, at = self.varint(start, end)
        _fail("truncated_protobuf", f"a field of {size} bytes runs over its message", at)

    def _skip(self, key: int, start: int, at: int, end: int, schema: Schema) -> int:
        """Where a field that is not kept ends; it must have the shape of one all the same."""
        wire_type = key & 7
        if not MIN_KEY <= key <= MAX_KEY or wire_type not in _WIRE_TYPES:
            _fail("malformed_protobuf", f"no field has the key {key}", start)
        if wire_type == WireType.VARINT:
            _, at = self.varint(at, end)
        elif wire_type == WireType.LENGTH_DELIMITED:
            size, begin = self.varint(at, end)
            if size > end - begin:
                self._fail_beyond(size, start, end)
            at = begin + size
        else:
            size = 8 if wire_type == WireType.FIXED64 else 4
            if size > end - at:
                _fail("truncated_protobuf", "the message ends inside a number", at)
            at += size
        field = schema.get(key >> 3)
        if field is not None:
            _fail("malformed_protobuf", f"{field.name} has wire type {wire_type}", start)
        return at

    def varint(self, at: int, end: int) -> tuple[int, int]:
        data = self._data
        value = shift = 0
        position = at
        last = end if end - at < _MAX_VARINT_BYTES else at + _MAX_VARINT_BYTES
        while position < last:
            byte = data[position]
            position += 1
            if byte < _CONTINUES:
                return (value | byte << shift) & _UINT64, position
            value |= (byte & 0x7F) << shift
            shift += 7
        if end - at < _MAX_VARINT_BYTES:
            _fail("truncated_protobuf", "the message ends inside a number", at)
        return _fail("malformed_protobuf", "a number has more than 10 bytes", at)


_WIRE_TYPES = frozenset(WireType)


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
