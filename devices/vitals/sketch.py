"""Quantiles of many values in little room, mergeable: DDSketch (Masson, Rim, Lee, VLDB 2019).

Values above zero are counted in bins whose borders grow by a constant factor, so every quantile is
right to 1 %, and merging adds counts: the order of merging changes nothing, so a roll-up made again
is the same to the bit. It is our own because the whole of it is the arithmetic below; the published
package stores sketches as protobuf messages, which would bring a second serialization for one table.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

_ACCURACY = 0.01
_LOG_GROWTH = math.log((1 + _ACCURACY) / (1 - _ACCURACY))
_SMALLEST = 1e-6


class Sketch:
    """Counts by bin; zeros and what is smaller than a millionth are one bin of their own."""

    __slots__ = ("_bins",)

    _ZERO = math.floor(math.log(_SMALLEST) / _LOG_GROWTH) - 1

    def __init__(self, bins: Mapping[int, int] | None = None) -> None:
        self._bins: Counter[int] = Counter(bins or {})

    def add(self, values: Iterable[float]) -> None:
        """Count values of zero or more."""
        for value in values:
            is_zero = value < _SMALLEST
            number = self._ZERO if is_zero else math.ceil(math.log(value) / _LOG_GROWTH)
            self._bins[number] += 1

    def merge(self, other: "Sketch") -> None:
        """Count what another sketch has counted."""
        self._bins.update(dict(other.pairs()))

    @property
    def count(self) -> int:
        """How many values."""
        return self._bins.total()

    def quantile(self, part: float) -> float | None:
        """The value below which this part (0 to 1) of all lies, to 1 %; None without values."""
        if not self._bins:
            return None
        rank, seen = part * (self.count - 1), 0
        ordered = sorted(self._bins.items())
        for number, count in ordered:
            seen += count
            if seen > rank:
                return self._middle(number)
        return self._middle(ordered[-1][0])

    def pairs(self) -> list[tuple[int, int]]:
        """`(bin, count)` in order: what is stored."""
        return sorted(self._bins.items())

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[int, int]]) -> "Sketch":
        """The sketch that was stored."""
        return cls(dict(pairs))

    def _middle(self, number: int) -> float:
        """The value whose relative distance to both borders of a bin is the same."""
        if number == self._ZERO:
            return 0.0
        return 2 * math.exp(number * _LOG_GROWTH) / (1 + math.exp(_LOG_GROWTH))
