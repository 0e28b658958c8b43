"""Numbers, dates and ages of the query language, case by case."""

from datetime import UTC, datetime

import pytest

from crashes.triage.bounds import (
    MomentBounds,
    NotOrdered,
    NumberBounds,
    moment_bounds,
    number_bounds,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def day(number, month=11):
    return datetime(2026, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operator", "text", "expected"),
    [
        ("", "7", NumberBounds(7, 7)),
        ("<", "7", NumberBounds(None, 6)),
        ("<=", "7", NumberBounds(None, 7)),
        (">", "7", NumberBounds(8, None)),
        (">=", "7", NumberBounds(7, None)),
        ("", "5..7", NumberBounds(5, 7)),
    ],
)
def test_numbers(operator, text, expected):
    assert number_bounds(operator, text) == expected


@pytest.mark.parametrize(
    ("operator", "text", "expected"),
    [
        ("<", "7d", MomentBounds(start=datetime(2026, 11, 13, 12, tzinfo=UTC))),
        ("<=", "36h", MomentBounds(start=day(19))),
        (">", "2w", MomentBounds(end=datetime(2026, 11, 6, 12, tzinfo=UTC))),
        ("", "2026-11-20", MomentBounds(day(20), day(21))),
        ("<", "2026-11-20", MomentBounds(end=day(20))),
        ("<=", "2026-11-20", MomentBounds(end=day(21))),
        (">", "2026-11-20", MomentBounds(start=day(21))),
        (">=", "2026-11-20", MomentBounds(start=day(20))),
        ("", "2026-10-01..2026-11-20", MomentBounds(day(1, 10), day(21))),
    ],
)
def test_moments(operator, text, expected):
    assert moment_bounds(operator, text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1..", "..2", "1...2", "9" * 16, "٣", "1k"])
def test_what_is_no_number(text):
    with pytest.raises(NotOrdered):
        number_bounds(">", text)


@pytest.mark.parametrize("text", ["", "7", "7m", "2026-13-01", "20261120", "1969-01-01", "99999w"])
def test_what_is_no_moment(text):
    with pytest.raises(NotOrdered):
        moment_bounds("<", text, now=NOW)


def test_an_age_alone_is_neither_younger_nor_older():
    with pytest.raises(NotOrdered) as caught:
        moment_bounds("", "7d", now=NOW)

    assert caught.value.suggestion == "<7d"
