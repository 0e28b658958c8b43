"""The device-days of a release as the engine takes them: who ran the new build when, who the old.

The new version is the release's build. The old version of a device is the build that it had before
the release began; days on any third build belong to another release and are left out. Devices of
other models stay in with their old builds: they tell what the days were like.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np

from crashes.regressions.fleet import Fleet, make_fleet
from devices.selectors.vital_samples import DeviceDayRow

LEAST_DEVICES = 5
"""So many devices on a build make the first day of its rollout; before, it is being tried."""

DAYS_BEFORE, DAYS_AFTER = 14, 21


@dataclass(frozen=True, slots=True)
class ReleaseFleet:
    """A fleet with what its numbers stand for. `own_models` are those that have the build."""

    fleet: Fleet
    models: tuple[str, ...]
    own_models: tuple[str, ...]
    day_zero: date
    last_day: date
    rows_hash: str


def find_day_zero(rows: Iterable[DeviceDayRow], os_build: str) -> date | None:
    """The first day on which enough devices ran the build; None if none was."""
    counts: dict[date, int] = {}
    for row in rows:
        if row.os_build == os_build:
            counts[row.day] = counts.get(row.day, 0) + 1
    return min((day for day, count in counts.items() if count >= LEAST_DEVICES), default=None)


def assemble(
    rows: Sequence[DeviceDayRow], os_build: str, day_zero: date, *, backlog_until: datetime
) -> ReleaseFleet:
    """The fleet of a release. `rows` are ordered by device, then day.

    A row is known from the day on which it came: so a look that was taken stays as it was, and the
    engine's budget of false alarms for all looks holds. What came until `backlog_until` is the
    past of a release that is judged for the first time; it counts as if each day had been told of
    on the next one.
    """
    first, last = (day_zero + timedelta(days=it) for it in (-DAYS_BEFORE, DAYS_AFTER))
    rows = [row for row in rows if first <= row.day <= last]
    models, oses, countries = _Numbers(), _Numbers(), _Numbers()
    devices: dict[str, list[int]] = {"model": [], "os": [], "country": []}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    own: set[str] = set()
    rollout, last_day = _Rollout(day_zero, backlog_until), day_zero
    for _, group in groupby(rows, key=lambda row: row.device_id):
        days = list(group)
        before = [row for row in days if row.day < day_zero]
        base = (before or days)[-1 if before else 0]
        updated = min((row.day for row in days if row.os_build == os_build), default=None)
        kept = [row for row in days if row.os_build in (os_build, base.os_build)]
        number = len(devices["model"])
        devices["model"].append(models.of(base.model))
        devices["os"].append(oses.of(base.os_version))
        devices["country"].append(countries.of(base.mcc))
        for row in kept:
            _add(columns, row, number, rollout, updated if row.os_build == os_build else None)
            last_day = max(last_day, row.day)
        if updated is not None:
            own.add(base.model)
    return ReleaseFleet(
        fleet=make_fleet(
            devices=devices, days={name: np.array(values) for name, values in columns.items()}
        )
        if columns["day"]
        else make_fleet(devices=_EMPTY_DEVICES, days=_EMPTY_DAYS),
        models=models.names,
        own_models=tuple(sorted(own)),
        day_zero=day_zero,
        last_day=last_day,
        rows_hash=_hash(devices, columns),
    )


_COLUMNS = (
    "device", "day", "new_version", "days_since_update", "arrival_day", "usage_hours", "crashes",
    "anrs", "drain_pct_h", "cold_ms", "cold_n",
)  # fmt: skip
_EMPTY_DEVICES = {name: np.array([], dtype=int) for name in ("model", "os", "country")}
_EMPTY_DAYS = {name: np.array([], dtype=float) for name in _COLUMNS}


@dataclass(frozen=True, slots=True)
class _Rollout:
    day_zero: date
    backlog_until: datetime

    def arrival_day(self, row: DeviceDayRow) -> int:
        """The day of the rollout from which on a row is known."""
        day = (row.day - self.day_zero).days
        if row.received_at <= self.backlog_until:
            return day + 1
        return max(day, (row.received_at.astimezone(UTC).date() - self.day_zero).days)


def _add(
    columns: dict[str, list[Any]],
    row: DeviceDayRow,
    device: int,
    rollout: _Rollout,
    updated: date | None,
) -> None:
    facts = row.facts
    values = (
        device,
        (row.day - rollout.day_zero).days,
        updated is not None,
        -1 if updated is None else (row.day - updated).days,
        rollout.arrival_day(row),
        facts.use_hours,
        _or_nan(facts.crashes),
        _or_nan(facts.total("anrs")),
        _or_nan(facts.drain_pct_h),
        _or_nan(facts.cold_start_typical_ms),
        len(facts.cold_start_ms),
    )
    for name, value in zip(_COLUMNS, values, strict=True):
        columns[name].append(value)


def _or_nan(measured: float | None) -> float:
    return math.nan if measured is None else measured


class _Numbers:
    """Names numbered from 0 in the order in which they come."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self._known.setdefault(name, len(self._known))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._known)


def _hash(devices: dict[str, list[int]], columns: dict[str, list[Any]]) -> str:
    digest = hashlib.sha256()
    for name, values in sorted({**devices, **columns}.items()):
        digest.update(f"{name} {len(values)}\n".encode())
        digest.update(np.array(values, dtype="<f8").tobytes())
    return digest.hexdigest()
