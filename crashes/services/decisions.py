"""People decide last: merge issues, split one, move a report, keep two apart, and take it back.

A decision changes what `crashes.triage.places` walks over, never what grouping said; then the
reports of the issues that it touches are placed anew. So undoing is the same work the other way,
in any order, and what came meanwhile goes where it would have gone.

* A **merge** is also a rule: what would join the merged issue joins the survivor.
* A **split** is for good: its issues are apart, for grouping, for late symbols, for a new mechanism
  and for later merges, until somebody undoes it.
* A **move** pins one report and teaches nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from crashes.models import (
    ApartPair,
    GroupingDecision,
    Issue,
    IssueDevice,
    IssueTally,
    Report,
    ReportPin,
    SplitVariant,
    StackVariant,
    TriageEvent,
)
from crashes.selectors.standings import STANDING_FIELDS
from crashes.services.counting import lock_issues
from crashes.services.places import (
    change_decisions,
    find_apart,
    root_of,
    tree_of,
)
from crashes.services.report_moves import (
    CELL,
    SEEN_FIELDS,
    PlacedReport,
    add_cells,
    has_rest,
    load_reports,
    move_reports,
    take_cells,
)
from crashes.services.settling import facts_of, place_anew, settle
from crashes.triage.places import Facts, matches, parse_split
from uxp_diag.db import update_rows
from uxp_diag.viewer import Viewer

Kind = GroupingDecision.Kind


class ImpossibleDecision(Exception):
    """What was asked for contradicts what is, or what was decided before."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a split means: a query over the facts of reports, or stacks, or single reports."""

    query: str = ""
    variant_ids: Sequence[int] = ()
    report_pks: Sequence[int] = ()


@transaction.atomic
def merge_issues(*, kept_id: int, gone_id: int, by: Viewer, now: datetime) -> GroupingDecision:
    """Make one issue part of another. Raises ImpossibleDecision.

    An open issue never disappears into a closed one: then the survivor is open again.
    """
    kept, gone = _two_issues(kept_id, gone_id)
    apart = find_apart(tree_of(kept.pk), tree_of(gone.pk))
    if apart is not None:
        raise ImpossibleDecision(
            f"issues {kept.pk} and {gone.pk} are kept apart by decision {apart.pk} of "
            f"{apart.by_name}; undo that first"
        )
    decision = _record(Kind.MERGE, kept, gone, by=by, now=now)
    decision.details = _take_over(kept, gone)
    Issue.objects.filter(pk=gone.pk).update(merged_into=kept, leads_on=True)
    decision.reports = place_anew({gone.pk})
    decision.details["rest"] = _move_rest(gone.pk, kept.pk)
    decision.save()
    _note("merged", decision, f"issue {gone.pk} became part of issue {kept.pk}")
    return decision


@transaction.atomic
def merge_all(
    *, kept_id: int, gone_ids: Sequence[int], by: Viewer, now: datetime
) -> list[GroupingDecision]:
    """Make several issues part of one, or none of them. Raises ImpossibleDecision."""
    return [
        merge_issues(kept_id=kept_id, gone_id=gone_id, by=by, now=now)
        for gone_id in dict.fromkeys(gone_ids)
    ]


@transaction.atomic
def split_issue(
    *, issue_id: int, selection: Selection, by: Viewer, now: datetime
) -> GroupingDecision:
    """Give some reports of an issue, and those like them to come, an issue of their own.

    Raises ImpossibleDecision when none or all are meant, and BadQuery.
    """
    issue = _one_issue(issue_id)
    query = parse_split(selection.query) if selection.query else None
    reports = load_reports(issue_id=issue.pk)
    facts = facts_of(reports)
    variant_ids, report_pks = set(selection.variant_ids), _leads(selection.report_pks)
    meant = [
        item
        for item in reports
        if (query is not None and matches(query, facts[item.pk]))
        or item.variant_id in variant_ids
        or item.pk in report_pks
    ]
    if not meant:
        raise ImpossibleDecision("no report of the issue is meant")
    if len(meant) == len(reports):
        raise ImpossibleDecision("all reports of the issue are meant; there is nothing to split")
    new = _split_off(issue, meant, facts)
    decision = _record(Kind.SPLIT, issue, new, by=by, now=now, query=str(query) if query else "")
    Issue.objects.filter(pk=issue.pk).update(leads_on=True)
    _keep_apart(decision, issue, new)
    SplitVariant.objects.bulk_create(
        SplitVariant(decision=decision, variant_id=pk)
        for pk in sorted(variant_ids & {item.variant_id for item in meant if item.variant_id})
    )
    _pin(decision, [item for item in meant if item.pk in report_pks], new.pk)
    decision.reports = place_anew({issue.pk})
    decision.details = {"seen": {str(issue.pk): _seen(issue)}}
    decision.save()
    _note("split", decision, f"{decision.reports} reports of issue {issue.pk} are issue {new.pk}")
    return decision


@transaction.atomic
def move_report(*, report_pk: int, issue_id: int, by: Viewer, now: datetime) -> GroupingDecision:
    """Put one report into another issue, for good. Raises ImpossibleDecision.

    Where several reports tell of one occurrence, all of them go.
    """
    report = Report.objects.get(pk__in=_leads([report_pk]))
    if report.issue_id is None:
        raise ImpossibleDecision("the report has no issue yet")
    change_decisions(report.program_id)
    report.refresh_from_db(fields=["issue"])
    source, target = _two_issues(report.issue_id, issue_id)
    decision = _record(Kind.MOVE, source, target, by=by, now=now)
    seen = {str(issue.pk): _seen(issue) for issue in (source, target)}
    reports = load_reports(pk=report.pk)
    _pin(decision, reports, target.pk)
    decision.reports = move_reports(reports, {report.pk: target.pk})
    decision.details = {"seen": seen}
    decision.save()
    _note("moved", decision, f"a report of issue {source.pk} went to issue {target.pk}")
    return decision


@transaction.atomic
def keep_apart(*, issue_id: int, other_id: int, by: Viewer, now: datetime) -> GroupingDecision:
    """Say that two issues are not the same, so that nobody proposes or merges them."""
    one, other = _two_issues(issue_id, other_id)
    decision = _record(Kind.APART, one, other, by=by, now=now)
    ApartPair.objects.create(decision=decision, one=one, other=other)
    _note("apart", decision, f"issues {one.pk} and {other.pk} are not the same")
    return decision


@transaction.atomic
def undo_decision(decision_id: int, *, by: Viewer, now: datetime) -> GroupingDecision:
    """Take a decision back. Raises ImpossibleDecision when later ones build on it."""
    program_id = GroupingDecision.objects.values_list("program_id", flat=True).get(pk=decision_id)
    change_decisions(program_id)
    decision = GroupingDecision.objects.select_for_update().get(pk=decision_id)
    if decision.undone_at is not None:
        raise ImpossibleDecision("this decision is undone already")
    _check_nothing_builds_on(decision)
    decision.undone_at, decision.undone_by_name = now, by.name
    decision.save(update_fields=["undone_at", "undone_by_name"])
    if decision.kind == Kind.MERGE:
        _undo_merge(decision)
    elif decision.kind == Kind.SPLIT:
        _undo_split(decision)
    elif decision.kind == Kind.MOVE:
        pinned = ReportPin.objects.filter(decision=decision).values_list("report_id", flat=True)
        settle(load_reports(pk__in=list(pinned)))
        _see_as_before(decision)
    _note("undone", decision, f"{decision.kind} of {decision.by_name} taken back", by=by, at=now)
    return decision


# Checks ---------------------------------------------------------------------------------------


def _one_issue(issue_id: int) -> Issue:
    """An issue that stands by itself, alone with the decisions of its program."""
    program_id = Issue.objects.values_list("program_id", flat=True).get(pk=issue_id)
    change_decisions(program_id)
    issue = lock_issues({issue_id})[issue_id]
    if issue.merged_into_id is not None:
        raise ImpossibleDecision(f"issue {issue_id} is part of issue {root_of(issue_id)} already")
    return issue


def _two_issues(one_id: int, other_id: int) -> tuple[Issue, Issue]:
    if one_id == other_id:
        raise ImpossibleDecision("these are one issue already")
    programs = set(
        Issue.objects.filter(pk__in=(one_id, other_id)).values_list("program_id", flat=True)
    )
    if len(programs) != 1:
        raise ImpossibleDecision("the issues belong to different programs")
    change_decisions(programs.pop())
    locked = lock_issues({one_id, other_id})
    for issue in locked.values():
        if issue.merged_into_id is not None:
            raise ImpossibleDecision(
                f"issue {issue.pk} is part of issue {root_of(issue.pk)} already"
            )
    return locked[one_id], locked[other_id]


def _check_nothing_builds_on(decision: GroupingDecision) -> None:
    """Later decisions about what this one made have to be undone first."""
    standing = GroupingDecision.objects.filter(undone_at=None, pk__gt=decision.pk).exclude(
        kind__in=(Kind.MOVE, Kind.APART)
    )
    if decision.kind == Kind.SPLIT:
        later = standing.filter(Q(issue_id=decision.other_id) | Q(other_id=decision.other_id))
    elif decision.kind == Kind.MERGE:
        later = _splits_with_reports_of(decision, standing.filter(kind=Kind.SPLIT))
    else:
        return
    found = later.order_by("-pk").first()
    if found is not None:
        raise ImpossibleDecision(
            f"decision {found.pk}, a {found.kind} of {found.by_name}, builds on it; undo that first"
        )


def _splits_with_reports_of(decision: GroupingDecision, splits: Any) -> Any:
    """Splits that took reports which came with the merged issue."""
    homes = StackVariant.objects.filter(issue_id__in=tree_of(decision.other_id))
    taken = Report.objects.filter(variant__in=homes).values("issue_id")
    survivors, here = [], decision.issue_id
    while here not in survivors:
        survivors.append(here)
        here = Issue.objects.values_list("merged_into_id", flat=True).get(pk=here) or here
    return splits.filter(issue_id__in=survivors, other_id__in=taken)


# Merging --------------------------------------------------------------------------------------


def _take_over(kept: Issue, gone: Issue) -> dict[str, Any]:
    """State and person of the survivor, and what they were."""
    before = {"state": kept.state, "assignee": kept.assignee_id}
    if gone.state == Issue.State.OPEN:
        kept.state = Issue.State.OPEN
    kept.assignee_id = kept.assignee_id or gone.assignee_id
    kept.save(update_fields=["state", "assignee"])
    after = {"state": kept.state, "assignee": kept.assignee_id}
    seen = {str(issue.pk): _seen(issue) for issue in (kept, gone)}
    return {"before": before, "after": after, "seen": seen}


def _seen(issue: Issue) -> list[str]:
    return [
        issue.first_seen_at.isoformat(),
        issue.first_os_build,
        issue.last_seen_at.isoformat(),
        issue.last_os_build,
    ]


def _move_rest(source_id: int, target_id: int) -> list[list[Any]]:
    """Counts whose reports are no longer kept go along; what they are, for the way back."""
    cells = list(IssueTally.objects.filter(issue_id=source_id).values_list(*CELL, "reports"))
    _shift_cells(cells, source_id, target_id)
    both = IssueDevice.objects.filter(issue_id=target_id).values("device_id")
    left = IssueDevice.objects.filter(issue_id=source_id)
    left.exclude(device_id__in=both).update(issue_id=target_id)
    left.delete()
    issues = lock_issues({source_id, target_id})
    for issue in issues.values():
        issue.device_count = IssueDevice.objects.filter(issue=issue).count()
    source, target = issues[source_id], issues[target_id]
    target.report_count += source.report_count
    source.report_count = 0
    if cells:
        _widen(target, source)
    update_rows(issues.values(), (*SEEN_FIELDS, "report_count", "device_count"))
    return [[day.isoformat(), *rest] for day, *rest in cells]


def _shift_cells(cells: Sequence[Sequence[Any]], source_id: int, target_id: int) -> None:
    add_cells({(target_id, *cell[:-1]): cell[-1] for cell in cells})
    take_cells({(source_id, *cell[:-1]): cell[-1] for cell in cells})


def _undo_merge(decision: GroupingDecision) -> None:
    gone_id, root = decision.other_id, root_of(decision.issue_id)
    Issue.objects.filter(pk=gone_id).update(merged_into=_parent_without_merge(gone_id))
    place_anew({root})
    _return_rest(decision, source_id=root, target_id=gone_id)
    kept = lock_issues({decision.issue_id})[decision.issue_id]
    before, after = decision.details["before"], decision.details["after"]
    if kept.state == after["state"]:
        kept.state = before["state"]
    if kept.assignee_id == after["assignee"]:
        kept.assignee_id = before["assignee"]
    kept.save(update_fields=["state", "assignee"])
    _see_as_before(decision)


def _parent_without_merge(issue_id: int) -> int | None:
    """An issue of a split that was undone stays part of the one it was split from."""
    undone = GroupingDecision.objects.filter(
        kind=Kind.SPLIT, other_id=issue_id, undone_at__isnull=False
    )
    return undone.values_list("issue_id", flat=True).first()


def _return_rest(decision: GroupingDecision, *, source_id: int, target_id: int) -> None:
    """Counts whose reports were no longer kept go back, as far as they are still there."""
    wanted = {tuple(cell[:-1]): cell[-1] for cell in decision.details.get("rest", ())}
    if not wanted:
        return
    rows = IssueTally.objects.filter(issue_id=source_id).values_list(*CELL, "reports")
    cells = [
        (day, *rest, min(count, wanted[day.isoformat(), *rest]))
        for day, *rest, count in rows
        if (day.isoformat(), *rest) in wanted
    ]
    _shift_cells(cells, source_id, target_id)
    issues = lock_issues({source_id, target_id})
    moved = sum(cell[-1] for cell in cells)
    issues[source_id].report_count -= moved
    issues[target_id].report_count += moved
    update_rows(issues.values(), ("report_count",))


def _see_as_before(decision: GroupingDecision) -> None:
    """What an issue had seen before, it has seen again, also what no kept report tells."""
    issues = lock_issues([int(key) for key in decision.details["seen"]])
    for issue in issues.values():
        if has_rest(issue):
            first, first_build, last, last_build = decision.details["seen"][str(issue.pk)]
            before = Issue(
                first_seen_at=datetime.fromisoformat(first), first_os_build=first_build,
                last_seen_at=datetime.fromisoformat(last), last_os_build=last_build,
            )  # fmt: skip
            _widen(issue, before)
    update_rows(issues.values(), SEEN_FIELDS)


def _widen(issue: Issue, other: Issue) -> None:
    if other.first_seen_at < issue.first_seen_at:
        issue.first_seen_at, issue.first_os_build = other.first_seen_at, other.first_os_build
    if other.last_seen_at > issue.last_seen_at:
        issue.last_seen_at, issue.last_os_build = other.last_seen_at, other.last_os_build


# Splitting ------------------------------------------------------------------------------------


def _split_off(issue: Issue, meant: Sequence[PlacedReport], facts: Mapping[int, Facts]) -> Issue:
    """An issue for these reports; what people decided about the old one holds for it too."""
    first = min(meant, key=lambda item: (item.occurred_at, item.pk))
    last = max(meant, key=lambda item: (item.occurred_at, item.pk))
    return Issue.objects.create(
        program_id=issue.program_id,
        kind=last.kind,
        signature=(facts[last.pk].signature or issue.signature)[:250],
        package=last.package,
        assignee_id=issue.assignee_id,
        **{name: getattr(issue, name) for name in STANDING_FIELDS},
        first_seen_at=first.occurred_at,
        first_os_build=first.os_build,
        last_seen_at=last.occurred_at,
        last_os_build=last.os_build,
    )


def _keep_apart(decision: GroupingDecision, issue: Issue, new: Issue) -> None:
    """The new issue is apart from the old one and from all that this one is apart from."""
    tree = tree_of(issue.pk)
    pairs = ApartPair.objects.filter(decision__undone_at=None)
    rows = pairs.filter(Q(one_id__in=tree) | Q(other_id__in=tree)).values_list("one", "other")
    others = {other for pair in rows for other in pair} - tree
    ApartPair.objects.bulk_create(
        ApartPair(decision=decision, one_id=new.pk, other_id=other)
        for other in sorted({issue.pk} | others)
    )


def _leads(report_pks: Sequence[int]) -> set[int]:
    """The reports that are counted for these."""
    rows = Report.objects.filter(pk__in=report_pks).values_list("pk", "evidence_of_id")
    return {lead or pk for pk, lead in rows}


def _pin(decision: GroupingDecision, reports: Sequence[PlacedReport], issue_id: int) -> None:
    ReportPin.objects.bulk_create(
        ReportPin(decision=decision, report_id=item.pk, issue_id=issue_id) for item in reports
    )


def _undo_split(decision: GroupingDecision) -> None:
    apart = find_apart(tree_of(root_of(decision.issue_id)), tree_of(decision.other_id))
    if apart is not None:
        raise ImpossibleDecision(f"decision {apart.pk} keeps them apart as well; undo that first")
    Issue.objects.filter(pk=decision.other_id).update(
        merged_into_id=decision.issue_id, leads_on=True
    )
    place_anew({decision.other_id})
    _move_rest(decision.other_id, root_of(decision.issue_id))
    _see_as_before(decision)


# The record -----------------------------------------------------------------------------------


def _record(
    kind: GroupingDecision.Kind, issue: Issue, other: Issue, *, by: Viewer, now: datetime,
    query: str = "",
) -> GroupingDecision:  # fmt: skip
    return GroupingDecision.objects.create(
        program_id=issue.program_id,
        kind=kind,
        issue=issue,
        other=other,
        query=query,
        by_id=by.user_id,
        by_name=by.name,
        at=now,
    )


def _note(
    kind: str,
    decision: GroupingDecision,
    text: str,
    *,
    by: Viewer | None = None,
    at: datetime | None = None,
) -> None:
    """What happened, at both issues."""
    TriageEvent.objects.bulk_create(
        TriageEvent(
            issue_id=issue_id,
            kind=kind,
            by_id=by.user_id if by else decision.by_id,
            by_name=by.name if by else decision.by_name,
            text=f"{text} (decision {decision.pk})",
            at=at or decision.at,
        )
        for issue_id in (decision.issue_id, decision.other_id)
    )
