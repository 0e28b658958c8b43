"""How the phones of the demo are doing, a day at a time: battery, counters, apps.

A panel of phones sends one sample for each day of the window. The counters agree with the reports
of the same phone and day. Two things got worse with the newest build, so that release verdicts
and charts have something to find:

* one model loses more of its battery with the screen off;
* another one's camera takes longer to start.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from crashes.management.fleet.models import APPS, App
from crashes.management.fleet.population import CATALOG_DAYS, Device, third_party_apps
from crashes.management.fleet.scenario import Plan, software_of
from crashes.management.fleet.scene import API_LEVELS
from crashes.stack import CrashKind

DRAINING = ("Nokia X30 5G", 2.4)
"""The model whose newest build drains more with the screen off, and how much more."""

SLOW_CAMERA = ("HMD Skyline", 1.35)
"""The model whose newest build starts the camera more slowly, and how much more so."""

_NEWEST = 2
_CAMERA = "com.hmdglobal.app.camera"
_SYSTEM_APPS = (_CAMERA, "com.hmdglobal.app.gallery", "com.android.settings")
_COUNTERS = {
    CrashKind.JAVA_CRASH: "java_crashes",
    CrashKind.NATIVE_CRASH: "native_crashes",
    CrashKind.ANR: "anrs",
    CrashKind.REBOOT: "reboots_unexpected",
    CrashKind.LOW_MEMORY_KILL: "low_memory_kills",
}
_SILENT_DAY = 0.08  # a phone that was off, or without a network

DayCounts = Mapping[tuple[int, int], Counter[CrashKind]]


def count_days(plans: Sequence[Plan]) -> DayCounts:
    """How often each phone had each kind of trouble, by (phone, days before the end)."""
    counts: dict[tuple[int, int], Counter[CrashKind]] = {}
    for plan in plans:
        key = (plan.device.number, plan.days_before_end)
        counts.setdefault(key, Counter())[plan.bug.kind] += 1
    return counts


def make_samples(
    device: Device, counts: DayCounts, *, days: int, seed: int, now: datetime
) -> Iterator[dict[str, Any]]:
    """The phone's samples, oldest first: one per day that has passed."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(days - 1, 0, -1):
        random = Random(f"vitals {seed} {device.number} {back}")  # noqa: S311  a demo
        if random.random() < _SILENT_DAY:
            continue
        start = midnight - timedelta(days=back)
        day = (days - back) * CATALOG_DAYS / days
        sample = _sample(device, day, start, random)
        sample["sample_id"] = str(
            uuid5(NAMESPACE_URL, f"urn:uxp-demo-fleet:{seed}:vitals:{device.number}:{back}")
        )
        happened = counts.get((device.number, back), Counter())
        sample["counters"] |= {name: happened[kind] for kind, name in _COUNTERS.items()}
        yield sample


def _sample(device: Device, day: float, start: datetime, random: Random) -> dict[str, Any]:
    build_index = device.build_index_at(day)
    screen_on_s = random.lognormvariate(9.3, 0.45)
    return {
        "interval_start": start.isoformat(),
        "interval_end": (start + timedelta(days=1)).isoformat(),
        "software": software_of(device.model, build_index, start),
        "network": {"mcc": device.country.mcc, "mnc": device.mnc},
        "battery": _battery(device, build_index, screen_on_s, random),
        "counters": {
            "kernel_panics": 0,
            "wakeups": random.randint(180, 900),
            "partial_wake_lock_s": round(random.lognormvariate(6.6, 0.5)),
        },
        "apps": [_use(device, app, day, random) for app in _used_apps(device)],
        "installed": [],
    }


def _battery(
    device: Device, build_index: int, screen_on_s: float, random: Random
) -> dict[str, Any]:
    """Drains in percent of a full battery; an hour of screen costs about nine."""
    screen_off_s = 86_400 - screen_on_s
    wear = 1 + device.battery_age_months / 120
    idle_per_hour = 0.55 * wear * _worse(DRAINING, device, build_index)
    return {
        "screen_on_s": round(screen_on_s),
        "screen_on_drain_pct": round(random.gauss(9.0, 1.2) * wear * screen_on_s / 3600, 1),
        "screen_off_s": round(screen_off_s),
        "screen_off_drain_pct": round(
            random.lognormvariate(0.0, 0.25) * idle_per_hour * screen_off_s / 3600, 1
        ),
        "charge_cycles": device.battery_age_months * 22,
        "health_pct": round(100 - device.battery_age_months * 0.35),
        "temperature_max_c": round(random.gauss(36.0, 2.5), 1),
    }


def _worse(what: tuple[str, float], device: Device, build_index: int) -> float:
    model, factor = what
    return factor if device.model.name == model and build_index == _NEWEST else 1.0


def _used_apps(device: Device) -> list[App]:
    own = [app for app in third_party_apps() if device.has_app(app)]
    return [*(APPS[package] for package in _SYSTEM_APPS), *own]


def _use(device: Device, app: App, day: float, random: Random) -> dict[str, Any]:
    """One app's day."""
    build_index = device.build_index_at(day)
    launches = random.randint(1, 12)
    typical = 620 if app.is_system else 900
    if app.package == _CAMERA:
        typical = round(typical * _worse(SLOW_CAMERA, device, build_index))
    foreground_s = round(random.lognormvariate(6.0, 0.8))
    frames = foreground_s * 22
    return {
        "package": app.package,
        "version_code": _version_code(device, app, day),
        "foreground_s": foreground_s,
        "launches": launches,
        "cold_start_ms": [
            round(typical * random.lognormvariate(0.0, 0.22)) for _ in range(min(launches, 3))
        ],
        "battery_pct": round(foreground_s / 700, 1),
        "wake_lock_s": random.randint(0, 90),
        "frozen_frames": random.randint(0, 1 + frames // 20_000),
        "slow_frames": round(frames * random.uniform(0.002, 0.02)),
        "frames": frames,
    }


def _version_code(device: Device, app: App, day: float) -> int:
    if app.is_system:
        return API_LEVELS[device.model.builds[device.build_index_at(day)].release]
    return app.versions[device.version_index_at(app, day)][1]
