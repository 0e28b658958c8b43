"""A level per day, drawn as a line: days without a measurement are gaps, not zeros."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 640, 80


@dataclass(frozen=True, slots=True)
class LevelChart:
    """A line in a box of `WIDTH` by `HEIGHT`, and `dots` where days were measured.

    `low` and `high` are the ends of its scale; `values` are the measured days, newest first.
    """

    name: str
    unit: str
    path: str
    dots: str
    low: float
    high: float
    summary: str
    values: list[tuple[date, float]]


def level_chart(
    name: str, unit: str, days: Sequence[tuple[date, float | None]]
) -> LevelChart | None:
    """The chart of one measure over consecutive days; None if it was measured on none."""
    known = [(day, value) for day, value in days if value is not None]
    if not known:
        return None
    low = min(0.0, *(value for _, value in known))
    high = max(value for _, value in known) * 1.1 or 1.0
    high = max(high, low + 1e-9)
    step = WIDTH / max(len(days) - 1, 1)
    path, dots, pen = [], [], "M"
    for number, (_, value) in enumerate(days):
        if value is None:
            pen = "M"
            continue
        place = f"{number * step:.1f} {HEIGHT - (value - low) / (high - low) * HEIGHT:.1f}"
        path.append(f"{pen}{place}")
        dots.append(f"M{place}h0")
        pen = "L"
    day, worst = max(known, key=lambda one: one[1])
    summary = (
        f"{name}, {len(known)} days measured, at most {worst:.1f} {unit} on {day:%b} {day.day}"
    )
    return LevelChart(name, unit, "".join(path), "".join(dots), low, high, summary, known[::-1])
