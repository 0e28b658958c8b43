"""The reports of a program that was switched to another mechanism move, batch by batch.

A batch is one transaction that is alone with the decisions of the program: stacks, counts, receipts
and how far it came. What nobody can group anew, because only its count was kept and no stored
report has its stack, stays with its old stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.values import GroupingInput
from crashes.models import (
    GroupingProposal,
    ProposedReport,
    ProposedStack,
    Report,
    ReportContent,
    ReportPin,
    StackVariant,
)
from crashes.models.report import COUNTED
from crashes.packing import UnreadablePack
from crashes.selectors.contents import FIELDS, document_of, keys_of_contents
from crashes.services.grouping import Occurrence, Placer, repeat_receipt
from crashes.services.places import change_decisions, find_apart, tree_of
from crashes.services.report_moves import PlacedReport, load_reports, move_reports
from crashes.services.sealing import document_like
from crashes.services.settling import targets_of
from uxp_diag.db import update_rows

BATCH = 500
State = GroupingProposal.State


@dataclass(frozen=True, slots=True)
class _Stack:
    """A stack of the new mechanism; `receipt` is that of the report it was first seen in."""

    variant_id: int
    opened_by: int
    item: GroupingInput
    receipt: dict[str, Any]

    def receipt_for(self, report_pk: int) -> dict[str, Any]:
        """What is kept of the decision about a report with this stack."""
        return self.receipt if report_pk == self.opened_by else repeat_receipt(self.item)


def list_unfinished(*, limit: int = 10) -> list[int]:
    """Proposals whose reports are still moving."""
    rows = GroupingProposal.objects.filter(state=State.APPLYING).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def count_to_move(proposal_id: int) -> int:
    """How many reports have not been looked at."""
    return _old(GroupingProposal.objects.get(pk=proposal_id)).count()


@transaction.atomic
def move_batch(proposal_id: int, *, limit: int, now: datetime) -> bool:
    """Move up to `limit` reports to their new issues; whether there may be more."""
    program_id = GroupingProposal.objects.values_list("program_id", flat=True).get(pk=proposal_id)
    change_decisions(program_id)
    proposal = GroupingProposal.objects.select_for_update().get(pk=proposal_id)
    if proposal.state != State.APPLYING:
        return False
    rows = list(_old(proposal).order_by("pk")[:limit])
    if not rows:
        _finish(proposal, now=now)
        return False
    contents = ReportContent.objects.only(*FIELDS).in_bulk([row.pk for row in rows])
    stacks = _proposed(proposal, rows)
    late = [row for row in rows if row.pk not in stacks and row.pk in contents]
    stacks |= _grouped_now(proposal, late, contents, now=now)
    leads = {row.variant_id: row.pk for row in reversed(late) if row.pk in stacks}
    followers = _followers(proposal, leads)
    for row in followers:
        stacks[row.pk] = stacks[leads[row.variant_id]]
    moving = [row for row in rows if row.pk in stacks] + [
        row for row in followers if row.pk not in {one.pk for one in rows}
    ]
    for row in moving:
        row.variant_id = stacks[row.pk].variant_id
    update_rows(moving, ("variant",))
    _keep_receipts(contents, stacks)
    reports = load_reports(pk__in=[row.pk for row in moving])
    move_reports(reports, _allowed(reports, targets_of(reports)))
    proposal.reached = rows[-1].pk
    proposal.moved += len(moving)
    proposal.left += len({row.pk for row in rows} - stacks.keys())
    proposal.save(update_fields=["reached", "moved", "left"])
    return True


def _old(proposal: GroupingProposal) -> QuerySet[Report]:
    """Reports beyond the last batch that still have a stack of another mechanism."""
    return Report.objects.filter(
        COUNTED,
        ~Q(variant__mechanism=proposal.mechanism),
        program_id=proposal.program_id,
        state=Report.State.DONE,
        pk__gt=proposal.reached,
        variant__isnull=False,
        issue__isnull=False,
    )


def _finish(proposal: GroupingProposal, *, now: datetime) -> None:
    """The proposal stays as the record of what was done."""
    ProposedReport.objects.filter(proposal=proposal).delete()
    ProposedStack.objects.filter(proposal=proposal).delete()
    proposal.state, proposal.applied_at = State.APPLIED, now
    proposal.save(update_fields=["state", "applied_at"])


def _proposed(proposal: GroupingProposal, rows: Sequence[Report]) -> dict[int, _Stack]:
    """The stacks of reports that the replay has seen."""
    wanted = ProposedReport.objects.filter(
        proposal=proposal, report_pk__in=[row.pk for row in rows]
    )
    opened_by = dict(wanted.values_list("report_pk", "opened_by"))
    proposed = ProposedStack.objects.filter(
        proposal=proposal, opened_by__in=set(opened_by.values())
    )
    keys = dict(proposed.values_list("opened_by", "content__exact_key"))
    variants = {
        one.exact_key: one
        for one in StackVariant.objects.filter(
            program_id=proposal.program_id,
            mechanism=proposal.mechanism,
            exact_key__in=keys.values(),
        )
    }
    return {
        report_pk: _stack(variants[keys[opener]], opener)
        for report_pk, opener in opened_by.items()
        if opener in keys and keys[opener] in variants
    }


def _stack(variant: StackVariant, opened_by: int) -> _Stack:
    return _Stack(variant.pk, opened_by, GroupingInput.from_json(variant.content), variant.decision)


def _grouped_now(
    proposal: GroupingProposal,
    rows: Sequence[Report],
    contents: Mapping[int, ReportContent],
    *,
    now: datetime,
) -> dict[int, _Stack]:
    """Reports that came after the replay join what it has left, as new ones do."""
    mechanism = MECHANISMS[proposal.mechanism]
    places = []
    keys = keys_of_contents(contents[row.pk] for row in rows)
    for row in rows:
        try:
            crash = document_of(contents[row.pk], keys).crash
        except UnreadablePack:
            crash = None
        if crash is not None:
            item = mechanism.prepare(crash, package=row.package or None)
            places.append((row, item, _occurrence(row)))
    placer = Placer((item, occurrence) for _, item, occurrence in places)
    stacks = {}
    for row, item, occurrence in places:
        placement = placer.place(item, occurrence, now=now)
        stacks[row.pk] = _Stack(placement.variant_id, row.pk, item, placement.receipt)
    placer.flush()
    return stacks


def _occurrence(row: Report) -> Occurrence:
    return Occurrence(
        program_id=row.program_id,
        kind=row.kind,
        package=row.package,
        os_build=row.os_build,
        occurred_at=row.occurred_at,
        model=row.model,
    )


def _followers(proposal: GroupingProposal, leads: Mapping[int | None, int]) -> list[Report]:
    """Reports of which only the count was kept, with the stack of one that was grouped now."""
    if not leads:
        return []
    rows = _old(proposal).filter(is_counted_only=True, variant_id__in=leads)
    listed = ProposedReport.objects.filter(proposal=proposal).values("report_pk")
    return list(rows.exclude(pk__in=listed).order_by("pk"))


def _keep_receipts(contents: Mapping[int, ReportContent], stacks: Mapping[int, _Stack]) -> None:
    """What is kept of a report says why it is where it is now."""
    changed = []
    keys = keys_of_contents(contents.values())
    for pk, content in contents.items():
        if pk not in stacks:
            continue
        try:
            document = document_of(content, keys)
        except UnreadablePack:
            continue
        document = replace(document, grouping=stacks[pk].receipt_for(pk))
        again = document_like(content.document, pk, document, keys)
        changed.append(ReportContent(report_id=pk, document=again))
    update_rows(changed, ("document", "envelope", "crash", "grouping"))


def _allowed(reports: Sequence[PlacedReport], targets: Mapping[int, int]) -> dict[int, int]:
    """The targets, but a report does not go where somebody said that its issue is another one."""
    allowed = dict(targets)
    apart: dict[tuple[int, int], int | None] = {}
    pins = []
    for item in reports:
        way = (item.issue_id, targets[item.pk])
        if way[0] == way[1]:
            continue
        if way not in apart:
            found = find_apart(tree_of(way[0]), tree_of(way[1]))
            apart[way] = found.pk if found else None
        decision_id = apart[way]
        if decision_id is not None:
            allowed[item.pk] = item.issue_id
            pins.append(
                ReportPin(decision_id=decision_id, report_id=item.pk, issue_id=item.issue_id)
            )
    ReportPin.objects.bulk_create(pins, ignore_conflicts=True)
    return allowed
