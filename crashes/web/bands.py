"""Intervals as plain numbers that templates draw as SVG: no script, no inline style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devices.selectors.vital_cells import AdoptionDay
from devices.selectors.vital_series import Point

WIDTH, HEIGHT = 640, 120
_MOST = math.log(2)


@dataclass(frozen=True, slots=True)
class EffectBar:
    """An effect with its interval between half and twice, in a box of 200 by 16."""

    x: float
    low: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its band as SVG paths in a box of `WIDTH` by `HEIGHT`; `top` is its scale."""

    path: str
    band: str
    top: float


def effect_bar(metric: dict[str, Any]) -> EffectBar | None:
    """The bar of a metric of a verdict; None without an effect."""
    if metric["effect"] is None:
        return None
    low, x, high = (_place(metric[name]) for name in ("low", "effect", "high"))
    return EffectBar(x, low, max(high - low, 1.0))


def _place(ratio: float) -> float:
    return round(100 + 100 * max(-1.0, min(1.0, math.log(max(ratio, 0.01)) / _MOST)), 1)


def vital_line(points: Sequence[Point]) -> Line | None:
    """A vital over time; days without an estimate are gaps in the number of points only."""
    known = [(place, it.estimate) for place, it in enumerate(points) if it.estimate]
    if not known:
        return None
    top = max(found.high for _, found in known) * 1.05 or 1.0
    step = WIDTH / max(len(points) - 1, 1)

    def at(place: int, value: float) -> str:
        return f"{place * step:.1f} {HEIGHT - max(value, 0.0) / top * HEIGHT:.1f}"

    middle = "L".join(at(place, found.value) for place, found in known)
    upper = [at(place, found.high) for place, found in known]
    lower = [at(place, found.low) for place, found in reversed(known)]
    return Line(f"M{middle}", f"M{'L'.join([*upper, *lower])}Z", top)


def adoption_line(days: Sequence[AdoptionDay]) -> Line | None:
    """The part of devices on a build, day by day."""
    if not days:
        return None
    step = WIDTH / max(len(days) - 1, 1)
    places = [
        f"{number * step:.1f} {HEIGHT - (day.devices / day.of if day.of else 0) * HEIGHT:.1f}"
        for number, day in enumerate(days)
    ]
    end = f"{(len(days) - 1) * step:.1f}"
    return Line(f"M{'L'.join(places)}", f"M0 {HEIGHT}L{'L'.join(places)}L{end} {HEIGHT}Z", 1.0)
