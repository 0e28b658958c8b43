"""Reports that belong to another issue than they did: counters move along, ids stay or lead on.

Symbols that come late make stacks readable, and what looked alike may fall apart or come together.
Reports move batch by batch; each batch moves its counts in the same transaction, so every moment
adds up. When the last report has left an issue, the issue ends, one of two ways:

* all its reports went into one issue that they make up, opened after it: then that was its own
  reading under a better name, and the old issue takes it back, name, reports and all;
* else it leads on to the issue that most of its reports went to.

Either way one id ends, and `IssueRedirect` leads from it to the other.

A report that turns out to be evidence of another (`crashes.services.occurrences`) gives its count
back in the same way; what is evidence has no count and goes with its lead.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, Max, Q

from crashes.models import (
    ApartPair,
    GroupingDecision,
    Issue,
    IssueDevice,
    IssueMove,
    IssueRedirect,
    IssueTally,
    Report,
    ReportPin,
    StackVariant,
    TriageEvent,
)
from crashes.models.report import COUNTED, NO_DEVICE
from crashes.services.counting import Sighting, lock_issues
from crashes.services.places import find_apart, root_of, tree_of
from crashes.services.standings import wake_issues
from crashes.services.variant_index import forget_variants
from uxp_diag.db import insert_adding

_CELL = ("day", "model", "os_build", "version_name", "mcc")


@dataclass(frozen=True, slots=True)
class Move:
    """A report whose row says already where it is now, and where it was."""

    row: Report
    old_issue_id: int
    old_variant_id: int | None

    @property
    def is_between_issues(self) -> bool:
        """Whether it changed its issue, and not only its stack."""
        return self.row.issue_id != self.old_issue_id


def settle_moves(moves: Sequence[Move], *, now: datetime) -> None:
    """Move the counts of reports that were written with a new issue, and end emptied issues.

    A resolved issue that gets a report from where the cause should be gone is open again.
    Runs in the transaction that wrote the reports.
    """
    between = [move for move in moves if move.is_between_issues]
    touched = {move.old_issue_id for move in moves}
    issues = _locked(touched | {Sighting.of(move.row).issue_id for move in between})
    if between:
        _move_counts(between, issues)
        wake_issues(issues, [Sighting.of(move.row) for move in between], now=now)
    _tidy(moves, issues, now=now)


def withdraw_counts(moves: Sequence[Move], *, now: datetime) -> None:
    """Take back the counts of reports that were written as evidence of others, each counted once.

    Their rows say already where they are now, with their leads. Runs in the transaction that
    wrote the reports.
    """
    issues = lock_issues({move.old_issue_id for move in moves})
    once_seen = [replace(Sighting.of(move.row), issue_id=move.old_issue_id) for move in moves]
    _move_cells(once_seen, [])
    _drop_uncounted_devices(moves, issues)
    for seen in once_seen:
        issue = issues[seen.issue_id]
        issue.report_count -= 1
        if seen.occurred_at in (issue.first_seen_at, issue.last_seen_at):
            _narrow(issue)
    for issue in issues.values():
        issue.save()
    _remember([move for move in moves if move.is_between_issues])
    _tidy(moves, issues, now=now)


def _tidy(moves: Sequence[Move], issues: dict[int, Issue], *, now: datetime) -> None:
    """Drop the stacks that nobody has any more, and end the issues that were emptied."""
    _drop_empty_variants({move.old_variant_id for move in moves})
    for issue_id in sorted({move.old_issue_id for move in moves} & issues.keys()):
        if Report.objects.filter(issue_id=issue_id).exists():
            _name_anew(issues[issue_id], moves)
        else:
            _end(issue_id, now=now)


def absorb_issue(*, kept_id: int, gone_id: int, now: datetime) -> None:
    """Everything of one issue becomes another's, and its id leads there. Counts add up.

    A closed issue is open again if what it gets says so, as with reports that arrive.
    """
    issues = _locked({kept_id, gone_id})
    kept, gone = issues[kept_id], issues[gone_id]
    come = [] if kept.state == Issue.State.OPEN else _latest_of(gone, kept.pk)
    Report.objects.filter(issue=gone).update(issue=kept)
    StackVariant.objects.filter(issue=gone).update(issue=kept)
    TriageEvent.objects.filter(issue=gone).update(issue=kept)
    _absorb_decisions(kept, gone)
    _absorb_tallies(kept, gone)
    _absorb_devices(kept, gone)
    _absorb_moves(kept, gone)
    _widen(kept, gone)
    kept.report_count += gone.report_count
    kept.device_count = IssueDevice.objects.filter(issue=kept).count()
    kept.assignee_id = kept.assignee_id or gone.assignee_id
    kept.leads_on = kept.leads_on or gone.leads_on
    kept.save()
    IssueRedirect.objects.filter(issue=gone).update(issue=kept)
    IssueRedirect.objects.create(old_id=gone.pk, issue=kept)
    gone.delete()
    wake_issues({kept.pk: kept}, come, now=now)


@dataclass(frozen=True, slots=True)
class _Latest:
    """The latest report of one software on one model that comes to an issue."""

    issue_id: int
    model: str
    os_build: str
    version_name: str
    version_code: int | None
    occurred_at: datetime


def _latest_of(gone: Issue, issue_id: int) -> list[_Latest]:
    """The latest reports of an issue by software and model, which is all that a resolution asks."""
    names = ("model", "os_build", "version_name", "version_code")
    reports = Report.objects.filter(COUNTED, issue=gone).order_by(*names)
    rows = reports.values_list(*names).annotate(latest=Max("occurred_at"))
    return [_Latest(issue_id, *row) for row in rows]


def _absorb_decisions(kept: Issue, gone: Issue) -> None:
    """What people decided about the one holds for the other."""
    Issue.objects.filter(merged_into=gone).update(merged_into=kept)
    GroupingDecision.objects.filter(issue=gone).update(issue=kept)
    GroupingDecision.objects.filter(other=gone).update(other=kept)
    ReportPin.objects.filter(issue=gone).update(issue=kept)
    ApartPair.objects.filter(one=gone).update(one=kept)
    ApartPair.objects.filter(other=gone).update(other=kept)


def _locked(issue_ids: Iterable[int]) -> dict[int, Issue]:
    """The issues, locked in the order of their numbers, as everybody does."""
    rows = Issue.objects.select_for_update().filter(pk__in=set(issue_ids)).order_by("pk")
    return {issue.pk: issue for issue in rows}


# --- Counts ----------------------------------------------------------------------------------


def _move_counts(moves: Sequence[Move], issues: dict[int, Issue]) -> None:
    now_seen = [Sighting.of(move.row) for move in moves]
    once_seen = [
        replace(seen, issue_id=move.old_issue_id)
        for seen, move in zip(now_seen, moves, strict=True)
    ]
    _move_cells(once_seen, now_seen)
    _move_devices(moves, issues)
    for seen in once_seen:
        issues[seen.issue_id].report_count -= 1
    for seen in now_seen:
        issue = issues[seen.issue_id]
        issue.report_count += 1
        if seen.occurred_at < issue.first_seen_at:
            issue.first_seen_at, issue.first_os_build = seen.occurred_at, seen.os_build
        if seen.occurred_at >= issue.last_seen_at:
            issue.last_seen_at, issue.last_os_build = seen.occurred_at, seen.os_build
    for issue_id in {seen.issue_id for seen in once_seen}:
        _narrow(issues[issue_id])
    for issue in issues.values():
        issue.save()
    _remember(moves)


def _move_cells(old: Sequence[Sighting], new: Sequence[Sighting]) -> None:
    added = Counter(seen.cell for seen in new)
    rows = [
        IssueTally(issue_id=cell[0], reports=count, **dict(zip(_CELL, cell[1:], strict=True)))
        for cell, count in sorted(added.items())
    ]
    insert_adding(rows, conflict=["issue", *_CELL], add="reports")
    for cell, count in sorted(Counter(seen.cell for seen in old).items()):
        where = dict(zip(_CELL, cell[1:], strict=True))
        tally = IssueTally.objects.filter(issue_id=cell[0], **where)
        tally.filter(reports__gt=count).update(reports=F("reports") - count) or tally.delete()


def _move_devices(moves: Sequence[Move], issues: dict[int, Issue]) -> None:
    """A device is counted where it has reports; what it may store per day goes with it."""
    rows = [move.row for move in moves if move.row.device_id != NO_DEVICE]
    if not rows:
        return
    device_ids = {row.device_id for row in rows}
    listed = IssueDevice.objects.filter(issue_id__in=set(issues), device_id__in=device_ids)
    known = {(device.issue_id, device.device_id): device for device in listed}
    new: dict[tuple[int, uuid.UUID], IssueDevice] = {}
    earlier: dict[int, IssueDevice] = {}
    for move in moves:
        seen = Sighting.of(move.row)
        place = (seen.issue_id, seen.device_id)
        if seen.device_id == NO_DEVICE:
            continue
        if place not in known and place not in new:
            new[place] = _companion(known.get((move.old_issue_id, seen.device_id)), seen)
        device = known.get(place) or new[place]
        if seen.occurred_at < device.first_seen_at:
            device.first_seen_at = seen.occurred_at
            earlier |= {device.pk: device} if place in known else {}
    IssueDevice.objects.bulk_create(new.values())
    IssueDevice.objects.bulk_update(earlier.values(), ["first_seen_at"])
    for issue_id, _ in new:
        issues[issue_id].device_count += 1
    _drop_gone_devices({(move.old_issue_id, move.row.device_id) for move in moves}, known, issues)


def _companion(old: IssueDevice | None, seen: Sighting) -> IssueDevice:
    """The row of a device in the issue that a report of it came to."""
    return IssueDevice(
        issue_id=seen.issue_id,
        device_id=seen.device_id,
        first_seen_at=seen.occurred_at,
        day=old.day if old else None,
        day_reports=old.day_reports if old else 0,
    )


def _drop_gone_devices(
    left: set[tuple[int, uuid.UUID]],
    known: dict[tuple[int, uuid.UUID], IssueDevice],
    issues: dict[int, Issue],
) -> None:
    """Devices whose last report left an issue are counted there no more."""
    reports = Report.objects.filter(
        COUNTED,
        program_id__in={issue.program_id for issue in issues.values()},
        device_id__in={device_id for _, device_id in left},
        issue_id__in={issue_id for issue_id, _ in left},
    )
    staying = set(reports.values_list("issue_id", "device_id").distinct())
    gone = [known[place] for place in sorted(left - staying) if place in known]
    IssueDevice.objects.filter(pk__in=[device.pk for device in gone]).delete()
    for device in gone:
        issues[device.issue_id].device_count -= 1


def _drop_uncounted_devices(moves: Sequence[Move], issues: dict[int, Issue]) -> None:
    places = {(move.old_issue_id, move.row.device_id) for move in moves}
    listed = IssueDevice.objects.filter(
        issue_id__in=issues, device_id__in={device_id for _, device_id in places}
    )
    known = {(device.issue_id, device.device_id): device for device in listed}
    _drop_gone_devices(places, known, issues)


def _narrow(issue: Issue) -> None:
    """When an issue was seen, from the reports that are left; without any there is no better."""
    left = Report.objects.filter(COUNTED, issue=issue).only("occurred_at", "os_build")
    first = left.order_by("occurred_at", "pk").first()  # two walks of an index, no scan
    last = left.order_by("-occurred_at", "-pk").first()
    if first is None or last is None:
        return
    if issue.first_seen_at != first.occurred_at:
        issue.first_seen_at, issue.first_os_build = first.occurred_at, first.os_build
    if issue.last_seen_at != last.occurred_at:
        issue.last_seen_at, issue.last_os_build = last.occurred_at, last.os_build


def _remember(moves: Sequence[Move]) -> None:
    """How many reports went from where to where, for the end of the issue and for people."""
    ways = Counter((move.old_issue_id, Sighting.of(move.row).issue_id) for move in moves)
    rows = [
        IssueMove(old_issue_id=old, new_issue_id=new, reports=count)
        for (old, new), count in sorted(ways.items())
    ]
    insert_adding(rows, conflict=["old_issue", "new_issue"], add="reports")


# --- The end of an issue ---------------------------------------------------------------------


def _drop_empty_variants(variant_ids: Iterable[int | None]) -> None:
    """A stack that no report has any more was one that nobody could read: it attracts no others."""
    left = {pk for pk in variant_ids if pk is not None}
    used = Report.objects.filter(variant_id__in=left).values_list("variant_id", flat=True)
    forget_variants(left - set(used.distinct()))


def _name_anew(issue: Issue, moves: Sequence[Move]) -> None:
    """The signature, unless it is still the one of a stack in the issue."""
    variants = StackVariant.objects.filter(issue=issue).order_by("-pk")
    if variants.filter(content__signature__startswith=issue.signature).exists():
        return
    rows = [move.row for move in moves if move.row.issue_id == issue.pk]
    stayed = [row.variant_id for row in rows if row.variant_id is not None]
    newest = variants.filter(pk__in=stayed).first() or variants.first()
    if newest is not None:
        Issue.objects.filter(pk=issue.pk).update(signature=str(newest.content["signature"])[:250])


def _end(issue_id: int, *, now: datetime) -> None:
    """An issue without reports takes back what became of them, or leads there."""
    tree = tree_of(issue_id)
    rows = IssueMove.objects.filter(old_issue_id=issue_id).order_by("-reports", "new_issue_id")
    ways = [way for way in rows if not find_apart(tree, tree_of(root_of(way.new_issue_id)))]
    if not ways:
        return
    target = Issue.objects.get(pk=root_of(ways[0].new_issue_id))
    if target.pk == issue_id:
        return
    if len(ways) == 1 and _is_same_under_new_name(ways[0], target):
        Issue.objects.filter(pk=issue_id).update(signature=target.signature, package=target.package)
        absorb_issue(kept_id=issue_id, gone_id=target.pk, now=now)
    else:
        absorb_issue(kept_id=target.pk, gone_id=issue_id, now=now)


def _is_same_under_new_name(way: IssueMove, target: Issue) -> bool:
    """Whether the target was opened later, is mostly these reports, and nobody has touched it."""
    untouched = target.state == Issue.State.OPEN and target.assignee_id is None
    later = target.pk > way.old_issue_id and way.reports * 2 >= target.report_count
    return untouched and later and not TriageEvent.objects.filter(issue=target).exists()


def _absorb_tallies(kept: Issue, gone: Issue) -> None:
    tallies = IssueTally.objects.filter(issue=gone)
    rows = [
        IssueTally(issue=kept, **dict(zip((*_CELL, "reports"), cell, strict=True)))
        for cell in tallies.values_list(*_CELL, "reports").order_by(*_CELL)
    ]
    insert_adding(rows, conflict=["issue", *_CELL], add="reports")
    tallies.delete()


def _absorb_devices(kept: Issue, gone: Issue) -> None:
    both = IssueDevice.objects.filter(issue=kept).values("device_id")
    devices = IssueDevice.objects.filter(issue=gone)
    devices.exclude(device_id__in=both).update(issue=kept)
    devices.delete()


def _absorb_moves(kept: Issue, gone: Issue) -> None:
    ways = IssueMove.objects.filter(Q(new_issue=gone) | Q(old_issue=gone))
    rows = [
        IssueMove(old_issue_id=way.old_issue_id, new_issue=kept, reports=way.reports)
        for way in ways.order_by("old_issue_id")
        if way.old_issue_id not in {kept.pk, gone.pk}
    ]
    insert_adding(rows, conflict=["old_issue", "new_issue"], add="reports")
    ways.delete()


def _widen(kept: Issue, gone: Issue) -> None:
    """When the one was seen, both taken together; one without reports has seen nothing."""
    if not gone.report_count:
        return
    if gone.first_seen_at < kept.first_seen_at or not kept.report_count:
        kept.first_seen_at, kept.first_os_build = gone.first_seen_at, gone.first_os_build
    if gone.last_seen_at > kept.last_seen_at or not kept.report_count:
        kept.last_seen_at, kept.last_os_build = gone.last_seen_at, gone.last_os_build
