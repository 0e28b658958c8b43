"""The vitals: what is measured, over what, in which unit, and what counts as too much.

Each is declared once; roll-ups, API, pages and documents read it from here. A vital is a numerator
over a denominator, both sums over device-days, so cells of any size add up and no number is without
its exposure. To add one, add a `Vital`; roll-ups have it after they are made again.

Thresholds are those that the field publishes, with their source; where nobody publishes one, there
is none, and a build is compared with the builds before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from devices.vitals.day import AppDay, DeviceDay

SLOW_COLD_START_MS = 5_000
_THOUSAND = 1_000.0
_PERCENT = 100.0
PURPOSE = "development"
"""Samples are taken only from owners who allowed this; all vitals serve it."""

_PLAY_ANR = "Android vitals: user-perceived ANR rate, overall bad behavior threshold"
_PLAY_CRASH = "Android vitals: user-perceived crash rate of 1.09 %, overall bad behavior threshold"
_PLAY_LOCK = "Android vitals: 2 h of partial wake locks in 24 h are excessive"
_PLAY_WAKE = "Android vitals: 10 wakeups an hour are excessive"
_PLAY_LMK = "Android vitals for games: above 1 % of daily users is critical"
_PLAY_START = "Android vitals: a cold start of 5 s is slow"
_OWN = "no published limit: compare with the build before"


class Shape(StrEnum):
    """How a vital is estimated, and so which interval it has."""

    SHARE = "share"  # numerator is a part of the denominator: Wilson's interval
    RATE = "rate"  # events over exposure: Poisson's, widened by what devices differ
    LEVEL = "level"  # a mean of measurements: from what device-days differ


class Worse(StrEnum):
    """Which direction is bad."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device-day adds. `values` go into the sketch of quantiles."""

    numerator: float
    denominator: float
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Vital:
    """One vital. The value is `scale` times numerator over denominator.

    `source` names the fields of a vitals line that it is made of; `limit` is in `unit`. `read` takes
    a `DeviceDay`, or an `AppDay` for the vitals of apps; None means not measured on that day.
    """

    key: str
    label: str
    unit: str
    shape: Shape
    numerator: str
    denominator: str
    source: str
    read: Callable[[Any], Reading | None]
    scale: float = 1.0
    worse: Worse = Worse.UP
    limit: float | None = None
    limit_source: str = _OWN
    purpose: str = PURPOSE


Day = DeviceDay | AppDay


def _per_hour(name: str) -> Callable[[DeviceDay], Reading | None]:
    """Events over hours of use."""

    def read(day: DeviceDay) -> Reading | None:
        count = day.crashes if name == "crashes" else day.total(name)
        return Reading(count, day.use_hours) if count is not None and day.use_hours else None

    return read


def _per_day(name: str) -> Callable[[DeviceDay], Reading | None]:
    """Events over days for which intervals were sent."""

    def read(day: DeviceDay) -> Reading | None:
        count = day.total(name)
        return None if count is None else Reading(count, day.hours / 24)

    return read


def _any_over(name: str, most: float = 0.0) -> Callable[[DeviceDay], Reading | None]:
    """Whether a day had more than `most` of something."""

    def read(day: DeviceDay) -> Reading | None:
        count = day.total(name)
        return None if count is None else Reading(float(count > most), 1.0)

    return read


def _crash_free_days(day: DeviceDay) -> Reading | None:
    crashes = day.crashes
    return None if crashes is None else Reading(float(not crashes), 1.0)


def _crash_free_hours(day: DeviceDay) -> Reading | None:
    crashes, hours = day.crashes, day.use_hours
    if crashes is None or not hours:
        return None
    return Reading(max(hours - crashes, 0.0), hours)  # an hour is not crash-free if it had a crash


def _drain(part: str) -> Callable[[DeviceDay], Reading | None]:
    def read(day: DeviceDay) -> Reading | None:
        drained, seconds = day.total(f"{part}_drain_pct"), day.total(f"{part}_s")
        if drained is None or not seconds:
            return None
        return Reading(drained, seconds / 3600, (drained / seconds * 3600,))

    return read


def _over_hours(name: str, *, seconds: bool) -> Callable[[DeviceDay], Reading | None]:
    def read(day: DeviceDay) -> Reading | None:
        amount = day.total(name)
        if amount is None or not day.hours:
            return None
        if seconds:  # hours a day
            return Reading(amount / 3600, day.hours / 24, (amount / 150 / day.hours,))
        return Reading(amount, day.hours, (amount / day.hours,))

    return read


def _cold_start(day: Day) -> Reading | None:
    starts = day.cold_start_ms
    return Reading(sum(starts), len(starts), tuple(starts)) if starts else None


def _slow_starts(day: Day) -> Reading | None:
    starts = day.cold_start_ms
    slow = sum(start >= SLOW_COLD_START_MS for start in starts)
    return Reading(slow, len(starts)) if starts else None


def _frames(name: str) -> Callable[[Day], Reading | None]:
    def read(day: Day) -> Reading | None:
        count, frames = day.total(name), day.total("frames")
        return Reading(min(count, frames), frames) if count is not None and frames else None

    return read


def _temperature(day: DeviceDay) -> Reading | None:
    warmest = day.temperature_max_c
    return None if warmest is None else Reading(warmest, 1.0, (max(warmest, 0.0),))


def _health(day: DeviceDay) -> Reading | None:
    return None if day.health_pct is None else Reading(day.health_pct, 1.0, (day.health_pct,))


def _app_over_hours(name: str, *, divisor: float) -> Callable[[AppDay], Reading | None]:
    def read(day: AppDay) -> Reading | None:
        amount, seconds = day.total(name), day.total("foreground_s")
        if amount is None or not seconds:
            return None
        return Reading(amount / divisor, seconds / 3600)

    return read


_USE_HOURS, _DAYS = "hours with the screen on", "device-days"
_FRAMES = "frames drawn"

_START_VITALS = (
    Vital("cold_start_ms", "Cold start", "ms", Shape.LEVEL, "time of cold starts", "cold starts",
          "apps[].cold_start_ms", _cold_start),
    Vital("slow_cold_starts", "Slow cold starts", "%", Shape.RATE, "cold starts of 5 s or more",
          "cold starts", "apps[].cold_start_ms", _slow_starts, _PERCENT, limit_source=_PLAY_START),
    Vital("slow_frames", "Slow frames", "%", Shape.RATE, "slow frames", _FRAMES,
          "apps[].slow_frames, apps[].frames", _frames("slow_frames"), _PERCENT),
    Vital("frozen_frames", "Frozen frames", "%", Shape.RATE, "frozen frames", _FRAMES,
          "apps[].frozen_frames, apps[].frames", _frames("frozen_frames"), _PERCENT),
)  # fmt: skip

DEVICE_VITALS: Mapping[str, Vital] = {
    vital.key: vital
    for vital in (
        Vital("crash_rate", "Crashes", "per 1,000 h", Shape.RATE, "Java and native crashes",
              _USE_HOURS, "counters.java_crashes, counters.native_crashes, battery.screen_on_s",
              _per_hour("crashes"), _THOUSAND),
        Vital("crash_free_days", "Crash-free device-days", "%", Shape.SHARE,
              "device-days without a crash", _DAYS,
              "counters.java_crashes, counters.native_crashes", _crash_free_days, _PERCENT,
              Worse.DOWN, 98.91, _PLAY_CRASH),
        Vital("crash_free_hours", "Crash-free hours", "%", Shape.RATE,
              "hours with the screen on, less one for each crash", _USE_HOURS,
              "counters.java_crashes, counters.native_crashes, battery.screen_on_s",
              _crash_free_hours, _PERCENT, Worse.DOWN),
        Vital("anr_rate", "ANRs", "per 1,000 h", Shape.RATE, "ANRs", _USE_HOURS,
              "counters.anrs, battery.screen_on_s", _per_hour("anrs"), _THOUSAND),
        Vital("anr_days", "Device-days with an ANR", "%", Shape.SHARE, "device-days with an ANR",
              _DAYS, "counters.anrs", _any_over("anrs"), _PERCENT, limit=0.47,
              limit_source=_PLAY_ANR),
        Vital("kernel_panics", "Kernel panics", "per 1,000 days", Shape.RATE, "kernel panics",
              _DAYS, "counters.kernel_panics", _per_day("kernel_panics"), _THOUSAND),
        Vital("reboots_unexpected", "Unexpected reboots", "per 1,000 days", Shape.RATE,
              "unexpected reboots", _DAYS, "counters.reboots_unexpected",
              _per_day("reboots_unexpected"), _THOUSAND),
        Vital("low_memory_kills", "Device-days with a low memory kill", "%", Shape.SHARE,
              "device-days with a low memory kill", _DAYS, "counters.low_memory_kills",
              _any_over("low_memory_kills"), _PERCENT, limit=1.0, limit_source=_PLAY_LMK),
        Vital("drain_screen_on", "Battery drain, screen on", "%/h", Shape.LEVEL,
              "percent of a full battery", "hours of discharge with the screen on",
              "battery.screen_on_drain_pct, battery.screen_on_s", _drain("screen_on")),
        Vital("drain_screen_off", "Battery drain, screen off", "%/h", Shape.LEVEL,
              "percent of a full battery", "hours of discharge with the screen off",
              "battery.screen_off_drain_pct, battery.screen_off_s", _drain("screen_off")),
        Vital("wake_lock_hours", "Partial wake locks", "h/day", Shape.LEVEL,
              "hours of partial wake locks", _DAYS, "counters.partial_wake_lock_s",
              _over_hours("partial_wake_lock_s", seconds=True), limit=2.0,
              limit_source=_PLAY_LOCK),
        Vital("wakeups", "Wakeups", "per hour", Shape.LEVEL, "wakeups", "hours",
              "counters.wakeups", _over_hours("wakeups", seconds=False), limit=10.0,
              limit_source=_PLAY_WAKE),
        *_START_VITALS,
        Vital("temperature_max", "Highest temperature", "°C", Shape.LEVEL,
              "highest battery temperature of the day", _DAYS, "battery.temperature_max_c",
              _temperature),
        Vital("battery_health", "Battery health", "%", Shape.LEVEL,
              "capacity as a part of the new battery's", _DAYS, "battery.health_pct", _health,
              worse=Worse.DOWN),
    )
}  # fmt: skip
"""Vitals of whole devices, in the order in which they are shown."""

APP_VITALS: Mapping[str, Vital] = {
    vital.key: vital
    for vital in (
        *_START_VITALS,
        Vital("battery_per_hour", "Battery use", "%/h", Shape.LEVEL, "percent of a full battery",
              "hours in the foreground", "apps[].battery_pct, apps[].foreground_s",
              _app_over_hours("battery_pct", divisor=1.0)),
        Vital("app_wake_lock", "Wake locks", "h/h", Shape.LEVEL, "hours of wake locks",
              "hours in the foreground", "apps[].wake_lock_s, apps[].foreground_s",
              _app_over_hours("wake_lock_s", divisor=3600.0)),
    )
}  # fmt: skip
"""Vitals of one version of one app."""
