"""Reports go for good: rows, payloads, files, and their part in every count.

A count that still holds a forgotten report would be data about its device, so issues, tallies and
devices per issue are brought down in the transaction that deletes the rows. An issue that nothing
is left of, and that nobody has worked on, goes as well. Files go before
their rows do, so that a process that dies in between leaves a row without a file, which the next run
deletes, and never a file that no row names.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from crashes.models import (
    Attachment,
    GroupingDecision,
    GroupingProposal,
    Issue,
    IssueDevice,
    ProposedReport,
    ProposedStack,
    Report,
    ReportContent,
    StackVariant,
    TriageEvent,
)
from crashes.models.report import NO_DEVICE
from crashes.services.attachments import forget_files
from crashes.services.blobs import blobs, payload_key
from crashes.services.counting import lock_issues
from crashes.services.places import hold_decisions
from crashes.services.report_moves import SEEN_FIELDS, recount_devices, see_again, take_cells
from crashes.services.spooled import spool
from crashes.services.variant_index import forget_variants
from uxp_diag.db import update_rows

_CHUNK = 500
_TRIES = 4


@dataclass(slots=True)
class Forgotten:
    """How much of each store went."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, store: str, count: int) -> None:
        """So many more of a store."""
        self.counts[store] += count


def forget_reports(reports: QuerySet[Report], *, forgotten: Forgotten) -> None:
    """Delete these reports, oldest first, a bounded number at a time.

    Evidence of a report goes with it.
    """
    while chunk := list(reports.order_by("pk")[:_CHUNK]):
        _forget_in_turn(chunk, forgotten)


def _forget_in_turn(chunk: Sequence[Report], forgotten: Forgotten) -> None:
    """A worker may hold one of the reports and want another: the database then ends one of us."""
    for tries_left in reversed(range(_TRIES)):
        done = Forgotten()
        try:
            _forget_chunk(chunk, done)
        except OperationalError:
            if not tries_left:
                raise
            continue
        forgotten.counts.update(done.counts)
        return


def _forget_chunk(chunk: Sequence[Report], forgotten: Forgotten) -> None:
    """One transaction; locks are taken in the order in which workers take them."""
    with transaction.atomic():
        hold_decisions({row.program_id for row in chunk})
        named = Q(pk__in=[row.pk for row in chunk]) | Q(evidence_of__in=[row.pk for row in chunk])
        rows = list(Report.objects.select_for_update().filter(named).order_by("pk"))
        pks = {row.pk for row in rows}
        late = Report.objects.filter(evidence_of__in=pks).exclude(pk__in=pks)  # while we waited
        rows += late.select_for_update().order_by("pk")
        pks = {row.pk for row in rows}
        counted = [row for row in rows if row.issue_id and row.evidence_of_id is None]
        issues = lock_issues({row.issue_id for row in counted if row.issue_id})
        contents = ReportContent.objects.filter(pk__in=pks)
        held = contents.select_for_update().order_by("pk")  # who cleans anew writes no file now
        payloads = [key for key in held.values_list("raw_blob", flat=True) if key]
        # A worker that failed or died has perhaps written a file that its row does not name yet.
        for key in {*payloads, *map(payload_key, pks)}:
            blobs().remove(key)
        forgotten.add("payload_files", len(payloads))
        forgotten.add("reports", len(rows))
        forgotten.add("report_contents", contents.count())
        files = _attachments_of(rows)
        forgotten.add("attachments", len(files))
        forget_files(files)
        _leave_proposals(pks, {row.program_id for row in rows})
        Report.objects.filter(evidence_of__in=pks).delete()
        Report.objects.filter(pk__in=pks).delete()
        Attachment.objects.filter(pk__in=[file.pk for file in files]).delete()
        _take_counts(counted, issues)
    _clear_spool({row.spool_file for row in rows if row.spool_file})


def _leave_proposals(pks: Collection[int], program_ids: Collection[int]) -> None:
    """Proposals know nothing of these reports any more, nor of stacks that only they had."""
    proposals = GroupingProposal.objects.filter(program_id__in=program_ids)
    for proposal_id in proposals.values_list("pk", flat=True):
        rows = ProposedReport.objects.filter(proposal_id=proposal_id)
        mine = rows.filter(report_pk__in=pks)
        stacks = set(mine.values_list("opened_by", flat=True))
        if not stacks:
            continue
        mine.delete()
        used = rows.filter(opened_by__in=stacks).values_list("opened_by", flat=True)
        unused = stacks - set(used.distinct())
        ProposedStack.objects.filter(proposal_id=proposal_id, opened_by__in=unused).delete()


def _attachments_of(rows: Iterable[Report]) -> list[Attachment]:
    by_device: dict[tuple[int, uuid.UUID], list[uuid.UUID]] = {}
    for row in rows:
        by_device.setdefault((row.program_id, row.device_id), []).append(row.report_id)
    return [
        file
        for (program_id, device_id), report_ids in by_device.items()
        for file in Attachment.objects.select_for_update().filter(
            program_id=program_id, device_id=device_id, report_id__in=report_ids
        )
    ]


def _take_counts(rows: Sequence[Report], issues: dict[int, Issue]) -> None:
    """Bring the counts of issues down; the rows are deleted already, the issues locked."""
    take_cells(
        Counter(
            (row.issue_id, row.occurred_at.date(), row.model, row.os_build, row.version_name, row.mcc)
            for row in rows
        )
    )  # fmt: skip
    recount_devices(issues, {row.device_id for row in rows} - {NO_DEVICE})
    for row in rows:
        issue = issues[row.issue_id or 0]
        issue.report_count = max(0, issue.report_count - 1)
    for issue in issues.values():
        see_again(issue)
    update_rows(issues.values(), (*SEEN_FIELDS, "report_count", "device_count"))
    _end_empty({issue.pk for issue in issues.values() if issue.report_count == 0})


def _end_empty(issue_ids: Collection[int]) -> None:
    """Delete issues that nothing is left of, unless people have left something on them."""
    worked_on = set(
        TriageEvent.objects.filter(issue__in=issue_ids).values_list("issue_id", flat=True)
    )
    decided = GroupingDecision.objects.filter(Q(issue__in=issue_ids) | Q(other__in=issue_ids))
    for pair in decided.values_list("issue_id", "other_id"):
        worked_on.update(pair)
    worked_on.update(
        pk
        for pk in Issue.objects.filter(merged_into__in=issue_ids).values_list(
            "merged_into_id", flat=True
        )
        if pk
    )
    ended = set(issue_ids) - worked_on
    forget_variants(StackVariant.objects.filter(issue__in=ended).values_list("pk", flat=True))
    Issue.objects.filter(pk__in=ended, report_count=0).delete()


def forget_device_counts(device_id: uuid.UUID, *, forgotten: Forgotten) -> None:
    """What issues still know of a device that none of their reports is of."""
    while issue_ids := _met_by(device_id):
        with transaction.atomic():
            issues = lock_issues(issue_ids)
            rows = IssueDevice.objects.filter(issue__in=issue_ids, device_id=device_id)
            gone = Counter(rows.values_list("issue_id", flat=True))
            forgotten.add("devices_of_issues", sum(gone.values()))
            rows.delete()
            for issue_id, count in gone.items():
                issues[issue_id].device_count = max(0, issues[issue_id].device_count - count)
            update_rows(issues.values(), ("device_count",))


def _met_by(device_id: uuid.UUID) -> list[int]:
    """Issues that name the device though none of its reports is in them any more."""
    reports = Report.objects.filter(issue=OuterRef("issue"), device_id=device_id)
    rows = IssueDevice.objects.filter(~Exists(reports), device_id=device_id).order_by("issue_id")
    return list(rows.values_list("issue_id", flat=True)[:_CHUNK])


def _clear_spool(names: Collection[str]) -> None:
    """Remove spool files that no report waits in any more."""
    waiting = Report.objects.filter(spool_file__in=names).exclude(state=Report.State.DONE)
    finished = set(names) - set(waiting.values_list("spool_file", flat=True))
    for name in finished:
        spool().remove(name)
    Report.objects.filter(spool_file__in=finished).update(spool_file="")
