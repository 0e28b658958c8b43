"""What happened on one phone, day by day: reports, updates, and what the phone only counted.

An update is not told by the phone; it is seen when two observations in a row name different
versions:

    sample  11-03 24:00  os_build V3.420
    report  11-04 09:12  os_build V3.430    → "OS V3.420 → V3.430", seen on 11-04 09:12

so its moment is that of the first observation with the new version. A report observes the OS build and
its own package, a sample the OS build, what is installed and what was used. The first observation of
anything is no update. A day with more than `DENSE` events is told by the hour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from crashes.selectors.reports import ReportRow
from devices.selectors.device_page import DeviceSample
from devices.vitals.day import DeviceDay, day_of

DENSE = 12
MOST_EVENTS = 600
_COUNTED = (
    ("java_crashes", "Java crash"),
    ("native_crashes", "native crash"),
    ("anrs", "ANR"),
    ("kernel_panics", "kernel panic"),
    ("reboots_unexpected", "unexpected reboot"),
    ("low_memory_kills", "low-memory kill"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One report (`report`), or one update: of the app `package`, of the OS if that is empty."""

    at: datetime
    report: ReportRow | None = None
    package: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class BuildSpan:
    """An OS build, and the first and the last moment at which the phone was seen on it."""

    os_build: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Hour:
    """Events of one hour, newest first; `start` is None for those of a whole day."""

    start: datetime | None
    events: list[Event]


@dataclass(slots=True)
class TimelineDay:
    """One UTC day with its events, and what the phone counted on it as (count, noun)."""

    day: date
    hours: list[Hour] = field(default_factory=list)
    counted: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Days newest first; days on which nothing happened are left out."""

    days: list[TimelineDay]
    builds: list[BuildSpan]
    cut_events: int


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    os_build: str
    versions: Mapping[str, int]


def make_timeline(reports: Sequence[ReportRow], samples: Sequence[DeviceSample]) -> Timeline:
    """What reports and samples of one phone say, put in order."""
    seen = sorted([*map(_of_report, reports), *map(_of_sample, samples)], key=lambda one: one.at)
    builds = _build_spans(seen)
    events = [Event(report.occurred_at, report) for report in reports]
    events += [
        Event(later.first_at, before=earlier.os_build, after=later.os_build)
        for earlier, later in pairwise(builds)
    ]
    events += _app_updates(seen)
    events.sort(key=lambda event: event.at, reverse=True)
    days = {
        day: TimelineDay(day, hours=_by_hour(list(found)))
        for day, found in groupby(events[:MOST_EVENTS], key=lambda event: _utc(event.at).date())
    }
    for day, facts in device_days(samples).items():
        counted = [(int(facts.total(name) or 0), noun) for name, noun in _COUNTED]
        if any(count for count, _ in counted):
            days.setdefault(day, TimelineDay(day)).counted = [one for one in counted if one[0]]
    newest_first = sorted(days.values(), key=lambda one: one.day, reverse=True)
    return Timeline(newest_first, builds[::-1], max(0, len(events) - MOST_EVENTS))


def device_days(samples: Iterable[DeviceSample]) -> dict[date, DeviceDay]:
    """The samples of one phone added up by day."""
    days: dict[date, DeviceDay] = {}
    for sample in samples:
        if sample.content is not None:
            hours = (sample.interval_end - sample.interval_start) / timedelta(hours=1)
            day = days.setdefault(day_of(_utc(sample.interval_end)), DeviceDay())
            day.add(sample.content, hours=hours)
    return days


def _of_report(report: ReportRow) -> _Seen:
    knows = report.package and report.version_code is not None
    versions = {report.package: report.version_code or 0} if knows else {}
    return _Seen(report.occurred_at, report.os_build, versions)


def _of_sample(sample: DeviceSample) -> _Seen:
    content = sample.content or {}
    return _Seen(
        sample.interval_end,
        sample.os_build,
        _versions(content.get("apps", ())) | _versions(content.get("installed", ())),
    )


def _versions(apps: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The version of each app, the highest if an interval saw an update."""
    found: dict[str, int] = {}
    for app in apps:
        version = app.get("version_code")
        if version is not None:
            found[app["package"]] = max(version, found.get(app["package"], 0))
    return found


def _build_spans(seen: Iterable[_Seen]) -> list[BuildSpan]:
    named = (one for one in seen if one.os_build)
    spans = []
    for os_build, found in groupby(named, key=lambda one: one.os_build):
        moments = [one.at for one in found]
        spans.append(BuildSpan(os_build, moments[0], moments[-1]))
    return spans


def _app_updates(seen: Iterable[_Seen]) -> list[Event]:
    known: dict[str, int] = {}
    updates = []
    for one in seen:
        for package, version in one.versions.items():
            before = known.get(package, version)
            known[package] = version
            if before != version:
                updates.append(
                    Event(one.at, package=package, before=str(before), after=str(version))
                )
    return updates


def _by_hour(events: list[Event]) -> list[Hour]:
    if len(events) <= DENSE:
        return [Hour(None, events)]
    return [
        Hour(start, list(found))
        for start, found in groupby(
            events, key=lambda event: _utc(event.at).replace(minute=0, second=0, microsecond=0)
        )
    ]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
