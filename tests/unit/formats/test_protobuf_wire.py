"""The wire format, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats.errors import MalformedPayload
from crashes.formats.protobuf_wire import MAX_DEPTH, Field, Kind, Message, Schema, decode, encode

INNER: Schema = {1: Field("number", Kind.UINT32), 2: Field("text", Kind.STRING)}
SCHEMA: Schema = {
    1: Field("number", Kind.UINT64),
    2: Field("text", Kind.STRING),
    3: Field("signed", Kind.INT32),
    4: Field("inner", Kind.MESSAGE, message=INNER),
    5: Field("list", Kind.MESSAGE, repeated=True, message=INNER),
    6: Field("counted", Kind.COUNTED, message=INNER),
    7: Field("flag", Kind.BOOL),
    8: Field("raw", Kind.BYTES),
    9: Field("long", Kind.INT64),
    16: Field("words", Kind.STRING, repeated=True),
    20: Field("small", Kind.UINT32),
}


def code_of(data: bytes, schema: Schema = SCHEMA, **limits: int) -> str:
    with pytest.raises(MalformedPayload) as caught:
        decode(data, schema, **limits)
    assert caught.value.where is not None
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", {}),
        ("08 96 01", {"number": 150}),
        ("12 07 74 65 73 74 69 6e 67", {"text": "testing"}),
        ("18 fe ff ff ff ff ff ff ff ff 01", {"signed": -2}),
        ("18 fe ff ff ff 0f", {"signed": -2}),
        ("48 ff ff ff ff ff ff ff ff ff 01", {"long": -1}),
        ("08 ff ff ff ff ff ff ff ff ff 01", {"number": 2**64 - 1}),
        ("22 02 08 01", {"inner": {"number": 1}}),
        ("2a 02 08 01 2a 00", {"list": [{"number": 1}, {}]}),
        ("32 02 08 01 32 00", {"counted": 2}),
        ("38 01", {"flag": True}),
        ("42 02 ff 00", {"raw": b"\xff\x00"}),
        ("82 01 01 61 82 01 00", {"words": ["a", ""]}),
        ("a0 01 ff ff ff ff 1f", {"small": 2**32 - 1}),
        ("08 01 08 02", {"number": 2}),
    ],
)
def test_fields_are_read_by_number_and_kind(data, message):
    assert decode(bytes.fromhex(data), SCHEMA) == message


@pytest.mark.parametrize(
    "unknown", ["f8 3f 01", "f9 3f 0102030405060708", "fa 3f 02 0102", "fd 3f 01020304"]
)
def test_fields_of_later_schemas_and_of_makers_are_skipped(unknown):
    data = bytes.fromhex(unknown) + b"\x08\x01"

    assert decode(data, SCHEMA) == {"number": 1}


def test_text_that_is_no_utf8_is_kept_with_replacements():
    assert decode(b"\x12\x03a\xffb", SCHEMA) == {"text": "a\ufffdb"}


@pytest.mark.parametrize(
    "data",
    [
        "08",  # no value
        "08 96",  # half a number
        "12",  # no length
        "12 05 61",  # a text longer than the message
        "22 03 08 01",  # a message longer than the message
        "22 02 12 01",  # a text longer than the message inside
        "f9 3f 01",  # half a fixed number
        "fd 3f 010203",
        "12 ff ff ff ff ff ff ff ff 7f",  # a length beyond memory
        "82",  # half a key
    ],
)
def test_a_message_that_ends_early_is_truncated(data):
    assert code_of(bytes.fromhex(data)) == "truncated_protobuf"


@pytest.mark.parametrize(
    "data",
    [
        "00 01",  # field 0
        "0b",  # a group
        "0c",
        "0e",  # wire types that do not exist
        "0f",
        "0a 01 61",  # a number as text
        "10 01",  # a text as number
        "0d 01020304",
        "32 02 0a 00",  # a counted message is checked too
        "08 ff ff ff ff ff ff ff ff ff ff 01",  # eleven bytes
        "80 80 80 80 80 01 01",  # a key beyond 32 bits
    ],
)
def test_an_impossible_field_is_malformed(data):
    assert code_of(bytes.fromhex(data)) == "malformed_protobuf"


def test_the_error_tells_the_offset():
    with pytest.raises(MalformedPayload) as caught:
        decode(bytes.fromhex("08 01 12 05 61"), SCHEMA)

    assert caught.value.where == "offset 0x3"


def test_too_many_fields_are_refused():
    assert decode(b"\x08\x01" * 10, SCHEMA, max_fields=10) == {"number": 1}
    assert code_of(b"\x08\x01" * 11, max_fields=10) == "protobuf_too_complex"


def test_too_deep_messages_are_refused():
    nested: dict[int, Field] = {}
    nested[1] = Field("inner", Kind.MESSAGE, message=nested)
    data = b""
    for _ in range(MAX_DEPTH):
        data = b"\x0a" + bytes([len(data)]) + data
    assert decode(data, nested)

    data = b"\x0a" + bytes([len(data)]) + data

    assert code_of(data, nested) == "protobuf_too_complex"


def test_zeros_and_empty_values_are_not_written():
    message: Message = {"number": 0, "text": "", "flag": False, "inner": {}, "list": []}

    assert encode(message, SCHEMA) == b""


def test_a_name_that_the_schema_lacks_cannot_be_written():
    with pytest.raises(KeyError):
        encode({"other": 1}, SCHEMA)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_message_or_the_error(data):
    codes = {"read"}
    try:
        decode(data, SCHEMA)
    except MalformedPayload as problem:
        codes = {problem.code}

    assert codes <= {"read", "truncated_protobuf", "malformed_protobuf"}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "number": st.integers(1, 2**64 - 1),
            "text": st.text(min_size=1),
            "signed": st.integers(-(2**31), -1),
            "long": st.integers(-(2**63), -1),
            "raw": st.binary(min_size=1),
            "words": st.lists(st.text(), min_size=1),
            "inner": st.fixed_dictionaries({"number": st.integers(1, 2**32 - 1)}),
            "list": st.lists(st.just({}) | st.just({"text": "a"}), min_size=1),
        },
    )
)
def test_what_is_written_is_read_again(message):
    assert decode(encode(message, SCHEMA), SCHEMA) == message
