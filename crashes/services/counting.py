"""Counting what was seen: reports and devices per issue, day and cell.

Counters are merged in memory per batch and written once, issues in the order of their numbers so
that two workers never wait for each other in a circle.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from crashes.models import Issue, IssueDevice, IssueTally, Report
from crashes.models.report import NO_DEVICE
from crashes.services.standings import wake_issues
from uxp_diag.db import insert_adding, update_rows


@dataclass(frozen=True, slots=True)
class Sighting:
    """One report of one issue, as far as counters care."""

    issue_id: int
    device_id: uuid.UUID
    occurred_at: datetime
    received_on: date
    model: str
    os_build: str
    version_name: str
    mcc: str
    version_code: int | None = None

    @classmethod
    def of(cls, row: Report) -> "Sighting":
        """The sighting that a report with an issue is."""
        if row.issue_id is None:
            raise ValueError("a report without an issue is no sighting")
        return cls(
            issue_id=row.issue_id,
            device_id=row.device_id,
            occurred_at=row.occurred_at,
            received_on=row.received_at.date(),
            model=row.model,
            os_build=row.os_build,
            version_name=row.version_name,
            mcc=row.mcc,
            version_code=row.version_code,
        )

    @property
    def cell(self) -> tuple[int, date, str, str, str, str]:
        """The tally row it counts in."""
        day = self.occurred_at.date()
        return (self.issue_id, day, self.model, self.os_build, self.version_name, self.mcc)


def count_sightings(
    sightings: Sequence[Sighting], *, stored_per_day: int, now: datetime
) -> list[bool]:
    """Add reports to the counters of their issues; for each, whether it is worth storing.

    An issue that was resolved or muted is open again when the reports show it.

    A device's repeats of one issue beyond `stored_per_day` (days of the server's clock) are
    counted like all others and not worth storing. Runs inside a transaction.
    """
    if not sightings:
        return []
    issues = lock_issues({sighting.issue_id for sighting in sightings})
    devices = _IssueDevices(sightings)
    counts = [devices.count(sighting) for sighting in sightings]
    for sighting in sightings:
        _see(issues[sighting.issue_id], sighting)
    for issue_id, new_devices in devices.save().items():
        issues[issue_id].device_count += new_devices
    update_rows(issues.values(), _COUNTED)
    _count_cells(sightings)
    wake_issues(issues, sightings, now=now)
    return [count <= stored_per_day for count in counts]


_COUNTED = (
    "first_seen_at",
    "first_os_build",
    "last_seen_at",
    "last_os_build",
    "report_count",
    "device_count",
)


def lock_issues(issue_ids: Collection[int]) -> dict[int, Issue]:
    """The issues, locked in the order of their numbers."""
    wanted = Issue.objects.select_for_update(no_key=True).filter(pk__in=issue_ids).order_by("pk")
    return {issue.pk: issue for issue in wanted}


def _see(issue: Issue, sighting: Sighting) -> None:
    if not issue.report_count or sighting.occurred_at < issue.first_seen_at:
        issue.first_seen_at, issue.first_os_build = sighting.occurred_at, sighting.os_build
    if not issue.report_count or sighting.occurred_at >= issue.last_seen_at:
        issue.last_seen_at, issue.last_os_build = sighting.occurred_at, sighting.os_build
    issue.report_count += 1


class _IssueDevices:
    """The devices of a batch by the issues they met; the issues are locked."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        self._new: dict[tuple[int, uuid.UUID], IssueDevice] = {}
        known = IssueDevice.objects.filter(
            issue_id__in={sighting.issue_id for sighting in sightings},
            device_id__in={sighting.device_id for sighting in sightings} - {NO_DEVICE},
        )
        self._known = {(device.issue_id, device.device_id): device for device in known}
        self._counted: dict[tuple[int, uuid.UUID], IssueDevice] = {}

    def count(self, sighting: Sighting) -> int:
        """The how-many-th report of its device on its day this is; 0 without a device."""
        if sighting.device_id == NO_DEVICE:
            return 0
        device = self._device(sighting)
        device.first_seen_at = min(device.first_seen_at, sighting.occurred_at)
        if device.day != sighting.received_on:
            device.day, device.day_reports = sighting.received_on, 0
        device.day_reports += 1
        return device.day_reports

    def _device(self, sighting: Sighting) -> IssueDevice:
        key = (sighting.issue_id, sighting.device_id)
        known = self._known.get(key)
        if known is not None:
            return self._counted.setdefault(key, known)
        if key not in self._new:
            self._new[key] = IssueDevice(
                issue_id=sighting.issue_id,
                device_id=sighting.device_id,
                first_seen_at=sighting.occurred_at,
            )
        return self._new[key]

    def save(self) -> Counter[int]:
        """Write what was counted; how many devices are new, by issue."""
        IssueDevice.objects.bulk_create(self._new.values())
        update_rows(self._counted.values(), ["first_seen_at", "day", "day_reports"])
        return Counter(issue_id for issue_id, _ in self._new)


def _count_cells(sightings: Sequence[Sighting]) -> None:
    cells = Counter(sighting.cell for sighting in sightings)
    rows = [
        IssueTally(
            issue_id=issue_id,
            day=day,
            model=model,
            os_build=os_build,
            version_name=version_name,
            mcc=mcc,
            reports=count,
        )
        for (issue_id, day, model, os_build, version_name, mcc), count in sorted(cells.items())
    ]
    insert_adding(
        rows,
        conflict=["issue", "day", "model", "os_build", "version_name", "mcc"],
        add="reports",
    )
