"""Reports of one occurrence brought together while they are stored: one is counted, all are kept.

`crashes.intake.occurrences` says which reports belong together. Here the reports of a batch meet
one another and those that are stored already, behind a lock on their device, so that two workers
with two reports of one crash make one occurrence of it. The best report of an occurrence is its
lead. When a better one arrives later it takes over: the old lead gives its count back, goes into
the new lead's issue, and is evidence from then on.

All of this happens in the transaction that stores the batch, in these steps: `join_reports` before
anything is placed, `lock_joined_issues` and then `follow_leads` when the leads have issues,
`settle_joins` when the rows are written.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from crashes.intake.occurrences import WITHOUT_PID_WITHIN, Mark, choose_occurrence
from crashes.models import OccurrenceMark, Report, ReportContent, ReportPin
from crashes.models.report import NO_DEVICE
from crashes.packing import UnreadablePack
from crashes.selectors.contents import FIELDS, document_of, keys_of_contents
from crashes.selectors.sealed import ContentErased
from crashes.services.counting import lock_issues
from crashes.services.issue_moves import Move, withdraw_counts
from crashes.services.sealing import document_like
from crashes.stack import CrashKind
from uxp_diag.db import lock_names, update_rows

logger = logging.getLogger(__name__)


class LeadMoved(Exception):
    """A lead went to another issue while its evidence was being stored; the next try sees it."""


@dataclass(slots=True)
class Joins:
    """How the reports of a batch hang together with one another and with stored ones."""

    rows: dict[int, Report]
    marks: dict[int, Mark]
    overtaken: dict[int, int] = field(default_factory=dict)
    """Stored leads, and the report of the batch that leads in their place."""
    stored: dict[int, Report] = field(default_factory=dict)
    """The stored leads that this batch has to do with."""


@dataclass(slots=True)
class _Occurrence:
    device_id: uuid.UUID
    lead: int | None
    marks: dict[int, Mark] = field(default_factory=dict)

    def best(self) -> int:
        """The report that shows it best; a source has one report, so nothing is left to chance."""
        return max(self.marks, key=lambda pk: (self.marks[pk].rank, self.marks[pk].source))


_MARK_FIELDS = tuple(part.name for part in fields(Mark))


def join_reports(marked: Iterable[tuple[Report, Mark | None]]) -> Joins:
    """Say of every report of a batch whose evidence it is, in `evidence_of_id` of its row."""
    pairs = [(row, mark) for row, mark in marked if mark is not None and row.device_id != NO_DEVICE]
    joins = Joins({row.pk: row for row, _ in pairs}, {row.pk: mark for row, mark in pairs})
    if not pairs:
        return joins
    lock_names([f"occurrence/{row.device_id}" for row, _ in pairs])
    occurrences = _known_occurrences(joins)
    for pk in sorted(joins.rows):
        _put(pk, joins, occurrences)
    for occurrence in occurrences:
        _choose_lead(occurrence, joins)
    joins.stored = Report.objects.in_bulk(_stored_leads(joins))
    return joins


def _put(pk: int, joins: Joins, occurrences: list[_Occurrence]) -> None:
    device_id = joins.rows[pk].device_id
    near = [one for one in occurrences if one.device_id == device_id]
    place = choose_occurrence(joins.marks[pk], [one.marks.values() for one in near])
    if place is None:
        occurrences.append(_Occurrence(device_id, None, {pk: joins.marks[pk]}))
    else:
        near[place].marks[pk] = joins.marks[pk]


def _choose_lead(occurrence: _Occurrence, joins: Joins) -> None:
    ours = [pk for pk in occurrence.marks if pk in joins.rows]
    if not ours:
        return
    best = occurrence.best()
    if best not in joins.rows and occurrence.lead is not None:
        best = occurrence.lead  # stored ones decided among themselves already
    for pk in ours:
        joins.rows[pk].evidence_of_id = None if pk == best else best
    if occurrence.lead not in (None, best):
        joins.overtaken[occurrence.lead] = best


def _stored_leads(joins: Joins) -> set[int]:
    named = {row.evidence_of_id for row in joins.rows.values() if row.evidence_of_id is not None}
    return (named - joins.rows.keys()) | joins.overtaken.keys()


# --- What is stored --------------------------------------------------------------------------


def _known_occurrences(joins: Joins) -> list[_Occurrence]:
    """The stored occurrences that a report of the batch might tell of, whole."""
    conditions = [
        condition
        for pk, mark in joins.marks.items()
        for condition in _conditions(joins.rows[pk].device_id, mark)
    ]
    any_of_them = Q(*conditions, _connector=Q.OR)  # `|` would copy all of them for each
    found = OccurrenceMark.objects.filter(any_of_them).exclude(pk__in=joins.rows)
    leads = {lead or pk for pk, lead in found.values_list("pk", "report__evidence_of_id")}
    if not leads:
        return []
    occurrences: dict[int, _Occurrence] = {}
    whole = OccurrenceMark.objects.filter(Q(pk__in=leads) | Q(report__evidence_of__in=leads))
    known = whole.order_by("pk").values_list(
        "pk", "report__evidence_of_id", "device_id", *_MARK_FIELDS
    )
    for pk, evidence_of, device_id, *values in known:
        lead = evidence_of or pk
        occurrence = occurrences.setdefault(lead, _Occurrence(device_id, lead))
        occurrence.marks[pk] = Mark(*values)
    return list(occurrences.values())


def _conditions(device_id: uuid.UUID, mark: Mark) -> list[Q]:
    conditions = []
    if mark.pid is not None:
        conditions.append(Q(device_id=device_id, pid=mark.pid))
    if mark.kind == CrashKind.JAVA_CRASH:
        span = (mark.occurred_at - WITHOUT_PID_WITHIN, mark.occurred_at + WITHOUT_PID_WITHIN)
        conditions.append(Q(device_id=device_id, kind=mark.kind, occurred_at__range=span))
    return conditions


# --- Storing ---------------------------------------------------------------------------------


def lock_joined_issues(joins: Joins) -> None:
    """Lock every issue that the batch counts in or takes counts from, before the first is used."""
    if joins.stored:
        rows = (*joins.rows.values(), *joins.stored.values())
        lock_issues({row.issue_id for row in rows if row.issue_id is not None})


def follow_leads(joins: Joins) -> None:
    """Evidence goes where its lead is. Raises LeadMoved; the issues are locked.

    What is worth keeping is decided once for an occurrence, whoever leads.
    """
    current = Report.objects.in_bulk(joins.stored)
    for pk, lead in joins.stored.items():
        if pk not in current or current[pk].issue_id != lead.issue_id:
            raise LeadMoved
        if current[pk].evidence_of_id is not None:
            raise LeadMoved
    joins.stored = current
    for old, new in joins.overtaken.items():
        joins.rows[new].is_counted_only = current[old].is_counted_only
    for row in joins.rows.values():
        if row.evidence_of_id is not None:
            lead = joins.rows.get(row.evidence_of_id) or current[row.evidence_of_id]
            row.issue_id, row.variant_id = lead.issue_id, lead.variant_id
            row.is_counted_only = lead.is_counted_only


def settle_joins(joins: Joins, *, now: datetime) -> None:
    """Keep the marks; take the counts of leads that were overtaken. The rows are written."""
    OccurrenceMark.objects.bulk_create(
        _mark_row(joins.rows[pk], mark) for pk, mark in sorted(joins.marks.items())
    )
    if not joins.overtaken:
        return
    moves = []
    for old, new in sorted(joins.overtaken.items()):
        row, lead = joins.stored[old], joins.rows[new]
        moves.append(Move(row, row.issue_id or 0, row.variant_id))
        row.evidence_of_id = new
        row.issue_id, row.variant_id = lead.issue_id, lead.variant_id
        Report.objects.filter(evidence_of=old).update(
            evidence_of=new, issue=lead.issue_id, variant=lead.variant_id
        )
        ReportPin.objects.filter(report=old).update(report=new)
    update_rows([move.row for move in moves], ("evidence_of", "issue", "variant"))
    _mark_as_evidence([move.row.pk for move in moves])
    withdraw_counts(moves, now=now)


def _mark_row(row: Report, mark: Mark) -> OccurrenceMark:
    values = {name: getattr(mark, name) for name in _MARK_FIELDS}
    return OccurrenceMark(report_id=row.pk, device_id=row.device_id, **values)


def _mark_as_evidence(report_pks: Sequence[int]) -> None:
    """Write into what is kept of old leads who decides for them; a damaged one stays as it is."""
    contents = list(ReportContent.objects.filter(pk__in=report_pks).only(*FIELDS))
    keys = keys_of_contents(contents)
    changed = []
    for content in contents:
        try:
            document = document_of(content, keys)
        except ContentErased:
            continue
        except UnreadablePack:
            logger.warning("what is kept of report %d is damaged", content.pk)
            continue
        receipt = evidence_receipt(str((document.grouping or {}).get("mechanism", "")))
        document = replace(document, grouping=receipt)
        content.document = document_like(content.document, content.pk, document, keys)
        content.envelope = content.crash = content.grouping = None
        changed.append(content)
    update_rows(changed, FIELDS)


def evidence_receipt(mechanism: str) -> dict[str, Any]:
    """What says of a report that its lead decided for it."""
    return {
        "mechanism": mechanism,
        "score": None,
        "matched": "evidence",
        "explanation": ["Its occurrence is counted with the report that shows it best."],
    }


# --- Evidence follows its lead ---------------------------------------------------------------


def carry_evidence(leads: Iterable[Report]) -> None:
    """Put evidence where its leads are now; the leads' rows are written."""
    moved = {lead.pk: lead for lead in leads}
    rows = list(Report.objects.filter(evidence_of__in=moved).order_by("pk"))
    for row in rows:
        lead = moved[row.evidence_of_id or 0]
        row.issue_id, row.variant_id = lead.issue_id, lead.variant_id
    update_rows(rows, ("issue", "variant"))
