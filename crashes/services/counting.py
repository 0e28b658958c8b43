"""Counting what was seen: reports and devices per issue, day and cell.

Counters are merged in memory per batch and written once, issues in the order of their numbers so
that two workers never wait for each other in a circle.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from crashes.models import Issue, IssueDevice, IssueTally, Report
from crashes.models.report import NO_DEVICE
from uxp_diag.db import insert_adding


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
        )

    @property
    def cell(self) -> tuple[int, date, str, str, str, str]:
        """The tally row it counts in."""
        day = self.occurred_at.date()
        return (self.issue_id, day, self.model, self.os_build, self.version_name, self.mcc)


def count_sightings(sightings: Sequence[Sighting], *, stored_per_day: int) -> list[bool]:
    """Add reports to the counters of their issues; for each, whether it is worth storing.

    A device's repeats of one issue beyond `stored_per_day` (days of the server's clock) are
    counted like all others and not worth storing. Runs inside a transaction.
    """
    by_issue: dict[int, list[int]] = defaultdict(list)
    for position, sighting in enumerate(sightings):
        by_issue[sighting.issue_id].append(position)
    worth_storing = [True] * len(sightings)
    for issue_id in sorted(by_issue):  # the lock on the issue comes first, in one order
        positions = by_issue[issue_id]
        counts = _count_issue(issue_id, [sightings[position] for position in positions])
        for position, count in zip(positions, counts, strict=True):
            worth_storing[position] = count <= stored_per_day
    _count_cells(sightings)
    return worth_storing


def _count_issue(issue_id: int, sightings: Sequence[Sighting]) -> list[int]:
    """Count under the issue's lock; the how-many-th of its device today each sighting is."""
    issue = Issue.objects.select_for_update().get(pk=issue_id)
    first = min(sightings, key=lambda sighting: sighting.occurred_at)
    last = max(sightings, key=lambda sighting: sighting.occurred_at)
    if first.occurred_at < issue.first_seen_at:
        issue.first_seen_at, issue.first_os_build = first.occurred_at, first.os_build
    if last.occurred_at >= issue.last_seen_at:
        issue.last_seen_at, issue.last_os_build = last.occurred_at, last.os_build
    devices = _IssueDevices(issue_id, {sighting.device_id for sighting in sightings})
    counts = [devices.count(sighting) for sighting in sightings]
    issue.report_count += len(sightings)
    issue.device_count += devices.save()
    issue.save(
        update_fields=[
            "first_seen_at",
            "first_os_build",
            "last_seen_at",
            "last_os_build",
            "report_count",
            "device_count",
        ]
    )
    return counts


class _IssueDevices:
    """The devices of one issue that a batch is about; the issue is locked."""

    def __init__(self, issue_id: int, device_ids: set[uuid.UUID]) -> None:
        self._issue_id = issue_id
        self._new: dict[uuid.UUID, IssueDevice] = {}
        known = IssueDevice.objects.filter(issue_id=issue_id, device_id__in=device_ids)
        self._known = {device.device_id: device for device in known}

    def count(self, sighting: Sighting) -> int:
        """The how-many-th report of its device on its day this is; 0 without a device."""
        if sighting.device_id == NO_DEVICE:
            return 0
        device = self._known.get(sighting.device_id) or self._new.get(sighting.device_id)
        if device is None:
            device = IssueDevice(
                issue_id=self._issue_id,
                device_id=sighting.device_id,
                first_seen_at=sighting.occurred_at,
            )
            self._new[sighting.device_id] = device
        device.first_seen_at = min(device.first_seen_at, sighting.occurred_at)
        if device.day != sighting.received_on:
            device.day, device.day_reports = sighting.received_on, 0
        device.day_reports += 1
        return device.day_reports

    def save(self) -> int:
        """Write what was counted; how many devices are new."""
        IssueDevice.objects.bulk_create(self._new.values())
        IssueDevice.objects.bulk_update(
            self._known.values(), ["first_seen_at", "day", "day_reports"]
        )
        return len(self._new)


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
