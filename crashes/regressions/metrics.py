"""What a release is watched for, and the rows that tell of it.

A metric is either a count over hours of use (crashes, ANRs) or the logarithm of a measurement
(battery drain, cold start). For both, more is worse. `gate` is the relative change that is too
small to care about: the test is against it, not against zero. `early_gate` is the change that is
alarming even within the first two days after an update, when every update is slow.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from crashes.regressions.fleet import DeviceDays, Flags, Fleet, Floats, Ints


class Kind(StrEnum):
    """How the rows of a metric are put together."""

    COUNT = "count"  # a ratio of sums: events over hours
    LOG_MEAN = "log_mean"  # a mean of logarithms


@dataclass(frozen=True, slots=True)
class Metric:
    """One vital as a release is judged by it."""

    name: str
    kind: Kind
    gate: float
    early_gate: float


CRASH = Metric("crash", Kind.COUNT, gate=0.01, early_gate=0.30)
ANR = Metric("anr", Kind.COUNT, gate=0.01, early_gate=0.50)
DRAIN = Metric("drain", Kind.LOG_MEAN, gate=0.003, early_gate=0.30)
COLD_START = Metric("cold", Kind.LOG_MEAN, gate=0.003, early_gate=0.55)
METRICS = (CRASH, ANR, DRAIN, COLD_START)

# A device in a crash loop says once that something is wrong, not forty times.
_MOST_PER_DAY = 3.0
# Twenty starts of one day say hardly more than ten: they share the day's apps and temperature.
_STARTS_THAT_ADD = 30.0
# Battery drain follows use; what one device drains on busy and on idle days shows how much.
_USUAL_HOURS, _LEAST_HOURS, _LOG_HOURS = 3.2, 0.05, (-2.5, 2.0)


@dataclass(frozen=True, slots=True)
class Rows:
    """Device-days of one metric and one arm, ordered by arrival.

    `value` is a count or a logarithm; `weight` the exposure (hours) or the precision of the value;
    `covariate` is a known cause of the value that the release does not change, 0 if there is none.
    `pair` numbers a model with an OS.
    """

    device: Ints
    pair: Ints
    country: Ints
    day: Ints
    arrival_day: Ints
    days_since_update: Ints
    value: Floats
    weight: Floats
    covariate: Floats

    def known_on(self, day: int) -> "Rows":
        """The rows that had arrived by the end of a day; views, nothing is copied."""
        return self._take(slice(0, int(np.searchsorted(self.arrival_day, day, side="right"))))

    def where(self, mask: Flags) -> "Rows":
        """The rows of a mask."""
        return self._take(mask)

    def _take(self, which: slice | Flags) -> "Rows":
        return Rows(
            self.device[which],
            self.pair[which],
            self.country[which],
            self.day[which],
            self.arrival_day[which],
            self.days_since_update[which],
            self.value[which],
            self.weight[which],
            self.covariate[which],
        )

    def __len__(self) -> int:
        return len(self.device)


@dataclass(frozen=True, slots=True)
class Arms:
    """The rows of a metric: before the release, and then on the old and on the new version."""

    before: Rows
    old: Rows
    new: Rows


def rows_of(fleet: Fleet, metric: Metric) -> Arms:
    """The rows that tell of a metric; days on which it could not be measured are left out."""
    value, weight, covariate, is_known = _MEASURES[metric.name](fleet.days)
    chosen = np.flatnonzero(is_known)
    order = chosen[np.argsort(fleet.days.arrival_day[chosen], kind="stable")]
    devices, days = fleet.devices, fleet.days
    device = days.device[order]
    oses = int(devices.os.max(initial=0)) + 1
    rows = Rows(
        device=device,
        pair=devices.model[device] * oses + devices.os[device],
        country=devices.country[device],
        day=days.day[order],
        arrival_day=days.arrival_day[order],
        days_since_update=days.days_since_update[order],
        value=value[order],
        weight=weight[order],
        covariate=covariate[order],
    )
    is_before, is_new = rows.day < 0, days.new_version[order]
    return Arms(
        before=rows.where(is_before & ~is_new),
        old=rows.where(~is_before & ~is_new),
        new=rows.where(~is_before & is_new),
    )


_Measured = tuple[Floats, Floats, Floats, Flags]


def _crashes(days: DeviceDays) -> _Measured:
    return _count(days.crashes, days)


def _anrs(days: DeviceDays) -> _Measured:
    return _count(days.anrs, days)


def _count(count: Floats, days: DeviceDays) -> _Measured:
    hours, is_counted = days.usage_hours, np.isfinite(count)
    value = np.minimum(np.where(is_counted, count, 0.0), _MOST_PER_DAY)
    return value, hours, np.zeros(len(count)), is_counted & (hours > 0)


def _drain(days: DeviceDays) -> _Measured:
    value, is_known = _log(days.drain_pct_h)
    use = np.log(np.maximum(days.usage_hours, _LEAST_HOURS) / _USUAL_HOURS)
    return value, np.ones(len(value)), np.clip(use, *_LOG_HOURS), is_known


def _cold(days: DeviceDays) -> _Measured:
    value, is_known = _log(days.cold_ms)
    starts = days.cold_n
    weight = starts / (1 + starts / _STARTS_THAT_ADD)
    return value, weight, np.zeros(len(value)), is_known & (starts > 0)


def _log(measured: Floats) -> tuple[Floats, Flags]:
    is_known = np.isfinite(measured) & (measured > 0)
    return np.log(np.where(is_known, measured, 1.0)), is_known


_MEASURES = {
    CRASH.name: _crashes,
    ANR.name: _anrs,
    DRAIN.name: _drain,
    COLD_START.name: _cold,
}
