"""Values of the query language that have an order: numbers, and moments by date or by age.

    devices:>100   reports:10..50   devices:7
    first_seen:<7d   last_seen:>=2026-11-01   first_seen:2026-11-01..2026-11-20

A number stands for itself. A date is the whole day in UTC: `>2026-11-20` begins a day later. An age
(`36h`, `7d`, `2w`) counts back from the moment of asking: `<7d` is younger than that, `>7d` older.
A range includes both of its ends.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_NUMBER = re.compile(r"[0-9]{1,15}")
_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=36_500)
_DAY = timedelta(days=1)
_YEARS = range(1970, 2900)


class NotOrdered(Exception):
    """The text is no value of this kind; the message says what one looks like."""

    def __init__(self, detail: str, suggestion: str | None = None) -> None:
        super().__init__(detail)
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """Whole numbers from `least` to `most`; None is no end."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class MomentBounds:
    """Moments from `start`, before `end`; None is no end."""

    start: datetime | None = None
    end: datetime | None = None


def number_bounds(operator: str, text: str) -> NumberBounds:
    """What `operator` and `text` allow. Raises NotOrdered."""
    low, is_range, high = text.partition("..")
    wanted = [low, high] if is_range else [low]
    if not all(_NUMBER.fullmatch(part) for part in wanted):
        raise NotOrdered("is a number, as in `>100` or `10..50`")
    if is_range:
        _refuse_operator(operator)
        return NumberBounds(int(low), int(high))
    number = int(low)
    match operator:
        case "<":
            return NumberBounds(most=number - 1)
        case "<=":
            return NumberBounds(most=number)
        case ">":
            return NumberBounds(least=number + 1)
        case ">=":
            return NumberBounds(least=number)
        case _:
            return NumberBounds(number, number)


def moment_bounds(operator: str, text: str, *, now: datetime) -> MomentBounds:
    """What `operator` and `text` allow at the moment of asking. Raises NotOrdered."""
    age = _age(text)
    if age is not None:
        return _by_age(operator, text, now - age)
    first, is_range, last = text.partition("..")
    start = _day(first)
    if is_range:
        _refuse_operator(operator)
        return MomentBounds(start, _day(last) + _DAY)
    ends = {
        "<": MomentBounds(end=start),
        "<=": MomentBounds(end=start + _DAY),
        ">": MomentBounds(start=start + _DAY),
        ">=": MomentBounds(start=start),
    }
    return ends.get(operator, MomentBounds(start, start + _DAY))


def _by_age(operator: str, text: str, moment: datetime) -> MomentBounds:
    if not operator:
        raise NotOrdered("takes an age with `<` or `>`", f"<{text}")
    is_younger = operator.startswith("<")
    return MomentBounds(start=moment) if is_younger else MomentBounds(end=moment)


def _age(text: str) -> timedelta | None:
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    age = int(match.group(1)) * _UNITS[match.group(2)]
    if age > _LONGEST:
        raise NotOrdered("goes back a century at most", "<36500d")
    return age


def _day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-20") else None
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise NotOrdered("is an age like `<7d`, or a date like `>=2026-11-20`")
    return datetime.combine(day, time(), UTC)


def _refuse_operator(operator: str) -> None:
    if operator:
        raise NotOrdered("takes a range without a comparison")
