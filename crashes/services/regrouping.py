"""Late symbols: reports that were stored without names get them, and the issue they belong to.

A debug file that becomes ready is looked through for reports that wait for it (`waiting`), at once
and once more a while later. A batch of them is taken under a lease in their rows, digested again
from what the device sent, and stored in one transaction: names, grouping, counts (`issue_moves`).
Done twice it changes nothing, and a worker that dies in the middle leaves the rest waiting.

    ready --> regroup_at = now --batch by batch--> nothing waits --> once more, later --> empty
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from crashes.formats.registry import PARSER_VERSION
from crashes.models import DebugFile, Report, ReportContent
from crashes.models.report import COUNTED, NO_DEVICE
from crashes.packing import Document, UnreadablePack
from crashes.selectors.contents import document_of, keys_of_contents
from crashes.selectors.sealed import ContentErased
from crashes.services.blobs import stored_payload
from crashes.services.digesting import (
    Digested,
    Failure,
    Leased,
    digest,
    digest_parsed,
    prepared_now,
)
from crashes.services.grouping import Placer
from crashes.services.issue_moves import Move, settle_moves
from crashes.services.leases import LEASE, kept
from crashes.services.occurrences import carry_evidence, evidence_receipt
from crashes.services.places import hold_decisions, list_pins
from crashes.services.processing import fill_row, occurrence_of
from crashes.services.sealing import keys_of, sealed_document
from crashes.services.waiting import Need, forget_needs, list_waiting, mark_tried, note_needs
from crashes.stack import Crash
from devices.sealing.keys import DataKey
from uxp_diag.db import update_rows

logger = logging.getLogger(__name__)

BATCH = 50
MAX_ATTEMPTS = 5
RETRY_AFTER = timedelta(seconds=10)
ONCE_MORE_AFTER = timedelta(seconds=45)
"""What was digested while the file became ready has been stored by then."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A report that is done, with what is kept of it."""

    row: Report
    content: ReportContent


def list_awaited(*, now: datetime, limit: int) -> list[int]:
    """Debug files for which reports may be waiting, those that are due longest first."""
    due = DebugFile.objects.filter(regroup_at__lte=now).order_by("regroup_at", "pk")
    return list(due.values_list("pk", flat=True)[:limit])


def regroup_waiting(debug_file_id: int, *, now: datetime) -> bool:
    """Digest a batch of the reports that wait for a debug file; whether there may be more."""
    debug_file = DebugFile.objects.filter(pk=debug_file_id).first()
    if debug_file is None or debug_file.state != DebugFile.State.READY:
        return False
    lease_id = uuid.uuid4()
    stored = _take(debug_file, lease_id, now=now)
    if not stored:
        _rest(debug_file, now=now)
        return False
    held = Report.objects.filter(lease_id=lease_id)
    with kept(lambda until: held.update(leased_until=until)):
        digested, failures = _digest(stored, now=now)
        failures += _store(digested, debug_file, now=now)
        for failure in failures:
            _give_back(failure, debug_file, now=now)
    return True


def _take(debug_file: DebugFile, lease_id: uuid.UUID, *, now: datetime) -> list[_Stored]:
    """Lease some of the waiting reports that nobody else is at."""
    waiting = list_waiting(debug_file, limit=4 * BATCH)  # some may be taken by others
    free = Report.objects.filter(
        Q(leased_until=None) | Q(leased_until__lte=now), state=Report.State.DONE
    )
    with transaction.atomic():
        found = free.filter(pk__in=waiting).order_by("pk")
        rows = list(found.select_for_update(skip_locked=True)[:BATCH])
        taken = Report.objects.filter(pk__in=[row.pk for row in rows])
        taken.update(lease_id=lease_id, leased_until=now + LEASE, attempts=F("attempts") + 1)
    contents = ReportContent.objects.in_bulk([row.pk for row in rows])
    forget_needs(row.pk for row in rows if row.pk not in contents)
    for row in rows:
        row.lease_id, row.attempts = lease_id, row.attempts + 1
    return [_Stored(row, contents[row.pk]) for row in rows if row.pk in contents]


def _rest(debug_file: DebugFile, *, now: datetime) -> None:
    """Nothing to do for this file now: look once more when its time has come, or never again."""
    again = now + RETRY_AFTER if list_waiting(debug_file, limit=1) else None
    settled = (debug_file.ready_at or now) + ONCE_MORE_AFTER
    if again is None and now < settled:
        again = settled
    due = DebugFile.objects.filter(pk=debug_file.pk, regroup_at=debug_file.regroup_at)
    due.update(regroup_at=again)


def _digest(stored: Sequence[_Stored], *, now: datetime) -> tuple[list[Digested], list[Failure]]:
    """From what the device sent; where that is not kept any more, from the crash it became."""
    loaded: list[Leased] = []
    parsed: list[tuple[Leased, Crash]] = []
    failures: list[Failure] = []
    keys = keys_of_contents(item.content for item in stored)
    for item in stored:
        try:
            document = document_of(item.content, keys)
            raw = stored_payload(item.content, keys)
        except ContentErased:
            failures.append(Failure(item.row, "content_erased", "", is_final=True))
            continue
        except UnreadablePack:
            failures.append(Failure(item.row, "document_unreadable", "", is_final=True))
            continue
        leased = Leased(item.row, document.envelope, raw or b"")
        if raw is not None:
            loaded.append(leased)
        elif document.crash is not None:
            parsed.append((leased, document.crash))
        else:
            failures.append(Failure(item.row, "spool_unreadable", "", is_final=True))
    digested, refused = digest(loaded, now=now)
    more, more_refused = digest_parsed(parsed, now=now)
    return digested + more, failures + refused + more_refused


def _store(digested: Sequence[Digested], debug_file: DebugFile, *, now: datetime) -> list[Failure]:
    """All in one transaction; if that fails, each in its own, to find the one to blame."""
    if not digested:
        return []
    try:
        with transaction.atomic():
            _store_all(digested, debug_file, now=now)
    except Exception as error:
        if len(digested) == 1:
            row = digested[0].leased.row
            logger.exception("report %d cannot be stored again", row.pk)
            return [Failure(row, "store_failed", type(error).__name__, is_final=False)]
        return [failure for item in digested for failure in _store([item], debug_file, now=now)]
    return []


def _store_all(digested: Sequence[Digested], debug_file: DebugFile, *, now: datetime) -> None:
    hold_decisions([debug_file.program_id])
    items = prepared_now(_still_mine(digested))
    moves = [*_place(items, now=now)]
    moves += _followers(moves)
    rows = [move.row for move in moves]
    update_rows(
        rows,
        (
            "issue", "variant", "process", "package", "version_name", "version_code",
            "native_frames", "named_frames",
        ),
        lease_id=None, leased_until=None, attempts=1, parser_version=PARSER_VERSION,
    )  # fmt: skip
    carry_evidence(rows)
    settle_moves([move for move in moves if move.row.variant_id != move.old_variant_id], now=now)
    pks = [item.leased.row.pk for item in items]
    forget_needs(pks)
    needs: dict[int, Sequence[Need]] = {item.leased.row.pk: item.needs for item in items}
    note_needs(needs, program_id=debug_file.program_id, now=now)
    mark_tried(pks, debug_file)
    mine = DebugFile.objects.filter(pk=debug_file.pk)
    mine.update(regrouped_reports=F("regrouped_reports") + len(items))


def _still_mine(digested: Sequence[Digested]) -> list[Digested]:
    """Those that nobody took over meanwhile, as they are now, locked."""
    wanted = {item.leased.row.pk: item for item in digested}
    rows = Report.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    current = {row.pk: row for row in rows}
    mine = []
    for pk in sorted(current):
        row = wanted[pk].leased.row
        if current[pk].lease_id == row.lease_id:
            row.issue_id, row.variant_id = current[pk].issue_id, current[pk].variant_id
            row.evidence_of_id = current[pk].evidence_of_id
            mine.append(wanted[pk])
    return mine


def _place(items: Sequence[Digested], *, now: datetime) -> list[Move]:
    """Put each into the issue its names say; the content goes with it.

    Evidence gets its names and stays where its lead is.
    """
    leads = [item for item in items if item.leased.row.evidence_of_id is None]
    keys = keys_of(item.leased.row for item in items)
    placer = Placer((item.item, occurrence_of(item)) for item in leads)
    moves, contents = [], []
    for item in items:
        row = item.leased.row
        move = Move(row, old_issue_id=row.issue_id or 0, old_variant_id=row.variant_id)
        fill_row(row, item.crash)
        if row.evidence_of_id is not None:
            moves.append(move)
            contents += _content(item, evidence_receipt(item.item.mechanism), keys)
            continue
        placement = placer.place(item.item, occurrence_of(item), now=now)
        row.issue_id, row.variant_id = placement.issue_id, placement.variant_id
        moves.append(move)
        contents += _content(item, placement.receipt, keys)
    placer.flush()
    update_rows(contents, ("document", "envelope", "crash", "grouping"))
    return moves


def _content(
    item: Digested, receipt: dict[str, Any], keys: Mapping[int, DataKey]
) -> list[ReportContent]:
    """What is to be written; nothing of what is being erased."""
    pk = item.leased.row.pk
    if pk not in keys:
        return []
    document = Document(item.leased.envelope, item.crash, receipt)
    return [ReportContent(report_id=pk, document=sealed_document(pk, document, keys[pk]))]


def _followers(moves: Sequence[Move]) -> list[Move]:
    """Reports that were only counted go with the stored one of their device, build and stack."""
    leaders: dict[tuple[Any, ...], Report] = {}
    for move in moves:
        if move.row.device_id != NO_DEVICE and move.row.variant_id != move.old_variant_id:
            leaders.setdefault(_company(move.row, move.old_variant_id), move.row)
    if not leaders:
        return []
    counted = Report.objects.select_for_update().filter(
        COUNTED,
        is_counted_only=True,
        issue_id__in={move.old_issue_id for move in moves},
        device_id__in={row.device_id for row in leaders.values()},
    )
    followers = []
    rows = list(counted.order_by("pk"))
    pinned = list_pins(row.pk for row in rows)
    for row in rows:
        if row.pk in pinned:
            continue
        leader = leaders.get(_company(row, row.variant_id))
        if leader is not None:
            followers.append(Move(row, row.issue_id or 0, row.variant_id))
            row.issue_id, row.variant_id = leader.issue_id, leader.variant_id
    return followers


def _company(row: Report, variant_id: int | None) -> tuple[Any, ...]:
    return (row.device_id, row.os_build, row.version_name, variant_id)


def _give_back(failure: Failure, debug_file: DebugFile, *, now: datetime) -> None:
    """Free for another try later; one that cannot succeed stays as it is stored."""
    row = failure.row
    logger.warning("report %d is not digested again: %s", row.pk, failure.code)
    with transaction.atomic():
        mine = Report.objects.filter(pk=row.pk, lease_id=row.lease_id)
        if failure.is_final or row.attempts >= MAX_ATTEMPTS:
            mine.update(lease_id=None, leased_until=None, attempts=1)
            mark_tried([row.pk], debug_file)
        else:
            mine.update(lease_id=None, leased_until=now + RETRY_AFTER)
