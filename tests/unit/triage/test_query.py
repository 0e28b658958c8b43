"""Queries: what is read, what is refused, and that writing one gives it back."""

import os
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.triage.query import KEYS, BadQuery, Holds, Operator, Query, Term, parse


def places_forgotten(query: Query) -> list[tuple[str | None, str, Operator, bool]]:
    return [(term.key, term.pattern, term.operator, term.negated) for term in query.terms]


CONTRACT = (
    'is:open model:"Nokia G42 5G" os_build:V3.420 package:com.example.app kind:anr '
    "signature:*libfoo* first_seen:<7d devices:>100 has:symbols !assigned:me free words"
)


def test_the_query_of_the_contract_is_one():
    query = parse(CONTRACT)

    assert str(query) == CONTRACT
    assert [term.key for term in query.terms].count(None) == 2


def test_a_key_may_have_another_name():
    assert str(parse("region:244 assignee:none")) == "mcc:244 assigned:none"


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
        ("devices:many", 8, "devices:>100"),
        ("devices:>1*", 9, "devices:>100"),
        ("reports:<5..9", 9, "reports:10..50"),
        ("first_seen:7d", 11, "first_seen:<7d"),
        ("first_seen:<99999w", 12, "first_seen:<36500d"),
        ("last_seen:2026-02-30", 10, "last_seen:>=2026-11-01"),
        ("last_seen:9999-12-31", 10, "last_seen:>=2026-11-01"),
        ("has:symbol", 4, "has:symbols"),
        ("has:*", 4, None),
        ("is:regresed", 3, "is:regressed"),
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


_keys = st.sampled_from([key for key, facts in KEYS.items() if facts.holds is Holds.TEXT])


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


def test_many_texts_made_of_the_language_are_read_or_refused():
    """UXP_TEST_QUERY_FUZZ=100000 is for whoever changes the language."""
    random = Random(8)
    parts = [
        *(f"{key}:" for key in KEYS), *(key.example for key in KEYS.values()),
        "region:", "nokey:", "!", '"', "\\", "*", "<", ">=", "..", " ", "  ", "7d", "2026-11-20",
        "9" * 16, "me", "none", "ä", "\0", "\u202e", "::", ":", "words",
    ]  # fmt: skip
    for _ in range(int(os.environ.get("UXP_TEST_QUERY_FUZZ", "3000"))):
        text = "".join(random.choices(parts, k=random.randint(1, 14)))
        try:
            query = parse(text)
        except BadQuery as problem:
            is_marked = 0 <= problem.position <= len(text) and bool(problem.sentence)
        else:
            is_marked = places_forgotten(parse(str(query))) == places_forgotten(query)
        assert is_marked, text
