"""Queries: what is read, what is refused, and that writing one gives it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.triage.query import KEYS, BadQuery, Operator, Query, Term, parse


def places_forgotten(query: Query) -> list[tuple[str | None, str, Operator, bool]]:
    return [(term.key, term.pattern, term.operator, term.negated) for term in query.terms]


def test_the_empty_text_asks_for_everything():
    assert parse("  \t") == Query()


def test_keys_words_quotes_and_negation_are_read_together():
    query = parse('is:open model:"Nokia G42 5G" !os_build:V3.* native timeout')

    assert [(term.key, term.value, term.negated) for term in query.terms] == [
        ("is", "open", False),
        ("model", "Nokia G42 5G", False),
        ("os_build", "V3.*", True),
        (None, "native", False),
        (None, "timeout", False),
    ]


def test_a_term_knows_where_it_was():
    term = parse("  is:open  !kind:anr").terms[1]

    assert (term.start, term.end) == (11, 20)


def test_a_qualified_name_is_a_word_and_no_key():
    assert parse("android::Parcel::read").terms[0].key is None


@pytest.mark.parametrize("value", [":", "::f", ">5", "<=x", "!x", "is:open", 'a "b"', "\\", "*"])
def test_values_that_look_like_syntax_are_written_so_that_they_stay_values(value):
    query = Query().plus("signature", value)

    assert parse(str(query)).values("signature") == (value,)


def test_stars_split_a_pattern_and_escaped_ones_do_not():
    assert parse("signature:*lib*foo").terms[0].pieces == ("", "lib", "foo")
    assert parse(r"signature:lib\*foo").terms[0].pieces == ("lib*foo",)


def test_quotes_inside_quotes_are_escaped():
    assert parse(r'signature:"a \"b\" \\ c"').terms[0].value == r'a "b" \ c'


@pytest.mark.parametrize(
    ("text", "position", "suggestion"),
    [
        ("is:open modle:x", 8, "model:"),
        ("xyzzyplugh:x", 0, None),
        ("is:opne", 3, "is:open"),
        ("kind:native", 5, "kind:native_crash"),
        ('model:"Nokia', 6, '"'),
        ("model:", 6, None),
        ("model: x", 6, None),
        ("is:open !", 9, None),
        ('""', 0, None),
        ("model:>5", 6, None),
        ("a\0b", 1, None),
    ],
)
def test_what_is_no_query_is_refused_with_its_place(text, position, suggestion):
    with pytest.raises(BadQuery) as caught:
        parse(text)

    assert (caught.value.position, caught.value.suggestion) == (position, suggestion)
    assert f"character {position + 1}" in caught.value.sentence


def test_a_query_that_is_too_long_is_refused():
    with pytest.raises(BadQuery):
        parse("x" * 1_001)
    with pytest.raises(BadQuery):
        parse("x " * 41)


def test_adding_a_value_twice_adds_it_once():
    query = parse("is:open").plus("model", "X*").plus("model", "X*")

    assert str(query) == r"is:open model:X\*"
    assert str(query.minus("model", "X*")) == "is:open"


def test_values_leave_out_what_is_excluded():
    assert parse("kind:anr !kind:wtf kind:error").values("kind") == ("anr", "error")


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        query = parse(text)
    except BadQuery as problem:
        is_inside = 0 <= problem.position <= len(text)
    else:
        is_inside = places_forgotten(parse(str(query))) == places_forgotten(query)

    assert is_inside


_keys = st.sampled_from([key for key, facts in KEYS.items() if not facts.choices])


@given(st.lists(st.tuples(st.none() | _keys, st.text(min_size=1).filter(str.strip)), max_size=5))
def test_what_is_written_is_read_again(pairs):
    query = Query()
    for key, value in pairs:
        if "\0" not in value and value.strip():
            query = query.plus(key or "signature", value)
    text = str(query)
    if len(text) <= 1_000:
        assert places_forgotten(parse(text)) == places_forgotten(query)


@given(st.text(alphabet='abis:!"*\\<>= openkd', max_size=40))
def test_texts_that_look_like_queries_are_read_or_refused(text):
    try:
        query = parse(text)
    except BadQuery:
        return
    assert places_forgotten(parse(str(query))) == places_forgotten(query)
    for term in query.terms:
        assert isinstance(term, Term)
        assert term.pieces
