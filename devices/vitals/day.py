"""What one device, or one app on it, went through on one day: its samples added up.

A day is a UTC date; an interval counts on the day in which it ended. `None` is "not measured", which
is not zero: a counter that no sample of the day has stays None.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

_TICK = timedelta(microseconds=1)


def day_of(interval_end: datetime) -> date:
    """The day an interval counts on; one that ends at midnight belongs to the day before."""
    return (interval_end - _TICK).date()


@dataclass(slots=True)
class AppDay:
    """One version of one app on one device and day. Durations in seconds, starts in ms."""

    totals: dict[str, float] = field(default_factory=dict)
    cold_start_ms: list[float] = field(default_factory=list)

    def add(self, use: Mapping[str, Any]) -> None:
        """Add an entry of `apps` of a sample."""
        _add(self.totals, use, _APP_FIELDS)
        self.cold_start_ms.extend(use.get("cold_start_ms", ()))

    def total(self, name: str) -> float | None:
        """The sum of a field of the day, None if nobody measured it."""
        return self.totals.get(name)


@dataclass(slots=True)
class DeviceDay:
    """One device and day. `total` speaks of the fields of `battery`, `counters` and all `apps`."""

    hours: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    cold_start_ms: list[float] = field(default_factory=list)
    temperature_max_c: float | None = None
    health_pct: float | None = None
    apps: dict[tuple[str, int], AppDay] = field(default_factory=dict)

    def add(self, content: Mapping[str, Any], *, hours: float) -> None:
        """Add a sample's content; `hours` is how long its interval was."""
        battery, apps = content.get("battery", {}), content.get("apps", ())
        self.hours += hours
        _add(self.totals, battery, _BATTERY_FIELDS)
        _add(self.totals, content.get("counters", {}), _COUNTERS)
        for use in apps:
            key = (use["package"], use.get("version_code") or 0)
            self.apps.setdefault(key, AppDay()).add(use)
            _add(self.totals, use, _APP_FIELDS)
            self.cold_start_ms.extend(use.get("cold_start_ms", ()))
        warmest = battery.get("temperature_max_c")
        if warmest is not None:
            known = self.temperature_max_c
            self.temperature_max_c = warmest if known is None else max(known, warmest)
        health = battery.get("health_pct")
        if health is not None:
            known = self.health_pct
            self.health_pct = health if known is None else min(known, health)

    def total(self, name: str) -> float | None:
        """The sum of a field over the day, None if nobody measured it."""
        return self.totals.get(name)

    @property
    def crashes(self) -> float | None:
        """Java and native crashes together."""
        return _sum_known(self.total("java_crashes"), self.total("native_crashes"))

    @property
    def use_hours(self) -> float:
        """Hours with the screen on; of apps in the foreground, if the screen was not measured."""
        seconds = self.total("screen_on_s")
        return (seconds if seconds is not None else self.total("foreground_s") or 0.0) / 3600

    @property
    def drain_pct_h(self) -> float | None:
        """Percent of a full battery per hour, screen on and off together."""
        drain = _sum_known(self.total("screen_on_drain_pct"), self.total("screen_off_drain_pct"))
        seconds = _sum_known(self.total("screen_on_s"), self.total("screen_off_s"))
        return drain / seconds * 3600 if drain is not None and seconds else None

    @property
    def cold_start_typical_ms(self) -> float | None:
        """The geometric mean of all cold starts, as single slow ones say little."""
        return geometric_mean(self.cold_start_ms)


def geometric_mean(values: Iterable[float]) -> float | None:
    """Of the values above zero; None without one."""
    logs = [math.log(value) for value in values if value > 0]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


_BATTERY_FIELDS = ("screen_on_drain_pct", "screen_on_s", "screen_off_drain_pct", "screen_off_s")
_COUNTERS = (
    "java_crashes", "native_crashes", "anrs", "kernel_panics", "reboots_unexpected",
    "low_memory_kills", "wakeups", "partial_wake_lock_s",
)  # fmt: skip
_APP_FIELDS = (
    "foreground_s", "launches", "battery_pct", "wake_lock_s", "frozen_frames", "slow_frames",
    "frames",
)  # fmt: skip


def _add(totals: dict[str, float], part: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = part.get(name)
        if value is not None:
            totals[name] = totals.get(name, 0.0) + value


def _sum_known(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
