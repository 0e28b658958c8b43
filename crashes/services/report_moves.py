"""Many reports change their issue at once, and every counter goes along.

What `issue_moves` does for a batch of freshly digested reports, this does for all that a person
means: ten thousand in about a second. Counters move by what is moved; devices and the times an
issue was seen are read from the reports themselves, so moving back gives what was there before.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar

from crashes.models import Issue, IssueDevice, IssueTally, Report
from crashes.models.report import COUNTED, NO_DEVICE
from crashes.services.counting import lock_issues
from uxp_diag.db import insert_adding, subtract_rows, update_rows

CELL = ("day", "model", "os_build", "version_name", "mcc")
_CHUNK = 2_000
_DEVICES = 500
T = TypeVar("T")

Cell = tuple[date, str, str, str, str]


@dataclass(frozen=True, slots=True)
class PlacedReport:
    """What moving has to know of a report, and what splits may ask about it."""

    pk: int
    issue_id: int
    variant_id: int | None
    device_id: uuid.UUID
    kind: str
    package: str
    occurred_at: datetime
    model: str
    os_build: str
    version_name: str
    mcc: str

    @property
    def cell(self) -> Cell:
        """Where it counts in the tally of its issue."""
        day = self.occurred_at.date()
        return (day, self.model, self.os_build, self.version_name, self.mcc)


_FIELDS = (
    "pk", "issue_id", "variant_id", "device_id", "kind", "package",
    "occurred_at", "model", "os_build", "version_name", "mcc",
)  # fmt: skip


def load_reports(**where: Any) -> list[PlacedReport]:
    """The reports that an issue counts, by conditions on their rows, oldest first."""
    rows = Report.objects.filter(COUNTED, issue__isnull=False, **where).order_by("pk")
    return [PlacedReport(*row) for row in rows.values_list(*_FIELDS).iterator(chunk_size=_CHUNK)]


def move_reports(reports: Sequence[PlacedReport], targets: Mapping[int, int]) -> int:
    """Move reports to the issues in `targets` (by their numbers); how many were elsewhere before.

    Runs in a transaction that holds the decisions alone.
    """
    moving = [item for item in reports if targets.get(item.pk, item.issue_id) != item.issue_id]
    if not moving:
        return 0
    touched = {item.issue_id for item in moving} | {targets[item.pk] for item in moving}
    issues = lock_issues(touched)
    by_target: dict[int, list[int]] = defaultdict(list)
    for item in moving:
        by_target[targets[item.pk]].append(item.pk)
    for target, pks in by_target.items():
        for chunk in _chunks(pks, _CHUNK):
            Report.objects.filter(pk__in=chunk).update(issue_id=target)
            Report.objects.filter(evidence_of__in=chunk).update(issue_id=target)
    left = Counter((item.issue_id, *item.cell) for item in moving)
    come = Counter((targets[item.pk], *item.cell) for item in moving)
    add_cells(come)
    take_cells(left)
    devices = {item.device_id for item in moving} - {NO_DEVICE}
    recount_devices(issues, devices)
    for item in moving:
        issues[item.issue_id].report_count -= 1
        issues[targets[item.pk]].report_count += 1
    for issue in issues.values():
        see_again(issue)
    update_rows(issues.values(), (*SEEN_FIELDS, "report_count", "device_count"))
    return len(moving)


SEEN_FIELDS = ("first_seen_at", "first_os_build", "last_seen_at", "last_os_build")


def add_cells(cells: Mapping[tuple[Any, ...], int]) -> None:
    """Add reports to tallies: by issue and cell."""
    for chunk in _chunks(_tallies(cells), _CHUNK):
        insert_adding(chunk, conflict=["issue", *CELL], add="reports")


def take_cells(cells: Mapping[tuple[Any, ...], int]) -> None:
    """Take reports from tallies; a cell without any goes."""
    subtract_rows(_tallies(cells), match=["issue", *CELL], field="reports")
    IssueTally.objects.filter(issue_id__in={cell[0] for cell in cells}, reports=0).delete()


def _tallies(cells: Mapping[tuple[Any, ...], int]) -> list[IssueTally]:
    return [
        IssueTally(issue_id=cell[0], reports=count, **dict(zip(CELL, cell[1:], strict=True)))
        for cell, count in sorted(cells.items())
    ]


def see_again(issue: Issue) -> None:
    """When an issue was seen, from its reports; never less than it had seen without some of them.

    An issue without reports stays as it is, one that counts reports that are no longer kept may
    only have been seen earlier or later than it says.
    """
    reports = Report.objects.filter(COUNTED, issue=issue)
    rows = reports.values_list("occurred_at", "os_build")
    first = rows.order_by("occurred_at", "pk").first()
    last = rows.order_by("-occurred_at", "-pk").first()
    if first is None or last is None:
        return
    is_complete = not has_rest(issue)
    if first[0] < issue.first_seen_at or (is_complete and first[0] != issue.first_seen_at):
        issue.first_seen_at, issue.first_os_build = first
    if last[0] > issue.last_seen_at or (is_complete and last[0] != issue.last_seen_at):
        issue.last_seen_at, issue.last_os_build = last


def has_rest(issue: Issue) -> bool:
    """Whether an issue counts reports that are no longer kept."""
    return issue.report_count > Report.objects.filter(COUNTED, issue=issue).count()


def recount_devices(issues: Mapping[int, Issue], devices: set[uuid.UUID]) -> None:
    """The rows of these devices in these issues, from their reports; the issues are locked.

    Their `device_count` changes and is not saved.
    """
    programs = {issue.program_id for issue in issues.values()}
    for chunk in _chunks(sorted(devices), _DEVICES):
        wanted = _met(set(issues), chunk, programs)
        known = {
            (row.issue_id, row.device_id): row
            for row in IssueDevice.objects.filter(issue_id__in=set(issues), device_id__in=chunk)
        }
        new = [wanted[place] for place in sorted(wanted.keys() - known.keys())]
        IssueDevice.objects.bulk_create(new)
        gone = [known[place] for place in known.keys() - wanted.keys()]
        IssueDevice.objects.filter(pk__in=[row.pk for row in gone]).delete()
        _write_changed(known, wanted)
        for row in new:
            issues[row.issue_id].device_count += 1
        for row in gone:
            issues[row.issue_id].device_count -= 1


_Place = tuple[int, uuid.UUID]


def _met(
    issue_ids: set[int], devices: Sequence[uuid.UUID], programs: set[int]
) -> dict[_Place, IssueDevice]:
    """What the rows should say."""
    rows = Report.objects.filter(
        COUNTED, program_id__in=programs, device_id__in=devices, issue_id__in=issue_ids
    )
    met: dict[_Place, IssueDevice] = {}
    for issue_id, device_id, occurred_at, received_at in rows.values_list(
        "issue_id", "device_id", "occurred_at", "received_at"
    ):
        day = received_at.date()
        row = met.get((issue_id, device_id))
        if row is None:
            met[issue_id, device_id] = IssueDevice(
                issue_id=issue_id, device_id=device_id,
                first_seen_at=occurred_at, day=day, day_reports=1,
            )  # fmt: skip
            continue
        row.first_seen_at = min(row.first_seen_at, occurred_at)
        if row.day is None or day > row.day:
            row.day, row.day_reports = day, 0
        row.day_reports += day == row.day
    return met


def _write_changed(
    known: Mapping[_Place, IssueDevice], wanted: Mapping[_Place, IssueDevice]
) -> None:
    changed = []
    for place in known.keys() & wanted.keys():
        row, new = known[place], wanted[place]
        values = (new.first_seen_at, new.day, new.day_reports)
        if (row.first_seen_at, row.day, row.day_reports) != values:
            row.first_seen_at, row.day, row.day_reports = values
            changed.append(row)
    update_rows(changed, ("first_seen_at", "day", "day_reports"))


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk
