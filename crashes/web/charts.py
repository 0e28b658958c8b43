"""Small charts as plain numbers that templates draw as SVG: no script, no inline style.

A bar that stands for something is at least one unit high; a day without reports is a hairline, so
that "nothing" and "no data yet" look different from "missing".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

_HAIRLINE = 1.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `y` counts from the top."""

    x: float
    y: float
    width: float
    height: float
    value: int
    day: date

    @property
    def is_empty(self) -> bool:
        """Whether it stands for a zero."""
        return self.value == 0


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars in a box of `width` by `height`, and what they show in words."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    summary: str
    highest: int
    total: int
    noun: str


def day_chart(
    values: Sequence[int],
    *,
    last_day: date,
    width: int,
    height: int,
    gap: float,
    noun: str = "reports",
) -> Chart:
    """So many per day as bars, the last one for `last_day`. `noun` says what they are."""
    highest = max(values, default=0)
    step = width / max(len(values), 1)
    first_day = last_day - timedelta(days=len(values) - 1)
    bars = tuple(
        _bar(number, value, highest, step=step, height=height, gap=gap, first_day=first_day)
        for number, value in enumerate(values)
    )
    return Chart(width, height, bars, _summary(values, first_day, noun), highest, sum(values), noun)


def _bar(
    number: int,
    value: int,
    highest: int,
    *,
    step: float,
    height: int,
    gap: float,
    first_day: date,
) -> Bar:
    tall = max(round(value / highest * height, 1), 2.0) if value else _HAIRLINE
    return Bar(
        x=round(number * step + gap / 2, 2),
        y=round(height - tall, 1),
        width=round(step - gap, 2),
        height=tall,
        value=value,
        day=first_day + timedelta(days=number),
    )


def _summary(values: Sequence[int], first_day: date, noun: str) -> str:
    total = sum(values)
    if not total:
        return f"No {noun} in {len(values)} days"
    highest = max(values)
    day = first_day + timedelta(days=list(values).index(highest))
    return f"{total:,} {noun} in {len(values)} days, most on {day:%b} {day.day} ({highest:,})"


def week_bars(values: Sequence[int | None], width: int, height: int) -> str:
    """So many per week as one SVG path; a week without a number has no bar."""
    highest = max((value for value in values if value), default=0)
    step = width / max(len(values), 1)
    return "".join(
        f"M{number * step:g} {height}v{-max(value / highest * height, 2.0):g}h{step - 1:g}"
        f"v{max(value / highest * height, 2.0):g}z"
        for number, value in enumerate(values)
        if value
    )


def outline(bars: Iterable[Bar]) -> str:
    """The bars as one SVG path, which is a tenth of the text of as many rectangles."""
    return "".join(
        f"M{bar.x:g} {bar.y:g}h{bar.width:g}v{bar.height:g}h{-bar.width:g}z" for bar in bars
    )
