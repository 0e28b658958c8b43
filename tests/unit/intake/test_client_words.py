"""Ids, texts, numbers and moments as clients write them."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake.client_ids import report_id_of, report_id_of_content, split_attachment_name
from crashes.intake.client_losses import NOT_KEPT, Loss, LossCounter
from crashes.intake.client_text import (
    decode_object,
    flag_of,
    moment_of,
    number_of,
    text_of,
)

ID = "5a3eff42-48d5-430f-a51c-afa6eab01b1b"


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", ""), f" {ID}\n"])
def test_an_id_has_two_spellings_and_one_meaning(text):
    assert report_id_of(text) == uuid.UUID(ID)


@pytest.mark.parametrize(
    "value", [None, 7, "", "0" * 32, ID[:-1], f"{{{ID}}}", f"urn:uuid:{ID}", "\uff15" * 32, [ID]]
)
def test_what_is_no_id_is_none(value):
    assert report_id_of(value) is None


def test_the_same_content_has_the_same_id():
    assert report_id_of_content(b"a", b"b") == report_id_of_content(b"a", b"b")
    assert report_id_of_content(b"ab") != report_id_of_content(b"a", b"b")
    assert report_id_of_content(memoryview(b"x")) == report_id_of_content(b"x")


def test_an_attachment_names_its_report():
    assert split_attachment_name(f"{ID}-log-1.txt") == (uuid.UUID(ID), "log-1.txt")
    assert split_attachment_name(ID) is None
    assert split_attachment_name("log.txt") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a ", "a"), ("N/A", ""), ("unknown", ""), (None, ""), (True, ""), (7, "7"), ("a\0b", "ab"),
        ("\ud800x", "?x"), ("abcdef", "abcde"), ({}, ""), ("abcd e", "abcd"),
    ],
)  # fmt: skip
def test_a_text_fits_its_column(value, text):
    assert text_of(value, limit=5) == text


@pytest.mark.parametrize("value", [7, "7", " 7 "], ids=repr)
def test_a_number_may_be_digits(value):
    assert number_of(value) == 7


@pytest.mark.parametrize(
    "value", ["-7", -7, True, "\u0663", 1.5, 2**63, str(2**63), "9" * 5000, None], ids=repr
)
def test_what_does_not_fit_is_no_number(value):
    assert number_of(value) is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1795456188.5, datetime(2026, 11, 23, 17, 49, 48, 500_000, UTC)),
        (1795456188500, datetime(2026, 11, 23, 17, 49, 48, 500_000, UTC)),
        ("2020-11-06T23:43:15.335+01:00", datetime(2020, 11, 6, 22, 43, 15, 335_000, UTC)),
        ("2026-11-23T17:49:48Z", datetime(2026, 11, 23, 17, 49, 48, 0, UTC)),
        ("2026-11-23T17:49:48", datetime(2026, 11, 23, 17, 49, 48, 0, UTC)),
        ("0001-01-01T00:00:00+14:00", None), (float("nan"), None), (float("inf"), None),
        (-1, None), (True, None), ("soon", None), (None, None),
    ],
)  # fmt: skip
def test_a_moment_is_utc(value, moment):
    assert moment_of(value) == moment


def test_a_flag_is_a_word_or_a_value():
    assert [flag_of(value) for value in (True, "false", "TRUE", "yes", None, 1)] == [
        True, False, True, None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a": 1}', {"a": 1}), (b'{"a": NaN}', None), (b"[1]", None), (b"{", None), (b"", None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}), (b"[" * 100_000, None), (b'{"a":"\\ud800"}', None),
    ],
)  # fmt: skip
def test_json_is_read_leniently(data, found):
    document = decode_object(data)

    assert document == found if found else document is None or "a" in document


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_nothing(data):
    assert isinstance(decode_object(data), dict | None)


def test_losses_have_known_words_only():
    losses = LossCounter("sentry.python/2.75.0")
    losses.add(NOT_KEPT, "session", 2)
    losses.add_client_report(
        {
            "discarded_events": [
                {"reason": "network_error", "category": "error", "quantity": 3},
                {"reason": "an invention", "category": "another", "quantity": 1},
                {"reason": "sample_rate", "category": "transaction", "quantity": -1},
                {"reason": ["x"], "category": None, "quantity": 10**30},
                "nonsense",
            ],
            "rate_limited_events": {"not": "a list"},
        }
    )

    assert losses.losses() == [
        Loss("sentry.python", "network_error", "error", 3),
        Loss("sentry.python", NOT_KEPT, "session", 2),
        Loss("sentry.python", "other", "other", 1),
    ]
    assert LossCounter("my fork").losses() == []
