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
from uxp_diag.db import insert_adding, insert_new


@dataclass(frozen=True, slots=True)
class Sighting:
    """One report of one issue, as far as counters care."""

    issue_id: int
    device_id: uuid.UUID
    occurred_at: datetime
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


def count_sightings(sightings: Sequence[Sighting]) -> None:
    """Add reports to the counters of their issues. Runs inside a transaction."""
    if not sightings:
        return
    by_issue: dict[int, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        by_issue[sighting.issue_id].append(sighting)
    for issue_id in sorted(by_issue):  # the lock on the issue comes first, in one order
        _count_issue(issue_id, by_issue[issue_id])
    _count_cells(sightings)


def _count_issue(issue_id: int, sightings: Sequence[Sighting]) -> None:
    issue = Issue.objects.select_for_update().get(pk=issue_id)
    first = min(sightings, key=lambda sighting: sighting.occurred_at)
    last = max(sightings, key=lambda sighting: sighting.occurred_at)
    if first.occurred_at < issue.first_seen_at:
        issue.first_seen_at, issue.first_os_build = first.occurred_at, first.os_build
    if last.occurred_at >= issue.last_seen_at:
        issue.last_seen_at, issue.last_os_build = last.occurred_at, last.os_build
    issue.report_count += len(sightings)
    issue.device_count += _new_devices(issue_id, sightings)
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


def _new_devices(issue_id: int, sightings: Sequence[Sighting]) -> int:
    first_seen: dict[uuid.UUID, datetime] = {}
    for sighting in sightings:
        if sighting.device_id != NO_DEVICE:
            seen = first_seen.setdefault(sighting.device_id, sighting.occurred_at)
            first_seen[sighting.device_id] = min(seen, sighting.occurred_at)
    rows = [
        IssueDevice(issue_id=issue_id, device_id=device_id, first_seen_at=moment)
        for device_id, moment in first_seen.items()
    ]
    return len(insert_new(rows, conflict=["issue", "device_id"], returning=["device_id"]))


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
