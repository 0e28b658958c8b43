"""Intervals as plain numbers that templates draw as SVG: no script, no inline style."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from devices.selectors.vital_cells import AdoptionDay
from devices.selectors.vital_series import Point
from devices.vitals.catalog import Vital

WIDTH, HEIGHT = 640, 120
_MOST = math.log(2)
_MIDDLE = 100.0


@dataclass(frozen=True, slots=True)
class EffectBar:
    """An effect with its interval between half and twice, in a box of 200 by 16."""

    x: float
    low: float
    width: float

    @property
    def leans(self) -> str:
        """`worse` or `better` where the whole interval is, else ""."""
        if self.low > _MIDDLE:
            return "worse"
        return "better" if self.low + self.width < _MIDDLE else ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A column of the chart that tells its day when pointed at."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its band as SVG paths in a box of `WIDTH` by `HEIGHT`, and what its axes say.

    `ticks` are the values at top, middle and bottom; `limit` is the height of a published limit.
    Days without a value leave the line open.
    """

    path: str
    band: str
    ticks: tuple[str, str, str]
    first: date
    last: date
    hits: tuple[Hit, ...]
    limit: float | None = None


def effect_bar(metric: dict[str, Any]) -> EffectBar | None:
    """The bar of a metric of a verdict; None without an effect."""
    if metric["effect"] is None:
        return None
    low, x, high = (_place(metric[name]) for name in ("low", "effect", "high"))
    return EffectBar(x, low, max(high - low, 1.0))


def _place(ratio: float) -> float:
    return round(100 + 100 * max(-1.0, min(1.0, math.log(max(ratio, 0.01)) / _MOST)), 1)


def vital_line(points: Sequence[Point], vital: Vital, *, last: date, days: int) -> Line | None:
    """A vital over the days up to `last`; None where no day has an estimate."""
    known = [(it.day, it.estimate) for it in points if it.estimate and it.day]
    if not known:
        return None
    bottom, top = _scale(min(it.low for _, it in known), max(it.high for _, it in known))
    limit = vital.limit
    values = [
        _Value(day, it.value, it.low, it.high,
               f"{day}: {it.value:.2f} {vital.unit} ({it.low:.2f} to {it.high:.2f})")
        for day, it in known
    ]  # fmt: skip
    first = last - timedelta(days=days - 1)
    shown = limit is not None and bottom <= limit <= top
    return _line(
        values, first=first, last=last, bottom=bottom, top=top, unit="",
        limit=_height(limit, bottom, top) if shown and limit is not None else None,
    )  # fmt: skip


def adoption_line(days: Sequence[AdoptionDay]) -> Line | None:
    """The part of devices on a build, in percent; days with too few devices are left open."""
    values = [
        _Value(it.day, part, 0.0, part, f"{it.day}: {part:.0f} % of {it.of:,} devices")
        for it in days
        if it.is_told
        for part in (100 * it.devices / it.of,)
    ]
    if not values:
        return None
    return _line(
        values, first=days[0].day, last=days[-1].day, bottom=0.0, top=100.0, unit=" %", limit=None
    )


@dataclass(frozen=True, slots=True)
class _Value:
    day: date
    value: float
    low: float
    high: float
    text: str


def _line(
    values: Sequence[_Value],
    *,
    first: date,
    last: date,
    bottom: float,
    top: float,
    unit: str,
    limit: float | None,
) -> Line:
    step = WIDTH / max((last - first).days, 1)

    def at(it: _Value, value: float) -> str:
        return f"{(it.day - first).days * step:.1f} {_height(value, bottom, top):.1f}"

    path, band = "", ""
    for run in _runs(values):
        middle = [at(it, it.value) for it in run]
        path += f"M{'L'.join(middle if len(middle) > 1 else middle * 2)}"
        upper, lower = [at(it, it.high) for it in run], [at(it, it.low) for it in reversed(run)]
        band += f"M{'L'.join([*upper, *lower])}Z"
    hits = tuple(
        Hit(round((it.day - first).days * step - step / 2, 1), round(step, 1), it.text)
        for it in values
    )
    ticks = tuple(f"{it:,.6g}{unit}" for it in (top, (top + bottom) / 2, bottom))
    return Line(path, band, (ticks[0], ticks[1], ticks[2]), first, last, hits, limit)


def _runs(values: Sequence[_Value]) -> Iterator[list[_Value]]:
    """Values of days without a gap."""
    run: list[_Value] = []
    for it in values:
        if run and (it.day - run[-1].day).days > 1:
            yield run
            run = []
        run.append(it)
    if run:
        yield run


def _height(value: float, bottom: float, top: float) -> float:
    return round(HEIGHT - (min(max(value, bottom), top) - bottom) / (top - bottom) * HEIGHT, 1)


def _scale(low: float, high: float) -> tuple[float, float]:
    """Round ends for an axis; from zero, unless that would press everything against the top."""
    if 0 <= low < 0.8 * high or high <= 0:
        low = min(low, 0.0)
    span = high - low or 1.0
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(it * power for it in (1, 2, 5, 10) if it * power >= rough * 0.999)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step
