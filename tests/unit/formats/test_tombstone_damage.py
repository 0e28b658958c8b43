"""Arbitrary and damaged tombstones: a crash or the parsers' own error, and nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import tombstone_proto, tombstone_text
from crashes.formats.errors import MalformedPayload
from crashes.formats.tombstone_writer import write_proto
from crashes.stack import from_json, to_json
from tests.unit.formats.fixtures import goldens
from tests.unit.formats.mutations import mutated

TEXTS = [golden.payload for golden in goldens("tombstones")]
PROTOS = [write_proto(tombstone_text.parse(text)) for text in TEXTS]
TEXT_CODES = {"not_a_tombstone"}
GZIP_CODES = {"corrupt_gzip", "truncated_gzip", "too_large"}
PROTO_CODES = {
    "not_a_tombstone",
    "truncated_protobuf",
    "malformed_protobuf",
    "protobuf_too_complex",
}


def check(parse, payload, codes):
    """A crash that can be stored, or an error with a known code."""
    crash, code = _outcome(parse, payload)
    if crash is None:
        assert code in codes | GZIP_CODES
    else:
        assert from_json(json.loads(json.dumps(to_json(crash)))) == crash
    return crash


def _outcome(parse, payload):
    try:
        return parse(payload), None
    except MalformedPayload as problem:
        return None, problem.code


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_refused_or_read(payload):
    check(tombstone_text.parse, payload, TEXT_CODES)
    check(tombstone_proto.parse, payload, PROTO_CODES)


@given(st.text(max_size=2000))
def test_arbitrary_text_is_no_protobuf(text):
    with pytest.raises(MalformedPayload):
        tombstone_proto.parse(text.encode())


@settings(max_examples=200)
@given(mutated(TEXTS))
def test_damaged_text_is_refused_or_read(payload):
    check(tombstone_text.parse, payload, TEXT_CODES)


@settings(max_examples=200)
@given(mutated(PROTOS))
def test_damaged_protobuf_is_refused_or_read(payload):
    check(tombstone_proto.parse, payload, PROTO_CODES)


@pytest.mark.parametrize("golden", goldens("tombstones"), ids=str)
def test_a_text_may_be_cut_anywhere(golden):
    payload = golden.payload
    whole = tombstone_text.parse(payload)
    begun = payload.find(b"\n", payload.find(b"pid: ")) if b"pid: " in payload else len(payload)

    for end in range(0, len(payload), 31):
        crash = check(tombstone_text.parse, payload[:end], TEXT_CODES)
        if end > begun:
            assert crash is not None
            assert crash.pid == whole.pid


@pytest.mark.parametrize("payload", PROTOS, ids=[str(golden) for golden in goldens("tombstones")])
def test_a_protobuf_may_be_cut_anywhere(payload):
    for end in range(0, len(payload), 7):
        check(tombstone_proto.parse, payload[:end], PROTO_CODES)


def _lines(*parts):
    return b"".join(part * (200_000 // len(part)) for part in parts)


@pytest.mark.parametrize(
    "payload",
    [
        _lines(b"*** *** ***\n"),
        b"*** *** ***\n" + _lines(b"Abort message: 'x\n"),
        b"*** *** ***\n" + _lines(b"--- --- ---\npid: 1, tid: 1\n"),
        b"*** *** ***\n" + _lines(b"allocated by thread 1:\n#00 pc 00000001\n"),
        b"*** *** ***\nmemory map:\n" + _lines(b"1000-1fff r-x 0 0 /a\n"),
        b"*** *** ***\n#00 pc 1 /a" + b" (" * 30_000,
        b"*** *** ***\n#00 pc 1 /a" + b" ()/" * 15_000,
        b"*** *** ***\npid: 1, tid: 1" + b" " * 60_000 + b"x",
        b"*** *** ***\nmemory map:\n1000-1fff " + b" " * 60_000 + b"x",
        b"*** *** ***\nsignal 1 (" + b"(" * 60_000,
        _lines(b"06-01 10:11:12.345  2  2 F DEBUG   : #00 pc 00000001  /a.so\n"),
    ],
    ids=range(11),
)
def test_hostile_repetition_is_read_in_the_end(payload):
    crash = tombstone_text.parse(payload)

    assert sum(len(thread.frames) for thread in crash.threads) <= 512 * 512
