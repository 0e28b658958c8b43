"""A key twice in one object, and nesting: found exactly, whatever surrounds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.strict_json import NotStrict, refuse_ambiguity, refuse_depth, refuse_repeats

DOCUMENTS = [
    ("{}", 0, False),
    ('{"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 1}]}', 6, False),
    ('{"a" : ": x", "b": "\\": y"}', 2, False),
    ('{"a\\\\": 1, "a": "\\\\"}', 2, False),
    ('{"a": 1, "a": 1}', 1, True),
    ('{"a": ": x", "b": 1, "b" : 2}', 2, True),
    ('{"a": {"b": 1, "b": 2}}', 2, True),
    ('{"a": {"x": {}}, "b": 1, "a": 0}', 3, True),
    ('{"a": 1, "\\u0061": 2}', 1, True),
    ('{"a\\\\": 1, "a\\\\"\n: 2}', 1, True),
    ('[{"a": 1}, {"b": 1, "b": 2}]', 2, True),
]


@pytest.mark.parametrize(("document", "keys", "is_refused"), DOCUMENTS)
def test_a_key_that_is_there_twice_is_found(document, keys, is_refused):
    try:
        refuse_repeats(document.encode(), keys=keys)
    except NotStrict:
        assert is_refused
    else:
        assert not is_refused


@pytest.mark.parametrize(("document", "keys", "is_refused"), DOCUMENTS)
@pytest.mark.parametrize("padding", ["", " " * 70_000], ids=["small", "large"])
def test_a_look_at_the_whole_document_finds_the_same(document, keys, is_refused, padding):
    try:
        refuse_ambiguity((document + padding).encode())
    except NotStrict:
        assert is_refused
    else:
        assert not is_refused


@pytest.mark.parametrize(
    "document",
    [b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": NaN}', b"[" * 33 + b"]" * 33, b"{"],
)
def test_what_a_decoder_skips_is_looked_at(document):
    with pytest.raises(NotStrict):
        refuse_ambiguity(document)


@pytest.mark.parametrize("number", [b"9" * 5000, b"1e999999", b"-0.0"])
def test_any_number_will_do_where_it_is_dropped(number):
    refuse_ambiguity(b'{"a": ' + number + b"}")


def test_repeats_matter_in_what_is_skipped_too():
    refuse_repeats(b'{"x": {"a": 1, "b": 2}, "b": 1}', keys=2, skipped=[b'{"a": 1, "b": 2}'])

    with pytest.raises(NotStrict):
        refuse_repeats(b'{"x": {"a": 1, "a": 2}, "b": 1}', keys=2, skipped=[b'{"a": 1, "a": 2}'])


def test_nobody_looks_at_one_document_forever():
    with pytest.raises(NotStrict):
        refuse_repeats(b'{"a": [' + b"[]," * 100_000 + b'0], "b": ": "}', keys=2)


VALUES = st.recursive(
    st.text(max_size=5) | st.integers() | st.none() | st.just(': "'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def count_keys(value):
    if isinstance(value, dict):
        return len(value) + sum(map(count_keys, value.values()))
    return sum(map(count_keys, value)) if isinstance(value, list) else 0


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_has_no_repeats_is_never_refused(value, indent, ascii_only):
    separators = (",", " : ") if indent else (",", ":")
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii_only)

    refuse_repeats(text.encode("utf-8", "replace"), keys=count_keys(value))


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=4))
def test_a_repeat_is_always_found(value):
    key = json.dumps(next(iter(value)))
    text = f"{json.dumps(value)[:-1]}, {key}: 1}}"

    with pytest.raises(NotStrict):
        refuse_repeats(text.encode(), keys=count_keys(value))


@pytest.mark.parametrize(
    ("document", "is_refused"),
    [
        ("[" * 32 + "]" * 32, False),
        ("[" * 33 + "]" * 33, True),
        ('{"a":' * 33 + "1" + "}" * 33, True),
        ("[" + "[]," * 50 + "0]", False),
        (json.dumps("[{" * 50), False),
    ],
)
def test_thirty_two_levels_are_enough(document, is_refused):
    try:
        refuse_depth(document.encode())
    except NotStrict:
        assert is_refused
    else:
        assert not is_refused
