"""One vital in one cell: sums that add up, and what follows from them.

A cell keeps the sums of numerators, denominators and their products over device-days. From these
follow the ratio and its standard error, as every device-day tells it (linearization of a ratio of
means; Cochran 1977, section 6.4). Shares have Wilson's interval (1927); rates the Poisson score
interval, widened where device-days differ more than chance (a phone in a crash loop is one phone).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.vitals.catalog import Reading, Shape, Vital
from devices.vitals.sketch import Sketch

_Z = 1.959964  # 95 %
_SUMS = ("count", "num", "den", "nn", "nd", "dd")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A vital with its 95 % interval, in its unit. `exposure` is the sum of its denominators."""

    value: float
    low: float
    high: float
    exposure: float
    device_days: int


@dataclass(slots=True)
class Amounts:
    """The sums of one vital over device-days."""

    count: int = 0
    num: float = 0.0
    den: float = 0.0
    nn: float = 0.0
    nd: float = 0.0
    dd: float = 0.0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, reading: Reading) -> None:
        """Add what a device-day says."""
        num, den = float(reading.numerator), float(reading.denominator)
        self.count += 1
        self.num += num
        self.den += den
        self.nn += num * num
        self.nd += num * den
        self.dd += den * den
        self.sketch.add(reading.values)

    def merge(self, other: "Amounts") -> None:
        """Add another cell."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sketch.merge(other.sketch)

    def document(self) -> list[Any]:
        """What is stored."""
        return [*(getattr(self, name) for name in _SUMS), self.sketch.pairs()]

    @classmethod
    def of_document(cls, document: Iterable[Any]) -> "Amounts":
        """What was stored."""
        *sums, pairs = document
        made = cls(sketch=Sketch.of_pairs(pairs))
        for name, value in zip(_SUMS, sums, strict=True):
            setattr(made, name, value)
        return made

    def estimate(self, vital: Vital) -> Estimate | None:
        """The vital of the cell; None where nothing was exposed."""
        if self.den <= 0:
            return None
        ratio = self.num / self.den
        low, high = _INTERVALS[vital.shape](self, ratio)
        scale = vital.scale
        return Estimate(scale * ratio, scale * low, scale * high, self.den, self.count)

    def variance(self, ratio: float) -> float:
        """Of the ratio, as device-days tell it; infinite from a single one."""
        if self.count < 2:  # noqa: PLR2004
            return math.inf
        left = self.nn - 2 * ratio * self.nd + ratio * ratio * self.dd
        return max(left, 0.0) * self.count / (self.count - 1) / self.den**2


def _wilson(cell: Amounts, share: float) -> tuple[float, float]:
    n, z2 = cell.den, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _poisson(cell: Amounts, rate: float) -> tuple[float, float]:
    chance = rate / cell.den
    spread = cell.variance(rate)
    excess = max(spread / chance, 1.0) if chance > 0 and math.isfinite(spread) else 1.0
    events, exposure = cell.num / excess, cell.den / excess
    half = _Z * math.sqrt(events + _Z * _Z / 4)
    middle = events + _Z * _Z / 2
    return max(middle - half, 0.0) / exposure, (middle + half) / exposure


def _normal(cell: Amounts, level: float) -> tuple[float, float]:
    variance = cell.variance(level)
    if not math.isfinite(variance):
        return level, level
    half = _Z * math.sqrt(variance)
    return level - half, level + half


_INTERVALS = {Shape.SHARE: _wilson, Shape.RATE: _poisson, Shape.LEVEL: _normal}


def read_all(vitals: Mapping[str, Vital], day: Any, into: dict[str, Amounts]) -> None:
    """Add a device-day (or an app's day) to a cell: all vitals that it measured."""
    for key, vital in vitals.items():
        reading = vital.read(day)
        if reading is not None and reading.denominator > 0:
            into.setdefault(key, Amounts()).add(reading)
