"""Envelopes: what is whole is read, what is damaged harms nothing before it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake.sentry_envelope import (
    MAX_ITEMS,
    MalformedEnvelope,
    joined,
    parse_envelope,
    parse_header,
)

HEADER = {"event_id": "5a3eff4248d5430fa51cafa6eab01b1b", "dsn": "http://k@h/1"}


def envelope(*items, header=HEADER, with_length=True):
    """An envelope of (headers, payload) pairs."""
    parts = [json.dumps(header).encode()]
    for headers, payload in items:
        length = {"length": len(payload)} if with_length else {}
        parts += [json.dumps(headers | length).encode(), payload]
    return b"\n".join(parts) + b"\n"


def read(body):
    found = parse_envelope(body)
    return [(item.type, bytes(item.payload)) for item in found.items], found.damaged


def test_items_come_out_in_order():
    body = envelope(({"type": "event"}, b"{}"), ({"type": "attachment"}, b"a\nb\n\n{"))

    assert read(body) == ([("event", b"{}"), ("attachment", b"a\nb\n\n{")], 0)
    assert parse_header(body) == HEADER


def test_without_length_an_item_ends_at_the_newline():
    body = envelope(
        ({"type": "session"}, b'{"a":1}'), ({"type": "event"}, b"{}"), with_length=False
    )

    assert read(body) == ([("session", b'{"a":1}'), ("event", b"{}")], 0)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n\n"])
def test_the_last_newline_may_be_missing_or_many(end):
    assert read(b'{}\n{"type":"event","length":2}\n{}' + end) == ([("event", b"{}")], 0)


def test_an_empty_item_is_an_item():
    body = b'{}\n{"type":"attachment","length":0}\n\n{"type":"event","length":2}\n{}\n'

    assert read(body) == ([("attachment", b""), ("event", b"{}")], 0)


def test_an_envelope_may_be_empty():
    assert read(b"{}") == ([], 0)


@pytest.mark.parametrize("body", [b"", b"\n", b"[]", b"nonsense\n{}", b'{"a":', b"\x1f\x8b\x08"])
def test_without_a_header_it_is_no_envelope(body):
    with pytest.raises(MalformedEnvelope):
        parse_envelope(body)


@pytest.mark.parametrize(
    "damage",
    [
        b"not json\n{}\n",
        b'["type"]\n{}\n',
        b'{"type":"event","length":99}\n{}\n',
        b'{"type":"event","length":-1}\n{}\n',
        b'{"type":"event","length":"2"}\n{}\n',
        b'{"type":"event","length":1e400}\n{}\n',
        b'{"type":"event","length":' + b"9" * 400 + b"}\n{}\n",
    ],
)
def test_what_is_damaged_leaves_the_items_before_it_alone(damage):
    whole = envelope(({"type": "event"}, b"{}"))

    assert read(whole + damage) == ([("event", b"{}")], 1)


def test_an_item_without_a_type_is_kept_as_such():
    assert read(b'{}\n{"length":1}\nx\n{"type":7,"length":1}\ny') == ([("", b"x"), ("", b"y")], 0)


def test_items_beyond_the_limit_are_left_out():
    body = b"{}\n" + b'{"type":"log","length":1}\nx\n' * (MAX_ITEMS + 5)

    items, damaged = read(body)

    assert (len(items), damaged) == (MAX_ITEMS, 1)


def test_joined_items_are_read_again():
    body = envelope(({"type": "event"}, b"{}"), ({"type": "attachment", "filename": "a"}, b"\n\n"))
    first = parse_envelope(body)

    again = parse_envelope(joined(first.items))

    assert [(i.type, bytes(i.payload)) for i in again.items] == read(body)[0]
    assert again.items[1].headers["filename"] == "a"


types = st.sampled_from(["event", "attachment", "session", "client_report", "", "x"])


@given(st.lists(st.tuples(types, st.binary(max_size=60)), max_size=8))
def test_whatever_the_payloads_are_lengths_find_them(items):
    body = envelope(*[({"type": kind}, payload) for kind, payload in items])

    assert read(body) == (items, 0)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_envelope_or_refused(body):
    try:
        parse_envelope(body)
    except MalformedEnvelope:
        return


@given(st.integers(0, 200), st.data())
def test_a_cut_envelope_keeps_what_was_whole(cut, data):
    payloads = data.draw(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
    body = envelope(*[({"type": "event"}, payload) for payload in payloads])
    cut = min(cut, len(body) - len(json.dumps(HEADER)))

    items, damaged = read(body[: len(body) - cut])

    assert [payload for _, payload in items] == payloads[: len(items)]
    assert damaged <= 1
